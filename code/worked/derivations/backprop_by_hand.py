"""Backpropagation through one hidden layer of sigmoid units with mean squared error, for every width; and by hand.

Row i of the first weights belongs to hidden unit i, row k of the second to output k; superscripts number the layers.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from sympy import Add, Expr, IndexedBase, Integer, Sum, Symbol, exp, symbols

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.definitions import Name
from worked.symbolic.derivation import Derivation, claim, define, then
from worked.symbolic.functions import Partial, logistic
from worked.symbolic.gates import load_torch
from worked.symbolic.instance import Instance, nearest
from worked.symbolic.latex import product, total
from worked.symbolic.methods import ChainRule, Differentiation, using

SLUG = "backprop-by-hand"
TITLE = "Backpropagation by hand"

D, K, M = symbols("D K M", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)
z, loss, rate = symbols(r"z L \alpha", real=True)
x = IndexedBase("x", shape=(D,), real=True)
t = IndexedBase("t", shape=(M,), real=True)
w_1 = IndexedBase("w^{(1)}", shape=(K, D), real=True)
b_1 = IndexedBase("b^{(1)}", shape=(K,), real=True)
z_1 = IndexedBase("z^{(1)}", shape=(K,), real=True)
h = IndexedBase("h", shape=(K,), real=True)
w_2 = IndexedBase("w^{(2)}", shape=(M, K), real=True)
b_2 = IndexedBase("b^{(2)}", shape=(M,), real=True)
z_2 = IndexedBase("z^{(2)}", shape=(M,), real=True)
y = IndexedBase("y", shape=(M,), real=True)
new_w_1 = IndexedBase(r"\tilde{w}^{(1)}", shape=(K, D), real=True)
new_b_1 = IndexedBase(r"\tilde{b}^{(1)}", shape=(K,), real=True)
new_w_2 = IndexedBase(r"\tilde{w}^{(2)}", shape=(M, K), real=True)
new_b_2 = IndexedBase(r"\tilde{b}^{(2)}", shape=(M,), real=True)

UPDATES = {w_1[i, j]: new_w_1[i, j], b_1[i]: new_b_1[i], w_2[k, i]: new_w_2[k, i], b_2[k]: new_b_2[k]}
RANGES = {k: (Integer(1), M), i: (Integer(1), K), j: (Integer(1), D)}
# What the loss changes by to first order: each gradient times the change of its parameter.
FIRST_ORDER = -rate * Add(
    *(Sum(Partial(loss, old) ** 2, *((index, *RANGES[index]) for index in old.indices)) for old in UPDATES)
)


def network(
    inputs: Sequence,
    targets: Sequence,
    W_h: Sequence[Sequence],
    b_h: Sequence,
    W_o: Sequence[Sequence],
    b_o: Sequence,
    learning_rate: Any,
) -> dict[Name, Any]:
    """Return the numbers for an `Instance`: exact ones, as integers, Fractions or decimals in text.

    Args:
        inputs: `[D]`.
        targets: `[M]`.
        W_h: weights of the hidden units, `[K][D]`.
        b_h: their biases, `[K]`.
        W_o: weights of the outputs, `[M][K]`.
        b_o: their biases, `[M]`.
        learning_rate: of the step.
    """
    sizes = {D: len(inputs), K: len(W_h), M: len(W_o)}
    return {**sizes, x: inputs, t: targets, w_1: W_h, b_1: b_h, w_2: W_o, b_2: b_o, rate: learning_rate}


# The weights and biases are assumed: those of the assignment are lost with its figure.
EXERCISE = network(
    inputs=("1", "4", "5"),
    targets=("0.1", "0.05"),
    W_h=(("0.1", "0.3", "0.5"), ("0.2", "0.4", "0.6")),
    b_h=("0.5", "0.5"),
    W_o=(("0.7", "0.9"), ("0.8", "0.1")),
    b_o=("0.5", "0.5"),
    learning_rate="0.01",
)
NUMBERED: dict[int, tuple[Expr, dict[Symbol, int]]] = dict(  # which entry the exercise's figure calls w_1, w_2, ...
    enumerate(
        (
            *((w_1[i, j], {i: unit, j: place}) for place in (1, 2, 3) for unit in (1, 2)),
            *((w_2[k, i], {k: output, i: unit}) for unit in (1, 2) for output in (1, 2)),
        ),
        start=1,
    )
)


def derive(scale: Expr = 1 / M) -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order; the loss is `scale` times the sum of the squared errors."""
    forward = forward_derivation(scale)
    backward = backward_derivation(forward, scale)
    return lemma(), forward, backward, step_derivation(backward)


def lemma() -> Derivation:
    """The derivative of the sigmoid function."""
    e = exp(-z)
    return Derivation(
        f"{SLUG}-lemma",
        "The sigmoid function",
        {},
        (
            define(logistic(z), logistic.definition(z), "The activation of both layers."),
            claim(Partial(logistic(z), z), e / (1 + e) ** 2, "Quotient rule.", Differentiation()),
            then(product(logistic(z), 1 - logistic(z)), "The derivative needs nothing but the function's own value."),
        ),
    )


def forward_derivation(scale: Expr) -> Derivation:
    """What the network computes, and its loss: nothing but definitions."""
    return Derivation(
        f"{SLUG}-forward",
        "The forward pass",
        RANGES,
        (
            define(z_1[i], total(Sum(product(w_1[i, j], x[j]), (j, 1, D)), b_1[i]), "Input of hidden unit $i$."),
            define(h[i], logistic(z_1[i]), "Its output."),
            define(z_2[k], total(Sum(product(w_2[k, i], h[i]), (i, 1, K)), b_2[k]), "Input of output unit $k$."),
            define(y[k], logistic(z_2[k]), "Its output, the prediction of $t_k$."),
            define(loss, product(scale, Sum((y[k] - t[k]) ** 2, (k, 1, M))), "The mean of the squared errors."),
        ),
    )


def backward_derivation(forward: Derivation, scale: Expr) -> Derivation:
    """Every gradient, from the loss backwards."""
    d_y, d_z2, d_h, d_z1 = (Partial(loss, v) for v in (y[k], z_2[k], h[i], z_1[i]))
    d_w2, d_b2, d_w1, d_b1 = (Partial(loss, v) for v in (w_2[k, i], b_2[k], w_1[i, j], b_1[i]))
    slope_2, slope_1 = Partial(y[k], z_2[k]), Partial(h[i], z_1[i])
    error = product(2 * scale, y[k] - t[k], y[k], 1 - y[k])
    back = Sum(product(d_z2, w_2[k, i]), (k, 1, M))
    summed = Sum(product(y[k] - t[k], y[k], 1 - y[k], w_2[k, i]), (k, 1, M))
    return Derivation(
        f"{SLUG}-backward",
        "Every gradient, from the loss backwards",
        RANGES,
        (
            claim(d_y, product(2 * scale, y[k] - t[k]), "The loss by an output.", Differentiation()),
            claim(slope_2, product(y[k], 1 - y[k]), "The output by its unit's input: the lemma.", Differentiation()),
            claim(d_z2, product(d_y, slope_2), "Through the output unit.", ChainRule()),
            then(error, "Inserted: the error of output unit $k$.", using(d_y, slope_2)),
            claim(Partial(z_2[k], w_2[k, i]), h[i], "A unit's input is linear in its weights.", Differentiation()),
            claim(d_w2, product(d_z2, Partial(z_2[k], w_2[k, i])), "A weight acts through its own unit.", ChainRule()),
            then(product(d_z2, h[i]), "Error times input.", using(Partial(z_2[k], w_2[k, i]))),
            then(product(error, h[i]), "Written out.", using(d_z2)),
            claim(d_b2, d_z2, "A bias is a weight whose input is 1.", Differentiation()),
            then(error, "Written out.", using(d_z2)),
            claim(Partial(z_2[k], h[i]), w_2[k, i], "And linear in the hidden outputs.", Differentiation()),
            claim(
                d_h,
                Sum(product(d_z2, Partial(z_2[k], h[i])), (k, 1, M)),
                "One layer back: hidden unit $i$ acts through every output.",
                ChainRule(),
            ),
            then(back, "Inserted.", using(Partial(z_2[k], h[i]))),
            claim(slope_1, product(h[i], 1 - h[i]), "The lemma again.", Differentiation()),
            claim(d_z1, product(d_h, slope_1), "Through the hidden unit.", ChainRule()),
            then(
                product(back, h[i], 1 - h[i]),
                "Inserted: the error that reaches hidden unit $i$.",
                using(d_h, slope_1),
            ),
            claim(Partial(z_1[i], w_1[i, j]), x[j], "Linear in the weights, as before.", Differentiation()),
            claim(d_w1, product(d_z1, Partial(z_1[i], w_1[i, j])), "Through the unit.", ChainRule()),
            then(product(d_z1, x[j]), "Error times input.", using(Partial(z_1[i], w_1[i, j]))),
            then(product(2 * scale, summed, h[i], 1 - h[i], x[j]), "Written out.", using(d_z1, d_z2)),
            claim(d_b1, d_z1, "Input 1 again.", Differentiation()),
            then(product(2 * scale, summed, h[i], 1 - h[i]), "Written out.", using(d_z1, d_z2)),
        ),
        forward.definitions.items,
    )


def step_derivation(backward: Derivation) -> Derivation:
    """One step of gradient descent: what it makes of every parameter."""
    words = {
        w_2[k, i]: "Each parameter moves against its gradient, by the learning rate. First the weights of the outputs.",
        b_2[k]: "Their biases.",
        w_1[i, j]: "The weights of the hidden units.",
        b_1[i]: "Their biases. All gradients are those before the step.",
    }
    steps = (define(UPDATES[old], total(old, product(-1, rate, Partial(loss, old))), why) for old, why in words.items())
    return Derivation(f"{SLUG}-step", "One step of gradient descent", RANGES, tuple(steps), backward.definitions.items)


def moved(before: Instance, derivations: Sequence[Derivation]) -> Instance:
    """Return the same network after the step."""
    after = dict(before.point)
    for old, new in UPDATES.items():
        values = iter(before.values(new))
        shape = [before.point[size] for size in new.base.shape]
        after[old.base] = [
            [next(values) for _ in range(shape[1])] if shape[1:] else next(values) for _ in range(shape[0])
        ]
    return Instance(derivations, after)


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare with PyTorch's layers, loss and optimiser: the exercise, and a network of other widths.

    The other network has an odd number of outputs: with two, the mean of two squares and half their sum are the same.
    """
    rng = np.random.default_rng(7)
    shapes = {"inputs": (4,), "targets": (5,), "W_h": (3, 4), "b_h": (3,), "W_o": (5, 3), "b_o": (5,)}
    drawn = {name: _exact(rng.uniform(-1.5, 1.5, size=shape)) for name, shape in shapes.items()}
    ours, theirs = _numbers(derivations, EXERCISE), _torch(EXERCISE)
    other = network(**drawn, learning_rate="0.3")
    compared = {f"{what} of the exercise": (ours[what], theirs[what]) for what in ours}
    ours, theirs = _numbers(derivations, other), _torch(other)
    whole = [[v for what in ours for v in found[what]] for found in (ours, theirs)]
    compared["all these of a network with five outputs"] = (whole[0], whole[1])
    against = "`torch.nn.Linear`, `MSELoss` and `torch.optim.SGD`"
    return tuple(Anchor(what, against, largest_difference(*pair)) for what, pair in compared.items())


def _numbers(derivations: tuple[Derivation, ...], point: dict[Name, Any]) -> dict[str, list[float]]:
    """Return what the derivations say: the units of both layers, the loss, gradients and parameters after a step."""
    at = Instance(derivations, point)
    heads = {
        "units": [h[i], y[k]],
        "loss": [loss],
        "gradients": [Partial(loss, v) for v in UPDATES],
        "new parameters": list(UPDATES.values()),
    }
    return {what: [nearest(value) for head in group for value in at.values(head)] for what, group in heads.items()}


def _exact(array: np.ndarray) -> list:
    """Return the floating-point numbers as the fractions that they are."""
    return [_exact(row) for row in array] if array.ndim > 1 else [Fraction(float(v)) for v in array]


def _torch(numbers: dict[Name, Any]) -> dict[str, list[float]]:
    """Return what PyTorch says about the same, under the same names."""
    torch = load_torch()
    tensor = lambda rows: torch.tensor(np.array(rows, dtype=object).astype(float))  # noqa: E731
    first = torch.nn.Linear(numbers[D], numbers[K], dtype=torch.float64)
    second = torch.nn.Linear(numbers[K], numbers[M], dtype=torch.float64)
    parameters = {w_1: first.weight, b_1: first.bias, w_2: second.weight, b_2: second.bias}
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensor(numbers[name]))
    hidden = torch.sigmoid(first(tensor(numbers[x])))
    output = torch.sigmoid(second(hidden))
    value = torch.nn.MSELoss()(output, tensor(numbers[t]))
    optimiser = torch.optim.SGD(parameters.values(), lr=float(numbers[rate]))
    value.backward()
    gradients = [g for v in UPDATES for g in parameters[v.base].grad.flatten().tolist()]
    optimiser.step()
    new = [p for v in UPDATES for p in parameters[v.base].detach().flatten().tolist()]
    units = [u for layer in (hidden, output) for u in layer.detach().flatten().tolist()]
    return {"units": units, "loss": [value.item()], "gradients": gradients, "new parameters": new}

"""Circular cross-correlation: shifts, both Jacobians, the backward pass; and what a convolutional layer costs.

Entries are numbered from 0 to n - 1 and wrap around, as in the exercise.
"""

from functools import cache, partial
from itertools import product as combinations
from typing import Any

import numpy as np
from sympy import Expr, Integer, KroneckerDelta, Mod, Mul, Sum, Symbol, symbols

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.bounds import SumInduction
from worked.symbolic.definitions import Definition
from worked.symbolic.derivation import Derivation, claim, define, then
from worked.symbolic.evaluate import Entries, Evaluator
from worked.symbolic.functions import AnyFunction, Partial, ZeroBased
from worked.symbolic.gates import load_torch, multiplications
from worked.symbolic.latex import product, total
from worked.symbolic.methods import ChainRule, Differentiation, using

SLUG = "cross-correlation"
TITLE = "Convolution: assumptions, Jacobians and cost"

n, W, M, r = symbols("n W M r", integer=True, positive=True)
c, i, j, k, s, t = symbols("c i j k s t", integer=True)
x, y, z, g = (ZeroBased(name, shape=(n,), real=True) for name in "xyzg")
y_shifted, z_shifted = (ZeroBased(name, shape=(n,), real=True) for name in ("y'", "z'"))
loss = Symbol("L", real=True)
CYCLE = (Integer(0), n - 1)

BY_X, BY_Y = Partial(z[k], x[i]), Partial(z[k], y[i])  # what part (b) of the exercise asks for
BACK_X, BACK_Y = Partial(loss, x[i]), Partial(loss, y[i])

# Counts, as sums of ones. One map of n outputs on a circle of n inputs, its weights unrestricted, local, shared, both:
ALL = Sum(1, (j, *CYCLE), (k, *CYCLE))
LOCAL = Sum(1, (t, 1, W), (k, *CYCLE))
SHARED = Sum(1, (i, *CYCLE))
BOTH = Sum(1, (t, 1, W))
# The layers f and g of part (c), g with M maps of width 2r + 1:
WIDTH = total(2 * r, 1)
MAPS, OUTPUTS = (c, 1, M), (k, 1, n)
F_OUTPUTS = Sum(1, OUTPUTS, MAPS)
F_PRODUCTS = Sum(1, (i, 1, n), OUTPUTS, MAPS)  # as many as there are weights
F_ADDITIONS = Sum(1, (i, 2, n), OUTPUTS, MAPS)
G_OUTPUTS = Sum(1, (k, 1, total(n, 2 * r, Mul(-1, WIDTH, evaluate=False), 1)), MAPS)
G_WEIGHTS = Sum(1, (t, 1, WIDTH), MAPS)
G_PRODUCTS = Sum(1, (t, 1, WIDTH), OUTPUTS, MAPS)
G_ADDITIONS = Sum(1, (t, 2, WIDTH), OUTPUTS, MAPS)
G_ZEROS = product(2, M, Sum(t, (t, 1, r)))
G_PRODUCTS_LEFT = total(product(M, n, WIDTH), -G_ZEROS)
G_ADDITIONS_LEFT = total(product(2, M, n, r), -G_ZEROS)
DENSE_LAYER = (F_OUTPUTS, F_PRODUCTS, F_ADDITIONS)
CONVOLUTION = (G_OUTPUTS, G_WEIGHTS, G_PRODUCTS, G_ADDITIONS, G_PRODUCTS_LEFT, G_ADDITIONS_LEFT)
EXERCISE = {n: 100, M: 10, r: 1}  # signals of 100 values, 10 maps of width 3


def around(e: Expr) -> Expr:
    """Return e mod n, with the remainders inside as they were written."""
    return Mod(e, n, evaluate=False)


def wrapped(e: Expr, *indices: Symbol) -> Sum:
    """Return the sum of `e` over a whole circle of each index, the last one outermost."""
    return Sum(e, *((index, *CYCLE) for index in indices))


MODULE = Definition(z[k], wrapped(product(x[i], y[around(i + k)]), i))
LOSS = Definition(loss, AnyFunction("f", z[k], (k, *CYCLE)))


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    return shift_derivation(), savings_derivation(), jacobian_derivation(), backward_derivation(), cost_derivation()


def shift_derivation() -> Derivation:
    """Shared weights make a cross-correlation, and it commutes with every shift."""
    return Derivation(
        f"{SLUG}-shift",
        "Shared weights, and what a shift does",
        {k: CYCLE, j: CYCLE, s: CYCLE},
        (
            define(MODULE.head, MODULE.body, "The module of part (b): the filter $x$ meets the signal $y$."),
            then(
                wrapped(product(x[around(j - k)], y[j]), j),
                r"Summed over the places $j = (i + k) \bmod n$ of the signal: a fully connected layer in which the "
                "weight from $j$ to $k$ depends on the offset $j - k$ alone. This is what shared weights mean.",
            ),
            define(y_shifted[j], y[around(j - s)], "The signal, moved by $s$ places."),
            define(
                z_shifted[k],
                wrapped(product(x[i], y_shifted[around(i + k)]), i),
                "What the module makes of it.",
            ),
            then(
                wrapped(product(x[i], y[around(around(i + k) - s)]), i),
                "Inserted.",
                using(y_shifted[j]),
            ),
            then(wrapped(product(x[i], y[around(i + k - s)]), i), "A remainder inside of a remainder may be left out."),
            then(z[around(k - s)], "The output has moved by the same $s$ places, and is the same otherwise."),
        ),
    )


def savings_derivation() -> Derivation:
    """What each assumption saves, for one map of n outputs."""
    return Derivation(
        f"{SLUG}-savings",
        "What each assumption saves",
        {},
        (
            claim(ALL, n**2, "Neither: a weight for each output $k$ and each input $j$."),
            claim(LOCAL, product(n, W), "Local: an output has a window of $W$ inputs, with weights of its own."),
            claim(SHARED, n, "Shared: a weight for each offset, the same for all outputs."),
            claim(BOTH, W, "Both: a weight for each place in the window."),
        ),
    )


def jacobian_derivation() -> Derivation:
    """Part (b): both Jacobians."""
    return Derivation(
        f"{SLUG}-jacobian",
        "The two Jacobians",
        {k: CYCLE, i: CYCLE},
        (
            claim(
                BY_X,
                wrapped(product(KroneckerDelta(i, j), y[around(j + k)]), j),
                "Part (1). The output is linear in $x$. The sum runs over $j$, as $i$ names the entry that moves.",
                Differentiation(),
            ),
            then(y[around(i + k)], "One term of the sum is left."),
            claim(
                BY_Y,
                wrapped(product(x[j], KroneckerDelta(i, around(j + k))), j),
                "Part (2). The output is linear in $y$, too.",
                Differentiation(),
            ),
            then(
                x[around(i - k)],
                r"$(j + k) \bmod n = i$ has exactly one solution among $0, \dots, n - 1$: $j = (i - k) \bmod n$.",
            ),
        ),
        (MODULE,),
    )


def backward_derivation() -> Derivation:
    """The products of an upstream gradient with both Jacobians, and their meaning as adjoints."""
    upstream = Partial(loss, z[k])
    weighed = wrapped(product(g[k], z[k]), k)
    return Derivation(
        f"{SLUG}-backward",
        "The backward pass",
        {k: CYCLE, i: CYCLE},
        (
            claim(BACK_X, wrapped(product(upstream, BY_X), k), "Through every output.", ChainRule()),
            then(
                wrapped(product(upstream, y[around(i + k)]), k),
                f"The Jacobian {{eq}}`{SLUG}-jacobian-2`, inserted: the upstream gradient, cross-correlated with $y$.",
            ),
            claim(BACK_Y, wrapped(product(upstream, BY_Y), k), "The same for the other signal.", ChainRule()),
            then(
                wrapped(product(upstream, x[around(i - k)]), k),
                f"The Jacobian {{eq}}`{SLUG}-jacobian-4`, inserted: the upstream gradient, convolved with $x$.",
            ),
            claim(
                weighed,
                wrapped(product(x[i], wrapped(product(g[k], y[around(i + k)]), k)), i),
                "The same without derivatives, for any numbers $g_k$: the inner product of $g$ with the output is that "
                "of $x$ with the cross-correlation of $g$ and $y$.",
            ),
            then(
                wrapped(product(y[i], wrapped(product(g[k], x[around(i - k)]), k)), i),
                "It is that of $y$ with the convolution of $g$ and $x$, too: for fixed $y$ or fixed $x$ the module "
                "is linear, and these are the two adjoint maps.",
            ),
        ),
        (MODULE, LOSS),
    )


def cost_derivation() -> Derivation:
    """Part (c): outputs, parameters and operations of a fully connected and of a convolutional layer."""
    return Derivation(
        f"{SLUG}-cost",
        "A fully connected and a convolutional layer",
        {},
        (
            claim(F_OUTPUTS, M * n, "Part i for $f$, which is given as many outputs as the other layer will have."),
            claim(
                F_PRODUCTS,
                product(M, n**2),
                "Parts ii and iii for $f$: one weight, and one multiplication, for each output and each input.",
            ),
            claim(F_ADDITIONS, product(M, n, n - 1), "Part iii for $f$: each output adds $n$ products up."),
            claim(
                G_OUTPUTS,
                M * n,
                "Part i for $g$: with $r$ zeros at each end a signal has $n + 2r$ places. A map has an output for each "
                "one that can be the first of a window.",
            ),
            claim(G_WEIGHTS, product(M, WIDTH), "Part ii for $g$: a map has the same weights for all its outputs."),
            claim(
                G_PRODUCTS, product(M, n, WIDTH), "Part iii for $g$: each output multiplies its window by the weights."
            ),
            claim(G_ADDITIONS, product(2, M, n, r), "Part iii for $g$: then it adds the products up."),
            claim(
                G_PRODUCTS_LEFT,
                product(M, total(product(n, WIDTH), -product(r, total(r, 1)))),
                r"Multiplications without those by the padding: the weight $t$ places beside the middle one meets $t$ "
                r"zeros if $t \le n$, and there is one on each side.",
                SumInduction(on=r),
            ),
            claim(
                G_ADDITIONS_LEFT,
                product(M, total(product(2, n, r), -product(r, total(r, 1)))),
                "Each product that is left out saves one addition.",
                SumInduction(on=r),
            ),
        ),
    )


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare with the fast Fourier transform, with PyTorch's gradients and layers, and with a program that counts."""
    shift, savings, jacobian, backward, cost = derivations
    return (*_signals(shift, jacobian, backward), *_parameters(savings), *_layers(cost))


def _signals(shift: Derivation, jacobian: Derivation, backward: Derivation) -> tuple[Anchor, ...]:
    """The module, its shifted input, both Jacobians and both products with an upstream gradient, for n = 6."""
    size = 6
    theirs = _by_fourier(size)
    point = {n: size, **{name: _entries(theirs[str(name)]) for name in (x, y, g)}}
    known = jacobian.facts() | backward.facts()
    upstream = {Partial(loss, z[k]): g[k]}

    def values(d: Derivation, e: Expr, *indices: Symbol) -> list[float]:
        """`e` for every value of the indices, the last one fastest."""
        evaluate = Evaluator(d.definitions.by_name, d.ranges)
        places = combinations(range(size), repeat=len(indices))
        return [evaluate(e, {**point, **dict(zip(indices, at, strict=True))}) for at in places]

    fourier, torchs = "NumPy's fast Fourier transform", "PyTorch's automatic differentiation of `torch.fft`"
    compared = (
        ("$z_k$", fourier, values(shift, z[k], k), theirs["z"]),
        ("$z'_k$ for every $s$", fourier, values(shift, z_shifted[k], s, k), theirs["shifted"]),
        (r"$\partial z_k/\partial x_i$", torchs, values(jacobian, known[BY_X], k, i), theirs["by x"]),
        (r"$\partial z_k/\partial y_i$", torchs, values(jacobian, known[BY_Y], k, i), theirs["by y"]),
        (r"$\partial L/\partial x_i$", torchs, values(backward, known[BACK_X].xreplace(upstream), i), theirs["back x"]),
        (r"$\partial L/\partial y_i$", torchs, values(backward, known[BACK_Y].xreplace(upstream), i), theirs["back y"]),
    )
    return tuple(Anchor(what, against, largest_difference(*pair)) for what, against, *pair in compared)


def _entries(numbers: list[float]) -> Entries:
    """Number them from 0; there are no others."""
    known = dict(enumerate(numbers))
    return lambda index: known[index[0]]


@cache
def _by_fourier(size: int) -> dict[str, list[float]]:
    """Return random signals, and what Fourier transforms and PyTorch make of them; entries in order."""
    torch = load_torch()
    rng = np.random.default_rng(4)
    made = {name: rng.normal(size=size) for name in "xyg"}

    def module(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.fft.ifft(np.conj(np.fft.fft(a)) * np.fft.fft(b)).real

    def as_torch(a: Any, b: Any) -> Any:
        return torch.fft.ifft(torch.fft.fft(a).conj() * torch.fft.fft(b)).real

    made["z"] = module(made["x"], made["y"])
    made["shifted"] = np.concatenate([module(made["x"], np.roll(made["y"], by)) for by in range(size)])
    tensors = tuple(torch.tensor(made[name], requires_grad=True) for name in "xy")
    made["by x"], made["by y"] = (part.flatten() for part in torch.autograd.functional.jacobian(as_torch, tensors))
    pulled = torch.autograd.grad(as_torch(*tensors), tensors, torch.tensor(made["g"]))
    made["back x"], made["back y"] = pulled
    return {name: np.asarray(values).tolist() for name, values in made.items()}


def _values(derivation: Derivation, counts: tuple[Expr, ...], at: dict[Symbol, int]) -> list[float]:
    """Return each count twice: as the sum that its step begins with, evaluated, and by what was proved to equal it."""
    evaluate = Evaluator(derivation.definitions.by_name, derivation.ranges)
    found = [(step.left, step.right) for step in derivation.steps if step.left in counts]
    return [float(evaluate(side, at)) for sides in found for side in sides]


def _parameters(savings: Derivation) -> tuple[Anchor, ...]:
    """Distinct weights of the four matrices, counted by a program."""
    size, width = 7, 3
    weights: list[set] = [set(), set(), set(), set()]
    for output, place in combinations(range(size), repeat=2):
        distance = (place - output) % size
        weights[0].add((output, place))
        weights[2].add(distance)
        if distance < width:
            weights[1].add((output, place))
            weights[3].add(distance)
    ours = _values(savings, (ALL, LOCAL, SHARED, BOTH), {n: size, W: width})
    theirs = [float(len(found)) for found in weights for _ in range(2)]
    return (Anchor("weights of a map", "a program that marks them", largest_difference(ours, theirs)),)


def _layers(cost: Derivation) -> tuple[Anchor, ...]:
    """The counts of part (c): of PyTorch's layers, and of a program that does the operations one by one."""
    small = {n: 6, M: 3, r: 2}
    ours = _values(cost, (*DENSE_LAYER, *CONVOLUTION), small)
    counted = [number for number in _counted(small[n], small[M], small[r]) for _ in range(2)]
    facts, at = cost.facts(), {symbol: Integer(number) for symbol, number in EXERCISE.items()}
    names = (F_OUTPUTS, F_PRODUCTS, F_PRODUCTS, G_OUTPUTS, G_WEIGHTS, G_PRODUCTS)
    proved = [float(facts[name].xreplace(at)) for name in names]
    known = ("outputs, parameters, multiplications", "`torch.nn.Linear`, `torch.nn.Conv1d`, `FlopCounterMode`")
    return (
        Anchor(*known, largest_difference(proved, _by_torch(*EXERCISE.values()))),
        Anchor(
            "operations",
            "a program that counts them",
            largest_difference(ours, counted),
        ),
    )


@cache
def _by_torch(size: int, maps: int, zeros: int) -> list[float]:
    """Return outputs, parameters and multiplications of PyTorch's two layers."""
    torch = load_torch()
    signal, found = torch.zeros(1, 1, size), []
    for layer in (
        torch.nn.Linear(size, maps * size, bias=False),
        torch.nn.Conv1d(1, maps, 2 * zeros + 1, padding=zeros, bias=False),
    ):
        parameters = sum(weights.numel() for weights in layer.parameters())
        found += [float(layer(signal).numel()), float(parameters), multiplications(partial(layer, signal))]
    return found


@cache
def _counted(size: int, maps: int, zeros: int) -> list[float]:
    """Return the numbers of both layers, counted one by one: the last two without what meets the padding."""
    outputs = dense = dense_additions = products = additions = products_left = additions_left = 0
    padded = [False] * zeros + [True] * size + [False] * zeros  # whether a place belongs to the signal
    weights = {(c, place) for c in range(maps) for place in range(2 * zeros + 1)}
    for _, first in combinations(range(maps), range(len(padded) - 2 * zeros)):
        window = padded[first : first + 2 * zeros + 1]
        outputs += 1
        dense, dense_additions = dense + size, dense_additions + size - 1
        products, additions = products + len(window), additions + len(window) - 1
        products_left, additions_left = products_left + sum(window), additions_left + sum(window) - 1
    counts = (
        outputs,
        dense,
        dense_additions,
        outputs,
        len(weights),
        products,
        additions,
        products_left,
        additions_left,
    )
    return [float(count) for count in counts]

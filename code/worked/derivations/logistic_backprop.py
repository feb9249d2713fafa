"""Backpropagation through one hidden layer with logistic loss, for every number of inputs, units and samples.

Row i of the weights belongs to hidden unit i, column j to input j; superscripts number the layers.
"""

import numpy as np
from sympy import Abs, Expr, IndexedBase, Integer, KroneckerDelta, Limit, Max, Subs, Sum, Symbol, exp, log, oo, symbols

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.definitions import PerSample
from worked.symbolic.derivation import Derivation, claim, define, then
from worked.symbolic.evaluate import Entries, Evaluator
from worked.symbolic.functions import Partial, logistic
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total
from worked.symbolic.methods import Cases, ChainRule, Differentiation, TakeLimit, using

SLUG = "logistic-backprop"
TITLE = "Backpropagation with logistic loss"

D, K, B = symbols("D K B", integer=True, positive=True)
i, j, k, n = symbols("i j k n", integer=True)
y, z, z_2, y_hat, loss, average = symbols(r"y z z^{(2)} \hat{y} L J", real=True)
x_0 = IndexedBase("x^{(0)}", shape=(D,), real=True)
z_1 = IndexedBase("z^{(1)}", shape=(K,), real=True)
x_1 = IndexedBase("x^{(1)}", shape=(K,), real=True)
w_1 = IndexedBase("w^{(1)}", shape=(K, D), real=True)
w_2 = IndexedBase("w^{(2)}", shape=(K,), real=True)

ANSWERS = (Partial(loss, w_2[i]), Partial(loss, w_1[i, j]))  # what the exercise asks for


def derive() -> tuple[Derivation, ...]:
    """Return the four derivations of the page, in order."""
    loss_of_logit = loss_derivation()
    network = network_derivation(loss_of_logit)
    return lemma(), loss_of_logit, network, batch_derivation(network)


def lemma() -> Derivation:
    """The derivative of the logistic function, which the other derivations use as a rule."""
    e = exp(-z)
    return Derivation(
        f"{SLUG}-lemma",
        "The logistic function",
        {},
        (
            define(logistic(z), logistic.definition(z), "The activation of both layers."),
            claim(Partial(logistic(z), z), e / (1 + e) ** 2, "Quotient rule.", Differentiation()),
            then(product(logistic(z), 1 - logistic(z)), "The derivative needs nothing but the function's own value."),
            claim(1 - logistic(z), product(e, logistic(z)), "The complement, without a difference of near numbers."),
        ),
    )


def loss_derivation() -> Derivation:
    """The loss as a function of the logit: stable forms, and the limits that floating point misses."""
    return Derivation(
        f"{SLUG}-loss",
        "The loss and its stable form",
        {},
        (
            define(y_hat, logistic(z_2), "The output is the logistic function of the logit."),
            define(loss, -y * log(y_hat) - (1 - y) * log(1 - y_hat), "Logistic loss of one sample."),
            claim(log(1 - y_hat), log(y_hat) - z_2, "The complement above, as a logarithm."),
            claim(
                loss,
                product(1 - y, z_2) - log(y_hat),
                "Inserted.",
                using(loss, log(1 - y_hat)),
            ),
            claim(log(y_hat), z_2 - log(1 + exp(z_2)), "The other one, in terms of the logit."),
            claim(
                loss, log(1 + exp(z_2)) - y * z_2, "Inserted: the prediction itself is gone.", using(loss, log(y_hat))
            ),
            then(
                total(Max(z_2, 0), -y * z_2, log(1 + exp(-Abs(z_2)))),
                "Of 0 and the logit the larger is taken out of the logarithm, so that nothing overflows either.",
                Cases(z_2),
            ),
            claim(
                Limit(Subs(loss, y, 0), y_hat, 0, "+"),
                Integer(0),
                r"A right and certain answer costs nothing: at $y = 0$ the loss vanishes as $\hat y \to 0$.",
                TakeLimit(),
            ),
            claim(
                Limit(Subs(loss, y, 0), z_2, -oo),
                Integer(0),
                "The same in terms of the logit.",
                TakeLimit(),
            ),
        ),
    )


def network_derivation(loss_of_logit: Derivation) -> Derivation:
    """The gradient for one sample, layer by layer from the loss backwards."""
    d_z2, d_x1, d_z1 = Partial(loss, z_2), Partial(loss, x_1[i]), Partial(loss, z_1[i])
    d_w2, d_w1 = Partial(loss, w_2[i]), Partial(loss, w_1[i, j])
    error = y_hat - y
    slope = product(x_1[i], 1 - x_1[i])
    forward = logistic(Sum(product(w_2[k], logistic(Sum(product(w_1[k, j], x_0[j]), (j, 1, D)))), (k, 1, K)))
    return Derivation(
        f"{SLUG}-sample",
        "One sample, from the loss backwards",
        {i: (Integer(1), K), j: (Integer(1), D), k: (Integer(1), K)},
        (
            define(z_1[i], Sum(product(w_1[i, j], x_0[j]), (j, 1, D)), "Input of hidden unit $i$."),
            define(x_1[i], logistic(z_1[i]), "Its output."),
            define(z_2, Sum(product(w_2[i], x_1[i]), (i, 1, K)), "The logit."),
            claim(y_hat, forward, "The whole forward pass.", using(y_hat, z_2, x_1[i], z_1[i])),
            claim(
                Partial(loss, y_hat), error / product(y_hat, 1 - y_hat), "The loss by its output.", Differentiation()
            ),
            claim(
                Partial(y_hat, z_2), product(y_hat, 1 - y_hat), "The output by the logit: the lemma.", Differentiation()
            ),
            claim(d_z2, product(Partial(loss, y_hat), Partial(y_hat, z_2)), "Through the output.", ChainRule()),
            then(
                product(error / product(y_hat, 1 - y_hat), y_hat, 1 - y_hat),
                "Both factors inserted.",
                using(Partial(loss, y_hat), Partial(y_hat, z_2)),
            ),
            then(error, "They cancel. This form divides by nothing: it is the one to compute with."),
            claim(
                Partial(z_2, w_2[i]),
                x_1[i],
                "The logit is linear in the weights of the second layer.",
                Differentiation(),
            ),
            claim(d_w2, product(d_z2, Partial(z_2, w_2[i])), "Through the logit.", ChainRule()),
            then(
                product(error, x_1[i]),
                "Error times input: the second layer.",
                using(d_z2, Partial(z_2, w_2[i])),
            ),
            claim(Partial(z_2, x_1[i]), w_2[i], "The logit is linear in the hidden outputs, too.", Differentiation()),
            claim(d_x1, product(d_z2, Partial(z_2, x_1[i])), "One layer back.", ChainRule()),
            then(product(error, w_2[i]), "The error, weighted.", using(d_z2, Partial(z_2, x_1[i]))),
            claim(Partial(x_1[i], z_1[i]), slope, "The lemma again.", Differentiation()),
            claim(d_z1, product(d_x1, Partial(x_1[i], z_1[i])), "Through the activation.", ChainRule()),
            then(
                product(error, w_2[i], slope),
                "The error that reaches unit $i$.",
                using(d_x1, Partial(x_1[i], z_1[i])),
            ),
            claim(
                Partial(z_1[k], w_1[i, j]),
                product(KroneckerDelta(i, k), x_0[j]),
                "Only unit $i$ sees its own weights.",
                Differentiation(),
            ),
            claim(
                d_w1,
                Sum(product(Partial(loss, z_1[k]), Partial(z_1[k], w_1[i, j])), (k, 1, K)),
                "Through every hidden unit.",
                ChainRule(),
            ),
            then(
                Sum(product(Partial(loss, z_1[k]), KroneckerDelta(i, k), x_0[j]), (k, 1, K)),
                "Inserted.",
                using(Partial(z_1[k], w_1[i, j])),
            ),
            then(product(d_z1, x_0[j]), "One term of the sum is left."),
            then(product(error, w_2[i], slope, x_0[j]), "Error times input: the first layer.", using(d_z1)),
        ),
        loss_of_logit.definitions.items,
    )


def batch_derivation(network: Derivation) -> Derivation:
    """The gradient of the average over a batch, as the sums that matrix products compute."""
    sample = PerSample(network.definitions, (x_0, y), n, B)
    d_z2, d_z1 = Partial(average, sample(z_2)), Partial(average, sample(z_1[i]))
    error, hidden = sample(y_hat - y), sample(x_1[i])
    return Derivation(
        f"{SLUG}-batch",
        "A batch: the average over samples",
        {i: (Integer(1), K), j: (Integer(1), D), n: (Integer(1), B)},
        (
            define(average, product(1 / B, Sum(sample(loss), (n, 1, B))), "The average loss; $n$ numbers the samples."),
            then(
                product(1 / B, Sum(log(1 + exp(sample(z_2))) - sample(y * z_2), (n, 1, B))),
                "In the stable form.",
            ),
            claim(d_z2, product(1 / B, error), "A logit enters its own sample's loss only.", Differentiation()),
            claim(
                d_z1,
                product(d_z2, w_2[i], hidden, 1 - hidden),
                "As for one sample.",
                Differentiation(),
            ),
            claim(
                Partial(average, w_2[i]),
                Sum(product(d_z2, hidden), (n, 1, B)),
                "The weights are shared by all samples, so their contributions add up.",
                Differentiation(),
            ),
            then(
                product(1 / B, Sum(product(error, hidden), (n, 1, B))),
                "Written out.",
                using(d_z2),
            ),
            claim(
                Partial(average, w_1[i, j]),
                Sum(product(d_z1, sample(x_0[j])), (n, 1, B)),
                "The same in the first layer.",
                Differentiation(),
            ),
            then(
                product(1 / B, Sum(product(error, w_2[i], hidden, 1 - hidden, sample(x_0[j])), (n, 1, B))),
                "Written out.",
                using(d_z1, d_z2),
            ),
        ),
        sample.family(),
    )


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare the proved formulas with PyTorch's own layers and loss, at the exercise's sizes and a batch of 4."""
    _, loss_of_logit, network, batch = derivations
    sizes = {D: 7, K: 5, B: 4}
    rng = np.random.default_rng(3)
    inputs, labels = rng.normal(size=(sizes[B], sizes[D])), rng.integers(0, 2, size=sizes[B]).astype(float)
    weights = {w_1: rng.normal(size=(sizes[K], sizes[D])), w_2: rng.normal(size=sizes[K])}
    sample = PerSample(network.definitions, (x_0, y), n, B)
    data = {sample(x_0[j]).base: inputs, sample(y).base: labels}
    point = {**sizes, **{name: _entries(array) for name, array in (weights | data).items()}}

    def of_sample(derivation: Derivation, left: Expr) -> list[float]:
        """The formula for each sample and entry, evaluated by plain loops."""
        evaluate = Evaluator(network.definitions.by_name, network.ranges)
        first = {**point, x_0: _entries(inputs[0]), y: labels[0]}
        return [evaluate(derivation.facts()[left], {**first, **at}) for at in _indices(left, sizes)]

    def of_batch(left: Expr) -> list[float]:
        evaluate = Evaluator(batch.definitions.by_name, batch.ranges)
        return [evaluate(batch.facts()[left], {**point, **at}) for at in _indices(left, sizes)]

    theirs_one = _torch_gradients(inputs[:1], labels[:1], weights[w_1], weights[w_2])
    theirs_all = _torch_gradients(inputs, labels, weights[w_1], weights[w_2])
    torchs = "`torch.nn.Linear` and `BCEWithLogitsLoss`"
    results = {
        "the loss of one sample": (of_sample(loss_of_logit, loss), theirs_one["loss"]),
        r"$\partial L/\partial w^{(2)}_i$": (of_sample(network, Partial(loss, w_2[i])), theirs_one["w_2"]),
        r"$\partial L/\partial w^{(1)}_{i,j}$": (of_sample(network, Partial(loss, w_1[i, j])), theirs_one["w_1"]),
        "the average loss": (of_batch(average), theirs_all["loss"]),
        r"$\partial J/\partial w^{(2)}_i$": (of_batch(Partial(average, w_2[i])), theirs_all["w_2"]),
        r"$\partial J/\partial w^{(1)}_{i,j}$": (of_batch(Partial(average, w_1[i, j])), theirs_all["w_1"]),
    }
    return tuple(Anchor(what, torchs, largest_difference(*pair)) for what, pair in results.items())


def _entries(array: np.ndarray) -> Entries:
    """Let indices start at 1."""
    return lambda index: float(array[tuple(number - 1 for number in index)])


def _indices(left: Expr, sizes: dict[Symbol, int]) -> list[dict[Symbol, int]]:
    """Return every value of the free indices of `left`, in the order of the array's entries."""
    found: list[dict[Symbol, int]] = [{}]
    for index, size in ((i, K), (j, D)):
        if left.has(index):
            found = [{**at, index: number} for at in found for number in range(1, sizes[size] + 1)]
    return found


def _torch_gradients(
    inputs: np.ndarray, labels: np.ndarray, first: np.ndarray, second: np.ndarray
) -> dict[str, list[float]]:
    """Return PyTorch's average loss and its gradients, flattened."""
    torch = load_torch()
    hidden = torch.nn.Linear(first.shape[1], first.shape[0], bias=False, dtype=torch.float64)
    output = torch.nn.Linear(first.shape[0], 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        hidden.weight.copy_(torch.from_numpy(first))
        output.weight.copy_(torch.from_numpy(second[None, :]))
    logits = output(torch.sigmoid(hidden(torch.from_numpy(inputs))))[:, 0]
    value = torch.nn.BCEWithLogitsLoss()(logits, torch.from_numpy(labels))
    value.backward()
    gradients = {"w_1": hidden.weight.grad, "w_2": output.weight.grad}
    return {"loss": [value.item()], **{name: g.flatten().tolist() for name, g in gradients.items()}}

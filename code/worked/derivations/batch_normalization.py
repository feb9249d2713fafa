"""Batch normalisation: every gradient of the layer, for every batch size m.

The loss f is any differentiable function of the outputs; of f, only its derivatives by them enter.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Expr, IndexedBase, Integer, Sum, Symbol, sqrt, symbols

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.definitions import Definition, Name
from worked.symbolic.derivation import Derivation, Step, claim, define, then
from worked.symbolic.evaluate import Evaluator, Point
from worked.symbolic.functions import AnyFunction, Partial
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total
from worked.symbolic.methods import ChainRule, Differentiation, at_definition, using

SLUG = "batch-normalization"
TITLE = "Gradients of batch normalisation"

m = Symbol("m", integer=True, positive=True)
i, k = symbols("i k", integer=True)
f, mu, gamma, beta = symbols(r"f \mu \gamma \beta", real=True)
variance = Symbol(r"\sigma^2", nonnegative=True)
epsilon = Symbol(r"\varepsilon", positive=True)
x = IndexedBase("x", shape=(m,), real=True)
x_hat = IndexedBase(r"\hat{x}", shape=(m,), real=True)
y = IndexedBase("y", shape=(m,), real=True)
RANGES = {i: (Integer(1), m), k: (Integer(1), m)}
LOSS = Definition(f, AnyFunction("f", y[k], (k, 1, m)))


def over_batch(e: Expr) -> Sum:
    """Return the sum over the batch, whose index is k."""
    return Sum(e, (k, 1, m))


shifted = total(variance, epsilon)
root = sqrt(shifted)
deviations, centred, squares = over_batch(x[k] - mu), over_batch(x_hat[k]), over_batch(x_hat[k] ** 2)
# Derivatives of the loss: these are given, ...
d_y, d_y_i = Partial(f, y[k]), Partial(f, y[i])
# ... these are asked for, a) to f)
d_gamma, d_beta, d_hat_i = Partial(f, gamma), Partial(f, beta), Partial(f, x_hat[i])
d_variance, d_mu, d_x = Partial(f, variance), Partial(f, mu), Partial(f, x[i])
ANSWERS = (d_gamma, d_beta, d_hat_i, d_variance, d_mu, d_x)
d_hat = Partial(f, x_hat[k])
# The edges of the graph: what lies between the two ends is held.
hat_by_mu = Partial(x_hat[k], mu, holding=(variance,))
hat_by_x = Partial(x_hat[i], x[i], holding=(mu, variance))
variance_by_x = Partial(variance, x[i], holding=(mu,))
# Sums that recur
sum_hat, along_hat = over_batch(d_hat), over_batch(product(d_hat, x_hat[k]))
sum_y, along_y = over_batch(d_y), over_batch(product(d_y, x_hat[k]))


def derive() -> tuple[Derivation, ...]:
    """Return the one derivation of the page: the layer, the six answers, and what they say."""
    parts = (layer(), parameters(), by_variance(), by_mean(), by_input(), projections())
    return (Derivation(SLUG, TITLE, RANGES, tuple(step for part in parts for step in part), (LOSS,)),)


def sections() -> tuple[tuple[int, int], ...]:
    """Return the numbers of the first and the last step of each part, from 1, in the order of `derive`."""
    found, start = [], 1
    for part in (layer(), parameters(), by_variance(), by_mean(), by_input(), projections()):
        found.append((start, start + len(part) - 1))
        start += len(part)
    return tuple(found)


def layer() -> tuple[Step, ...]:
    """What the layer computes."""
    return (
        define(mu, product(1 / m, over_batch(x[k])), "The mean of the batch."),
        define(variance, product(1 / m, over_batch((x[k] - mu) ** 2)), r"Its variance, with $1/m$."),
        define(x_hat[i], (x[i] - mu) / root, r"Normalised; $\varepsilon > 0$ keeps the root from zero."),
        define(y[i], total(product(gamma, x_hat[i]), beta), "Scaled and shifted by what is learned."),
    )


def parameters() -> tuple[Step, ...]:
    """Answers a) to c): back through the scale and the shift."""
    return (
        claim(Partial(y[k], gamma), x_hat[k], "Every output contains the scale.", Differentiation()),
        claim(d_gamma, over_batch(product(d_y, Partial(y[k], gamma))), "So all outputs count.", ChainRule()),
        then(along_y, "**Answer a.**", using(Partial(y[k], gamma))),
        claim(Partial(y[k], beta), Integer(1), "Every output contains the shift.", Differentiation()),
        claim(d_beta, over_batch(product(d_y, Partial(y[k], beta))), "Again all outputs count.", ChainRule()),
        then(sum_y, "**Answer b.**", using(Partial(y[k], beta))),
        claim(Partial(y[i], x_hat[i]), gamma, r"Output $i$ contains its own $\hat x_i$ ...", Differentiation()),
        claim(
            d_hat_i,
            product(d_y_i, Partial(y[i], x_hat[i])),
            "... and no other output does, so that one term is left.",
            ChainRule(),
        ),
        then(product(gamma, d_y_i), "**Answer c.**", using(Partial(y[i], x_hat[i]))),
    )


def by_variance() -> tuple[Step, ...]:
    """Answer d)."""
    by = Partial(x_hat[k], variance)
    return (
        claim(
            by,
            product(-1, (x[k] - mu) / product(2, shifted * root)),
            r"The variance enters every $\hat x_k$ through the root. The mean does not depend on it.",
            Differentiation(),
        ),
        then(product(-1, x_hat[k] / product(2, shifted)), r"$\hat x_k$ itself reappears."),
        claim(d_variance, over_batch(product(d_hat, by)), r"Through every $\hat x_k$.", ChainRule()),
        then(product(-1, 1 / product(2, shifted), along_hat), "**Answer d.**", using(by)),
    )


def by_mean() -> tuple[Step, ...]:
    """Answer e): two paths, one of which vanishes where the mean is the mean."""
    variance_by = Partial(variance, mu)
    return (
        claim(deviations, Integer(0), "Deviations from the mean add up to zero."),
        claim(
            hat_by_mu,
            product(-1, 1 / root),
            r"The mean enters $\hat x_k$ in two ways. Directly, with the variance held:",
            Differentiation(),
        ),
        claim(variance_by, product(-2, 1 / m, deviations), "And through the variance:", Differentiation()),
        claim(
            d_mu,
            total(over_batch(product(d_hat, hat_by_mu)), product(d_variance, variance_by)),
            "Both paths.",
            ChainRule(),
        ),
        then(
            total(product(-1, 1 / root, sum_hat), product(-2, 1 / m, d_variance, deviations)),
            r"Inserted. This holds whatever number $\mu$ is.",
            using(hat_by_mu, variance_by),
        ),
        then(
            product(-1, 1 / root, sum_hat),
            r"**Answer e.** At its definition, $\mu$ is where the variance is smallest, and the second path closes.",
            at_definition(deviations),
        ),
    )


def by_input() -> tuple[Step, ...]:
    """Answer f): three paths."""
    return (
        claim(hat_by_x, 1 / root, "An input enters in three ways. Its own deviation:", Differentiation()),
        claim(variance_by_x, product(2, 1 / m, x[i] - mu), "The variance, with the mean held:", Differentiation()),
        then(product(2 / m, root, x_hat[i]), r"The same by $\hat x_i$."),
        claim(Partial(mu, x[i]), 1 / m, "The mean:", Differentiation()),
        claim(
            d_x,
            total(product(d_hat_i, hat_by_x), product(d_variance, variance_by_x), product(d_mu, Partial(mu, x[i]))),
            "Each path from $x_i$ to $f$ is counted where it first meets one of the three: once.",
            ChainRule(),
        ),
        then(
            total(product(1 / root, d_hat_i), product(2 * root * x_hat[i] / m, d_variance), product(1 / m, d_mu)),
            "The local derivatives inserted.",
            using(hat_by_x, variance_by_x, Partial(mu, x[i])),
        ),
        then(
            product(
                1 / root,
                total(d_hat_i, product(-1, 1 / m, sum_hat), product(-1, x_hat[i] / m, along_hat)),
            ),
            "**Answer f.** d. and e. inserted, and the root taken out.",
            using(d_variance, d_mu),
        ),
        then(
            product(
                gamma / root,
                total(d_y_i, product(-1, 1 / m, sum_y), product(-1, x_hat[i] / m, along_y)),
            ),
            "With c., in the given derivatives alone.",
            using(d_hat_i),
        ),
    )


def projections() -> tuple[Step, ...]:
    """What answer f) is orthogonal to."""
    return (
        claim(centred, Integer(0), "The normalised inputs add up to zero, as the deviations do, ..."),
        claim(
            squares,
            product(1 / shifted, over_batch((x[k] - mu) ** 2)),
            "... and their squares ...",
            using(x_hat[i]),
        ),
        then(product(m, variance / shifted), r"... to a little less than $m$."),
        claim(
            over_batch(Partial(f, x[k])),
            Integer(0),
            "So the gradient adds up to zero, too: in the sum over $i$ of f., the first two terms cancel, and the "
            r"third contains the sum of the $\hat x_i$.",
        ),
        claim(
            over_batch(product(x_hat[k], Partial(f, x[k]))),
            product(gamma / root, total(1, product(-1, 1 / m, squares)), along_y),
            r"Its product with $\hat x$: again the sum of the $\hat x_i$ takes one term away, and in another stand "
            "their squares, ...",
        ),
        then(
            product(gamma / root, 1 - variance / shifted, along_y),
            "... whose sum is known.",
            using(squares),
        ),
        then(
            product(gamma, epsilon / (shifted * root), along_y),
            r"It is as small as $\varepsilon$: up to $\varepsilon$ it is orthogonal to $\hat x$, too.",
        ),
    )


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare the layer and its proved gradients with PyTorch's own batch normalisation, for a batch of 6."""
    (derivation,) = derivations
    rng = np.random.default_rng(2)
    inputs, given = rng.normal(1.0, 2.0, size=6), rng.normal(size=6)
    parameters = {gamma: 1.7, beta: -0.4, epsilon: 0.01}
    at = values(derivation, inputs, given, parameters)
    theirs = _torch_batch_norm(inputs, given, *parameters.values())
    torchs = "`torch.nn.functional.batch_norm`"
    results = {
        r"$\mu$ and $\sigma^2$ (from its running statistics)": (at(mu) + at(variance), theirs["statistics"]),
        "the outputs": (at(y[i]), theirs["outputs"]),
        r"$\partial f/\partial \gamma$ and $\partial f/\partial \beta$": (
            at(d_gamma) + at(d_beta),
            theirs["parameters"],
        ),
        r"$\partial f/\partial x_i$": (at(d_x), theirs["inputs"]),
    }
    return tuple(Anchor(what, torchs, largest_difference(*pair)) for what, pair in results.items())


def values(
    derivation: Derivation, inputs: np.ndarray, given: np.ndarray, parameters: dict[Symbol, float]
) -> Callable[[Expr], list[float]]:
    """Return the function that evaluates what was proved about a left side: a number for each entry.

    `inputs` are the m values of x and `given` the m derivatives of the loss by the outputs. Other derivatives in a
    formula are replaced by what was proved about them.
    """
    facts = derivation.facts()

    def derivative(evaluator: Evaluator, of: Expr, by: Expr, point: Point) -> float:
        name, index = evaluator.location(by, point)
        return given[index[0] - 1] if name == y else evaluator(facts[d_hat_i], {**point, i: index[0]})

    evaluate = Evaluator(derivation.definitions.by_name, derivation.ranges, derivative)
    point: dict[Name, Any] = {m: len(inputs), x: lambda index: float(inputs[index[0] - 1]), **parameters}

    def at(left: Expr) -> list[float]:
        indices = [{i: n} for n in range(1, len(inputs) + 1)] if left.has(i) else [{}]
        return [float(evaluate(facts[left], {**point, **index})) for index in indices]

    return at


def _torch_batch_norm(
    inputs: np.ndarray, given: np.ndarray, scale: float, shift: float, eps: float
) -> dict[str, list[float]]:
    """Return the statistics, outputs and gradients of PyTorch's function."""
    torch = load_torch()
    mean, spread = (torch.zeros(1, dtype=torch.float64) for _ in range(2))
    column, weight, bias = (
        torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (inputs[:, None], [scale], [shift])
    )
    outputs = torch.nn.functional.batch_norm(column, mean, spread, weight, bias, True, 1.0, eps)  # momentum 1
    gradients = torch.autograd.grad(outputs, (column, weight, bias), torch.from_numpy(given[:, None]))
    m = len(inputs)
    return {
        "statistics": [mean.item(), spread.item() * (m - 1) / m],  # the running variance is kept with 1/(m - 1)
        "outputs": outputs.flatten().tolist(),
        "inputs": gradients[0].flatten().tolist(),
        "parameters": [gradients[1].item(), gradients[2].item()],
    }

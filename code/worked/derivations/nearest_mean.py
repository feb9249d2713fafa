"""The nearest mean: why it is a linear classifier, when it is the largest cosine, and what centring alone changes.

Classes are numbered by k and l, coordinates by d and j, the examples of a class by m and n.
"""

from typing import Any

import numpy as np
from sympy import Expr, IndexedBase, Integer, Rational, Sum, Symbol, symbols

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.derivation import Derivation, claim, define, then
from worked.symbolic.evaluate import Entries, Evaluator
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total
from worked.symbolic.methods import using

SLUG = "nearest-mean"
TITLE = "The nearest mean as a linear classifier"
PAGE = "experiments/few-shot"  # it stands on a page of the experiments

D, K, C = symbols("D K C", integer=True, positive=True)
d, k, l, m, n = symbols("d k l m n", integer=True)  # noqa: E741
f = IndexedBase("f", shape=(D,), real=True)  # the query's feature
s = IndexedBase("s", shape=(C, K, D), real=True)  # features of the examples
mu = IndexedBase(r"\mu", shape=(D,), real=True)
c = IndexedBase("c", shape=(C, D), real=True)
distance = IndexedBase(r"\delta", shape=(C,), real=True)
score = IndexedBase("a", shape=(C,), real=True)
centred = IndexedBase("c'", shape=(C, D), real=True)
CLASS, SHOT, COORDINATE = (Integer(1), C), (Integer(1), K), (Integer(1), D)
HALF = Rational(1, 2)


def over(body: Expr, index: Symbol = d, upper: Expr = D) -> Sum:
    """Return the sum over all coordinates, or over the examples."""
    return Sum(body, (index, 1, upper))


squares, products = over(c[k, d] ** 2), over(product(c[k, d], f[d]))
MARGIN = score[k] - score[l]


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    rule = decision()
    return rule, lengths(rule), centring(rule)


def decision() -> Derivation:
    """From the nearest mean to the highest of linear scores."""
    middle = product(HALF, total(c[k, d], c[l, d]))
    return Derivation(
        f"{SLUG}-rule",
        "The decision",
        {k: CLASS, l: CLASS, d: COORDINATE, m: SHOT},
        (
            define(c[k, d], product(1 / K, over(s[k, m, d], m, K)), "The mean of the $K$ examples of class $k$."),
            define(distance[k], over((f[d] - c[k, d]) ** 2), "The squared distance of a query from it."),
            then(total(over(f[d] ** 2), product(-2, products), squares), "Multiplied out."),
            define(score[k], total(products, product(-HALF, squares)), "The score of class $k$, linear in the query."),
            claim(
                distance[k],
                total(over(f[d] ** 2), product(-2, score[k])),
                "The distance in terms of the score; its first term has no $k$, ...",
            ),
            claim(
                distance[k] - distance[l],
                product(2, total(score[l], -score[k])),
                "... so that it drops out between two classes: **the nearest mean has the highest score.**",
            ),
            claim(
                MARGIN,
                over(product(total(c[k, d], -c[l, d]), total(f[d], -middle))),
                "Where two classes are equally near: the hyperplane through the middle of their means, perpendicular "
                "to the line between them.",
            ),
        ),
    )


def lengths(rule: Derivation) -> Derivation:
    """What stands in the offset of the score."""
    pair = over(product(s[k, m, d], s[k, n, d]))
    return Derivation(
        f"{SLUG}-offset",
        "The offset of a score",
        {k: CLASS, d: COORDINATE, m: SHOT, n: SHOT},
        (
            claim(
                squares,
                product(1 / K**2, over(over(pair, m, K), n, K)),
                "The squared length of a mean is the mean of all products of two examples of its class, each with "
                "itself too.",
            ),
            claim(
                score[k],
                total(products, product(-HALF, 1 / K**2, over(over(pair, m, K), n, K))),
                "Inserted.",
                using(score[k], squares),
            ),
        ),
        rule.definitions.items,
    )


def centring(rule: Derivation) -> Derivation:
    """A vector that is subtracted from all features changes no distance."""
    return Derivation(
        f"{SLUG}-centring",
        "Centring alone",
        {k: CLASS, d: COORDINATE, m: SHOT},
        (
            define(
                centred[k, d],
                product(1 / K, over(s[k, m, d] - mu[d], m, K)),
                r"The mean of the examples after any vector $\mu$ was subtracted from each.",
            ),
            then(c[k, d] - mu[d], "The mean moves with them."),
            claim(
                over((f[d] - mu[d] - centred[k, d]) ** 2),
                distance[k],
                "A query moves as well, and its distance stays: **centring alone decides nothing.** It can matter only "
                "together with a change of length.",
            ),
        ),
        rule.definitions.items,
    )


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare distances, scores and decisions with SciPy, PyTorch and scikit-learn: 5 classes, 3 examples of each."""
    from scipy.spatial.distance import cdist
    from sklearn.neighbors import NearestCentroid

    rule, offset, moved = derivations
    sizes = {C: 5, K: 3, D: 7}
    rng = np.random.default_rng(4)
    examples, queries = rng.normal(size=(5, 3, 7)), rng.normal(size=(20, 7))
    labels = np.repeat(np.arange(5), 3)
    reference = NearestCentroid().fit(examples.reshape(15, 7), labels)

    def values(derivation: Derivation, left: Expr) -> np.ndarray:
        """The last formula proved for the left side, for each query and class."""
        evaluate = Evaluator(derivation.definitions.by_name, derivation.ranges)
        fixed: dict[Any, Any] = {**sizes, s: _entries(examples), mu: _entries(examples[0, 0])}
        right = derivation.facts()[left]
        return np.array([[evaluate(right, {**fixed, f: _entries(q), k: n}) for n in range(1, 6)] for q in queries])

    torch = load_torch()
    layer = torch.nn.Linear(7, 5, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(reference.centroids_))
        layer.bias.copy_(-(layer.weight**2).sum(1) / 2)
        theirs = layer(torch.from_numpy(queries)).numpy()
    distances, scores = values(rule, distance[k]), values(offset, score[k])
    shifted = values(moved, over((f[d] - mu[d] - centred[k, d]) ** 2))
    squared = cdist(queries, reference.centroids_, "sqeuclidean")
    decisions = reference.predict(queries)
    wrong = [float((chosen != decisions).mean()) for chosen in (distances.argmin(1), scores.argmax(1))]
    scipys, torchs = "`scipy.spatial.distance.cdist`", "`torch.nn.Linear`"
    return (
        Anchor(r"$\delta_k$", scipys, largest_difference(distances.flat, squared.flat)),
        Anchor(r"$\delta_k$ after centring", scipys, largest_difference(shifted.flat, squared.flat)),
        Anchor("$a_k$", torchs, largest_difference(scores.flat, theirs.flat)),
        Anchor("the decisions", "`sklearn.neighbors.NearestCentroid`", max(wrong)),
    )


def _entries(array: np.ndarray) -> Entries:
    """Let indices start at 1."""
    return lambda index: float(array[tuple(number - 1 for number in index)])

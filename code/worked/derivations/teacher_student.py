r"""The risk of a linear student with a linear teacher on normal inputs, for every dimension and number of samples.

The student has the weights $w$, the teacher $w^*$; a symbol with a superscript belongs to the teacher.
"""

from typing import Any

import numpy as np
from sympy import Expr, IndexedBase, Integer, Integral, KroneckerDelta, Pow, Rational, Sum, Symbol, exp, oo, pi, symbols

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.derivation import Derivation, claim, define, then
from worked.symbolic.evaluate import Entries, Evaluator, Point
from worked.symbolic.expectation import Density, Expectation, Independence, Integration, Linearity, Pairing, density
from worked.symbolic.functions import Partial
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total
from worked.symbolic.methods import Differentiation, using

SLUG = "teacher-student"
TITLE = "The risk of a student"

d, r, n = symbols("d r n", integer=True, positive=True)
i, j, k, l, s, t = symbols("i j k l s t", integer=True)  # noqa: E741
z, xi, sigma, eta = symbols(r"z \xi \sigma \eta", real=True)
risk, risk_correlated, risk_noisy, estimate = symbols(r"R R_{\Sigma} R_{\sigma} \hat{R}", real=True)
w = IndexedBase("w", shape=(d,), real=True)
w_t = IndexedBase(r"w^{\ast}", shape=(d,), real=True)
a = IndexedBase("a", shape=(d,), real=True)
x = IndexedBase("x", shape=(d,), real=True)
x_s = IndexedBase("x", shape=(n, d), real=True)
e = IndexedBase("e", shape=(n,), real=True)
u = IndexedBase("u", shape=(r,), real=True)
factor = IndexedBase("A", shape=(d, r), real=True)
covariance = IndexedBase(r"\Sigma", shape=(d, d), real=True)

E = Expectation
DIMENSION = (Integer(1), d)
ANSWER = risk


def over(body: Expr, *indices: Symbol, upper: Expr = d) -> Expr:
    """Return the sum over the indices, the first outermost, each from 1."""
    return Sum(body, *((index, 1, upper) for index in reversed(indices)))


def difference(index: Symbol) -> Expr:
    """Return one entry of w - w*."""
    return w[index] - w_t[index]


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    proved = risk_derivation()
    return moments(), pairs(), proved, learning(proved), correlated(), noisy(), samples()


def moments() -> Derivation:
    """The first four moments of one standard normal variable: all that is needed of the normal distribution."""
    p = density(z)
    line, root = (z, -oo, oo), Pow(product(2, pi), Rational(-1, 2), evaluate=False)
    steps = (
        define(p, product(root, exp(-(z**2) / 2)), "The density of one standard normal variable."),
        claim(Integral(p, line), Integer(1), "It is a density.", Integration()),
        claim(
            E(z, z), Integer(0), r"The mean of a function is its integral against $p$; here it is odd.", Integration()
        ),
        claim(E(z**2, z), Integral(product(z**2, p), line), "Written out.", Density()),
        then(Integer(1), "The variance.", Integration()),
        claim(E(z**3, z), Integer(0), "Odd again.", Integration()),
        claim(E(z**4, z), Integral(product(z**4, p), line), "Written out.", Density()),
        then(Integer(3), "By parts: three times the second moment.", Integration()),
    )
    return Derivation(f"{SLUG}-moments", "One normal variable", {}, steps)


def pairs() -> Derivation:
    """Means of products of entries of a standard normal vector: Isserlis' rule for two and for four."""
    indices = (i, j, k, l)
    ways = (((i, j), (k, l)), ((i, k), (j, l)), ((i, l), (j, k)))
    four = sum(product(KroneckerDelta(*one), KroneckerDelta(*other)) for one, other in ways)
    return Derivation(
        f"{SLUG}-pairs",
        "Products of entries",
        dict.fromkeys(indices, DIMENSION),
        (
            claim(
                E(x[i] * x[j], x),
                KroneckerDelta(i, j),
                r"Two entries: for $i = j$ the second moment, for $i \ne j$ a product of two first moments.",
                Independence(),
            ),
            claim(
                E(product(*(x[index] for index in indices)), x),
                four,
                "Four entries: one term for each of the three ways to pair them.",
                Independence(),
            ),
        ),
    )


def risk_derivation() -> Derivation:
    """What the exercise asks for."""
    twice = product(difference(i), difference(j))
    return Derivation(
        f"{SLUG}-risk",
        "The risk",
        {i: DIMENSION, j: DIMENSION},
        (
            claim(E(x[i] * x[j], x), KroneckerDelta(i, j), "From above.", Independence()),
            define(risk, E((over(w[i] * x[i], i) - over(w_t[i] * x[i], i)) ** 2, x), "The mean squared error."),
            then(E(over(product(difference(i), x[i]), i) ** 2, x), "Both outputs are linear in the same input."),
            then(
                over(product(difference(i), difference(j), E(x[i] * x[j], x)), i, j),
                "A square of a sum is a double sum, and the weights are not random.",
                Linearity(),
            ),
            then(over(product(twice, KroneckerDelta(i, j)), i, j), "Inserted.", using(E(x[i] * x[j], x))),
            then(over(difference(i) ** 2, i), r"Only $i = j$ is left: the squared distance $\lVert w - w^*\rVert^2$."),
        ),
    )


def learning(proved: Derivation) -> Derivation:
    """The gradient of the risk, and what one step of gradient descent does."""
    slope = Partial(risk, w[i])
    return Derivation(
        f"{SLUG}-learning",
        "Gradient descent on the risk",
        {i: DIMENSION},
        (
            claim(slope, product(2, difference(i)), "The gradient points away from the teacher.", Differentiation()),
            claim(
                w[i] - eta * slope - w_t[i],
                product(1 - 2 * eta, difference(i)),
                r"After a step of rate $\eta$, what is left of the distance to the teacher.",
                using(slope),
            ),
            claim(
                over(product(1 - 2 * eta, difference(i)) ** 2, i),
                product((1 - 2 * eta) ** 2, risk),
                "And of the risk.",
            ),
        ),
        proved.definitions.items,
    )


def correlated() -> Derivation:
    """Inputs x = A u of any covariance."""
    quadratic = over(product(difference(i), covariance[i, j], difference(j)), i, j)
    return Derivation(
        f"{SLUG}-correlated",
        "Correlated inputs",
        {i: DIMENSION, j: DIMENSION, k: (Integer(1), r)},
        (
            define(
                x[i],
                over(product(factor[i, k], u[k]), k, upper=r),
                "Inputs mixed from $r$ independent standard normal numbers $u_k$.",
            ),
            define(
                covariance[i, j],
                over(product(factor[i, k], factor[j, k]), k, upper=r),
                r"The matrix $\Sigma = A A^\top$.",
            ),
            claim(E(x[i] * x[j], u), covariance[i, j], "It is their covariance.", Pairing()),
            define(
                risk_correlated,
                E((over(w[i] * x[i], i) - over(w_t[i] * x[i], i)) ** 2, u),
                "The risk on such inputs.",
            ),
            then(
                over(product(difference(i), difference(j), E(x[i] * x[j], u)), i, j),
                "As before.",
                Linearity(),
            ),
            then(quadratic, r"The squared distance in the metric of $\Sigma$.", using(E(x[i] * x[j], u))),
            claim(
                Partial(risk_correlated, w[i]),
                product(2, over(product(E(x[i] * x[j], u), difference(j)), j)),
                r"The gradient is $2\,\Sigma\,(w - w^*)$.",
                Differentiation(),
            ),
        ),
    )


def noisy() -> Derivation:
    """Labels with noise of standard deviation sigma."""
    label = total(over(w_t[i] * x[i], i), sigma * xi)
    return Derivation(
        f"{SLUG}-noise",
        "Noisy labels",
        {},
        (
            define(
                risk_noisy,
                E(total(over(w[i] * x[i], i), product(-1, label)) ** 2, x, xi),
                r"The teacher's label with noise $\sigma \xi$, where $\xi$ is standard normal and independent of $x$.",
            ),
            then(
                total(over(difference(i) ** 2, i), sigma**2),
                "The noise adds its variance, which is left even when the student equals the teacher.",
                Pairing(),
            ),
        ),
    )


def samples() -> Derivation:
    """The average over n samples as an estimate of the risk: its mean and its error."""
    squares = product(1 / n, over(e[s] ** 2, s, upper=n))
    return Derivation(
        f"{SLUG}-samples",
        "The risk from samples",
        {i: DIMENSION, s: (Integer(1), n)},
        (
            define(risk, over(a[i] ** 2, i), "The risk, in terms of the distance $a = w - w^*$."),
            define(e[s], over(product(a[i], x_s[s, i]), i), "The error on sample $s$."),
            define(estimate, squares, "The average squared error of $n$ samples."),
            claim(E(e[s] ** 2, x_s), risk, "The square of one sample's error has the right mean.", Pairing()),
            claim(E(e[s] ** 4, x_s), product(3, risk**2), "Its own square: three pairings.", Pairing()),
            claim(
                E((e[s] ** 2 - risk) ** 2, x_s),
                product(2, risk**2),
                r"So one squared error has the standard deviation $\sqrt 2\,R$.",
                Pairing(),
            ),
            claim(E(estimate, x_s), risk, "The average is right in the mean.", Pairing()),
            claim(
                E((estimate - risk) ** 2, x_s),
                product(product(2, risk**2), 1 / n),
                "Its variance, for every number of samples and every dimension.",
                Pairing(),
            ),
        ),
    )


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare with PyTorch's layers and loss on Gauss and Hermite's nodes, and with SciPy's distributions."""
    from scipy import stats

    one = {d.slug.removeprefix(f"{SLUG}-"): d for d in derivations}
    rng = np.random.default_rng(5)
    size, count, spread = 3, 2, 0.6
    weights, teacher = rng.normal(size=size), rng.normal(size=size)
    mixing = np.tril(rng.normal(size=(size, size)), -1) + np.diag([0.7, 1.1, 1.6])
    mixed_by, drawn = rng.normal(size=size), rng.normal(size=(count, size))
    values = {w: weights, w_t: teacher, a: weights - teacher, factor: mixing, u: mixed_by, x_s: drawn}
    point = {d: size, r: size, n: count, sigma: spread, s: 1, **{name: _entries(v) for name, v in values.items()}}

    plain, noise = (_torch_risk(weights, teacher, np.eye(size), noise) for noise in (0.0, spread))
    mixed = _torch_risk(weights, teacher, mixing)
    error = stats.norm(scale=np.linalg.norm(weights - teacher))
    average = stats.chi2(count, scale=error.var() / count)
    torchs, scipys = "`torch.nn.Linear` and `MSELoss` on Gauss-Hermite nodes", "`scipy.stats`"
    compared = (
        (r"$\mathbb{E}\,z^4$", scipys, one["moments"], E(z**4, z), [stats.norm.moment(4)]),
        ("$R$", torchs, one["risk"], risk, [plain["risk"]]),
        (r"$\partial R/\partial w_i$", torchs, one["learning"], Partial(risk, w[i]), plain["slope"]),
        ("$x_i$", "`torch.nn.functional.linear`", one["correlated"], x[i], _torch_linear(mixed_by, mixing)),
        ("$e_s$", "`torch.nn.functional.linear`", one["samples"], e[s],
         _torch_linear(drawn[0], weights[None, :] - teacher[None, :])),
        (r"$\Sigma$", "`torch.distributions.MultivariateNormal`", one["correlated"], covariance[i, j],
         _torch_covariance(mixing)),
        (r"$R_\Sigma$", torchs, one["correlated"], risk_correlated, [mixed["risk"]]),
        (r"$\partial R_\Sigma/\partial w_i$", torchs, one["correlated"], Partial(risk_correlated, w[i]),
         mixed["slope"]),
        (r"$R_\sigma$", torchs, one["noise"], risk_noisy, [noise["risk"]]),
        ("fourth moment of an error", scipys, one["samples"], E(e[s] ** 4, x_s), [error.moment(4)]),
        (r"mean of $\hat R$", scipys, one["samples"], E(estimate, x_s), [average.mean()]),
        (r"variance of $\hat R$", scipys, one["samples"], E((estimate - risk) ** 2, x_s), [average.var()]),
    )  # fmt: skip
    return tuple(
        Anchor(what, against, largest_difference(_values(of, left, point, size), [v for v in theirs for _ in range(2)]))
        for what, against, of, left, theirs in compared
    )


def _values(of: Derivation, left: Expr, point: Point, size: int) -> list[float]:
    """Return for each value of the free indices what the definitions say of `left`, and what was proved about it.

    A derivative has only the second: differences are not exact enough, and its quantity is compared by itself.
    """
    evaluate = Evaluator(of.definitions.by_name, of.ranges)
    proved, places = of.facts()[left], [point]
    sides = (proved, proved) if isinstance(left, Partial) else (left, proved)
    for index in (i, j):
        if left.has(index):
            places = [{**at, index: number} for at in places for number in range(1, size + 1)]
    return [float(evaluate(side, at)) for at in places for side in sides]


def _entries(array: np.ndarray) -> Entries:
    """Let indices start at 1."""
    return lambda index: float(array[tuple(number - 1 for number in index)])


def _torch_risk(weights: np.ndarray, teacher: np.ndarray, mixing: np.ndarray, noise: float = 0.0) -> dict[str, Any]:
    """Return PyTorch's mean squared error on Gauss and Hermite's nodes, where it is exact, and its gradient."""
    torch = load_torch()
    nodes, chances = np.polynomial.hermite_e.hermegauss(3)  # exact to degree 5 in each variable
    grid = np.stack(np.meshgrid(*[nodes] * (len(weights) + 1), indexing="ij"), axis=-1).reshape(-1, len(weights) + 1)
    chance = np.prod(np.stack(np.meshgrid(*[chances / chances.sum()] * grid.shape[1]), axis=-1), axis=-1).reshape(-1)
    student = torch.nn.Linear(len(weights), 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        student.weight.copy_(torch.from_numpy(weights[None, :]))
    inputs = torch.from_numpy(grid[:, :-1] @ mixing.T)
    labels = inputs @ torch.from_numpy(teacher) + noise * torch.from_numpy(grid[:, -1])
    losses = torch.nn.MSELoss(reduction="none")(student(inputs)[:, 0], labels)
    value = (torch.from_numpy(chance) * losses).sum()
    value.backward()
    return {"risk": value.item(), "slope": student.weight.grad.flatten().tolist()}


def _torch_linear(inputs: np.ndarray, weights: np.ndarray) -> list[float]:
    torch = load_torch()
    return torch.nn.functional.linear(*map(torch.from_numpy, (inputs, weights))).tolist()


def _torch_covariance(mixing: np.ndarray) -> list[float]:
    torch = load_torch()
    scale = torch.from_numpy(mixing)
    normal = torch.distributions.MultivariateNormal(torch.zeros(len(mixing), dtype=scale.dtype), scale_tril=scale)
    return normal.covariance_matrix.flatten().tolist()

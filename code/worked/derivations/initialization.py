r"""The scale of initial weights that keeps the variance of pre-activations at 1, for every width.

The layer below has $d$ units with pre-activations $z_j$ and activations $a_j = \varphi(z_j)$; $w_{i,j}$ leads from its
unit $j$ to unit $i$ of the layer above, which has $m$ units and pre-activations $u_i$.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import (
    Expr,
    Function,
    IndexedBase,
    Integer,
    Integral,
    KroneckerDelta,
    Max,
    Pow,
    Rational,
    Subs,
    Sum,
    exp,
    oo,
    pi,
    sqrt,
    symbols,
)

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.derivation import Derivation, claim, define, then
from worked.symbolic.evaluate import Entries, Evaluator
from worked.symbolic.expectation import Density, Expectation, Integration, Linearity, Pairing, density
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total

SLUG = "initialization"
TITLE = "The scale of initial weights"

d, m = symbols("d m", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)
z, alpha, sigma = symbols(r"z \alpha \sigma", real=True)
q, s, b = symbols("q s b", positive=True)
scale, phi_alpha = symbols(r"\sigma_{l} \varphi_{\alpha}", real=True)
phi = Function("varphi", real=True)
z_j = IndexedBase("z", shape=(d,), real=True)
activation = IndexedBase("a", shape=(d,), real=True)
g = IndexedBase("g", shape=(m, d), real=True)
w = IndexedBase("w", shape=(m, d), real=True)
u = IndexedBase("u", shape=(m,), real=True)
upper_error, lower_error = IndexedBase("e", shape=(m,), real=True), IndexedBase("b", shape=(d,), real=True)
slope = IndexedBase("h", shape=(d,), real=True)

E = Expectation
LINE = (z, -oo, oo)
HALF = (z, 0, oo)
RELU = Max(z, 0)
LEAKY = Max(z, 0) - alpha * Max(-z, 0)
ANSWERS = (Subs(scale, q, Rational(1, 2)), E(RELU**2, z))
RANGES = {i: (Integer(1), m), k: (Integer(1), m), j: (Integer(1), d)}


def root(e: Expr) -> Expr:
    """Return the square root of `e` as it is to be printed."""
    return Pow(e, Rational(1, 2), evaluate=False)


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    formula = formula_derivation()
    return layer(), formula, relu(formula), leaky(formula), backward(), uniform()


def layer() -> Derivation:
    """What a layer makes of the variance."""
    squares = Sum(activation[j] ** 2, (j, 1, d))
    second = E(phi(z) ** 2, z)
    return Derivation(
        f"{SLUG}-layer",
        "Through one layer",
        RANGES,
        (
            define(
                w[i, j], product(sigma, g[i, j]), "Independent normal weights, mean 0, standard deviation $\\sigma$."
            ),
            define(activation[j], phi(z_j[j]), "Activations of the layer below."),
            define(u[i], Sum(product(w[i, j], activation[j]), (j, 1, d)), "Pre-activations of the layer above."),
            claim(E(u[i], g), Integer(0), "Over the weights, their mean is 0, whatever the activations.", Pairing()),
            claim(
                E(product(u[i], u[k]), g),
                product(KroneckerDelta(i, k), sigma**2, squares),
                "Their second moments: different units are uncorrelated, and each has the same variance.",
                Pairing(),
            ),
            claim(
                E(product(sigma**2, squares), z_j),
                product(sigma**2, Sum(E(activation[j] ** 2, z_j), (j, 1, d))),
                "The variance, averaged over standard normal pre-activations below.",
                Linearity(),
            ),
            claim(E(activation[j] ** 2, z_j), second, "Every $z_j$ has the same distribution."),
            claim(
                E(product(sigma**2, squares), z_j),
                product(d, sigma**2, second),
                "So all terms are the same; the $z_j$ need not be independent for this.",
            ),
        ),
    )


def formula_derivation() -> Derivation:
    """The scale at which the variance is 1."""
    wide = root(product(d, q))
    return Derivation(
        f"{SLUG}-formula",
        "The scale that keeps the variance",
        {},
        (
            define(
                scale,
                Pow(product(d, q), Rational(-1, 2), evaluate=False),
                r"The formula of the assignment; $q$ stands for the second moment.",
            ),
            claim(product(d, scale**2, q), Integer(1), "With it, the variance above is 1."),
            claim(
                product(d, s**2, q) - 1,
                product(product(s, wide) - 1, total(product(s, wide), 1)),
                "And with no other: the second factor is positive, the first is 0 for one $s$ only.",
            ),
        ),
    )


def relu(formula: Derivation) -> Derivation:
    """The answer: half of the second moment, twice the variance."""
    p, square = density(z), RELU**2
    half = Rational(1, 2)
    two = Pow(product(2, pi), -half, evaluate=False)
    return Derivation(
        f"{SLUG}-relu",
        "ReLU",
        {},
        (
            define(p, product(two, exp(-(z**2) / 2)), "The density of a standard normal variable."),
            claim(E(square, z), Integral(product(square, p), LINE), "The second moment, written out.", Density()),
            then(Integral(product(z**2, p), HALF), "For negative $z$ the integrand is 0.", Integration()),
            then(product(half, Integral(product(z**2, p), LINE)), "Half of an even function.", Integration()),
            then(half, "The variance of $z$ is 1.", Integration()),
            claim(Subs(scale, q, half), root(2 / d), "Put into the formula: this is what was to be shown."),
            claim(E(RELU, z), two, "The mean is not 0.", Integration()),
            claim(
                E(total(RELU, product(-1, two)) ** 2, z),
                half - product(half, 1 / pi),
                "So the variance is smaller than the second moment, which is what the layer above sees.",
                Integration(),
            ),
        ),
        formula.definitions.items,
    )


def leaky(formula: Derivation) -> Derivation:
    """LeakyReLU, with the identity and ReLU as its ends."""
    p = density(z)
    halves = total(Integral(product(z**2, p), HALF), product(alpha**2, Integral(product(z**2, p), (z, -oo, 0))))
    moment = product(Rational(1, 2), 1 + alpha**2)
    return Derivation(
        f"{SLUG}-leaky",
        "LeakyReLU",
        {},
        (
            define(phi_alpha, LEAKY, r"The slope is $\alpha$ below 0."),
            claim(
                E(phi_alpha, z),
                product(Pow(product(2, pi), Rational(-1, 2), evaluate=False), 1 - alpha),
                "Its mean.",
                Integration(),
            ),
            claim(E(phi_alpha**2, z), halves, "Its second moment: one half line each.", Integration()),
            then(moment, "Each half is worth a half.", Integration()),
            claim(
                Subs(scale, q, moment),
                root(2 / product(d, 1 + alpha**2)),
                r"ReLU is $\alpha = 0$; without a kink, $\alpha = 1$, it is $1/\sqrt d$.",
            ),
        ),
        formula.definitions.items,
    )


def backward() -> Derivation:
    """The same for the gradients, which go through the transposed weights."""
    return Derivation(
        f"{SLUG}-backward",
        "The way back",
        RANGES,
        (
            define(w[i, j], product(sigma, g[i, j]), "The same weights."),
            define(
                lower_error[j],
                product(slope[j], Sum(product(w[i, j], upper_error[i]), (i, 1, m))),
                r"The gradient at $z_j$: those at $u_i$, $e_i$, weighted, times the slope $h_j = \varphi'(z_j)$.",
            ),
            claim(
                E(lower_error[j] ** 2, g),
                product(sigma**2, slope[j] ** 2, Sum(upper_error[i] ** 2, (i, 1, m))),
                "Over the weights; now the number $m$ of units above counts.",
                Pairing(),
            ),
            claim(
                Integral(density(z), HALF),
                Rational(1, 2),
                "ReLU's squared slope is 1 on half of the line.",
                Integration(),
            ),
        ),
    )


def uniform() -> Derivation:
    """Uniform weights of the same variance, and the compromise of Glorot and Bengio."""
    bound = root(6 / (d + m))
    return Derivation(
        f"{SLUG}-uniform",
        "Uniform weights",
        {},
        (
            claim(
                Integral(product(1 / (2 * b), z**2), (z, -b, b)),
                b**2 / 3,
                "The variance of a uniform variable between $-b$ and $b$.",
                Integration(),
            ),
            claim(Subs(b**2 / 3, b, sqrt(3) * s), s**2, r"So the standard deviation $s$ needs the bound $\sqrt 3\,s$."),
            claim(
                Subs(b**2 / 3, b, bound),
                2 / (d + m),
                "The bound of Glorot and Bengio: between $1/d$, for the way up, and $1/m$, for the way back.",
            ),
        ),
    )


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare with PyTorch's layers and gradients on quadrature nodes, its gains, and SciPy's integrals."""
    from scipy import stats

    torch = load_torch()
    one = {of.slug.removeprefix(f"{SLUG}-"): of for of in derivations}
    rng = np.random.default_rng(2)
    fan_in, fan_out, deviation, negative, width = 2, 3, 0.7, 0.2, 0.8
    below, errors, slopes = rng.normal(size=fan_in), rng.normal(size=fan_out), rng.normal(size=fan_in)
    normal = rng.normal(size=(fan_out, fan_in))
    point = {d: fan_in, m: fan_out, sigma: deviation, alpha: negative, q: 0.5, b: width, phi: np.tanh, i: 1, k: 1, j: 2}
    arrays = {z_j: below, upper_error: errors, slope: slopes, g: normal}
    point |= {name: _entries(array) for name, array in arrays.items()}

    def ours(of: Derivation, left: Expr) -> list[float]:
        """The value by the definitions, and that of what was proved."""
        evaluate = Evaluator(of.definitions.by_name, of.ranges)
        return [float(evaluate(side, point)) for side in (left, of.facts()[left])]

    layer_of = _torch_layer(below, errors, slopes)
    nodes, chances = _nodes(fan_out * fan_in)
    drawn = [layer_of(deviation * node.reshape(fan_out, fan_in)) for node in nodes]
    above, back = layer_of(deviation * normal)
    gain = torch.nn.init.calculate_gain
    kaiming = [gain(*named) / fan_in**0.5 for named in (("relu",), ("leaky_relu", negative))]
    relu, leaky = torch.nn.functional.relu, lambda at: torch.nn.functional.leaky_relu(at, negative)
    torchs, scipys = "`torch.nn.Linear` and its gradient on Gauss-Hermite nodes", "`scipy.integrate` of PyTorch's"
    compared = (
        ("$u_i$", "`torch.nn.Linear`", one["layer"], u[i], above[0]),
        ("$b_j$", "`torch.autograd`", one["backward"], lower_error[j], back[1]),
        (r"$\mathbb{E}\,u_i^2$", torchs, one["layer"], E(product(u[i], u[k]), g),
         sum(chance * u_1[0] ** 2 for chance, (u_1, _) in zip(chances, drawn, strict=True))),
        (r"$\mathbb{E}\,b_j^2$", torchs, one["backward"], E(lower_error[j] ** 2, g),
         sum(chance * b_j[1] ** 2 for chance, (_, b_j) in zip(chances, drawn, strict=True))),
        (r"$\mathbb{E}\,\varphi(z)^2$ for ReLU", scipys, one["relu"], E(RELU**2, z), _mean(relu, 2)),
        ("and its mean", scipys, one["relu"], E(RELU, z), _mean(relu, 1)),
        ("the same for LeakyReLU", scipys, one["leaky"], E(phi_alpha**2, z), _mean(leaky, 2)),
        (r"$\sigma_l$ for ReLU", "`torch.nn.init.calculate_gain`", one["relu"], ANSWERS[0], kaiming[0]),
        (r"$\sigma_l$ for LeakyReLU", "`torch.nn.init.calculate_gain`", one["leaky"],
         Subs(scale, q, product(Rational(1, 2), 1 + alpha**2)), kaiming[1]),
        ("a uniform variance", "`scipy.stats`", one["uniform"],
         Integral(product(1 / (2 * b), z**2), (z, -b, b)), stats.uniform(-width, 2 * width).var()),
    )  # fmt: skip
    return tuple(
        Anchor(what, against, largest_difference(ours(of, left), [theirs] * 2))
        for what, against, of, left, theirs in compared
    )


def _entries(array: np.ndarray) -> Entries:
    """Let indices start at 1."""
    return lambda index: float(array[tuple(number - 1 for number in index)])


def _nodes(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss and Hermite's nodes `[count, dimension]` and weights, exact to degree 3 in each variable."""
    t, chance = np.polynomial.hermite_e.hermegauss(2)
    grids = (np.meshgrid(*[one] * dimension, indexing="ij") for one in (t, chance / chance.sum()))
    nodes, chances = (np.stack(grid, axis=-1).reshape(-1, dimension) for grid in grids)
    return nodes, chances.prod(axis=1)


def _torch_layer(below: np.ndarray, errors: np.ndarray, slopes: np.ndarray) -> Callable[[np.ndarray], Any]:
    """Return a function of the weights: PyTorch's pre-activations above, and the gradient below."""
    torch = load_torch()
    z_below, e_above, h = map(torch.from_numpy, (below, errors, slopes))

    def layer_of(weights: np.ndarray) -> tuple[list[float], list[float]]:
        linear = torch.nn.Linear(weights.shape[1], weights.shape[0], bias=False, dtype=torch.float64)
        linear.weight = torch.nn.Parameter(torch.from_numpy(weights))
        above = linear(torch.tanh(z_below))
        at = z_below.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(linear(h * at), at, e_above)
        return above.tolist(), gradient.tolist()

    return layer_of


def _mean(activation: Any, power: int) -> float:
    """Return the mean of a power of an activation of PyTorch's, by SciPy's quadrature on either side of 0."""
    from scipy.integrate import quad

    torch = load_torch()

    def integrand(at: float) -> float:
        return float(activation(torch.tensor(at, dtype=torch.float64))) ** power * math.exp(-at * at / 2)

    halves = (quad(integrand, *side, epsabs=1e-13)[0] for side in ((-math.inf, 0), (0, math.inf)))
    return sum(halves) / math.sqrt(2 * math.pi)

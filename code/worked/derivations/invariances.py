r"""Which changes of its weights leave a two-layer network as it is, and which weights make it blind to a symmetry.

The network reads X, four bases times d positions, and has 4 d hidden units, numbered like the entries of X:
$f = \sum_{r,k} V_{r,k}\,\varphi(\sum_{j,i} W_{r,k,j,i} X_{j,i})$. Bases are numbered 1 to 4 in the order C, T, G, A.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as places
from typing import Any

import numpy as np
from sympy import (
    Abs,
    Expr,
    Function,
    IndexedBase,
    Integer,
    Limit,
    Mod,
    Piecewise,
    Pow,
    Rational,
    Sum,
    Symbol,
    exp,
    log,
    oo,
    sign,
    symbols,
)

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.bijections import Permutation
from worked.symbolic.definitions import Definition
from worked.symbolic.derivation import Derivation, Step, claim, define, then
from worked.symbolic.evaluate import Entries, Evaluator
from worked.symbolic.functions import Partial, logistic
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total
from worked.symbolic.methods import AtSizes, Cases, Differentiation, TakeLimit, using
from worked.symbolic.reindex import Inserted, Reindex

SLUG = "invariances"
TITLE = "Invariances of a two-layer network"


class pair(Function):
    r"""The base that a base pairs with, $\bar{\jmath} = 1 + (j + 1) \bmod 4$ for j = 1, ..., 4, kept as an atom.

    That pairing twice gives the base back is the only rule about it. It is a lemma, proved from the definition.
    """

    nargs = 1
    is_integer = True

    @classmethod
    def eval(cls, j: Expr) -> Expr | None:
        """Return the base for a pair's pair, and the value for a given base."""
        if isinstance(j, pair):
            return j.args[0]
        return cls.definition(j) if j.is_Integer else None

    @staticmethod
    def definition(j: Expr) -> Expr:
        """Return what the atom stands for."""
        return 1 + Mod(j + 1, 4)

    def value_at(self, evaluator: Evaluator, point: dict) -> int:
        """Return the pair of a base at a point; IndexError outside 1 to 4."""
        j = int(evaluator(self.args[0], point))
        if not 1 <= j <= 4:
            raise IndexError(f"there is no base {j}")
        return 1 + (j + 1) % 4

    def _latex(self, printer: object) -> str:
        return rf"\bar{{{printer._print(self.args[0])}}}"  # type: ignore[attr-defined]


d, m = symbols("d m", integer=True, positive=True)
r, k, j, i = symbols("r k j i", integer=True)
z, t, alpha, beta, gamma, gain, first, second, y = symbols(r"z t \alpha \beta \gamma g a b y", real=True)
shift, other, seed = symbols(r"s z' \pi", real=True)
c, n, q = symbols("c n q", positive=True)
phi, slope = Function(r"\varphi", real=True), Function(r"\varphi'", real=True)
v, v_, size, size_c, normalised = symbols("V V' S S_{c} f_{n}", real=True)
COUNTS = symbols(
    r"N \tilde{N}_{2m} \tilde{N}_{2m-1} \bar{N} N^{\mathrm{both}}_{2m} N^{\mathrm{both}}_{2m-1}",
    real=True,
)
FOUR, ONE, HALF = Integer(4), Integer(1), Rational(1, 2)
RANGES = {r: (ONE, FOUR), k: (ONE, d), j: (ONE, FOUR), i: (ONE, d)}
PERMUTED = Permutation(seed, (RANGES[r], RANGES[k]))(r, k)


def _tensor(label: str, rank: int = 2, **known: bool) -> IndexedBase:
    return IndexedBase(label, shape=(4, d, 4, d)[:rank], **(known or {"real": True}))


X, V, h, s, a = (_tensor(label) for label in ("X", "V", "h", "s", "a"))
x = _tensor("z")  # the input of each unit
W, U = _tensor("W", 4), _tensor("U", 4)
u = _tensor("u")
scale = _tensor("c", positive=True)
f, permuted, rescaled, amplified, scaled, loss = symbols("f f_{\\pi} f_{c} f_{q} f_{c} L", real=True)


def units(term: Expr) -> Expr:
    """Return the sum over all hidden units."""
    return Sum(term, (k, 1, d), (r, 1, 4))


def entries(term: Expr) -> Expr:
    """Return the sum over all entries of the input."""
    return Sum(term, (i, 1, d), (j, 1, 4))


ACTIVATION = Definition(phi(z), total(beta * z, gamma * Abs(z)))
DOUBT = logistic(-product(c, y, f))  # what the loss still sees of a scaled sample
SLOPE = Definition(slope(z), total(beta, gamma * sign(z)))
UNIT = Definition(x[r, k], entries(product(W[r, k, j, i], X[j, i])))
NETWORK = Definition(f, units(product(V[r, k], phi(x[r, k]))))


def mirror(index: Expr) -> Expr:
    """Return the position of an index when the sequence is read backwards."""
    return d + 1 - index


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    output = scaling()
    return (
        activation(),
        homogeneity(),
        permutation(),
        rescaling(),
        special(),
        reversal(),
        narrow(),
        pairing(),
        complement(),
        both(),
        reverse_complement(),
        counts(),
        averaging(),
        output,
        slopes(),
        gradients(output),
        normalising(),
    )


def activation() -> Derivation:
    """The activation: written without cases, homogeneous for positive factors, linear in opposite pairs."""
    return Derivation(
        f"{SLUG}-activation",
        "LeakyReLU",
        {},
        (
            define(phi(z), Piecewise((z, z >= 0), (alpha * z, True)), "LeakyReLU with slope $\\alpha$ below zero."),
            define(beta, product(HALF, total(1, alpha)), "Half the sum of the two slopes,"),
            define(gamma, product(HALF, total(1, -alpha)), "and half their difference."),
            claim(phi(z), ACTIVATION.body, "The same without cases.", Cases(z)),
        ),
    )


def homogeneity() -> Derivation:
    """What the network inherits from its activation."""
    return Derivation(
        f"{SLUG}-homogeneity",
        "Positive homogeneity",
        {},
        (
            claim(
                phi(product(c, z)),
                product(c, phi(z)),
                "LeakyReLU is *positively homogeneous*: a positive factor $c$ passes through.",
            ),
            claim(
                phi(product(gain, z)) - product(gain, phi(z)),
                product(gamma, Abs(gain) - gain, Abs(z)),
                r"A negative factor $g$ does not, unless $\gamma = 0$, which is $\alpha = 1$.",
                Cases(z),
            ),
            claim(phi(z) - phi(-z), product(2, beta, z), "Two opposite units make a linear one."),
        ),
        (ACTIVATION,),
    )


def permutation() -> Derivation:
    """Question 1: the hidden units in another order. The activation may be any function."""
    r_, k_ = PERMUTED
    return Derivation(
        f"{SLUG}-permutation",
        "Permutation of the hidden units",
        RANGES,
        (
            define(UNIT.head, UNIT.body, "Input of the hidden unit $(r, k)$."),
            define(NETWORK.head, NETWORK.body, "The network."),
            define(
                permuted,
                units(product(V[r_, k_], phi(entries(product(W[r_, k_, j, i], X[j, i]))))),
                "Unit $(r, k)$ gets the weights of $(r', k') = \\pi(r, k)$, for any permutation $\\pi$ of the units.",
            ),
            then(units(product(V[r_, k_], phi(x[r_, k_]))), "The unit $(r, k)$ now does what $(r', k')$ did."),
            then(
                units(product(V[r, k], phi(x[r, k]))),
                "When $(r, k)$ runs through all units, so does $(r', k')$.",
                Reindex(((r, r_), (k, k_))),
            ),
            then(f, "Nothing has changed."),
        ),
    )


def rescaling() -> Derivation:
    """Question 1: factors that pass through a unit."""
    return Derivation(
        f"{SLUG}-rescaling",
        "Rescaling of a hidden unit",
        RANGES,
        (
            define(
                s[r, k],
                entries(product(scale[r, k], W[r, k, j, i], X[j, i])),
                "Each unit's incoming weights are multiplied by a $c_{r,k} > 0$ of its own.",
            ),
            then(product(scale[r, k], x[r, k]), "A common factor."),
            define(a[r, k], phi(s[r, k]), "The output that this makes."),
            then(phi(product(scale[r, k], x[r, k])), "Inserted.", using(s[r, k])),
            then(product(scale[r, k], phi(x[r, k])), "Positive homogeneity."),
            define(
                rescaled,
                units(product(V[r, k] / scale[r, k], a[r, k])),
                "The outgoing weight is divided by the same factor.",
            ),
            then(
                units(product(V[r, k] / scale[r, k], scale[r, k], phi(x[r, k]))),
                "Inserted.",
                using(a[r, k]),
            ),
            then(f, "The factors cancel."),
            define(
                amplified,
                units(product(q * V[r, k], phi(x[r, k]))),
                "For the decision alone: all outgoing weights are multiplied by one $q > 0$.",
            ),
            then(product(q, f), "The output is multiplied, too; its sign is the same."),
        ),
        (ACTIVATION, UNIT, NETWORK),
    )


def special() -> Derivation:
    """Question 1: weights that allow more. V and V' are the outgoing weights of two units."""
    return Derivation(
        f"{SLUG}-special",
        "Special weights have more",
        {},
        (
            claim(phi(Integer(0)), Integer(0), "A unit without input is silent: its outgoing weight is arbitrary."),
            claim(
                product(v + shift, phi(z)) + product(v_ - shift, phi(z)),
                product(v, phi(z)) + product(v_, phi(z)),
                "Two units with the same input share their outgoing weight in any way.",
            ),
            claim(
                total(phi(z + shift), -phi(-z - shift), phi(other - shift), -phi(shift - other)),
                product(2, beta, z + other),
                "Two pairs of opposite units with outgoing weights 1 and $-1$ see only the sum of their inputs: "
                "any $s$ can move from one to the other.",
            ),
        ),
        (ACTIVATION,),
    )


Image = Callable[[Expr, Expr], tuple[Expr, Expr]]


def _symmetric(
    slug: str, title: str, image: Image, moves: Sequence[tuple[Expr, Expr]], accent: str, words: str
) -> Derivation:
    """The network whose weights are tied by a symmetry of the input, and its invariance.

    `image` maps an entry of the input, or a unit, to its image; `moves` says what it does to each of the four indices.
    """
    tied = product(HALF, total(U[r, k, j, i], U[(*image(r, k), *image(j, i))]))
    return Derivation(
        f"{SLUG}-{slug}",
        title,
        RANGES,
        (
            define(W[r, k, j, i], tied, f"Tied weights, from any $U$: the average over {words}."),
            define(V[r, k], product(HALF, total(u[r, k], u[image(r, k)])), "The same in the second layer."),
            claim(W[r, k, j, i], W[(*image(r, k), *image(j, i))], "They meet the constraint"),
            claim(V[r, k], V[image(r, k)], "in both layers."),
            *_invariant(image, moves, accent),
        ),
        (UNIT, NETWORK),
    )


def _invariant(image: Image, moves: Sequence[tuple[Expr, Expr]], accent: str) -> tuple[Step, ...]:
    """The steps from the transformed input to the output, by the constraint alone."""
    X_, x_ = (_tensor(accent % name) for name in ("X", "z"))
    f_ = Symbol(accent % "f", real=True)
    inputs, hidden = (tuple(move for move in moves if move[0] in those) for those in ((j, i), (r, k)))
    return (
        define(X_[j, i], X[image(j, i)], "The transformed input."),
        define(x_[r, k], entries(product(W[r, k, j, i], X_[j, i])), "What unit $(r, k)$ makes of it."),
        then(entries(product(W[r, k, j, i], X[image(j, i)])), "Inserted.", using(X_[j, i])),
        then(
            entries(product(W[(r, k, *image(j, i))], X[j, i])),
            "The sum in another order.",
            Reindex(inputs),
        ),
        then(
            entries(product(W[(*image(r, k), j, i)], X[j, i])),
            "The constraint.",
            using(W[r, k, j, i]),
        ),
        then(x[image(r, k)], "So a transformed input *permutes the hidden units*."),
        define(f_, units(product(V[r, k], phi(x_[r, k]))), "The output."),
        then(
            units(product(V[image(r, k)], phi(x[image(r, k)]))),
            "Inserted, with the constraint of the second layer.",
            Inserted(used=(x_[r, k], V[r, k]), by=inputs),
        ),
        then(f, "This is $f$, summed in another order: the output is invariant.", Reindex(hidden)),
    )


REVERSED, COMPLEMENTED, REVERSE_COMPLEMENTED = r"\tilde{%s}", r"\bar{%s}", r"\hat{%s}"
REVERSAL = ((k, mirror(k)), (i, mirror(i)))
PAIRING = ((r, pair(r)), (j, pair(j)))


def reversal() -> Derivation:
    """Question 2: the sequence read backwards."""
    return _symmetric(
        "reversal",
        "Reversal",
        lambda base, at: (base, mirror(at)),
        REVERSAL,
        REVERSED,
        "the weight and its mirror image",
    )


def narrow() -> Derivation:
    """Question 2: the constraint that is too strong."""
    average = product(HALF, total(X[j, i], X[j, mirror(i)]))
    return Derivation(
        f"{SLUG}-narrow",
        "Symmetric units",
        RANGES,
        (
            define(
                W[r, k, j, i],
                product(HALF, total(U[r, k, j, i], U[r, k, j, mirror(i)])),
                "Each unit's weights are symmetric.",
            ),
            define(UNIT.head, UNIT.body, "Input of a unit."),
            then(
                entries(product(product(HALF, total(U[r, k, j, i], U[r, k, j, mirror(i)])), X[j, i])),
                "Inserted.",
                using(W[r, k, j, i]),
            ),
            then(
                entries(product(U[r, k, j, i], average)),
                "The second half of the sum in another order.",
                Reindex(((i, mirror(i)),)),
            ),
        ),
    )


def pairing() -> Derivation:
    """Question 3: the pairs of bases, and the rule that the other derivations use."""
    return Derivation(
        f"{SLUG}-pairing",
        "Pairs of bases",
        {j: (ONE, FOUR)},
        (
            define(pair(j), pair.definition(j), "The base that pairs with base $j$."),
            claim(1 + Mod(pair(j) + 1, 4), j, "The pair's pair is the base itself.", AtSizes(({},))),
        ),
    )


def complement() -> Derivation:
    """Question 3: every base replaced by the one that it pairs with."""
    return _symmetric(
        "complement",
        "Complementary bases",
        lambda base, at: (pair(base), at),
        PAIRING,
        COMPLEMENTED,
        "the weight and the one of the complementary bases",
    )


def reverse_complement() -> Derivation:
    """A remark: both at once, without either alone."""
    return _symmetric(
        "reverse-complement",
        "Reverse complement",
        lambda base, at: (pair(base), mirror(at)),
        (*REVERSAL, *PAIRING),
        REVERSE_COMPLEMENTED,
        "the weight and its image under both at once",
    )


def both() -> Derivation:
    """Questions 2 and 3 together: the average over a group of four is of both kinds, so both results apply to it."""
    P, P_ = _tensor("P", 4), _tensor("P'", 4)
    p, p_ = _tensor("p"), _tensor("p'")
    four = [(b, at) for b in (lambda v: v, pair) for at in (lambda v: v, mirror)]
    return Derivation(
        f"{SLUG}-both",
        "Reversal and complementary bases",
        RANGES,
        (
            define(
                W[r, k, j, i],
                product(Rational(1, 4), total(*(U[b(r), at(k), b(j), at(i)] for b, at in four))),
                "Weights averaged over all four combinations, from any $U$.",
            ),
            define(
                V[r, k],
                product(Rational(1, 4), total(*(u[b(r), at(k)] for b, at in four))),
                "The same in the second layer.",
            ),
            define(
                P[r, k, j, i],
                product(HALF, total(U[r, k, j, i], U[pair(r), k, pair(j), i])),
                "Averages over pairs of bases,",
            ),
            define(p[r, k], product(HALF, total(u[r, k], u[pair(r), k])), "in both layers."),
            claim(
                W[r, k, j, i],
                product(HALF, total(P[r, k, j, i], P[r, mirror(k), j, mirror(i)])),
                "The weights are tied as for reversal, with $P$ in place of $U$,",
            ),
            claim(V[r, k], product(HALF, total(p[r, k], p[r, mirror(k)])), "in both layers."),
            define(
                P_[r, k, j, i],
                product(HALF, total(U[r, k, j, i], U[r, mirror(k), j, mirror(i)])),
                "Averages over mirror images,",
            ),
            define(p_[r, k], product(HALF, total(u[r, k], u[r, mirror(k)])), "in both layers."),
            claim(
                W[r, k, j, i],
                product(HALF, total(P_[r, k, j, i], P_[pair(r), k, pair(j), i])),
                "The weights are also tied as for complementary bases, with $P'$ in place of $U$,",
            ),
            claim(V[r, k], product(HALF, total(p_[r, k], p_[pair(r), k])), "in both layers."),
        ),
    )


def counts() -> Derivation:
    """Questions 1 to 3: how many weights are free."""
    everything, odd, even = d, 2 * m - 1, 2 * m

    def weights(rows: Expr, columns: Expr, length: Expr) -> Expr:
        """All weights of the first `columns` units in the first `rows` rows."""
        inputs = Sum(ONE, (i, 1, length), (j, 1, 4))
        return total(Sum(inputs, (k, 1, columns), (r, 1, rows)), Sum(ONE, (k, 1, columns), (r, 1, rows)))

    def middle(rows: Expr) -> Expr:
        """The units in the middle of an odd length, whose weights are symmetric."""
        return total(Sum(ONE, (i, 1, m), (j, 1, 4), (r, 1, rows)), Sum(ONE, (r, 1, rows)))

    def at(length: Expr, squares: int, lines: int, extra: int) -> Expr:
        square, line = Pow(length, 2, evaluate=False), length
        if extra:
            return total(product(squares, total(square, 1)), lines * (line + 1))
        return total(product(squares, square), product(lines, line))

    N, N_even, N_odd, N_pair, N_both_even, N_both_odd = COUNTS
    return Derivation(
        f"{SLUG}-counts",
        "Free weights",
        {},
        (
            define(
                N, weights(FOUR, everything, d), "Without a constraint: each unit has $4d$ weights, and one goes out."
            ),
            then(at(d, 16, 4, 0), "Counted."),
            define(
                N_even,
                weights(FOUR, m, even),
                "Reversal, $d = 2m$: the units of the left half are free, the others their images.",
            ),
            then(at(even, 8, 2, 0), "Half of all."),
            define(
                N_odd,
                total(weights(FOUR, m - 1, odd), middle(FOUR)),
                "$d = 2m - 1$: the unit in the middle is its own image, and symmetric.",
            ),
            then(at(odd, 8, 2, 1), "A little more than half."),
            define(
                N_pair,
                weights(Integer(2), everything, d),
                "Complementary bases: two rows of units are free. No unit is its own image.",
            ),
            then(at(d, 8, 2, 0), "Half of all, for every $d$."),
            define(N_both_even, weights(Integer(2), m, even), "Both, $d = 2m$."),
            then(at(even, 4, 1, 0), "A quarter."),
            define(N_both_odd, total(weights(Integer(2), m - 1, odd), middle(Integer(2))), "Both, $d = 2m - 1$."),
            then(at(odd, 4, 1, 1), "A little more than a quarter."),
        ),
    )


def averaging() -> Derivation:
    """Why it does not cost anything: the average of a network and its image has no larger loss."""

    def of(margin: Expr) -> Expr:
        return log(1 + exp(-margin))

    ell = Function(r"\ell", real=True)
    mean = first + second
    difference = exp(-first) - exp(-second)
    return Derivation(
        f"{SLUG}-averaging",
        "Averaging never hurts",
        {},
        (
            define(ell(z), of(z), "The logistic loss of a sample with margin $z = y f$."),
            claim(
                ell(2 * first) + ell(2 * second) - 2 * ell(mean),
                log(1 + difference**2 / (1 + exp(-mean)) ** 2),
                "A sample and its image, with margins $2a$ and $2b$: their losses, less the two losses of the average.",
            ),
        ),
    )


def scaling() -> Derivation:
    """Question 4 (a): the scale of an input does not change the decision."""
    return Derivation(
        f"{SLUG}-scale",
        "A trained network on a scaled input",
        RANGES,
        (
            define(
                scaled,
                units(product(V[r, k], phi(entries(product(W[r, k, j, i], c * X[j, i]))))),
                "The output for $c X$.",
            ),
            then(units(product(V[r, k], phi(product(c, x[r, k])))), "A common factor of each unit's input."),
            then(product(c, f), "Positive homogeneity: the factor leaves each unit, and the whole network."),
        ),
        (ACTIVATION, UNIT, NETWORK),
    )


def slopes() -> Derivation:
    """The slope of the activation, which a positive factor does not change."""
    return Derivation(
        f"{SLUG}-slope",
        "The slope of the activation",
        {},
        (
            define(SLOPE.head, SLOPE.body, "$1$ above zero and $\\alpha$ below."),
            claim(
                Partial(phi(z), z),
                slope(z),
                "It is the derivative for $z \\ne 0$; at $z = 0$ there is none.",
                Differentiation(),
            ),
            claim(slope(product(c, z)), slope(z), "A positive factor leaves it as it is."),
        ),
        (ACTIVATION,),
    )


def gradients(output: Derivation) -> Derivation:
    """Question 4 (b): what the scale of a sample does to its gradient."""
    d_f, d_V, d_W = Partial(loss, scaled), Partial(loss, V[r, k]), Partial(loss, W[r, k, j, i])
    return Derivation(
        f"{SLUG}-gradient",
        "The gradient of a scaled sample",
        RANGES,
        (
            define(loss, log(1 + exp(-product(y, scaled))), "The loss of the sample $c X$ with label $y$."),
            claim(d_f, -product(y, logistic(-product(y, scaled))), "By the output.", Differentiation()),
            claim(
                d_V,
                -product(c, y, DOUBT, phi(x[r, k])),
                "By a weight of the second layer: the unit's output is $c$ times as large.",
                Differentiation(),
            ),
            claim(
                d_W,
                -product(c, y, DOUBT, V[r, k], slope(x[r, k]), X[j, i]),
                "By a weight of the first layer: the input is $c$ times as large, and the slope is the same.",
                Differentiation(),
            ),
            claim(
                Limit(product(t, logistic(-t)), t, oo),
                Integer(0),
                "A large scale silences a sample that is classified correctly, with $t = c\\,y f > 0$;",
                TakeLimit(),
            ),
            claim(
                Limit(logistic(t), t, oo),
                ONE,
                "one that is not, with $t = -c\\,y f > 0$, keeps its full factor $c$.",
                TakeLimit(),
            ),
            claim(
                Limit(logistic(-t), t, 0, "+"),
                Rational(1, 2),
                "With a small scale every sample has half of it.",
                TakeLimit(),
            ),
        ),
        (ACTIVATION, SLOPE, UNIT, NETWORK, Definition(scaled, output.steps[-1].right)),
    )


def normalising() -> Derivation:
    """Question 4 (c): the input divided by its norm."""
    norm = product(c, n)
    return Derivation(
        f"{SLUG}-normalise",
        "Dividing by the norm",
        RANGES,
        (
            define(size, entries(X[j, i] ** 2), "The squared norm of an input."),
            define(size_c, entries(Pow(product(c, X[j, i]), 2, evaluate=False)), "That of the scaled input."),
            then(product(c**2, size), "So the norm $n$ of $X$ becomes $c\\,n$."),
            define(
                normalised,
                units(product(V[r, k], phi(entries(product(W[r, k, j, i], product(c, X[j, i]), 1 / norm))))),
                "The scaled input, divided by its norm.",
            ),
            then(
                units(product(V[r, k], phi(entries(product(W[r, k, j, i], X[j, i] / n))))),
                "The scale is gone.",
            ),
            then(f / n, "Dividing the output does the same."),
        ),
        (ACTIVATION, UNIT, NETWORK),
    )


# -- against PyTorch ---------------------------------------------------------------------------------------------------

LENGTH = 2  # d, where the anchors compare; m = 2 makes the counts those of d = 3 and 4
VALUES = {
    **{alpha: 0.1, c: 1.7, q: 2.3, y: -1.0, seed: 0.3, z: -0.8, gain: -1.4, first: 0.7, second: -0.4, m: 2, d: LENGTH},
    **{shift: 0.6, other: 1.1, v: 0.9, v_: -0.5},
}
Pair = tuple[list[float], list[float]]  # our numbers and theirs


@dataclass(frozen=True)
class _Formulas:
    """The derivations at one point; what they define is evaluated by plain loops, the rest is random."""

    given: dict[str, Derivation]
    arrays: dict[IndexedBase, np.ndarray]

    def __call__(self, slug: str, e: Expr, at: dict[Symbol, int] | None = None) -> float:
        """Return the value of a formula by the definitions of its derivation."""
        derivation = self.given[slug]
        names = {**self.given["activation"].definitions.by_name, **derivation.definitions.by_name}
        arrays = {name: _entries(array) for name, array in self.arrays.items() if name not in names}
        norm = float(np.linalg.norm(self.arrays[X]))
        return float(Evaluator(names, derivation.ranges)(e, {**VALUES, n: norm, **arrays, **(at or {})}))

    def table(self, slug: str, e: Expr, *indices: Symbol) -> list[float]:
        """Return the values of a formula for every value of its indices, the last one fastest."""
        spans = [range(1, (4 if index in (r, j) else LENGTH) + 1) for index in indices]
        return [self(slug, e, dict(zip(indices, at, strict=True))) for at in places(*spans)]

    def equations(self, slug: str) -> list[float]:
        """Return both sides of every equation of a derivation about numbers."""
        return [self(slug, side) for step in self.given[slug].steps for side in (step.left, step.right)]


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare definitions and results with a network made of PyTorch's functions."""
    rng = np.random.default_rng(2)
    arrays = {name: 0.7 * rng.normal(size=(4, LENGTH)) for name in (X, V, u)}
    arrays |= {name: 0.7 * rng.normal(size=(4, LENGTH, 4, LENGTH)) for name in (W, U)}
    arrays[scale] = rng.uniform(0.5, 2, size=(4, LENGTH))
    ours = _Formulas({derivation.slug.removeprefix(f"{SLUG}-"): derivation for derivation in derivations}, arrays)
    results = _of_activation(ours) | _of_parameters(ours) | _of_symmetries(ours) | _of_scale(ours)
    against = "`torch.einsum`, `leaky_relu`, `flip`, `roll`, `matrix_rank` and autograd"
    return tuple(Anchor(what, against, largest_difference(*pair_)) for what, pair_ in results.items())


def _network(inputs: Any, weights: Any, outputs: Any) -> Any:
    """The network by PyTorch, on tensors."""
    torch = load_torch()
    hidden = torch.nn.functional.leaky_relu(torch.einsum("rkji,ji->rk", weights, inputs), VALUES[alpha])
    return torch.einsum("rk,rk->", outputs, hidden)


def _tensors(ours: _Formulas, *names: IndexedBase) -> tuple[Any, ...]:
    torch = load_torch()
    return tuple(torch.from_numpy(ours.arrays[name]) for name in names)


def _of_activation(ours: _Formulas) -> dict[str, Pair]:
    torch = load_torch()

    def leaky(at: float) -> float:
        return float(torch.nn.functional.leaky_relu(torch.tensor(at, dtype=torch.float64), VALUES[alpha]))

    def loss_of(margin: float) -> float:
        return float(torch.nn.functional.softplus(torch.tensor(-margin, dtype=torch.float64)))

    z_, s_, t_, c_, g_, v_1, v_2 = (VALUES[name] for name in (z, shift, other, c, gain, v, v_))
    shared = (v_1 + s_) * leaky(z_) + (v_2 - s_) * leaky(z_)
    opposite = leaky(z_ + s_) - leaky(-z_ - s_) + leaky(t_ - s_) - leaky(s_ - t_)
    homogeneous = [leaky(c_ * z_), leaky(g_ * z_) - g_ * leaky(z_), leaky(z_) - leaky(-z_)]
    a_, b_ = VALUES[first], VALUES[second]
    excess = loss_of(2 * a_) + loss_of(2 * b_) - 2 * loss_of(a_ + b_)
    (head, _), (_, jensen) = ((step.left, step.right) for step in ours.given["averaging"].steps)
    return {
        "LeakyReLU": ([ours("activation", phi(z)), ours("scale", phi(z))], [leaky(z_)] * 2),
        "its homogeneity": (ours.equations("homogeneity"), [side for side in homogeneous for _ in range(2)]),
        "special weights": (ours.equations("special"), [0.0, 0.0, shared, shared, opposite, opposite]),
        "the losses": ([ours("averaging", head), ours("averaging", jensen)], [loss_of(z_), excess]),
    }


def _of_parameters(ours: _Formulas) -> dict[str, Pair]:
    torch = load_torch()
    inputs, weights, outputs, factors = _tensors(ours, X, W, V, scale)
    images = [[int(at) - 1 for at in ours.table("permutation", coordinate, r, k)] for coordinate in PERMUTED]
    rows, columns = (torch.tensor(side).reshape(4, LENGTH) for side in images)
    plain = float(_network(inputs, weights, outputs))
    changed = [
        _network(inputs, weights[rows, columns], outputs[rows, columns]),
        _network(inputs, factors[:, :, None, None] * weights, outputs / factors),
        _network(inputs, weights, VALUES[q] * outputs),
    ]
    slugs = ("permutation", "rescaling", "scale", "gradient", "normalise")
    formulas = (("permutation", permuted), ("rescaling", rescaled), ("rescaling", amplified))
    return {
        "the network": ([ours(slug, f) for slug in slugs], [plain] * len(slugs)),
        "permuted and rescaled": ([ours(*formula) for formula in formulas], [float(value) for value in changed]),
    }


def _of_symmetries(ours: _Formulas) -> dict[str, Pair]:
    torch = load_torch()
    inputs, free, free_2 = _tensors(ours, X, U, u)

    def mirrored(t: Any, axes: tuple[int, ...] = (0, 1)) -> Any:
        return t.flip([axis for axis in axes if axis % 2])

    def paired(t: Any, axes: tuple[int, ...] = (0, 1)) -> Any:
        bases = [axis for axis in axes if axis % 2 == 0]
        return t.roll([2] * len(bases), bases)

    def both_(t: Any, axes: tuple[int, ...] = (0, 1)) -> Any:
        return mirrored(paired(t, axes), axes)

    every = (0, 1, 2, 3)
    found: dict[str, Pair] = {}
    for slug, move, accent in (
        ("reversal", mirrored, REVERSED),
        ("complement", paired, COMPLEMENTED),
        ("reverse-complement", both_, REVERSE_COMPLEMENTED),
    ):
        weights, outputs = (free + move(free, every)) / 2, (free_2 + move(free_2)) / 2
        theirs = [float(_network(at, weights, outputs)) for at in (inputs, move(inputs))]
        found[f"tied: {slug}"] = ([ours(slug, f), ours(slug, Symbol(accent % "f", real=True))], theirs)
    average = sum((move(free, every) for move in (mirrored, paired, both_)), free) / 4
    average_2 = sum((move(free_2) for move in (mirrored, paired, both_)), free_2) / 4
    symmetric = torch.einsum("rkji,ji->rk", (free + free.flip(3)) / 2, inputs)
    found["tied: both"] = (
        ours.table("both", W[r, k, j, i], r, k, j, i) + ours.table("both", V[r, k], r, k),
        [*average.flatten().tolist(), *average_2.flatten().tolist()],
    )
    found["symmetric units"] = (ours.table("narrow", x[r, k], r, k), symmetric.flatten().tolist())
    found["pairs"] = (ours.table("pairing", pair(j), j), (torch.arange(4).roll(2) + 1).tolist())

    def dimension(length: int, *moves: Callable) -> float:
        """The number of free weights: the rank of the average over images."""
        count = 0.0
        for axes in (every, every[:2]):
            shape = [(4, length)[axis % 2] for axis in axes]
            basis = torch.eye(int(np.prod(shape)), dtype=torch.float64).reshape(*shape, -1)
            for move in moves:
                basis = (basis + move(basis, axes)) / 2
            count += float(torch.linalg.matrix_rank(basis.reshape(-1, basis.shape[-1])))
        return count

    ranks = [dimension(LENGTH), dimension(4, mirrored), dimension(3, mirrored), dimension(LENGTH, paired)]
    ranks += [dimension(4, mirrored, paired), dimension(3, mirrored, paired)]
    found["free weights"] = ([ours("counts", count) for count in COUNTS], ranks)
    return found


def _of_scale(ours: _Formulas) -> dict[str, Pair]:
    torch = load_torch()
    inputs, weights, outputs = _tensors(ours, X, W, V)
    larger = VALUES[c] * inputs
    weights.requires_grad_()
    outputs.requires_grad_()
    output = _network(larger, weights, outputs)
    output.retain_grad()
    value = torch.nn.functional.softplus(-VALUES[y] * output)
    value.backward()
    facts = ours.given["gradient"].facts()
    gradients = [
        ours("gradient", loss),
        ours("gradient", facts[Partial(loss, scaled)]),
        *ours.table("gradient", facts[Partial(loss, V[r, k])], r, k),
        *ours.table("gradient", facts[Partial(loss, W[r, k, j, i])].xreplace({r: ONE}), k, j, i),
    ]
    theirs = [value.item(), output.grad.item(), *outputs.grad.flatten().tolist(), *weights.grad[0].flatten().tolist()]
    unit = float(_network(larger / larger.norm(), weights, outputs).detach())
    squares = [float(inputs.square().sum()), float(larger.square().sum())]
    return {
        "the scaled network": ([ours(slug, scaled) for slug in ("scale", "gradient")], [output.item()] * 2),
        "loss and gradients of a scaled sample": (gradients, theirs),
        "normalised": ([ours("normalise", e) for e in (size, size_c, normalised)], [*squares, unit]),
    }


def _entries(array: np.ndarray) -> Entries:
    """Let indices start at 1; IndexError beyond the array."""

    def lookup(index: tuple[int, ...]) -> float:
        if min(index) < 1:
            raise IndexError(f"there is no entry {index}")
        return float(array[tuple(number - 1 for number in index)])

    return lookup

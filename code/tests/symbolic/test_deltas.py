"""Deltas of linear expressions, ranges, counting and windows: what is proved, and what is false and must not be."""

import random
from dataclasses import replace

import pytest
from sympy import Abs, IndexedBase, Integer, KroneckerDelta, Piecewise, Sum, Symbol, symbols

from worked.symbolic.deltas import canonical, counted, diagonal, solve
from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove, scope
from worked.symbolic.domain import undefined
from worked.symbolic.evaluate import Evaluator, random_point
from worked.symbolic.intervals import is_nonnegative, locate
from worked.symbolic.methods import Counting, Window, using
from worked.symbolic.sums import fresh, normal_form
from worked.symbolic.zero import is_nonzero, is_positive, is_zero

D, W = symbols("D W", integer=True, positive=True)
i, j, k, r, s, t, P = symbols("i j k r s t P", integer=True)
z = Symbol("z", real=True)
x = IndexedBase("x", shape=(D,), real=True)
y = IndexedBase("y", shape=(D,), real=True)
w = IndexedBase("w", shape=(W,), real=True)
RANGES = {
    **dict.fromkeys((i, j, t), (Integer(1), D)),
    **dict.fromkeys((r, s), (Integer(1), W)),
    P: (Integer(0), W - 1),
    W: (Integer(1), D),
}


def square(e):
    return Sum(e, (t, 1, D), (j, 1, D))


BAND = KroneckerDelta(t, j + r - 1 - P)
OTHER = KroneckerDelta(t, j + s - 1 - P)
TAPS = Sum(w[s] * OTHER, (s, 1, W))

ZERO = {
    "sides": KroneckerDelta(t, j + 1) - KroneckerDelta(t - 1, j),
    "signs": KroneckerDelta(t, j) - KroneckerDelta(-t, -j),
    "powers": BAND**3 - BAND,
    "slope -1": Sum(KroneckerDelta(j, D + 1 - i) * x[j], (j, 1, D)) - x[D + 1 - i],
    "beyond the range": Sum(KroneckerDelta(j, i + D) * x[j], (j, 1, D)),
    "before the range": Sum(KroneckerDelta(j, i - D) * x[j], (j, 1, D)),
    "a delta outside decides": BAND * TAPS - w[r] * BAND,
    "nothing beside the band": (1 - Sum(BAND, (r, 1, W))) * TAPS,
    "its square neither": square((1 - Sum(BAND, (r, 1, W))) * TAPS**2),
    "exchange": Sum(w[r] * Sum(BAND * x[t], (t, 1, D)), (r, 1, W)) - Sum(TAPS * x[t], (t, 1, D)),
    "entries of a diagonal": square(KroneckerDelta(t, j + k)) - square(KroneckerDelta(j, t + k)),
    "mean of a constant": square(BAND * TAPS) / square(BAND) - w[r],
}

NOT_ZERO = {
    "other offset": KroneckerDelta(t, j + 1) - KroneckerDelta(t, j - 1),
    "clipped at the edge": Sum(KroneckerDelta(t, j + 1) * x[t], (t, 1, D)) - x[j + 1],
    "beyond for some only": Sum(KroneckerDelta(j, i + 1) * x[j], (j, 1, D)),
    "slope 2": Sum(KroneckerDelta(2 * j, i), (j, 1, D)),
    "half an index": Sum(KroneckerDelta(j, i / 2), (j, 1, D)) - 1,
    "product of two deltas": BAND * OTHER,
    "delta forgotten": BAND * TAPS - w[r],
    "wrong weight": BAND * TAPS - w[s] * BAND,
    "inside the band": Sum(BAND, (r, 1, W)) * TAPS,
    "other diagonal": square(KroneckerDelta(t, j + k)) - square(KroneckerDelta(t, j + k + 1)),
    "not a square": Sum(KroneckerDelta(t, j), (t, 1, D), (j, 1, W)) - W * D,
    "a weight on the diagonal": square(KroneckerDelta(t, j + 1) * x[t]) - square(KroneckerDelta(t, j + 1)) * x[1],
}


@pytest.mark.parametrize("e", ZERO.values(), ids=ZERO.keys())
def test_proved_zero(e):
    assert is_zero(e, RANGES)


@pytest.mark.parametrize("e", NOT_ZERO.values(), ids=NOT_ZERO.keys())
def test_not_proved_zero(e):
    assert not is_zero(e, RANGES)


def test_without_ranges_an_index_may_be_anywhere():
    assert is_zero(Sum(KroneckerDelta(j, i) * x[j], (j, 1, D)) - x[i], RANGES)
    assert not is_zero(Sum(KroneckerDelta(j, i) * x[j], (j, 1, D)) - x[i], {})
    assert not is_zero(BAND * TAPS - w[r] * BAND, {v: e for v, e in RANGES.items() if v != r})


NONNEGATIVE = [
    i - 1,
    D - i,
    i + r - 2,
    D - W,
    W - 1 - P,
    D - 1 - P,
    D - Abs(r - 1 - P) - 1,
    D + W - i - r,
    2 * D - i - j,
]
NOT_NONNEGATIVE = [i - 2, D - i - 1, i - j, D - W - 1, P - 1, D - Abs(r - P) - 1, Abs(k), i * j, D - i**2, k, i - z]


@pytest.mark.parametrize("e", NONNEGATIVE)
def test_bounds(e):
    assert is_nonnegative(e, RANGES)


@pytest.mark.parametrize("e", NOT_NONNEGATIVE)
def test_what_the_ranges_do_not_say(e):
    assert not is_nonnegative(e, RANGES)


def test_ranges_that_go_round_in_circles_prove_nothing():
    assert not is_nonnegative(i - j, {i: (j, D), j: (i, D)})
    assert not is_nonnegative(i, {i: (i, D)})


def test_inside_outside_unknown():
    inputs = (Integer(1), D)
    assert locate((Integer(1), D + W - 1), j + r - 1, RANGES) is True
    assert locate(inputs, j + r - 1, RANGES) is None
    assert locate(inputs, (i + 1) / 2, RANGES) is None  # may lie between two integers
    assert locate(inputs, j - D, RANGES) is False
    assert locate(inputs, j + D, RANGES) is False
    assert locate(inputs, k, RANGES) is None


def test_solving_for_an_index():
    assert solve(canonical(BAND), r) == t - j + 1 + P
    assert solve(canonical(KroneckerDelta(D, j - i)), i) == j - D
    assert solve(canonical(KroneckerDelta(2 * j, i)), j) is None
    assert solve(canonical(KroneckerDelta(j**2 + j, i)), j) is None
    assert canonical(KroneckerDelta(t + 1, j + 1)) == canonical(KroneckerDelta(j, t))
    own_range = KroneckerDelta(t, j + 1, (1, 2))
    assert canonical(own_range) == own_range


def test_positive_by_ranges():
    assert is_positive(square(BAND), RANGES)
    assert is_nonzero(D - Abs(r - 1 - P), RANGES)
    assert not is_positive(square(KroneckerDelta(t, j + k)), RANGES)
    assert not is_positive(square(KroneckerDelta(t, j + r)), RANGES)


def test_domain_knows_the_ranges_of_bound_indices():
    inside = Sum(1 / square(BAND), (r, 1, W))
    assert not list(undefined(inside, Derivation("d", "", {}, ()).definitions, RANGES))
    wider = Sum(1 / square(BAND), (r, 1, W + D))
    assert list(undefined(wider, Derivation("d", "", {}, ()).definitions, RANGES))


def test_counting_refuses_what_may_be_negative():
    count = normal_form(fresh(square(BAND)), RANGES)
    assert counted(count, RANGES) == D - Abs(P - r + 1)
    assert counted(count, {}) == count == diagonal(D, P - r + 1)


WINDOW = Window(t, t - j + 1 + P, (Integer(1), W))
INSIDE = (t - j + 1 + P >= 1) & (t - j + 1 + P <= W)


def entry(piece, method=WINDOW):
    first = define(IndexedBase("T", shape=(D, D), real=True)[j, t], TAPS, "")
    ranges = {j: (Integer(1), D), t: (Integer(1), D), P: (Integer(0), W - 1)}
    return Derivation("d", "", ranges, (first, claim(first.left, piece, "", method)))


def test_a_window_is_proved_in_three_cases():
    d = entry(Piecewise((w[t - j + 1 + P], INSIDE), (0, True)))
    assert prove(d).assumed == 1
    assert scope(d, 1) == "every $D$, $W$, $j$, $t$ and $P$"


@pytest.mark.parametrize(
    "piece",
    [
        Piecewise((w[t - j + P], INSIDE), (0, True)),
        Piecewise((w[t - j + 1 + P], INSIDE), (1, True)),
        Piecewise((w[t - j + 1 + P], t - j + 1 + P >= 1), (0, True)),
        Piecewise((w[t - j + 1 + P], (t - j + P >= 1) & (t - j + P <= W)), (0, True)),
        Piecewise((w[t - j + 1 + P], t <= j), (0, True)),
        Piecewise((-w[t - j + 1 + P], INSIDE), (0, True)),
        Integer(0),
    ],
)
def test_a_wrong_window_is_refused(piece):
    with pytest.raises(Rejected, match="not proved"):
        entry(piece).check(1)


@pytest.mark.parametrize(
    "method",
    [
        replace(WINDOW, place=2 * t - j),
        replace(WINDOW, place=t**2),
        replace(WINDOW, interval=(Integer(1), W - 1)),
        replace(WINDOW, interval=(W, W)),
    ],
)
def test_a_window_must_cover_every_integer(method):
    with pytest.raises(Rejected, match="must be"):
        entry(Piecewise((w[t - j + 1 + P], INSIDE), (0, True)), method).check(1)


def test_a_substitution_may_shift_an_index_within_its_range():
    k_wide = IndexedBase("v", shape=(D + W - 1,), real=True)
    ranges = {k: (Integer(1), D + W - 1), j: (Integer(1), D)}
    first = define(k_wide[k], Sum(KroneckerDelta(t, k) * x[t], (t, 1, D)), "")
    total = Symbol("H", real=True)
    second = define(total, Sum(w[r] * k_wide[r + D - 1], (r, 1, W)), "")
    right = Sum(w[r] * Sum(KroneckerDelta(t, r + D - 1) * x[t], (t, 1, D)), (r, 1, W))
    d = Derivation("d", "", ranges, (first, second, claim(total, right, "", using(total, k_wide[k]))))
    assert prove(d).assumed == 2
    beyond = define(total, Sum(w[r] * k_wide[r + D], (r, 1, W)), "")
    right = Sum(w[r] * Sum(KroneckerDelta(t, r + D) * x[t], (t, 1, D)), (r, 1, W))
    d = Derivation("d", "", ranges, (first, beyond, claim(total, right, "", using(total, k_wide[k]))))
    with pytest.raises(Rejected, match="does not occur"):
        d.check(2)


def test_an_equation_is_about_entries_that_exist():
    """By its formula an entry beyond the end would be zero, too; but there is no such entry."""
    none = IndexedBase("Z", shape=(W,), real=True)
    ranges = {r: (Integer(1), W), j: (Integer(1), D), s: (Integer(1), W - 1)}
    first = define(none[r], w[r] - w[r], "")
    for entry in (none[r], none[s], none[s + 1]):
        Derivation("d", "", ranges, (first, claim(entry, Integer(0), ""))).check(1)
    for entry in (none[j], none[r + 1], none[r + s]):
        with pytest.raises(Rejected, match="need not exist"):
            Derivation("d", "", ranges, (first, claim(entry, Integer(0), ""))).check(1)


def test_counting_as_a_method():
    number = IndexedBase("n", shape=(W,), real=True)
    ranges = {v: RANGES[v] for v in (W, P, r)}
    first = define(number[r], square(BAND), "")
    proved = Derivation("d", "", ranges, (first, claim(number[r], D - Abs(r - 1 - P), "", Counting())))
    assert prove(proved).errors["values"] == 0
    assert scope(proved, 1) == "every $D$, $W$, $P$ and $r$"
    wrong = Derivation("d", "", ranges, (first, claim(number[r], D - Abs(r - P), "", Counting())))
    with pytest.raises(Rejected, match="not proved"):
        wrong.check(1)
    unknown = Derivation("d", "", {r: RANGES[r]}, (first, claim(number[r], D - Abs(r - 1 - P), "", Counting())))
    with pytest.raises(Rejected, match="not proved"):
        unknown.check(1)


def test_ranged_sizes_are_drawn_from_the_outside_in():
    for seed in range(20):
        point = random_point([D + W + P + r], RANGES, seed)
        assert 2 <= point[W] <= point[D]  # a size: with 1 little would be seen
        assert 0 <= point[P] < point[W]
        assert 1 <= point[r] <= point[W]


def expression(draw):
    """A random sum over deltas, entries and further sums."""
    indices = [i, j, t, r, s]

    def linear():
        return draw.choice(indices) + draw.choice([0, 0, 1, -1, draw.choice(indices), -P])

    def factor(depth):
        kind = draw.choice(["delta", "delta", "delta", "entry", "sum"])
        if kind == "sum" and depth:
            v = draw.choice([j, t, r, s])
            return Sum(product(depth - 1), (v, *RANGES[v]))
        if kind == "entry":
            v = draw.choice([i, j, t, r, s])
            return (x if v in (i, j, t) else w)[v]
        return KroneckerDelta(linear(), linear())

    def product(depth):
        result = Integer(1)
        for _ in range(draw.randint(1, 3)):
            result *= factor(depth)
        return result

    v, u = draw.sample([j, t, r, s], 2)
    return Sum(product(2), (v, *RANGES[v]), (u, *RANGES[u]))


def test_the_normal_form_keeps_the_value():
    """Random expressions, before and after, by the evaluator: the rules must not depend on luck."""
    draw = random.Random(3)
    evaluate = Evaluator({}, RANGES)
    for n in range(150):
        e = fresh(expression(draw))
        reduced = normal_form(e, RANGES)
        for seed in (n, n + 1000):
            point = random_point([e, reduced, D + W], RANGES, seed)
            assert evaluate(e, point) == pytest.approx(evaluate(reduced, point), abs=1e-9), e

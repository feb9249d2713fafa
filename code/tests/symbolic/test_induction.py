"""Induction: base case and step are both needed, and every false equation is refused."""

import math
import random

import pytest
from sympy import IndexedBase, Integer, KroneckerDelta, Sum, Symbol, binomial, symbols

from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove, then
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.functions import Partial
from worked.symbolic.induction import Closed, Induction, one_row, recursion
from worked.symbolic.latex import latex, total
from worked.symbolic.zero import is_zero

n = Symbol("n", integer=True, positive=True)
d = Symbol("d", integer=True, positive=True)
i, j, k, m = symbols("i j k m", integer=True)
c = Symbol("c", real=True)
q = Symbol("q", positive=True)
r, s, t = (IndexedBase(label, real=True) for label in "rst")
x = IndexedBase("x", shape=(d,), real=True)
w = IndexedBase("w", shape=(d, d), real=True)

doubling = define(r[n], recursion(r[n], 0, 1, lambda before: 2 * before()), "")
from_one = define(s[n], recursion(s[n], 1, 1, lambda before: q * before()), "")
late = define(s[n], recursion(s[n], 2, 4, lambda before: 2 * before()), "")
triangle = define(t[n, k], recursion(t[n, k], 0, KroneckerDelta(k, 0), lambda b: b(k) + b(k - 1)), "")
summed = define(s[n], recursion(s[n], 0, 0, lambda before: before() + r[n - 1]), "")
powers = define(s[n], recursion(s[n], 0, c, lambda before: q * before()), "")
linear = define(s[n, i], recursion(s[n, i], 0, x[i], lambda b: Sum(w[i, j] * b(j), (j, 1, d)), (d,)), "")
twice = define(r[n, i], recursion(r[n, i], 0, 2 * x[i], lambda b: Sum(w[i, j] * b(j), (j, 1, d)), (d,)), "")
by_n = Induction(n)

ACCEPTED = {
    "powers of two": [doubling, claim(r[n], 2**n, "", by_n)],
    "from one": [from_one, claim(s[n], q ** (n - 1), "", by_n)],
    "Pascal": [triangle, claim(t[n, k], binomial(n, k), "", by_n)],
    "with a lemma": [
        doubling,
        claim(r[n], 2**n, "", by_n),
        summed,
        claim(s[n], 2**n - 1, "", Induction(n, (r[n],))),
        claim(s[n] / r[n], 1 - 2**-n, "", Closed(used=(r[n], s[n]), on=n)),
    ],
    "two recursions": [linear, twice, claim(r[n, i], 2 * s[n, i], "", by_n)],
    "a derivative": [
        powers,
        claim(s[n], c * q**n, "", by_n),
        claim(Partial(s[n], c), q**n, "", Induction(n)),
        claim(Partial(s[n], q), c * n * q ** (n - 1), "", Induction(n, (s[n],))),
    ],
}

REFUSED = {
    "wrong at the start": [doubling, claim(r[n], 2 ** (n + 1), "", by_n)],
    "right at the start only": [doubling, claim(r[n], Integer(1), "", by_n)],
    "right at 0, 1 and 2": [doubling, claim(r[n], 1 + n * (n + 1) / 2, "", by_n)],
    "right by the step only": [doubling, claim(r[n], 3 * 2**n, "", by_n)],
    "another start": [from_one, claim(s[n], q**n, "", by_n)],
    "a start that not every count reaches": [late, claim(s[n], 2**n, "", by_n)],
    "the neighbour in the triangle": [triangle, claim(t[n, k], binomial(n, k + 1), "", by_n)],
    "the row before": [triangle, claim(t[n, k], binomial(n - 1, k), "", by_n)],
    "without its lemma": [
        doubling,
        claim(r[n], 2**n, "", by_n),
        summed,
        claim(s[n], 2**n - 1, "", by_n),
    ],
    "a wrong factor between two recursions": [linear, twice, claim(r[n, i], 3 * s[n, i], "", by_n)],
    "the derivative of another power": [
        powers,
        claim(s[n], c * q**n, "", by_n),
        claim(Partial(s[n], q), c * n * q**n, "", Induction(n, (s[n],))),
    ],
    "a derivative taken for zero": [
        linear,
        claim(Partial(s[n, i], x[j]), Integer(0), "", by_n),
    ],
}

OBJECTIONS = {
    "nothing recursive": ([claim(2**n, 2**n, "", by_n)], "nothing recursive"),
    "another count": ([doubling, claim(r[n + 1], 2 ** (n + 1), "", by_n)], "not every recursion counts to n"),
    "a lemma that was not proved": (
        [doubling, claim(r[n], 2**n, "", Induction(n, (s[n],)))],
        "nothing about .* was proved before",
    ),
}


def derivation(*steps):
    return Derivation("test", "Test", {k: (Integer(0), n), i: (Integer(1), d), j: (Integer(1), d)}, steps)


@pytest.mark.parametrize("steps", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(steps):
    assert max(prove(derivation(*steps)).errors.values()) < 1e-6


@pytest.mark.parametrize("steps", REFUSED.values(), ids=REFUSED.keys())
def test_refused(steps):
    with pytest.raises(Rejected, match="not proved"):
        prove(derivation(*steps))


@pytest.mark.parametrize(("steps", "reason"), OBJECTIONS.values(), ids=OBJECTIONS.keys())
def test_objections(steps, reason):
    with pytest.raises(Rejected, match=reason):
        prove(derivation(*steps))


def test_a_false_lemma_proves_nothing():
    steps = derivation(doubling, claim(r[n], 3**n, "", by_n), summed, claim(s[n], (3**n - 1) / 2, "", by_n))
    context = steps.context(3)
    difference = context.value(s[n]) - context.value((3**n - 1) / 2)
    assert not Induction(n, (r[n],)).proves(difference, context)
    assert not Closed(used=(r[n], s[n]), on=n).proves(context.value(r[n]) - 3**n, context)


def test_a_continuation_after_the_induction_is_algebra():
    steps = [doubling, claim(r[n], 2**n, "", by_n), then(4 * 2 ** (n - 2), "")]
    assert prove(derivation(*steps)).errors
    with pytest.raises(Rejected, match="not proved"):
        prove(derivation(*steps[:2], then(4 * 2 ** (n - 1), "")))


@pytest.mark.parametrize("seed", range(15))
def test_random_recursions(seed):
    """r -> f r + g from b is b f^n + g (f^n - 1)/(f - 1), and nothing that differs from it at some n."""
    rng = random.Random(seed)
    f, g, b = rng.choice((-3, -2, 2, 3, 5)), rng.randint(-3, 3), rng.randint(-2, 2)
    rule = define(r[n], recursion(r[n], 0, b, lambda before: f * before() + g), "")
    right = b * Integer(f) ** n + Integer(g) * (Integer(f) ** n - 1) / (f - 1)
    wrong = right + rng.choice((1, n, n * (n - 1), Integer(f) ** n, Integer(2) ** (n - 1) - 1))
    context = derivation(rule).context(0)
    for closed in (right, wrong):
        values = [Evaluator(context.definitions.by_name, {})(r[n] - closed, {n: at}) for at in range(6)]
        proved = by_n.proves(context.value(r[n]) - context.value(closed), context)
        assert proved is all(abs(value) < 1e-9 for value in values)


def test_rows_of_the_triangle():
    nu = Symbol("nu", integer=True, nonnegative=True)
    rows = {(0, 0), (0, -1)}
    for up, left in rows:
        e = binomial(nu + 1, k) - binomial(nu, k + left) * (up + 1)
        changed = one_row(e)
        for top in range(6):
            for column in range(-3, 9):
                values = {nu: top, k: column}
                assert changed.subs(values) == _comb(top + 1, column) - _comb(top, column + left)
    assert is_zero(one_row(binomial(0, k)) - KroneckerDelta(k, 0))


def _comb(row, column):
    return math.comb(row, column) if column >= 0 else 0


def test_values_by_recursion():
    evaluate = Evaluator(derivation(triangle, linear).definitions.by_name, {})
    assert [evaluate(t[n, k], {n: 5, k: at}) for at in range(6)] == [1, 5, 10, 10, 5, 1]
    vectors = {x: lambda index: index[0], w: lambda index: index[0] - index[1]}
    assert evaluate(s[n, i], {n: 2, i: 1, d: 2, **vectors}) == -1
    other = {**vectors, x: lambda index: 2 * index[0]}
    assert evaluate(s[n, i], {n: 2, i: 1, d: 2, **other}) == -2
    with pytest.raises(IndexError, match="no value at"):
        Evaluator(derivation(late).definitions.by_name, {})(s[n], {n: 1})


def test_impossible_recursions():
    with pytest.raises(ValueError, match="has 1 indices beside the count"):
        recursion(t[n, k], 0, 1, lambda before: before(k, k))
    with pytest.raises(ValueError, match="depends on"):
        recursion(r[n], c, 1, lambda before: before()).diff(c)
    with pytest.raises(ValueError, match="has no shape"):
        recursion(t[n, i], 0, x[i], lambda before: before(i)).diff(x[j])


def test_positive_if_it_starts_positive_and_stays_so():
    assert recursion(r[n], 0, 1, lambda before: q * before() + before()).is_positive
    assert not recursion(r[n], 0, 1, lambda before: before() - 1).is_positive
    assert not recursion(r[n], 0, 0, lambda before: before()).is_positive


def test_print():
    assert latex(recursion(t[n, k], 0, c, lambda b: total(b(k), q * b(k - 1)))) == (
        r"\begin{cases} c & n = 0 \\ t_{n - 1,k} + q \, t_{n - 1,k - 1} & n > 0 \end{cases}"
    )


@pytest.mark.parametrize(
    ("e", "zero"),
    [
        (2 ** (n + 1) - 2 * 2**n, True),
        (2 ** (n + 1) - 2**n, False),
        ((1 + q) ** (n - 1) * (1 + q) - (1 + q) ** n, True),
        ((q / (1 + q)) ** n * (1 + q) ** n - q**n, True),
        ((q / (1 + q)) ** n * (1 + q) ** n - q ** (n + 1), False),
        (c ** (n + 2) - c**2 * c**n, True),
        (c ** (2 * n) - (c**n) ** 2, True),
        (c ** (2 * n) - c**n, False),
        ((-1) ** n - 1, False),
    ],
    ids=str,
)
def test_powers_with_a_symbol_in_the_exponent(e, zero):
    assert is_zero(e) is zero

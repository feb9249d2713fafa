"""Numbers put into proved equations: exact, enclosed, correctly rounded, printed as the formula is."""

import random
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import pytest
from sympy import IndexedBase, Integer, N, Rational, Sum, Symbol, exp, symbols

from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove, then
from worked.symbolic.functions import Partial, logistic
from worked.symbolic.instance import (
    Instance,
    aligned,
    bounds,
    confirm,
    decimal,
    is_exact,
    named,
    nearest,
    short,
    significant,
)
from worked.symbolic.latex import product, total
from worked.symbolic.methods import Differentiation

n = Symbol("n", integer=True, positive=True)
i, j = symbols("i j", integer=True)
y, s = symbols("y s", real=True)
x, w, a = (IndexedBase(name, shape=(n,), real=True) for name in "xwa")
RANGES = {i: (Integer(1), n)}
DERIVATION = Derivation(
    "test",
    "A test",
    RANGES,
    (
        define(y, total(Sum(product(w[j], x[j]), (j, 1, n)), s), "A linear unit."),
        define(a[i], logistic(w[i] * x[i]), "Bent."),
        claim(Partial(y, w[i]), x[i], "Linear.", Differentiation()),
        claim(Partial(y**2 / 2, w[i]), product(y, Partial(y, w[i])), "Inner derivative.", Differentiation()),
        then(product(y, x[i]), "Inserted."),
    ),
)
POINT = {n: 2, x: ("0.5", -2), w: (3, Fraction(1, 3)), s: "-0.25"}


@pytest.fixture
def numbers():
    return Instance([DERIVATION], POINT)


def test_the_derivation_is_proved():
    prove(DERIVATION)


def test_rational_values_are_exact(numbers):
    assert numbers.value(y) == Fraction(3, 2) - Fraction(2, 3) - Fraction(1, 4)
    assert numbers.value(Partial(y, w[i]), {i: 2}) == -2
    assert numbers.values(Partial(y, w[i])) == [Fraction(1, 2), -2]
    assert numbers.value(Sum(x[i] ** -2, (i, 1, n)) * n) == 2 * (4 + Fraction(1, 4))


def test_other_values_are_enclosed(numbers):
    for unit, argument in ((1, Rational(3, 2)), (2, -Rational(2, 3))):
        low, high = bounds(numbers.value(a[i], {i: unit}))
        exact = N(1 / (1 + exp(-argument)), 60)
        assert Rational(low.numerator, low.denominator) <= exact <= Rational(high.numerator, high.denominator)
        assert 0 < high - low < Fraction(1, 10**38)
    assert nearest(numbers.value(exp(s))) == pytest.approx(0.7788007830714049, rel=1e-15)


def test_a_double_sum_is_written_out_in_order(numbers):
    both = Sum(x[i] * w[j], (j, 1, n), (i, 1, n))
    assert numbers.value(both) == Fraction(-3, 2) * (3 + Fraction(1, 3))
    assert [tuple(at.values()) for at in numbers.terms(both, {})] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_the_values_of_another_instance_can_be_put_in(numbers):
    moved = Instance([DERIVATION], {**POINT, s: numbers.value(a[i], {i: 1})})
    assert nearest(moved.value(y)) == pytest.approx(
        0.8333333333333333 + nearest(numbers.value(a[i], {i: 1})), abs=1e-15
    )


def test_places_are_those_of_an_array(numbers):
    matrix = IndexedBase("m", shape=(n, n))
    other = Derivation("other", "", {i: (Integer(1), n), j: (Integer(1), Integer(3))}, ())
    assert numbers.places(y) == [{}]
    assert [tuple(at.values()) for at in Instance([other], {n: 2}).places(matrix[j, i])] == [
        (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2),
    ]  # fmt: skip


REFUSED = {
    "a float": (TypeError, {s: 0.1}, y, {}),
    "an unknown name": (KeyError, {}, Symbol("unknown", real=True), {}),
    "an index without a number": (KeyError, {}, a[i], {}),
    "an entry above the range": (IndexError, {}, a[i], {i: 3}),
    "an entry below the range": (IndexError, {}, x[i], {i: 0}),
    "too few numbers": (IndexError, {x: (1,)}, y, {}),
    "a power that is no integer": (NotImplementedError, {}, y ** Rational(1, 2), {}),
    "a derivative that was not proved": (KeyError, {}, Partial(y, s), {}),
    "a derivative that holds another name": (KeyError, {}, Partial(y, w[i], [s]), {i: 1}),
    "a derivative of another expression": (KeyError, {}, Partial(y**2 / 3, w[i]), {i: 1}),
}


@pytest.mark.parametrize(("error", "changes", "e", "at"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_value_is_refused(error, changes, e, at):
    with pytest.raises(error):
        Instance([DERIVATION], {**POINT, **changes}).value(e, at)


def test_rounding_is_correct():
    rng = random.Random(0)
    for _ in range(500):
        value = Fraction(rng.randint(-(10**9), 10**9), rng.randint(1, 10 ** rng.randint(1, 9)))
        places = rng.randint(0, 9)
        exact = Context(prec=200).divide(Decimal(value.numerator), Decimal(value.denominator))
        rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, Context(prec=200))
        assert Decimal(decimal(value, places)) == rounded
        assert decimal(value, places).partition(".")[2] == str(rounded).partition(".")[2]


def test_an_interval_that_does_not_decide_the_digit_is_refused(numbers):
    tie = numbers.value((logistic(s) + logistic(-s)) / 2)  # 1/2, enclosed
    low, high = bounds(tie)
    assert low < Fraction(1, 2) < high
    assert decimal(tie, 1) == "0.5"
    with pytest.raises(ArithmeticError, match="do not decide"):
        decimal(tie, 0)


def test_digits():
    assert decimal(Fraction(-1, 3), 4) == "-0.3333"
    assert decimal(Fraction(-1, 1000), 2) == "0.00"
    assert short(Fraction(1, 4), 6) == "0.25"
    assert short(Fraction(100), 6) == "100"
    assert short(Fraction(1, 3), 3) == "0.333"
    assert [significant(Fraction(v), 3) for v in ("0.00123456", "0.099996", "-12.345", "1234.5", "0")] == [
        "0.00123", "0.100", "-12.3", "1234", "0",
    ]  # fmt: skip
    assert is_exact(Fraction(1, 8), 3)
    assert not is_exact(Fraction(1, 8), 2)


def test_a_changed_digit_is_refused(numbers):
    for value in (numbers.value(a[i], {i: 1}), numbers.value(y), Fraction(-1, 3)):
        text = decimal(value, 8)
        confirm(text, value)
        for place, digit in enumerate(text):
            if digit.isdigit():
                wrong = text[:place] + str((int(digit) + 1) % 10) + text[place + 1 :]
                with pytest.raises(Rejected, match="is shown where the value is"):
                    confirm(wrong, value)
    with pytest.raises(Rejected):
        confirm("0.6666", Fraction(2, 3))  # cut off, not rounded


def test_a_line_is_the_formula_with_numbers(numbers):
    assert numbers.line(y, {}) == (
        r"y & \approx 3 \cdot 0.5 + 0.333333 \cdot \left(-2\right) + \left(-0.25\right) \approx 0.583333"
    )
    assert numbers.line(a[i], {i: 1}, places=4) == r"a_{1} & = \sigma\!\left(3 \cdot 0.5\right) \approx 0.8176"
    assert numbers.line(Partial(y, w[i]), {i: 2}) == r"\frac{\partial y}{\partial w_{2}} & = -2"


def test_a_line_can_show_the_formula_first(numbers):
    head = Partial(y**2 / 2, w[i])
    assert len(numbers.forms(head)) == 2
    staged = numbers.line(head, {i: 1}, 0, formula=True, places=3).split(r" \\ & ")
    assert staged[0].endswith(r"& = y \, \frac{\partial y}{\partial w_{1}}")
    assert staged[1:] == [r"\approx 0.583 \cdot 0.5", r"\approx 0.292"]
    assert aligned(["a & b", "c & d"]) == "\\begin{aligned}\na & b \\\\[0.6em]\nc & d\n\\end{aligned}"


def test_the_line_follows_the_proved_object():
    other = DERIVATION.replaced(0, right=total(Sum(product(w[j], x[j]), (j, 1, n)), -s))
    assert r"- \left(-0.25\right)" in Instance([other], POINT).line(y, {})


def test_a_bound_index_keeps_its_name():
    e = Sum(product(w[j], x[i]), (j, 1, n))
    assert named(e, {i: 2, j: 1}) == r"\sum_{j=1}^{n} w_{j} \, x_{2}"


def test_a_sum_is_bracketed_beside_a_factor():
    sum_of_all = Sum(x[j], (j, 1, n))
    for right, shown in (
        (product(1 / n, sum_of_all), r"= \frac{1}{2} \left(3 + 4\right) = 3.5"),
        (product(1 / n, sum_of_all, x[i]), r"= \frac{1}{2} \left(3 + 4\right) \cdot 3 = 10.5"),
        (product(x[i], sum_of_all), r"= 3 \cdot \left(3 + 4\right) = 21"),
        (total(sum_of_all, x[i]), "= 3 + 4 + 3 = 10"),
    ):
        other = Derivation("other", "", RANGES, (define(a[i], right, ""),))
        assert Instance([other], {n: 2, x: (3, 4)}).line(a[i], {i: 1}) == f"a_{{1}} & {shown}"


def test_nothing_is_written_about_what_was_not_proved(numbers):
    with pytest.raises(Rejected, match="nothing was proved"):
        numbers.line(Partial(y, s), {})

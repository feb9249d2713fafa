"""Deciding zero and sign: what is accepted, and what must not be."""

import pytest
from sympy import Abs, IndexedBase, Integer, Max, Rational, Sum, Symbol, exp, log, nan, oo, sqrt, symbols, zoo

from worked.symbolic.functions import logistic
from worked.symbolic.zero import is_nonzero, is_positive, is_zero

m = Symbol("m", integer=True, positive=True)
n = Symbol("n", integer=True)
z, u, y = symbols("z u y", real=True)
a, b = symbols("a b", positive=True)
c = Symbol("c")
x = IndexedBase("x", shape=(m,), real=True)
total = Sum(x[n], (n, 1, m))
squares = Sum(x[n] ** 2, (n, 1, m))
squares_about = Sum((x[n] - total / m) ** 2, (n, 1, m))

ZERO = {
    "reflection": logistic(-z) - 1 + logistic(z),
    "reflection of a difference": logistic(u - z) - 1 + logistic(z - u),
    "definition": logistic(z) - 1 / (1 + exp(-z)),
    "stable loss": -y * log(logistic(z)) - (1 - y) * log(1 - logistic(z)) - log(1 + exp(z)) + y * z,
    "logarithm of a product": log(a * b**2) - log(a) - 2 * log(b),
    "logarithm of a real exponential": log(exp(total)) - total,
    "exponentials": exp(z + u) * exp(-u) - exp(z),
    "radical": 1 / sqrt(a + b) - sqrt(a + b) / (a + b),
    "radical over a sum": 1 / sqrt(squares + a) - sqrt(squares + a) / (squares + a),
    "radical of squares about a mean": (squares_about + a) ** Rational(-3, 2)
    - sqrt(squares_about + a) / (squares - total**2 / m + a) ** 2,
    "radical of what is not negative": sqrt(squares_about) / squares_about - 1 / sqrt(squares - total**2 / m),
    "nested radical": sqrt(a + sqrt(b)) ** 2 - a - sqrt(b),
    "summand by summand": Sum(log(logistic(x[n])), (n, 1, m)) + Sum(log(1 + exp(-x[n])), (n, 1, m)),
}

NOT_ZERO = {
    "log z^2 for a real z (forced expansion says yes)": log(z**2) - 2 * log(z),
    "root of a square of a real": sqrt(z**2) - z,
    "logarithm of a complex exponential": log(exp(c)) - c,
    "logarithm of a product of unknown signs": log(z * u) - log(z) - log(u),
    "reflection with a wrong sign": logistic(-z) - 1 - logistic(z),
    "wrong stable loss": -y * log(logistic(z)) - (1 - y) * log(1 - logistic(z)) - log(1 + exp(z)) - y * z,
    "radical of squares about a mean, wrong power": 1 / sqrt(squares_about + a) - sqrt(squares_about + a),
    "radical of squares about a mean, wrong sign": sqrt(squares_about + a) + sqrt(squares - total**2 / m + a),
    "radical of a square of a sum": sqrt((total + z) ** 2) - total - z,
    "root of a square of a real, and its inverse": sqrt(z**2) / z - 1,
    "radical with a wrong sign": 1 / sqrt(a + b) + sqrt(a + b) / (a + b),
    "two cases in one": Abs(z) - z,
    "maximum": Max(z, 0) - z,
    "nan": nan,
    "infinite": oo - z,
    "complex infinity": zoo + z,
    "summands of different ranges": Sum(log(1 + exp(x[n])), (n, 1, m)) - Sum(log(1 + exp(x[n])), (n, 2, m)),
    "zero for some sizes only": m - 1,
}


@pytest.mark.parametrize("e", ZERO.values(), ids=ZERO.keys())
def test_proved_zero(e):
    assert is_zero(e)


@pytest.mark.parametrize("e", NOT_ZERO.values(), ids=NOT_ZERO.keys())
def test_not_proved_zero(e):
    assert not is_zero(e)


@pytest.mark.parametrize(
    "e",
    [
        a,
        logistic(z),
        1 - logistic(z),
        1 + exp(total),
        squares + a,
        1 + exp(-Abs(z)),
        Integer(2),
        a / m * (squares_about + a),
    ],
)
def test_proved_positive(e):
    assert is_positive(e)
    assert is_nonzero(-e)


@pytest.mark.parametrize(
    "e",
    [
        z,
        squares,
        squares_about / m,
        total + a,
        squares_about - a,
        Sum(c**2 * x[n] ** 2, (n, 1, m)) + a,
        a - b,
        logistic(z) - a,
        c**2 + 1,
        Integer(0),
        z**2,
    ],
)
def test_not_proved_positive(e):
    assert not is_positive(e)
    assert not is_nonzero(e)

"""How expressions are printed."""

import pytest
from sympy import (
    Abs,
    Function,
    IndexedBase,
    Integral,
    Limit,
    Max,
    Piecewise,
    Pow,
    Rational,
    Subs,
    Sum,
    Symbol,
    exp,
    log,
    pi,
    symbols,
)

from worked.symbolic.functions import Partial, logistic
from worked.symbolic.latex import latex, product, total

B = Symbol("B", integer=True, positive=True)
i, j, n = symbols("i j n", integer=True)
x, mu, y = symbols(r"x \mu y", real=True)
v, w = IndexedBase("v", real=True), IndexedBase("w^{(1)}", real=True)

PRINTED = {
    "name with a subscript": (IndexedBase("W_h")[i, j], r"(W_{h})_{i,j}"),
    "numbers side by side": (product(10, 50, x), r"10 \cdot 50 \, x"),
    "number after a power": (product(Pow(2, 2, evaluate=False), 3), r"2^{2} \cdot 3"),
    "number before a power": (product(2, Pow(3, 2, evaluate=False)), r"2 \cdot 3^{2}"),
    "long number": (12345678 * x - 9999, r"12{,}345{,}678 \, x - 9999"),
    "positive terms first": (x - mu, r"x - \mu"),
    "terms as written": (total(x, -y, mu), r"x - y + \mu"),
    "numbers first": (1 - x, "1 - x"),
    "indices with commas": (w[i, j], r"w^{(1)}_{i,j}"),
    "power of an entry": (w[i, j] ** 2, r"\left(w^{(1)}_{i,j}\right)^{2}"),
    "mean": (product(1 / B, Sum(v[n], (n, 1, B))), r"\frac{1}{B} \sum_{n=1}^{B} v_{n}"),
    "number before a mean": (product(-2, 1 / B, Sum(v[n], (n, 1, B))), r"-\frac{2}{B} \sum_{n=1}^{B} v_{n}"),
    "fraction before a derivative": (
        product(2 * x, 1 / y, Partial(y, x)),
        r"\frac{2 \, x}{y} \, \frac{\partial y}{\partial x}",
    ),
    "fraction before terms with a sum": (
        product(1 / y, x - Sum(v[n], (n, 1, B))),
        r"\frac{1}{y} \, \left(x - \sum_{n=1}^{B} v_{n}\right)",
    ),
    "fractional power": ((x**2 + 1) ** Rational(3, 2), r"\left(1 + x^{2}\right)^{3/2}"),
    "what is taken away in brackets": (total(x, product(-1, total(y, mu))), r"x - \left(y + \mu\right)"),
    "a root in the denominator": (Pow(product(2, pi), Rational(-1, 2), evaluate=False), r"\frac{1}{\sqrt{2 \, \pi}}"),
    "half of an integral": (product(Rational(1, 2), Integral(x, (x, 0, 1))), r"\frac{1}{2} \int\limits_{0}^{1} x\, dx"),
    "the square of a maximum": (Max(x, 0) ** 2, r"\max\left(x, 0\right)^{2}"),
    "the square of an unknown function": (Function("varphi")(x) ** 2, r"\varphi\left(x\right)^{2}"),
    "summand in brackets": (Sum(v[n] - y, (n, 1, B)), r"\sum_{n=1}^{B} \left(v_{n} - y\right)"),
    "sum before a factor": (product(Sum(v[n], (n, 1, B)), y), r"\left(\sum_{n=1}^{B} v_{n}\right) \, y"),
    "factors as written": (product(y, x - mu, x), r"y \, \left(x - \mu\right) \, x"),
    "fraction": (x / (1 - y), r"\frac{x}{1 - y}"),
    "fraction among factors": (product(x / y, y), r"\frac{x}{y} \, y"),
    "rational": (x / 2, r"\frac{x}{2}"),
    "negated sum of terms": (product(-1, x + y), r"-\left(x + y\right)"),
    "negated sum after another term": (total(y, product(-1, x + mu)), r"y - \left(\mu + x\right)"),
    "logistic": (logistic(x), r"\sigma\!\left(x\right)"),
    "square of logistic": (logistic(x) ** 2, r"\sigma\!\left(x\right)^{2}"),
    "logarithm": (log(x), r"\log x"),
    "logarithm of terms": (log(1 + exp(-Abs(x))), r"\log\!\left(1 + e^{-\left|{x}\right|}\right)"),
    "square of logarithm": (log(x) ** 2, r"\left(\log x\right)^{2}"),
    "derivative": (Partial(y, v[i]), r"\frac{\partial y}{\partial v_{i}}"),
    "square of a derivative": (Partial(y, x) ** 2, r"\left(\frac{\partial y}{\partial x}\right)^{2}"),
    "derivative of a function of one variable": (
        Partial(logistic(x), x),
        r"\frac{\mathrm{d} \sigma\!\left(x\right)}{\mathrm{d} x}",
    ),
    "restriction": (Subs(x, y, 0), r"\left. x \right|_{y=0}"),
    "limit": (Limit(x, x, 0, "+"), r"\lim_{x \to 0^+} x"),
    "cases, a chain of two inequalities": (
        Piecewise((y, (x >= 0) & (x <= B)), (0, True)),
        r"\begin{cases} y & \text{if } 0 \le x \le B \\ 0 & \text{otherwise} \end{cases}",
    ),
    "cases, two inequalities apart": (
        Piecewise((y, (x >= 0) & (y <= B)), (0, True)),
        r"\begin{cases} y & \text{if } B \geq y \wedge x \geq 0 \\ 0 & \text{otherwise} \end{cases}",
    ),
    "maximum": (Max(x, 0), r"\max\left(x, 0\right)"),
}


@pytest.mark.parametrize(("e", "expected"), PRINTED.values(), ids=PRINTED.keys())
def test_printed(e, expected):
    assert latex(e) == expected

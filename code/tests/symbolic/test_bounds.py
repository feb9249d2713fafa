"""Sums up to a symbol: splitting keeps the value, induction proves what is true and nothing else."""

import pytest
from sympy import IndexedBase, Integer, Sum, Symbol, symbols

from worked.symbolic.bounds import LastTerms, SumInduction, split
from worked.symbolic.definitions import Definitions
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.methods import Context
from worked.symbolic.sums import fresh

n = Symbol("n", integer=True, nonnegative=True)
i, u = symbols("i u", integer=True)
s = Symbol("s", integer=True, positive=True)
x = Symbol("x", real=True)
e = IndexedBase("e", real=True)
CONTEXT = Context({}, Definitions(()))


def S(body, upper=n, lower=1):
    return Sum(body, (i, lower, upper))


SPLIT = {
    "two further terms": S(i**2, n + 2),
    "from zero": S(i + 1, n + 1, 0),
    "written out": S(i**2, Integer(4)),
    "empty": S(i**2, Integer(0)),
    "nested": Sum(i * u, (u, 1, i), (i, 1, n + 1)),
    "left as it is": S(i, n + 1, 2),
    "shorter": S(i, n - 1),
}


@pytest.mark.parametrize("sum_", SPLIT.values(), ids=SPLIT.keys())
def test_splitting_keeps_the_value(sum_):
    evaluate = Evaluator({}, {})
    for at in range(5):
        assert evaluate(split(fresh(sum_), n), {n: at}) == evaluate(sum_, {n: at})


def test_what_may_be_empty_by_more_than_one_is_left():
    assert split(S(i, n + 1, 3), n) == S(i, n + 1, 3)
    assert split(S(i, Integer(-3)), n) == S(i, Integer(-3))


TRUE = {
    "integers": S(i) - n * (n + 1) / 2,
    "squares": S(i**2) - n * (n + 1) * (2 * n + 1) / 6,
    "odd numbers": S(2 * i - 1) - n**2,
    "geometric": (s - 1) * S(s ** (i - 1)) - s**n + 1,
    "geometric from zero": (s - 1) * S(s**i, lower=0) - s ** (n + 1) + 1,
    "telescoping": S(e[i] - e[i - 1]) - e[n] + e[0],
    "linear": S(x * e[i]) - x * S(e[i]),
}
FALSE = {
    "wrong start": S(i) - n * (n + 1) / 2 - 1,
    "wrong growth": S(i) - n**2,
    "true at the start and at 1": S(i**2) - n,
    "geometric, sign": (s - 1) * S(s ** (i - 1)) - s**n - 1,
    "other entries": S(e[i]) - S(e[i - 1]),
}


@pytest.mark.parametrize("difference", TRUE.values(), ids=TRUE.keys())
def test_induction_proves(difference):
    assert SumInduction(on=n).proves(difference, CONTEXT)


@pytest.mark.parametrize("difference", FALSE.values(), ids=FALSE.keys())
def test_induction_refuses(difference):
    assert not SumInduction(on=n).proves(difference, CONTEXT)


def test_last_terms():
    method = LastTerms(on=n)
    assert method.proves(S(e[i], n + 1) - S(e[i]) - e[n + 1], CONTEXT)
    assert not method.proves(S(e[i], n + 1) - S(e[i]) - e[n], CONTEXT)
    assert not method.proves(S(i) - n * (n + 1) / 2, CONTEXT)  # this needs induction


def test_the_bound_must_be_natural():
    for bound in (Symbol("n", integer=True), Symbol("n", positive=True)):
        assert "0 or more" in SumInduction(on=bound).objection(x, x, CONTEXT)
        assert not SumInduction(on=bound).proves(Integer(0), CONTEXT)

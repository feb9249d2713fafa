"""Written out at sizes: exact where it holds, and a refusal where it does not or cannot be seen."""

import pytest
from sympy import IndexedBase, Integer, KroneckerDelta, Sum, symbols

from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove, scope
from worked.symbolic.methods import AtSizes
from worked.symbolic.unroll import places, unroll

m, n = symbols("m n", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)
x = IndexedBase("x", shape=(m,), real=True)
y = IndexedBase("y", shape=(m,), real=True)
RANGES = {i: (Integer(1), m)}


def test_sums_are_written_out():
    triangle = Sum(x[j] * k, (j, 1, k), (k, 1, m))
    assert unroll(triangle, {m: Integer(2)}) == x[1] + 2 * x[1] + 2 * x[2]


def test_what_lies_outside_a_shape_proves_nothing():
    assert unroll(x[i + 1] - x[i + 1], {m: Integer(2), i: Integer(2)}) == 0  # nothing is left of it
    outside = Sum(x[j + 1], (j, 1, m)) - Sum(x[k + 1], (k, 1, m))
    assert unroll(outside, {m: Integer(2)}) != 0
    assert unroll(Sum(KroneckerDelta(j, 1) * x[j + 1], (j, 1, m)), {m: Integer(2)}) == x[2]


def test_every_index_at_every_size():
    assert places([i], RANGES, {m: Integer(2)}) == [{m: 2, i: 1}, {m: 2, i: 2}]


def derivation(right, sizes, left=None):
    first = define(y[i], Sum(x[j] * KroneckerDelta(j, m + 1 - i), (j, 1, m)), "read backwards")
    return Derivation("d", "", RANGES, (first, claim(left or y[i], right, "", AtSizes(sizes))))


def test_what_holds_is_proved_and_says_where():
    d = derivation(x[m + 1 - i], ({m: 1}, {m: 4}))
    assert prove(d).assumed == 1
    assert scope(d, 1) == "exact at $m=1$; $m=4$"


@pytest.mark.parametrize("wrong", [x[i], -x[m + 1 - i], x[m + 2 - i], 2 * x[m + 1 - i], x[m + 1 - i] + 1, Integer(0)])
def test_what_is_false_is_refused(wrong):
    with pytest.raises(Rejected, match="not proved"):
        prove(derivation(wrong, ({m: 4},)))


def test_what_holds_at_one_size_only_is_refused_at_two():
    one = derivation(x[3 - i], ({m: 2},))
    assert one.check(1) is None
    with pytest.raises(Rejected, match="not proved"):
        derivation(x[3 - i], ({m: 2}, {m: 3})).check(1)


@pytest.mark.parametrize(("sizes", "said"), [((), "no sizes"), (({n: 3},), "no size is given for m")])
def test_sizes_must_be_named(sizes, said):
    with pytest.raises(Rejected, match=said):
        prove(derivation(x[m + 1 - i], sizes))


def test_a_range_of_given_integers_needs_no_size():
    z = IndexedBase("z", shape=(4,), real=True)

    def d(right):
        steps = (define(z[i], i**2, ""), claim(z[i], right, "", AtSizes(({},))))
        return Derivation("d", "", {i: (Integer(1), Integer(4))}, steps)

    prove(d(i * i))
    assert scope(d(i * i), 1) == "each value of the index in turn"
    with pytest.raises(Rejected, match="not proved"):
        prove(d(i**2 + (i - 1) * (i - 2) * (i - 3)))  # wrong for i = 4 alone

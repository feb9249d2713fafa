"""Bijections of ranges and sums in another order: what is accepted holds by value, what is no bijection is refused."""

import random

import pytest
from sympy import Function, IndexedBase, Integer, Mod, Sum, Symbol, symbols

from worked.symbolic.bijections import Permutation, permutation, powers, range_of
from worked.symbolic.definitions import Definitions
from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove, then
from worked.symbolic.evaluate import Evaluator, random_point
from worked.symbolic.latex import latex
from worked.symbolic.methods import Context, using
from worked.symbolic.reindex import Inserted, Reindex

n, m = symbols("n m", integer=True, positive=True)
i, j, k, r = symbols("i j k r", integer=True)
ONE, FOUR = Integer(1), Integer(4)
RANGES = {i: (ONE, n), k: (ONE, n), r: (ONE, FOUR), j: (ONE, FOUR)}
A = IndexedBase("A", shape=(4, n), real=True)
B = IndexedBase("B", shape=(4, n), real=True)
C = IndexedBase("C", shape=(n,), real=True)
phi = Function("phi", real=True)
PI = Permutation(Symbol("pi", real=True), (RANGES[r], RANGES[i]))
R, I = PI(r, i)  # noqa: E741


def over(term):
    return Sum(term, (i, 1, n), (r, 1, 4))


def context():
    return Context(RANGES, Definitions(()))


@pytest.mark.parametrize(
    ("index", "image", "order"),
    [
        (i, n + 1 - i, 2),
        (r, 5 - r, 2),
        (r, Mod(r + 1, 4) + 1, 2),
        (r, Mod(r, 4) + 1, 4),
        (r, Mod(3 * r, 5), 4),
        (r, r, 1),
    ],
)
def test_bijections_return_after_as_many_applications_as_their_order(index, image, order):
    found = powers(index, image, RANGES[index])
    assert len(found) == (2 if index == i else order)
    assert found[:1] == (index,)


@pytest.mark.parametrize(
    ("index", "image"),
    [
        (i, n - i),  # leaves the range
        (i, i + 1),
        (i, 2 * i),
        (i, 2 * n + 1 - i),
        (i, m + 1 - i),
        (i, Mod(i, n) + 1),  # a bijection, but not proved here
        (r, Mod(r + 2, 4)),  # 0 to 3
        (r, Mod(2 * r, 4) + 1),
        (r, 4 - r),
        (r, (r + 1) ** 2),
        (r, Integer(2)),
        (r, r + i),
        (r, R),
    ],
)
def test_what_is_no_bijection_is_refused(index, image):
    assert powers(index, image, RANGES[index]) is None
    assert not Reindex(((index, image),)).proves(Integer(0), context())
    assert "not proved to be a bijection" in Reindex(((index, image),)).objection(C[i], C[i], context())


def test_ranges_of_images():
    assert range_of(n + 1 - i, RANGES) == (1, n)
    assert range_of(5 - r, RANGES) == (1, 4)
    assert range_of(i, RANGES) == (1, n)
    assert range_of(i + 1, RANGES) is None
    assert range_of(m, RANGES) is None
    assert range_of(n + 1 - i - r, RANGES) is None


def test_a_permutation_is_the_declared_one_only():
    assert permutation((r, i), (R, I), RANGES) == PI
    assert permutation((i, r), (R, I), RANGES) is None
    assert permutation((r, i), (I, R), RANGES) is None
    assert permutation((j, k), (R, I), RANGES) is None
    assert permutation((r,), (R,), RANGES) is None
    assert permutation((r, i), (R, n + 1 - i), RANGES) is None
    assert permutation((), (), RANGES) is None
    with pytest.raises(ValueError, match="expected 2 indices"):
        PI(r)


def test_a_permutation_hits_every_place_once_and_depends_on_its_seed():
    def images(seed):
        evaluate = Evaluator({}, RANGES)
        places = [(a, b) for a in range(1, 5) for b in range(1, 4)]
        point = {PI.seed: seed, n: 3}
        found = [tuple(evaluate(e, {**point, r: a, i: b}) for e in (R, I)) for a, b in places]
        assert sorted(found) == places
        return found

    assert images(0.3) == images(0.3) != images(0.4)
    with pytest.raises(IndexError, match="no image of"):
        Evaluator({}, RANGES)(PI(r + 4, i)[0], {PI.seed: 0.3, n: 3, r: 1, i: 1})


def test_a_permutation_prints_as_primes():
    assert latex(A[R, I]) == "A_{r',i'}"
    assert latex(PI(r + 1, i)[1]) == r"\pi_{2}(1 + r,i)"


TRUE = {
    "reversed": (over(A[r, n + 1 - i]), over(A[r, i]), ((i, n + 1 - i),)),
    "both reversed": (
        over(A[r, n + 1 - i] * B[5 - r, i]),
        over(A[5 - r, i] * B[r, n + 1 - i]),
        ((i, n + 1 - i), (r, 5 - r)),
    ),
    "inside a function": (
        phi(over(A[r, n + 1 - i] * B[r, i])),
        phi(over(A[r, i] * B[r, n + 1 - i])),
        ((i, n + 1 - i),),
    ),
    "a sum in a sum": (
        Sum(C[k] * phi(Sum(A[2, n + 1 - i] * C[k], (i, 1, n))), (k, 1, n)),
        Sum(C[k] * phi(Sum(A[2, i] * C[k], (i, 1, n))), (k, 1, n)),
        ((i, n + 1 - i),),
    ),
    "permuted": (over(A[R, I] * phi(B[R, I])), over(A[r, i] * phi(B[r, i])), ((r, R), (i, I))),
    "one term permuted": (over(A[R, I] + B[r, i]), over(A[r, i] + B[r, i]), ((r, R), (i, I))),
}  # fmt: skip
FALSE = {
    "one factor only": (over(A[r, n + 1 - i] * B[r, i]), over(A[r, i] * B[r, i]), ((i, n + 1 - i),)),
    "free, not bound": (A[r, n + 1 - i], A[r, i], ((i, n + 1 - i),)),
    "another range": (Sum(C[n + 1 - i], (i, 2, n)), Sum(C[i], (i, 2, n)), ((i, n + 1 - i),)),
    "another map": (over(A[Mod(r, 4) + 1, i] * B[r, i]), over(A[r, i] * B[Mod(r, 4) + 1, i]), ((r, Mod(r, 4) + 1),)),
    "permuted in one factor": (over(A[R, I] * B[r, i]), over(A[r, i] * B[r, i]), ((r, R), (i, I))),
    "rows permuted only": (over(A[R, i]), over(A[r, i]), ((r, R), (i, I))),
    "indices exchanged": (over(A[PI(r, n + 1 - i)[0], I]), over(A[r, i]), ((r, R), (i, I))),
    "a part of the places": (Sum(A[R, I], (i, 1, n)), Sum(A[r, i], (i, 1, n)), ((r, R), (i, I))),
    "beyond a function": (over(phi(A[r, i])), phi(over(A[r, i])), ((i, n + 1 - i),)),
    "off by one": (over(A[r, i]) + 1, over(A[r, i]), ((i, n + 1 - i),)),
}  # fmt: skip


def values(left, right, seed):
    point = random_point((left, right, n + PI.seed), RANGES, seed)
    return (float(Evaluator({}, RANGES)(side, point)) for side in (left, right))


@pytest.mark.parametrize("name", TRUE)
def test_the_order_of_a_sum_does_not_matter(name):
    left, right, by = TRUE[name]
    assert Reindex(by).objection(left, right, context()) is None
    assert Reindex(by).proves(left - right, context())
    for seed in range(3):
        a, b = values(left, right, seed)
        assert a == pytest.approx(b, abs=1e-12)


@pytest.mark.parametrize("name", FALSE)
def test_false_statements_are_refused(name):
    left, right, by = FALSE[name]
    assert not Reindex(by).proves(left - right, context())
    assert Reindex(by).objection(left, right, context()) is not None
    assert any(abs(a - b) > 1e-6 for a, b in (values(left, right, seed) for seed in range(6)))


def test_fuzz_accepts_only_what_holds_by_value():
    """Random products of entries in one order and in another, for the same map or one that does not belong to them."""
    draw = random.Random(7)
    maps = [(i, n + 1 - i), (r, 5 - r)]
    outcomes = []
    for _ in range(40):
        index, image = draw.choice(maps)
        row, column = draw.choice([r, 5 - r]), draw.choice([i, n + 1 - i])
        first, second = A[row, column], draw.choice([B[r, i], phi(B[r, column]), B[5 - r, i], Integer(1)])
        whole = draw.random() < 0.6
        other = first.xreplace({index: image}) * (second.xreplace({index: image}) if whole else second)
        left, right = (Sum(term, (index, *RANGES[index])) for term in (first * second, other))
        by = draw.choice(maps)
        outcomes.append(Reindex((by,)).proves(left - right, context()))
        differences = [abs(a - b) for a, b in (values(left, right, seed) for seed in range(2))]
        assert not outcomes[-1] or max(differences) < 1e-12, (left, right, by)
        assert outcomes[-1] or not (whole and by == (index, image)), (left, right)
    assert 10 < sum(outcomes) < 35


def test_a_step_may_only_reorder():
    f, g = symbols("f g", real=True)

    def d(last):
        steps = (
            define(f, over(A[r, n + 1 - i] * B[r, i]), "."),
            then(over(A[r, i] * B[r, n + 1 - i]), ".", Reindex(((i, n + 1 - i),))),
            claim(g, last, ".", Reindex(((i, n + 1 - i),))),
        )
        return Derivation("order", "", RANGES, (define(g, f, "."), *steps))

    prove(Derivation("order", "", RANGES, d(f).steps[1:3]))
    with pytest.raises(Rejected, match="more than the order of their sums"):
        prove(d(f))  # true, but by the definition of g


def test_a_substitution_of_a_reordered_sum():
    f = Symbol("f", real=True)
    mirror = ((i, n + 1 - i),)
    z, w = IndexedBase("z", shape=(4,), real=True), IndexedBase("w", shape=(4,), real=True)
    start = (
        define(z[r], Sum(A[r, i] * C[i], (i, 1, n)), "."),
        define(w[r], Sum(A[r, n + 1 - i] * C[n + 1 - i], (i, 1, n)), "."),
        then(Sum(A[r, i] * C[i], (i, 1, n)), ".", Reindex(mirror)),
        then(z[r], "."),
        define(f, Sum(phi(w[r]), (r, 1, 4)), "."),
    )
    good = then(Sum(phi(z[r]), (r, 1, 4)), ".", Inserted(used=(w[r],), by=mirror))
    prove(Derivation("inserted", "", RANGES, (*start, good)))
    with pytest.raises(Rejected, match="not proved"):
        prove(Derivation("inserted", "", RANGES, (*start, then(good.right, ".", using(w[r])))))
    wrong = then(Sum(phi(2 * z[r]), (r, 1, 4)), ".", Inserted(used=(w[r],), by=mirror))
    with pytest.raises(Rejected, match="the substitution gives"):
        prove(Derivation("inserted", "", RANGES, (*start, wrong)))
    no_map = then(good.right, ".", Inserted(used=(w[r],), by=((i, n - i),)))
    with pytest.raises(Rejected, match="not proved"):
        prove(Derivation("inserted", "", RANGES, (*start, no_map)))


def test_an_equation_may_be_used_at_the_image_of_its_index():
    mirrored = IndexedBase("M", shape=(n,), real=True)

    def d(at):
        steps = (define(mirrored[i], 2 * C[i], "."), claim(mirrored[at], 2 * C[at], ".", using(mirrored[i])))
        return Derivation("image", "", RANGES, steps)

    prove(d(n + 1 - i))
    for beyond in (i + 1, n - i, 2 * i):
        with pytest.raises(Rejected):
            prove(d(beyond))


def test_a_reordered_sum_may_be_called_by_its_name():
    f, g = symbols("f g", real=True)
    mirror = ((i, n + 1 - i),)

    def d(right):
        steps = (
            define(f, Sum(C[i], (i, 1, n)), "."),
            define(g, Sum(2 * C[i], (i, 1, n)), "."),
            claim(Sum(C[n + 1 - i], (i, 1, n)), right, ".", Reindex(mirror)),
        )
        return Derivation("named", "", RANGES, steps)

    prove(d(f))
    for wrong in (g, 2 * f, f + 1):
        with pytest.raises(Rejected, match="more than the order"):
            prove(d(wrong))

"""Floors by division with remainder: what is true is proved for every size, what is false never."""

import random
from collections import Counter
from itertools import product

import pytest
from sympy import Add, IndexedBase, Integer, Max, Mod, Rational, Symbol, ceiling, floor, lambdify, symbols

from worked.symbolic.definitions import Definitions
from worked.symbolic.division import Division, Undecided, not_negative, resolved, rounded_down
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.methods import Context

k, n, s, t = symbols("k n s t", integer=True, positive=True)
z = Symbol("z", integer=True)
a, b = symbols("a b", integer=True, nonnegative=True)
x = Symbol("x", positive=True)
CONTEXT = Context({}, Definitions(()))
padding = Max(s * (ceiling(n / s) - 1) + k - n, 0)

TRUE = {
    "ceiling by floor": (Division(n, (s,)), ceiling(n / s) + floor(-n / s)),
    "ceiling by a larger floor": (Division(n, (s,)), ceiling(n / s) - floor((n + s - 1) / s)),
    "quotient and remainder": (Division(n, (s,)), n - s * floor(n / s) - Mod(n, s)),
    "of any sign": (Division(z, (s,)), z - s * floor(z / s) - Mod(z, s)),
    "of a shifted dividend": (Division(n, (s,), k - 3), n + k - 3 - s * floor((n + k - 3) / s) - Mod(n + k - 3, s)),
    "two divisions": (Division(n, (s, t)), floor(floor(n / s) / t) - floor(n / (s * t))),
    "two rounded up": (Division(n, (s, t)), ceiling(ceiling(n / s) / t) - ceiling(n / (s * t))),
    "halves": (Division(n, (2,)), floor(n / 2) + ceiling(n / 2) - n),
    "thirty-seconds": (Division(n, (32,)), floor(floor(floor(n / 2) / 4) / 4) - floor(n / 32)),
    "maximum": (Division(n, (s,)), floor((n + padding - k) / s) + 1 - ceiling(n / s)),
}
FALSE = {
    "floor for ceiling": (Division(n, (s,)), ceiling(n / s) - floor(n / s)),
    "true at stride 1 only": (Division(n, (s,)), floor(n / s) - n),
    "true for even numbers only": (Division(n, (2,)), floor(n / 2) - ceiling(n / 2)),
    "true but for multiples": (Division(n, (s,)), ceiling(n / s) - floor(n / s) - 1),
    "one zero fewer": (Division(n, (s,)), floor((n + padding - 1 - k) / s) + 1 - ceiling(n / s)),
    "padding never needed": (Division(n, (s,)), padding),
    "another divisor": (Division(n, (s, t)), floor(floor(n / s) / t) - floor(n / (s + t))),
    "rounded differently": (Division(n, (s, t)), floor(ceiling(n / s) / t) - floor(n / (s * t))),
    "by one": (Division(n, (s,)), n - s * floor(n / s) - Mod(n, s) + 1),
}


@pytest.mark.parametrize(("method", "difference"), TRUE.values(), ids=TRUE.keys())
def test_proved(method, difference):
    assert method.objection(difference, Integer(0), CONTEXT) is None
    assert method.proves(difference, CONTEXT)
    assert not method.proves(difference + 1, CONTEXT)
    assert not method.proves(difference - n, CONTEXT)


@pytest.mark.parametrize(("method", "difference"), FALSE.values(), ids=FALSE.keys())
def test_not_proved(method, difference):
    assert not method.proves(difference, CONTEXT)


@pytest.mark.parametrize("divisors", [(s,), (Integer(3),), (s, t), (Integer(2), s)], ids=str)
def test_the_cases_are_all_integers(divisors):
    """Every dividend and divisors are an instance of one case, and of one only."""
    found = Counter()
    for case in Division(n, divisors).cases():
        free = sorted(set().union(*(e.free_symbols for e in case.values())), key=lambda d: (d.name, d.dummy_index))
        instance = lambdify(free, [case[n], *(case[d] for d in divisors if d in case)])
        spans = [range(10) if d.name == "q" else range(3) for d in free]
        found.update(tuple(instance(*naturals)) for naturals in product(*spans))
    sizes = [range(1, 4) for d in divisors if not d.is_Integer]
    assert all(found[at] == 1 for at in product(range(10), *sizes)), found


REFUSED = {
    "a real dividend": (Division(x, (s,)), "must be an integer"),
    "a shift by the dividend": (Division(n, (s,), n), "must be an integer, and the shift independent"),
    "a shift by a fraction": (Division(n, (s,), Rational(1, 2)), "must be an integer"),
    "no divisor": (Division(n, ()), "a divisor is needed"),
    "the dividend as divisor": (Division(n, (n,)), "neither the dividend"),
    "a divisor twice": (Division(n, (s, s)), "nor an earlier divisor"),
    "a divisor that may be zero": (Division(n, (a,)), "positive integer"),
    "a negative divisor": (Division(n, (Integer(-2),)), "positive integer"),
    "a product as divisor": (Division(n, (s * t,)), "positive integer or the symbol of one"),
}


@pytest.mark.parametrize(("method", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(method, reason):
    assert reason in method.objection(n, n, CONTEXT)
    assert not method.proves(Integer(0), CONTEXT)


@pytest.mark.parametrize("e", [x / 2, z / s, a / b, (a - b) / 3, IndexedBase("e", integer=True)[1] / 2, a / 2])
def test_what_is_not_known_is_not_rounded(e):
    with pytest.raises(Undecided):
        rounded_down(e)


def test_signs():
    assert not_negative(a * b + 2 * a)
    assert not not_negative(a - b)
    assert not not_negative(z)
    assert not not_negative(z**2 - z)
    assert not not_negative(floor(a / 2))
    with pytest.raises(Undecided) as undecided:
        resolved(Max(a, b))
    assert undecided.value.difference in (a - b, b - a)


def test_an_entry_has_no_sign():
    e = IndexedBase("e", integer=True)
    assert not Division(n, (2,)).proves(e[n] - e[n], CONTEXT) or e[n] - e[n] == 0
    assert not Division(n, (2,)).proves(Max(e[1], 0) - e[1], CONTEXT)


def terms(rng):
    """A random combination of roundings of n."""
    parts = []
    for _ in range(3):
        inner = n + rng.randint(-2, 2) * s + rng.randint(-2, 2)
        kind = rng.choice([lambda e: floor(e / s), lambda e: ceiling(e / s), lambda e: Mod(e, s), lambda e: Max(e, 0)])
        parts.append(rng.choice([-1, 1]) * kind(inner))
    return Add(*parts, rng.randint(-1, 1))


def test_nothing_false_is_proved():
    """Fuzz: whatever is accepted is zero at every small n and s."""
    evaluate, accepted = Evaluator({}, {}), 0
    for seed in range(60):
        rng = random.Random(seed)
        left = terms(rng)
        right = left if seed % 10 == 0 else terms(rng)
        difference = left.xreplace({n: n + s}) - right - (1 if seed % 20 == 0 else 0)
        if Division(n, (s,)).proves(difference, CONTEXT):
            accepted += 1
            for size in range(1, 8):
                for stride in range(1, 5):
                    assert evaluate(difference, {n: size, s: stride}) == 0, (seed, difference)
    assert Division(n, (s,)).proves(floor((n + s) / s) - floor(n / s) - 1, CONTEXT)

"""Recursively defined quantities, and induction: what holds at the start and passes from each step to the next.

A recursion is an expression, `base` at the start and then `body` of the state before, so that it can stand in a
definition, be differentiated and be evaluated like any other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sympy import (
    Dummy,
    Expr,
    Indexed,
    IndexedBase,
    Integer,
    KroneckerDelta,
    Sum,
    Symbol,
    Tuple,
    binomial,
    diff,
    sympify,
)

from worked.symbolic.methods import Context, Substitution
from worked.symbolic.sums import Binder, Range, Ranges, fresh, normal_form, reworded, spread
from worked.symbolic.zero import is_zero

Previous = Callable[..., Expr]


def recursion(
    head: Indexed, start: Any, base: Any, body: Callable[[Previous], Expr], shape: tuple[Expr, ...] = ()
) -> "Recursion":
    """Return the body of the definition of `head`, an entry whose first index counts the steps.

    It is `base` where the count is `start`; beyond, it is `body(previous)`, where `previous(*indices)` are the entries
    one step before. Both are expressions in the head's own indices; `shape` is the range of the indices but the first.
    """
    count, *indices = head.indices
    k, slots = Dummy("k", integer=True), [Dummy("s", integer=True) for _ in indices]
    state = IndexedBase(Dummy("state", real=True), shape=shape or None)
    single = Dummy("state", real=True)
    name = state if indices else single

    def previous(*at: Any) -> Expr:
        if len(at) != len(indices):
            raise ValueError(f"{head} has {len(indices)} indices beside the count, got {at}")
        return state[at] if at else single

    own = dict(zip(indices, slots, strict=True))
    first, then = reworded(sympify(base), own), reworded(body(previous), {count: k, **own})
    made = Recursion(Tuple(first, then), Tuple(k, name, *slots), count, sympify(start), Tuple(*indices), head.base)
    return made.canonical()


class Recursion(Binder):
    """An entry of the state after `count`: `inside` is base and body; the count, the state and its indices are bound.

    Further arguments: count, start, indices of the entry, and the base whose entries it is printed as.
    """

    is_real = True
    is_commutative = True

    count = property(lambda self: self.args[2])
    start = property(lambda self: self.args[3])
    indices = property(lambda self: self.args[4].args)

    def own_ranges(self) -> dict[Symbol, Range]:
        """The entries of the state."""
        _, state, *slots = self.bound
        shape = (state.shape or ()) if isinstance(state, IndexedBase) else ()
        return {slot: (Integer(1), size) for slot, size in zip(slots, shape, strict=False)}

    def at(self, count: Expr, indices: Any) -> "Recursion":
        """Return another entry, after another count."""
        return Recursion(*self.args[:2], count, self.start, Tuple(*indices), self.args[5])

    def first(self) -> Expr:
        """Return the entry at the start."""
        return self._put(fresh(self), 0, self.start, None)

    def unrolled(self, previous: Previous) -> Expr:
        """Return the entry in terms of the state one step before, `previous(*indices)`."""
        return self._put(fresh(self), 1, self.count, previous)

    @staticmethod
    def _put(e: "Recursion", which: int, count: Expr, previous: Previous | None) -> Expr:
        k, state, *slots = e.bound
        part = reworded(e.inside[which], {k: count, **dict(zip(slots, e.indices, strict=True))})
        return part if previous is None else with_state(part, state, previous)

    def _eval_derivative(self, variable: Expr) -> Expr:
        """The derivative is a recursion of its own: each step multiplies by the derivative of the body."""
        name = variable.base if isinstance(variable, Indexed) else variable
        if any(part.has(name) for part in self.args[2:5]):
            raise ValueError(f"the count or an index of {self} depends on {variable}")
        e = fresh(self)
        (base, body), (k, state, *slots) = e.inside, e.bound
        if not e.inside.has(name):
            return Integer(0)
        q = [Dummy("q", integer=True) for _ in slots]
        if not slots:
            new: Any = Dummy("slope", real=True)
            chained = diff(body, state) * new
        else:
            if not state.shape:
                raise ValueError(f"{self} has no shape: it cannot be differentiated")
            new = IndexedBase(Dummy("slope", real=True), shape=state.shape)
            limits = [(a, 1, size) for a, size in zip(q, state.shape, strict=True)]
            chained = Sum(diff(body, state[tuple(q)]) * new[tuple(q)], *limits)
        step = with_state(diff(body, variable) + chained, state, lambda *at: e.at(k - 1, at))
        inside = Tuple(diff(base, variable), step)
        return Recursion(inside, Tuple(k, new, *slots), e.count, e.start, Tuple(*e.indices), e.args[5])

    def value_at(self, evaluator: Any, point: Any) -> Any:
        """Return the value, step by step from the start; every entry is computed once."""
        count, start = (int(evaluator(part, point)) for part in (self.count, self.start))
        if count < start:
            raise IndexError(f"a recursion from {start} has no value at {count}")
        (base, body), (k, state, *slots) = self.inside, self.bound
        known = self._values(evaluator, point)

        def value(n: int, at: tuple[int, ...]) -> Any:
            if (n, at) not in known:
                here = {**point, **dict(zip(slots, at, strict=True))}
                if n > start:
                    before = (lambda index: value(n - 1, index)) if slots else value(n - 1, ())
                    known[n, at] = evaluator(body, {**here, k: n, state: before})
                else:
                    known[n, at] = evaluator(base, here)
            return known[n, at]

        return value(count, tuple(int(evaluator(index, point)) for index in self.indices))

    def _values(self, evaluator: Any, point: Any) -> dict[Any, Any]:
        """Return the entries computed so far by this evaluator at the same values of all names that are not bound."""
        if len(_TABLES) > 100:
            _TABLES.clear()
        own = {name for name in point if isinstance(getattr(name, "label", name), Dummy)} - self.free_symbols
        here = {name: value for name, value in point.items() if name not in own}
        key = (self.inside, self.start, id(evaluator), frozenset((name, id(value)) for name, value in here.items()))
        # What is identified by its address is kept, so that no other object can take the address.
        return _TABLES.setdefault(key, ({}, evaluator, here))[0]

    def _eval_is_positive(self) -> bool | None:
        """A number that starts positive and stays so."""
        _, state, *slots = self.bound
        if slots:
            return None
        base, body = self.inside
        positive = body.xreplace({state: Dummy("state", positive=True)}).is_positive
        return True if base.is_positive and positive else None

    def _latex(self, printer: Any) -> str:
        name = self.args[5]
        n, start = printer._print(self.count), printer._print(self.start)
        first = self._put(self, 0, self.start, None)  # not renamed, so that terms stay in their order
        step = self._put(self, 1, self.count, lambda *at: name[(self.count - 1, *at)])
        return (
            rf"\begin{{cases}} {printer._print(first)} & {n} = {start} \\ "
            rf"{printer._print(step)} & {n} > {start} \end{{cases}}"
        )


_TABLES: dict[Any, tuple[dict[Any, Any], Any, Any]] = {}  # values of recursions, see `Recursion._values`


def with_state(e: Expr, state: Any, previous: Previous) -> Expr:
    """Return `e` with every entry of `state` replaced by `previous(*indices)`."""
    if isinstance(state, IndexedBase):
        return reworded(e, {part: previous(*part.indices) for part in e.atoms(Indexed) if part.base == state})
    return reworded(e, {state: previous()})


@dataclass(frozen=True)
class Induction:
    """An equation about a recursion, for every count: at the start, and from each count to the next.

    The equation is solved for one recursion, r(n) = E(n). It is proved that r(start) = E(start), and that the body
    of r makes E(n) out of E(n - 1), for every n > start. `given` lists left sides of equations proved before about
    other recursions; they are proved again here, and then put in.
    """

    on: Symbol
    given: tuple[Expr, ...] = ()
    name: str = "induction"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """A recursion is there, and counts to `on`."""
        found = list(_outermost(context.value(left) - context.value(right)))
        if not found:
            return "there is nothing recursive"
        if lost := [g for g in self.given if g not in context.facts]:
            return f"nothing about {lost[0]} was proved before"
        return None if all(r.count == self.on for r in found) else f"not every recursion counts to {self.on}"

    def proves(self, difference: Expr, context: Context) -> bool:
        """Base case and step, each by normal form."""
        lemmas = _lemmas(self.given, self.on, context)
        if lemmas is None:
            return False
        return self._proves(difference, lemmas, context)

    def _proves(self, difference: Expr, lemmas: "Lemmas", context: Context) -> bool:
        difference = fresh(difference)
        recursions = list(dict.fromkeys(_outermost(difference)))
        starts = {r.start for r in recursions}
        if not recursions or len(starts) > 1 or any(r.count != self.on for r in recursions):
            return False
        (start,) = starts
        if start.has(self.on) or not _reached(self.on, start, context.ranges):
            return False
        # An index whose range changes with the count is taken for any integer: the claim is then proved for all.
        ranges = {i: bounds for i, bounds in context.ranges.items() if not any(b.has(self.on) for b in bounds)}

        def vanishes(e: Expr) -> bool:
            return _vanishes(_closed(e, lemmas, self.on), ranges)

        return any(self._steps(difference, r, recursions, vanishes) for r in recursions)

    def _steps(
        self, difference: Expr, chosen: Recursion, every: list[Recursion], vanishes: Callable[[Expr], bool]
    ) -> bool:
        """Whether base case and step hold for `difference` = 0 solved for `chosen`."""
        start = chosen.start
        n, unknown = self.on, Dummy("r", real=True)
        rest = spread(difference.xreplace({chosen: unknown})) - unknown
        if rest.has(unknown):
            return False
        indices = chosen.indices
        if len(set(indices)) < len(indices) or not all(isinstance(i, Symbol) for i in indices):
            return False
        base = difference.xreplace({r: r.first() for r in every}).xreplace({n: start})
        if not vanishes(base):
            return False

        def supposed(*at: Expr) -> Expr:
            return fresh(-rest).xreplace({n: n - 1, **dict(zip(indices, at, strict=True))})

        others = {r: r.unrolled(lambda *at, r=r: r.at(n - 1, at)) for r in every if r != chosen}
        step = difference.xreplace({chosen: chosen.unrolled(supposed), **others})
        beyond = start + 1 + Dummy("nu", integer=True, nonnegative=True)
        return vanishes(step.xreplace({n: beyond}))


def _outermost(e: Expr) -> Iterator[Recursion]:
    """Yield the recursions of `e` that lie in no other, nor in the argument of an unknown function."""
    if isinstance(e, Recursion):
        yield e
    elif not isinstance(e, Binder):
        for part in e.args:
            yield from _outermost(part)


@dataclass(frozen=True)
class Closed(Substitution):
    """What was proved by induction is put in place of its recursions, and nothing else changes.

    `used` lists the left sides, each after those that its own proof needs.
    """

    on: Symbol = None  # what the recursions count to: to be given

    def proves(self, difference: Expr, context: Context) -> bool:
        """Every equation put in is proved again."""
        lemmas = _lemmas(self.used, self.on, context)
        return lemmas is not None and is_zero(_closed(fresh(difference), lemmas, self.on), context.ranges)


Lemmas = list[tuple[Expr, Expr]]  # a recursion and its closed form


def _lemmas(lefts: tuple[Expr, ...], n: Symbol, context: Context) -> Lemmas | None:
    """Return the equations about the given left sides, each proved again by means of those before it, or None."""
    lemmas: Lemmas = []
    for left in lefts:
        if left not in context.facts:
            return None
        recursive, closed = context.value(left), context.value(context.facts[left])
        if not Induction(n)._proves(recursive - closed, lemmas, context):
            return None
        lemmas.append((recursive, closed))
    return lemmas


def _closed(e: Expr, lemmas: Lemmas, n: Symbol) -> Expr:
    """Return `e` with the closed form of each lemma in place of its recursion, whatever that counts to."""
    put = {}
    for r in e.atoms(Recursion):
        for left, right in lemmas:
            if normal_form(fresh(left).xreplace({n: r.count}), {}) == normal_form(fresh(r), {}):
                put[r] = fresh(right).xreplace({n: r.count})
    return e.xreplace(put)


def _reached(n: Symbol, start: Expr, ranges: Ranges) -> bool:
    """Whether every n in question is at least `start`."""
    if (n - start).is_nonnegative:
        return True
    if n in ranges and (ranges[n][0] - start).is_nonnegative:
        return True
    return start in ranges and ranges[start][1] == n


def _vanishes(e: Expr, ranges: Ranges) -> bool:
    """Whether `e` is zero, by Pascal's rule, and by cases where a free integer equals a number or does not."""
    e = one_row(fresh(e))
    for delta in e.atoms(KroneckerDelta):
        number, index = sorted(delta.args[:2], key=lambda a: isinstance(a, Symbol))
        if number.is_Integer and isinstance(index, Symbol) and index in e.free_symbols and index not in ranges:
            equal, other = e.xreplace({index: number}), e.xreplace({delta: Integer(0)})
            return _vanishes(equal.doit(deep=False), ranges) and _vanishes(other, ranges)
    return is_zero(e, ranges)


def one_row(e: Expr) -> Expr:
    r"""Return `e` with neighbouring rows of Pascal's triangle written in terms of one.

    For $a \ge 1$ and every integer k, $\binom{a-1}{k} = \frac{a-k}{a} \binom{a}{k}$ and
    $\binom{a-1}{k-1} = \frac{k}{a} \binom{a}{k}$; and $\binom{0}{k} = \delta_{k,0}$.
    """
    e = e.replace(lambda b: isinstance(b, binomial) and b.args[0] == 0, lambda b: KroneckerDelta(b.args[1], 0))
    rows = {b.args for b in e.atoms(binomial)}
    put = {}
    for a, k in rows:
        if (a + 1).is_positive and (a + 1, k) in rows:
            put[binomial(a, k)] = binomial(a + 1, k) * (a + 1 - k) / (a + 1)
        elif (a + 1).is_positive and (a + 1, k + 1) in rows:
            put[binomial(a, k)] = binomial(a + 1, k + 1) * (k + 1) / (a + 1)
    return e.xreplace(put)

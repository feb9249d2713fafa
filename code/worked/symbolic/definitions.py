"""Names and what they stand for: a graph of definitions, unfolded on demand without capture."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from sympy import Expr, Indexed, IndexedBase, Limit, Subs, Symbol, limit, preorder_traversal
from sympy.core.function import Function

from worked.symbolic.functions import AnyFunction, Partial, Slope, logistic
from worked.symbolic.sums import Shorthand, differentiate, fresh

Name: TypeAlias = Any  # a symbol, an indexed base, or a class of functions


def name_of(e: Expr) -> Name | None:
    """Return the name that a symbol, an entry or a function call refers to."""
    if isinstance(e, Indexed):
        return e.base
    if isinstance(e, Function):
        return e.func
    return e if isinstance(e, Symbol) else None


@dataclass(frozen=True)
class Definition:
    """`head` stands for `body`: a symbol, an entry with free indices, or a function of a free symbol."""

    head: Expr
    body: Expr

    def __post_init__(self) -> None:
        parameters = self.parameters
        if name_of(self.head) is None or len(set(parameters)) < len(parameters):
            raise ValueError(f"{self.head} cannot be defined: take a symbol, or a name applied to distinct symbols")
        if not all(isinstance(p, Symbol) for p in parameters):
            raise ValueError(f"{self.head} cannot be defined: its arguments must be symbols")

    @property
    def name(self) -> Name:
        """The defined name."""
        return name_of(self.head)

    @property
    def parameters(self) -> tuple[Symbol, ...]:
        """The free indices or arguments of the head."""
        return parameters_of(self.head)

    def at(self, target: Expr) -> Expr:
        """Return the body for the arguments of `target`; the body's bound indices are renamed first."""
        return fresh(self.body).xreplace(dict(zip(self.parameters, parameters_of(target), strict=True)))


def parameters_of(e: Expr) -> tuple[Expr, ...]:
    """Return the indices of an entry, the arguments of a function call, nothing for a symbol."""
    return () if isinstance(e, Symbol) else e.indices if isinstance(e, Indexed) else e.args


@dataclass(frozen=True)
class Definitions:
    """A set of definitions without cycles, at most one for each name."""

    items: tuple[Definition, ...]

    def __post_init__(self) -> None:
        if len(self.by_name) < len(self.items):
            raise ValueError("a name is defined twice")
        for name in self.by_name:
            if name in self.reached_from(name):
                raise ValueError(f"the definition of {name} refers to itself")

    @cached_property
    def by_name(self) -> dict[Name, Definition]:
        """The definition of each name."""
        return {d.name: d for d in self.items}

    def reached_from(self, name: Name) -> set[Name]:
        """Return the defined and undefined names that the definition of `name` uses, directly or not."""
        reached: set[Name] = set()
        pending = [name]
        while pending:
            definition = self.by_name.get(pending.pop())
            if definition is None:
                continue
            used = {name_of(part) for part in preorder_traversal(definition.body)}
            used -= {None, *definition.parameters, *reached}
            reached |= used
            pending += used
        return reached

    @cached_property
    def _reached(self) -> dict[Name, set[Name]]:
        return {name: self.reached_from(name) for name in self.by_name}

    def dependents(self, name: Name) -> set[Name]:
        """Return the names whose definition uses `name`, directly or not, and the defined functions."""
        return {other for other in self.by_name if isinstance(other, type) or name in self._reached[other]}

    def unfold(self, e: Expr, names: Collection[Name]) -> Expr:
        """Replace every use of `names` by its definition until none is left; bound indices must be fresh."""
        while found := {part: self.by_name[name_of(part)].at(part) for part in self._uses(e, names)}:
            e = e.xreplace(found)
        return e

    def _uses(self, e: Expr, names: Collection[Name]) -> Iterator[Expr]:
        return (part for part in preorder_traversal(e) if name_of(part) in self.by_name and name_of(part) in names)

    def uses(self, e: Expr, name: Name, avoiding: Collection[Name] = ()) -> bool:
        """Whether `e` refers to `name`, directly or through definitions other than those of `avoiding`."""
        graph = Definitions(tuple(d for d in self.items if d.name not in avoiding))
        direct = {name_of(part) for part in preorder_traversal(e)}
        return name in direct.union(*(graph.reached_from(other) for other in direct & graph.by_name.keys()))

    def value(self, e: Expr, held: Collection[Name] = ()) -> Expr:
        """Return `e` with its derivatives and limits carried out, as a function of the names `held`.

        What depends on them is unfolded, they themselves stay free even if they have a definition, and all else stays
        opaque. An equation between such values holds for every value of what is held, not only where its definition
        puts it: a wrong factor cannot hide behind something that happens to be zero there. With nothing held,
        everything is unfolded.
        """
        e = self._carry_out(fresh(e))
        names = set().union(*map(self.dependents, held)) - set(held) if held else self.by_name.keys()
        return self._open_means(self.unfold(e, names), held)

    def _open_means(self, e: Expr, held: Collection[Name]) -> Expr:
        """Unfold inside each mean all that depends on its variables: an opaque name would pass for a constant."""
        if not e.args or isinstance(e, Indexed | IndexedBase):
            return e
        args = [self._open_means(part, held) for part in e.args]
        if getattr(e, "binds", False):
            variables = e.args[1:]
            random = set().union(*(self.dependents(v) for v in variables))
            if fixed := {*variables, *random} & {name_of(part) for part in preorder_traversal(args[0])} & set(held):
                raise ValueError(f"{fixed} cannot be held in a mean over {variables}: it is random there")
            if defined := self.by_name.keys() & set(variables):
                raise ValueError(f"a mean is taken over {defined}, which is defined: it has a distribution of its own")
            args[0] = self.unfold(fresh(args[0]), random)
        return e.func(*args)

    def _carry_out(self, e: Expr) -> Expr:
        if not e.args or isinstance(e, Indexed | IndexedBase):
            return e
        if isinstance(e, Shorthand):
            return self._carry_out(fresh(e.written_out()))
        if isinstance(e, Partial):
            by = name_of(e.by)
            moved = self.unfold(self._carry_out(e.of), self.dependents(by) - {by, *e.holding})
            return differentiate(self._open_means(moved, (by, *e.holding)), e.by)
        if isinstance(e, Subs):
            body = self._as_function_of(e.expr, *e.variables)
            return body.xreplace(dict(zip(e.variables, e.point, strict=True)))
        if isinstance(e, Limit):
            body = self._as_function_of(e.args[0], e.args[1])
            return limit(body.replace(logistic, logistic.definition), *e.args[1:])
        if hasattr(e, "written_out"):  # a class that stands for an expression, such as an entry of a matrix form
            return self._carry_out(fresh(e.written_out()))
        return e.func(*map(self._carry_out, e.args))

    def _as_function_of(self, e: Expr, *variables: Symbol) -> Expr:
        names = set().union(*(self.dependents(v) for v in variables)) - set(variables)
        e = self.unfold(self._carry_out(e), names)
        if e.has(AnyFunction, Slope):
            raise ValueError("an unknown function is used at one point only: it has no limit and no restriction")
        return e


@dataclass(frozen=True)
class PerSample:
    """A family of copies: every quantity that depends on `inputs` gets one more index, the sample.

    Copying a set of definitions under new names and numbering the copies adds no assumption. Weights are shared: what
    does not depend on the inputs keeps its name.
    """

    definitions: Definitions
    inputs: tuple[Name, ...]
    index: Symbol
    size: Symbol

    @cached_property
    def _copies(self) -> dict[Name, IndexedBase]:
        dependents = set().union(*(self.definitions.dependents(name) for name in self.inputs))
        varying = [d.name for d in self.definitions.items if d.name in dependents]
        return {name: self._copy(name) for name in (*self.inputs, *varying)}

    def _copy(self, name: Name) -> IndexedBase:
        label = name.label.name if isinstance(name, IndexedBase) else name.name
        shape = name.shape if isinstance(name, IndexedBase) else ()
        return IndexedBase(label, shape=(self.size, *shape), real=True)

    def __call__(self, e: Expr) -> Expr:
        """Return the copy of `e` for the sample `index`; TypeError for an unknown function."""
        if e.has(AnyFunction):
            raise TypeError(f"copies of {e} would be taken for the same function at the same point")
        entries = {
            part: self._copies[name_of(part)][(self.index, *parameters_of(part))]
            for part in preorder_traversal(e)
            if isinstance(part, Symbol | Indexed) and name_of(part) in self._copies
        }
        return e.xreplace(entries)

    def family(self) -> tuple[Definition, ...]:
        """Return the copied definitions."""
        return tuple(Definition(self(d.head), self(d.body)) for d in self.definitions.items if d.name in self._copies)

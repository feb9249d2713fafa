"""Residual connections: the output, its paths, and the derivative by a block's output, for every width and depth.

The blocks are unknown differentiable functions of vectors of width d; their weights are held fixed and not written.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from itertools import product as every
from typing import Any

import numpy as np
from sympy import (
    Expr,
    IndexedBase,
    Integer,
    KroneckerDelta,
    Mul,
    Rational,
    Subs,
    Sum,
    Symbol,
    binomial,
    symbols,
)

from worked.answers import residual_paths as enumeration
from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.derivation import Derivation, claim, define, then
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.functions import Partial
from worked.symbolic.gates import autograd, load_torch
from worked.symbolic.induction import Closed, Induction, recursion
from worked.symbolic.latex import product, total
from worked.symbolic.methods import ChainRule, Differentiation, using
from worked.symbolic.vectors import Entry, Matrix, VectorFunction, matrix, weight

SLUG = "residual-paths"
TITLE = "Paths and gradients in a residual network"

d, n = symbols("d n", integer=True, positive=True)
i, j, k, m = symbols("i j k m", integer=True)
q = Symbol("q", positive=True)
p = Symbol("p", real=True)
t_1, t_2, t_3, G_1, G_2, G_3 = symbols("t_1 t_2 t_3 G_1 G_2 G_3", real=True)


def _vector(label: str) -> IndexedBase:
    return IndexedBase(label, shape=(d,), real=True)


def _family(label: str) -> IndexedBase:
    return IndexedBase(label, real=True)


x, f_1, f_2, f_3, h_1, h_2, y, v, u = map(_vector, ("x", "f_1", "f_2", "f_3", "h_1", "h_2", "y", "v", "u"))
J_2, J_3, J = (IndexedBase(label, shape=(d, d), real=True) for label in ("J_2", "J_3", "J"))
F_1, F_2, F_3 = (VectorFunction(f"f_{number}", d) for number in (1, 2, 3))
h, J_n, P = map(_family, ("h", "J", "P"))
N, U, C, B = map(_family, ("N", "U^{(m)}", "C", "B"))  # U^(m) is a name: m is the block
R, S, W, L = map(_family, ("R", "S", "W", "L"))
F = VectorFunction("f", d)  # the family of blocks

OUTPUT, DERIVATIVE = y[i], Partial(y[i], f_1[j])
ALL_ONE = ((t_1, t_2, t_3), (1, 1, 1))
COUNT, THROUGH_2 = Subs(G_3, *ALL_ONE), Subs(Partial(G_3, t_2), *ALL_ONE)
ENTRIES = {i: (Integer(1), d), j: (Integer(1), d)}


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    output = output_derivation()
    return (
        output,
        three_paths(),
        counting(),
        derivative(output),
        plain_chain(),
        any_depth(),
        one_block(),
        sizes(),
    )


def _matrix(base: IndexedBase) -> Matrix:
    return matrix(lambda a, b: base[a, b], d)


def _at(base: IndexedBase) -> Callable[[Symbol], Expr]:
    return lambda slot: base[slot]


def output_derivation() -> Derivation:
    """The output in terms of the input and the blocks only."""
    second = lambda a: x[a] + F_1(a, _at(x))  # noqa: E731
    third = lambda a: second(a) + F_2(a, second)  # noqa: E731
    return Derivation(
        f"{SLUG}-output",
        "The output",
        {i: ENTRIES[i]},
        (
            define(f_1[i], F_1(i, _at(x)), "What the first block adds."),
            define(h_1[i], total(x[i], f_1[i]), "Behind the first block."),
            define(f_2[i], F_2(i, _at(h_1)), "What the second block adds."),
            define(h_2[i], total(h_1[i], f_2[i]), "Behind the second block."),
            define(f_3[i], F_3(i, _at(h_2)), "What the third block adds."),
            define(y[i], total(h_2[i], f_3[i]), "The output."),
            claim(
                y[i],
                total(x[i], f_1[i], f_2[i], f_3[i]),
                "The input, and all that the blocks add.",
                using(y[i], h_2[i], h_1[i]),
            ),
            then(
                total(x[i], F_1(i, _at(x)), F_2(i, second), F_3(i, third)),
                "Each block's input is inserted, until neither $\\mathbf{h}_1$ nor $\\mathbf{h}_2$ is left.",
                using(f_3[i], h_2[i], f_2[i], h_1[i], f_1[i]),
            ),
        ),
    )


def three_paths() -> Derivation:
    """The paths of three blocks, as the terms of a polynomial with a mark for each block."""
    return Derivation(
        f"{SLUG}-three",
        "Three blocks: a mark for each",
        {},
        (
            define(
                G_1, total(1, t_1), "To $\\mathbf{h}_1$: past the block, or through it, which leaves the mark $t_1$."
            ),
            define(G_2, total(G_1, product(t_2, G_1)), "Each path goes on past the second block, or through it."),
            define(G_3, total(G_2, product(t_3, G_2)), "And on to the output."),
            claim(G_3, product(1 + t_3, 1 + t_2, 1 + t_1), "A factor for each block."),
            then(
                total(1, t_1, t_2, t_3, t_2 * t_1, t_3 * t_1, t_3 * t_2, t_3 * t_2 * t_1),
                "Multiplied out: each term is a path, its marks are the blocks on it.",
            ),
            claim(COUNT, Integer(8), "With every mark 1 the terms are counted."),
            claim(Partial(G_3, t_2), product(1 + t_3, G_1), "Only the terms with $t_2$ are left.", Differentiation()),
            claim(THROUGH_2, Integer(4), "Their number: the paths through the second block."),
        ),
    )


def counting() -> Derivation:
    """Any number of blocks: paths, paths through one block, paths by length, and the mean length."""
    induction, both = Induction(n), Induction(n, (N[n],))
    return Derivation(
        f"{SLUG}-count",
        "Any number of blocks: paths",
        {m: (Integer(1), n), k: (Integer(0), n)},
        (
            define(
                N[n],
                recursion(N[n], 0, 1, lambda before: total(before(), before())),
                "The paths through $n$ blocks: each path through $n - 1$ goes on past the last block, or through it.",
            ),
            claim(N[n], 2**n, "Every block doubles them.", induction),
            define(
                U[n],
                recursion(U[n], m, N[m - 1], lambda before: total(before(), before())),
                "Those through block $m$: every path to its input takes it, and then goes on as it likes.",
            ),
            claim(U[n], 2 ** (n - 1), "Half of all, whichever block it is.", both),
            define(
                C[n, k],
                recursion(C[n, k], 0, KroneckerDelta(k, 0), lambda before: total(before(k), before(k - 1))),
                "Those through exactly $k$ blocks: the last block is among them, or it is not.",
            ),
            claim(C[n, k], binomial(n, k), "Pascal's triangle.", induction),
            claim(
                C[n, k] / N[n],
                product(binomial(n, k), 2**-n),
                "As a share of all: the binomial distribution of $n$ tosses of a fair coin.",
                Closed(used=(C[n, k], N[n]), on=n),
            ),
            define(
                B[n],
                recursion(B[n], 0, 0, lambda before: total(before(), before(), N[n - 1])),
                "The blocks on all paths together: both copies of what was there, and the last block on one of them.",
            ),
            claim(B[n], product(n, 2 ** (n - 1)), "Each of $n$ blocks lies on half of the paths.", both),
            claim(B[n] / N[n], n / 2, "So many blocks are on a path on average.", Closed(used=(N[n], B[n]), on=n)),
        ),
    )


def derivative(output: Derivation) -> Derivation:
    """The derivative of the output by what the first block adds, for three blocks."""
    d_h2, d_y = Partial(h_2[i], f_1[j]), Partial(y[i], h_2[j])
    second, third = 1 + _matrix(J_2), 1 + _matrix(J_3)
    return Derivation(
        f"{SLUG}-derivative",
        "The derivative",
        {**ENTRIES, k: (Integer(1), d)},
        (
            define(J_2[i, j], F_2.jacobian(i, j, _at(h_1)), "The Jacobian matrix of the second block, at its input."),
            define(J_3[i, j], F_3.jacobian(i, j, _at(h_2)), "That of the third."),
            claim(
                d_h2,
                Entry(second, i, j),
                "$\\mathbf{f}_1$ is a term of $\\mathbf{h}_1$. Past the second block leads the identity, through it "
                "its Jacobian matrix.",
                Differentiation(),
            ),
            claim(d_y, Entry(third, i, j), "The third block likewise.", Differentiation()),
            claim(
                DERIVATIVE,
                Sum(product(Partial(y[i], h_2[k]), Partial(h_2[k], f_1[j])), (k, 1, d)),
                "Through every entry of $\\mathbf{h}_2$.",
                ChainRule(),
            ),
            then(Sum(product(Entry(third, i, k), Entry(second, k, j)), (k, 1, d)), "Inserted.", using(d_y, d_h2)),
            then(Entry(Mul(third, second), i, j), "A product of matrices, the last block on the left."),
            then(
                Entry(Mul(third, second).expand(), i, j),
                "Multiplied out: a term for each of the four paths from $\\mathbf{f}_1$ to $\\mathbf{y}$.",
            ),
        ),
        output.definitions.items,
    )


def plain_chain() -> Derivation:
    """The same three blocks without skip connections."""
    d_f2, d_y = Partial(f_2[i], f_1[j]), Partial(y[i], f_2[j])
    second, third = _matrix(J_2), _matrix(J_3)
    return Derivation(
        f"{SLUG}-plain",
        "Without skip connections",
        {**ENTRIES, k: (Integer(1), d)},
        (
            define(f_1[i], F_1(i, _at(x)), "The first block."),
            define(f_2[i], F_2(i, _at(f_1)), "The second takes what the first gives."),
            define(y[i], F_3(i, _at(f_2)), "The third gives the output."),
            define(
                J_2[i, j],
                F_2.jacobian(i, j, _at(f_1)),
                "The Jacobian matrices, at the inputs that the blocks have here.",
            ),
            define(J_3[i, j], F_3.jacobian(i, j, _at(f_2)), "Likewise."),
            claim(d_f2, Entry(second, i, j), "There is one way only.", Differentiation()),
            claim(d_y, Entry(third, i, j), "Here too.", Differentiation()),
            claim(
                DERIVATIVE,
                Sum(product(Partial(y[i], f_2[k]), Partial(f_2[k], f_1[j])), (k, 1, d)),
                "Through every entry of $\\mathbf{f}_2$.",
                ChainRule(),
            ),
            then(Sum(product(Entry(third, i, k), Entry(second, k, j)), (k, 1, d)), "Inserted.", using(d_y, d_f2)),
            then(Entry(Mul(third, second), i, j), "One path, one product."),
        ),
    )


def any_depth() -> Derivation:
    """The derivative behind n blocks: a product of n - 1 factors, by induction."""
    stacked = lambda before: total(before(i), F(i, lambda b: before(b), of=n))  # noqa: E731
    factor = 1 + matrix(lambda a, b: J_n[n, a, b], d)
    grown = lambda before: Entry(Mul(factor, matrix(before, d)), i, j)  # noqa: E731
    return Derivation(
        f"{SLUG}-depth",
        "Any number of blocks: the derivative",
        ENTRIES,
        (
            define(f_1[i], F(i, _at(x), of=1), "What the first block adds."),
            define(
                h[n, i],
                recursion(h[n, i], 1, total(x[i], f_1[i]), stacked, (d,)),
                "Behind $n$ blocks; the output $\\mathbf{y}$ is the last of these.",
            ),
            define(J_n[n, i, j], F.jacobian(i, j, lambda b: h[n - 1, b], of=n), "The Jacobian matrix of block $n$."),
            define(
                P[n, i, j],
                recursion(P[n, i, j], 1, Entry(1, i, j), grown, (d, d)),
                "A product that starts with nothing but the identity and gains a factor on the left with each block: "
                "$n - 1$ factors.",
            ),
            claim(Partial(h[n, i], f_1[j]), P[n, i, j], "It is the derivative, at every depth.", Induction(n)),
        ),
    )


def one_block() -> Derivation:
    """What a block does to the length of a vector, averaged over the sign of its Jacobian."""

    def squared(*parts: Expr) -> Sum:
        return Sum(total(*parts) ** 2, (i, 1, d))

    return Derivation(
        f"{SLUG}-block",
        "One block: lengths",
        {i: ENTRIES[i]},
        (
            define(u[i], Sum(product(J[i, j], v[j]), (j, 1, d)), "What a block's Jacobian makes of a direction."),
            claim(
                product(Rational(1, 2), total(squared(v[i], u[i]), squared(v[i], -u[i]))),
                total(squared(v[i]), squared(u[i])),
                "The mean of the squared lengths of $(I + J) \\mathbf{v}$ and $(I - J) \\mathbf{v}$: "
                "what goes past the block and what goes through it add up.",
            ),
        ),
    )


def sizes() -> Derivation:
    """The mean squared size of the derivative against depth, without and with skip connections, path by path."""
    induction = Induction(n)
    share = product(binomial(n - 1, k), q**k, (1 + q) ** (1 - n))
    return Derivation(
        f"{SLUG}-size",
        "Any number of blocks: lengths",
        {k: (Integer(0), n - 1)},
        (
            define(
                R[n],
                recursion(R[n], 1, 1, lambda before: product(q, before())),
                "Without skip connections each block multiplies by $q$.",
            ),
            claim(R[n], q ** (n - 1), "This vanishes for $q < 1$ and explodes for $q > 1$.", induction),
            define(
                S[n],
                recursion(S[n], 1, 1, lambda before: total(before(), product(q, before()))),
                "With them what goes through each block is added to what goes past it.",
            ),
            claim(S[n], (1 + q) ** (n - 1), "This cannot vanish; it grows at any $q$.", induction),
            define(
                W[n, k],
                recursion(W[n, k], 1, KroneckerDelta(k, 0), lambda before: total(before(k), product(q, before(k - 1)))),
                "The part of it that went through exactly $k$ blocks.",
            ),
            claim(
                W[n, k],
                product(binomial(n - 1, k), q**k),
                "As many paths as there are through $k$ of $n - 1$ blocks, each with $q$ for every block on it.",
                induction,
            ),
            claim(W[n, k] / S[n], share, "As a share of the whole.", Closed(used=(W[n, k], S[n]), on=n)),
            define(p, q / (1 + q), "Of what leaves a block, the share that went through it."),
            claim(
                share,
                product(binomial(n - 1, k), p**k, (1 - p) ** (n - 1 - k)),
                "So the shares are binomial again, of a coin that shows *through* with probability $p$.",
            ),
            define(
                L[n],
                recursion(L[n], 1, 0, lambda before: total(before(), product(q, total(before(), S[n - 1])))),
                "The parts, each times its number of blocks: what goes through the last block has one more.",
            ),
            claim(L[n], product(n - 1, q, (1 + q) ** (n - 2)), "In closed form.", Induction(n, (S[n],))),
            claim(
                L[n] / S[n],
                product(n - 1, q / (1 + q)),
                "Divided by the whole: the mean number of blocks, weighted by what the paths carry.",
                Closed(used=(S[n], L[n]), on=n),
            ),
            then(product(n - 1, p), "Every block is on a path with probability $p$."),
        ),
    )


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare the proved formulas with PyTorch's modules, NetworkX's paths and NumPy's matrices."""
    output, three, count, slope, plain, depth, block, size = derivations
    return (*_networks(output, slope, plain, depth), *_paths(three, count), *_lengths(block, size))


WIDTH, BLOCKS = 2, 3  # of the networks that are compared
ROWS = range(1, WIDTH + 1)


def _value(derivation: Derivation, e: Expr, point: dict[Any, Any]) -> float:
    return float(Evaluator(derivation.definitions.by_name, derivation.ranges, autograd)(e, point))


def _both(derivation: Derivation, left: Expr, point: dict[Any, Any]) -> list[float]:
    """Return the value of a left side by its definition, and that of what was proved of it."""
    return [_value(derivation, side, point) for side in (left, derivation.facts()[left])]


def _networks(output: Derivation, slope: Derivation, plain: Derivation, depth: Derivation) -> Iterator[Anchor]:
    """Outputs, and their derivatives by what the first block gives, of networks built from PyTorch's modules."""
    start = np.random.default_rng(5).normal(size=WIDTH)
    point = {d: WIDTH, n: BLOCKS, x: lambda index: float(start[index[0] - 1])}

    def ours(derivation: Derivation, left: Expr, *indices: Symbol) -> list[float]:
        formula, evaluate = derivation.facts()[left], Evaluator(derivation.definitions.by_name, derivation.ranges)
        places = every(ROWS, repeat=len(indices))
        return [float(evaluate(formula, {**point, **dict(zip(indices, at, strict=True))})) for at in places]

    single = [_module(f"f_{number}", ()) for number in (1, 2, 3)]
    family = [_module("f", (number,)) for number in range(1, BLOCKS + 1)]
    cases = (
        ("three residual blocks", single, True, (output, y[i]), (slope, DERIVATIVE)),
        ("three plain blocks", single, False, (plain, y[i]), (plain, DERIVATIVE)),
        (f"{BLOCKS} residual blocks", family, True, (depth, h[n, i]), (depth, P[n, i, j])),
    )
    for what, modules, skip, value, jacobian in cases:
        mine = ours(*value, i) + ours(*jacobian, i, j)
        difference = largest_difference(mine, _theirs(modules, start, skip))
        yield Anchor(f"output and derivative of {what}", "`torch.nn` and `torch.func.jacrev`", difference)


def _module(label: str, member: tuple[int, ...]) -> Any:
    """Return PyTorch's module of the function by which an unknown one is evaluated."""
    torch = load_torch()
    linear = torch.nn.Linear(WIDTH, WIDTH, bias=False, dtype=torch.float64)
    weights = np.array([[weight(label, member, a, b) for b in ROWS] for a in ROWS])
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weights))
    return torch.nn.Sequential(linear, torch.nn.Sigmoid())


def _theirs(modules: list[Any], start: np.ndarray, skip: bool) -> list[float]:
    """Return the output of a network, and its Jacobian matrix by the output of the first block."""
    torch = load_torch()
    x_0 = torch.from_numpy(start)

    def behind(first: Any) -> Any:
        value = x_0 + first if skip else first
        for module in modules[1:]:
            value = value + module(value) if skip else module(value)
        return value

    first = modules[0](x_0).detach()
    return behind(first).tolist() + torch.func.jacrev(behind)(first).flatten().tolist()


def _paths(three: Derivation, count: Derivation) -> Iterator[Anchor]:
    """Counts, by definition and as proved, of the paths that NetworkX finds in the graph."""
    import networkx

    found: dict[str, tuple[list[float], list[float]]] = {}

    def note(what: str, mine: list[float], counted: float) -> None:
        ours, theirs = found.setdefault(what, ([], []))
        ours += mine
        theirs += [counted] * len(mine)

    for blocks in (1, 2, 3, 5):
        graph = networkx.DiGraph(enumeration.residual_graph(blocks))
        listed = [enumeration.blocks_used(path) for path in networkx.all_simple_paths(graph, "x", "y")]
        at = {n: blocks}
        note("paths", _both(count, N[n], at), len(listed))
        note("mean number of blocks on a path", _both(count, B[n] / N[n], at), float(np.mean([*map(len, listed)])))
        for block in range(1, blocks + 1):
            through = sum(f"f_{block}" in path for path in listed)
            note("paths through a block", _both(count, U[n], {**at, m: block}), through)
        for used in range(blocks + 1):
            note(
                "paths through $k$ blocks",
                _both(count, C[n, k], {**at, k: used}),
                sum(len(path) == used for path in listed),
            )
        if blocks == 3:
            marks = {t_1: 1, t_2: 1, t_3: 1}
            note("paths of three blocks", _both(three, COUNT, marks), len(listed))
            note("paths through the second", _both(three, THROUGH_2, marks), sum("f_2" in path for path in listed))
    for what, pair in found.items():
        yield Anchor(what, "`networkx.all_simple_paths`", largest_difference(*pair))


def _lengths(block: Derivation, size: Derivation) -> Iterator[Anchor]:
    """Squared lengths averaged over every choice of signs, for random rotations times the root of q."""
    rng, factor = np.random.default_rng(6), 0.3
    rotations = [np.sqrt(factor) * np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0] for _ in range(BLOCKS - 1)]
    start = rng.normal(size=WIDTH)
    start /= np.linalg.norm(start)
    askew = rng.normal(size=(WIDTH, WIDTH))  # the block on its own needs no rotation
    point = {d: WIDTH, v: lambda at: float(start[at[0] - 1]), J: lambda at: float(askew[at[0] - 1, at[1] - 1])}
    signs = list(every((1, -1), repeat=BLOCKS - 1))

    def squared(vectors: Iterable[np.ndarray]) -> float:
        return float(np.square(sum(vectors)).sum())

    def averaged(used: int) -> float:
        """The mean squared length of what went through `used` blocks."""
        return float(np.mean([squared(paths[used]) for paths in signed]))

    def along(chosen: tuple[int, ...]) -> list[list[np.ndarray]]:
        """What the paths carry, by how many blocks they go through."""
        blocks = [sign * rotation for sign, rotation in zip(chosen, rotations, strict=True)]
        return [
            [functools.reduce(lambda vector, block: block @ vector, path, start) for path in combinations(blocks, used)]
            for used in range(BLOCKS)
        ]

    signed = [along(chosen) for chosen in signs]
    parts = [averaged(used) for used in range(BLOCKS)]
    whole = float(np.mean([squared(vector for vectors in paths for vector in vectors) for paths in signed]))
    step, evaluate = block.steps[1], Evaluator(block.definitions.by_name, block.ranges)
    ours = [float(evaluate(u[i], {**point, i: row})) for row in ROWS]
    ours += [float(evaluate(side, point)) for side in (step.left, step.right)]
    through = askew @ start
    theirs = [*through, *[sum(squared([start, s * through]) for s in (1, -1)) / 2] * 2]
    at = {n: BLOCKS, q: factor}
    mean = sum(used * part for used, part in enumerate(parts)) / whole
    compared = {
        "squared lengths behind a block": (ours, theirs),
        "behind plain blocks": (_both(size, R[n], at), [squared(signed[0][-1])] * 2),
        "behind residual blocks": (_both(size, S[n], at), [whole] * 2),
        "by path": (
            [value for used in range(BLOCKS) for value in _both(size, W[n, k], {**at, k: used})],
            [part for part in parts for _ in range(2)],
        ),
        "weighted mean number of blocks": (_both(size, L[n] / S[n], at), [mean] * 2),
    }
    for what, pair in compared.items():
        yield Anchor(what, "NumPy's matrices, averaged over all signs", largest_difference(*pair))

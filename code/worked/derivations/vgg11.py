"""VGG-11: sizes for every image, and its parameters, numbers and operations from one list of layers."""

from collections.abc import Iterable
from functools import cache, reduce
from itertools import groupby
from math import prod
from typing import Any

from sympy import Expr, Function, Integer, Pow, Rational, Subs, floor, symbols

from worked.answers import layers
from worked.derivations.counting import (
    D,
    K,
    N_conv,
    N_dense,
    conv_parameters,
    dense_parameters,
    k,
    n,
    out,
    p,
    q,
    s,
    t,
    window,
)
from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.definitions import Definition
from worked.symbolic.derivation import Derivation, Step, claim, define, then
from worked.symbolic.division import Division
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total

SLUG = "vgg11"
TITLE = "VGG-11, row by row"

ROWS = tuple(layers.rows(layers.VGG11, layers.VGG11_INPUT))
CONVOLUTIONS = [row for row in ROWS if isinstance(row.layer, layers.Conv)]
DENSE = [row for row in ROWS if isinstance(row.layer, layers.Dense)]
BLOCKS = [list(block) for _, block in groupby(CONVOLUTIONS, key=lambda row: row.after[1])]  # a pooling ends each
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth")

N_blocks = symbols(f"N_1:{len(BLOCKS) + 1}", positive=True)
N, N_convs, N_fcs, M_convs, M_fcs = symbols(
    r"N N_{\text{CONV}} N_{\text{FC}} M_{\text{CONV}} M_{\text{FC}}", positive=True
)
pool = Function(r"\operatorname{pool}", real=True)


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    return sizes(), per_row(), parameters(), operations()


def sizes() -> Derivation:
    """What a row does to the height or width of an image of any size."""
    kept, halved = (Integer(3), Integer(1), Integer(1)), (Integer(2), Integer(2), Integer(0))

    def repeated(size: Expr) -> Expr:
        return reduce(lambda left, _: pool(left), BLOCKS, size)

    return Derivation(
        f"{SLUG}-sizes",
        "Sizes",
        {},
        (
            claim(Subs(out, (k, s, p), kept), n, "CONV3, one zero at either end: the size is kept."),
            claim(
                Subs(out, (k, s, p), halved),
                floor(n / 2),
                "POOL2: the size is halved, rounded down.",
                Division(n, (2,)),
            ),
            claim(
                Subs(out, (n, k, s, p), (total(product(2, q), 1), *halved)),
                q,
                "Odd size: $q$ windows take $2q$ rows, and the last row is in none.",
                Division(q, (1,)),
            ),
            claim(
                floor(floor(n / s) / t),
                floor(n / (s * t)),
                "One pooling after the other: rounding down twice is rounding down once.",
                Division(n, (s, t)),
            ),
            define(pool(n), layers.MaxPool(2).output((D, n, n))[1], "Pooling, as a function of the size."),
            claim(
                repeated(n),
                floor(n / 2 ** len(BLOCKS)),
                "So all poolings of the network together divide once.",
                Division(n, (2 ** len(BLOCKS),)),
            ),
            claim(
                repeated(Integer(layers.VGG11_INPUT[1])),
                Integer(DENSE[0].before[1]),
                "The exercise's image: what the first fully connected layer sees.",
            ),
        ),
        window().definitions.items,
    )


def per_row() -> Derivation:
    """The two formulas of the table, and the row where each is met first."""
    first, flat = CONVOLUTIONS[0], DENSE[0]
    conv, dense = conv_parameters(), dense_parameters()
    at_first = (Integer(first.before[0]), Integer(first.after[0]), Integer(first.layer.kernel))
    return Derivation(
        f"{SLUG}-row",
        "Parameters of a row",
        {},
        (
            claim(
                Subs(N_conv, k, Integer(3)),
                layers.Conv(K, kernel=3).parameters((D, n, n)),
                "CONV3-$K$ on $D$ maps, its biases included.",
            ),
            claim(
                Subs(N_conv, (D, K, k), at_first), Integer(first.parameters), f"The first of them, {first.layer.name}."
            ),
            claim(N_dense, layers.Dense(K).parameters((D,)), "FC-$K$ on $D$ numbers."),
            claim(
                Subs(N_dense, (D, K), (product(*flat.before), Integer(flat.after[0]))),
                Integer(flat.parameters),
                f"The first of them, {flat.layer.name}: every unit sees all that the last pooling leaves.",
            ),
        ),
        tuple(Definition(head, d.facts()[head]) for d, head in ((conv, N_conv), (dense, N_dense))),  # as proved there
    )


def parameters() -> Derivation:
    """The total, and the share of the fully connected layers."""
    steps: list[Step] = []
    for number, (name, block) in enumerate(zip(N_blocks, BLOCKS, strict=True), start=1):
        why = f"Block {number}, up to the {_ORDINALS[number]} pooling."
        steps += [define(name, total(*map(_conv_weights, block)), why), then(_total(block, "parameters"), "Together.")]
    share = Rational(_total(DENSE, "parameters"), _total(ROWS, "parameters"))
    return Derivation(
        f"{SLUG}-total",
        "All parameters",
        {},
        (
            *steps,
            define(N_convs, total(*N_blocks), "All convolutions."),
            then(_total(CONVOLUTIONS, "parameters"), "Together."),
            define(N_fcs, total(*map(_dense_weights, DENSE)), "The fully connected layers."),
            then(total(*(Integer(row.parameters) for row in DENSE)), "Row by row."),
            then(_total(DENSE, "parameters"), "Together."),
            define(N, N_convs + N_fcs, "No other row has parameters."),
            then(_total(ROWS, "parameters"), "The total."),
            claim(N_fcs / N, share, "The share of the fully connected layers."),
        ),
    )


def operations() -> Derivation:
    """Multiply-adds of the two kinds of layers."""
    weights = [sum(row.parameters - row.after[0] for row in block) for block in BLOCKS]
    least = BLOCKS[-1][0].after[1] ** 2  # places of the last block
    times = [block[0].after[1] ** 2 // least for block in BLOCKS]
    terms = [product(*pair) for pair in zip(times[:-1], weights[:-1], strict=True)]
    return Derivation(
        f"{SLUG}-operations",
        "All multiply-adds for one image",
        {},
        (
            define(
                M_convs,
                product(Pow(BLOCKS[-1][0].after[1], 2, evaluate=False), total(*terms, Integer(weights[-1]))),
                "A convolution uses each weight, though no bias, at every place of its output. Each pooling quarters "
                f"the places: blocks below have {', '.join(map(str, times[-2:0:-1]))} and {times[0]} times as many.",
            ),
            then(_total(CONVOLUTIONS, "multiply_adds"), "Together."),
            define(
                M_fcs,
                total(*(product(row.after[0], *row.before) for row in DENSE)),
                "A fully connected layer uses each weight once.",
            ),
            then(_total(DENSE, "multiply_adds"), "Together."),
        ),
    )


def _total(rows: Iterable[layers.Row], of: str) -> Integer:
    return Integer(sum(getattr(row, of) for row in rows))


def _conv_weights(row: layers.Row) -> Expr:
    return product(row.after[0], total(product(row.before[0], Pow(row.layer.kernel, 2, evaluate=False)), 1))


def _dense_weights(row: layers.Row) -> Expr:
    return product(*row.after, total(product(*row.before), 1))


EDGES = (2, 3, 7, 8, 13, 224)


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare with torchvision's VGG-11, parameter by parameter, and with PyTorch's layers, run row by row."""
    size, row, count, work = derivations

    def value(d: Derivation, head: Expr, point: dict[Any, int] | None = None) -> float:
        return float(Evaluator(d.definitions.by_name, d.ranges)(head, point or {}))

    ran = layers.measured(layers.VGG11, layers.VGG11_INPUT)
    shapes = layers.torchvision_vgg11()
    theirs = [sum(prod(shape) for shape in part) for part in (shapes[:16], shapes[16:], shapes)]
    blocks = [
        sum(prod(shape) for shape in shapes[first:last]) for first, last in ((0, 2), (2, 4), (4, 8), (8, 12), (12, 16))
    ]
    each = [value(row, N_conv, {D: r.before[0], K: r.after[0], k: 3}) for r in CONVOLUTIONS]
    each += [value(row, N_dense, {D: prod(r.before), K: r.after[0]}) for r in DENSE]
    pairs = zip(shapes[::2], shapes[1::2], strict=True)  # weights and biases
    ours = [(*r.after, r.parameters, r.multiply_adds) for r in ROWS]
    measured = [(*m.output[1:], m.parameters, m.multiply_adds) for m in ran]
    zoo, run = "`torchvision.models.vgg11`", "PyTorch's layers, run row by row, and its `FlopCounterMode`"
    results: dict[tuple[str, str], tuple[Any, Any]] = {
        ("the number of parameters", zoo): ([value(count, head) for head in (N_convs, N_fcs, N)], theirs),
        ("its blocks", zoo): ([value(count, head) for head in N_blocks], blocks),
        ("its share", zoo): ([float(count.facts()[N_fcs / N])], [theirs[1] / theirs[2]]),
        ("the parameters of each layer", zoo): (each, [prod(weight) + prod(bias) for weight, bias in pairs]),
        ("the shape of each parameter", zoo): (_flat(_our_shapes()), _flat(shapes)),
        ("sizes, parameters and multiply-adds of each row", run): (_flat(ours), _flat(measured)),
        ("all multiply-adds", run): (
            [value(work, M_convs), value(work, M_fcs)],
            [sum(m.multiply_adds for m in ran if len(m.output) == rank) for rank in (4, 2)],
        ),
        ("sizes after pooling", "`torch.nn.MaxPool2d`, run"): (
            [value(size, of, {n: edge}) for edge in EDGES for of in (pool(n), size.steps[1].right)],
            [edge for edge in _pooled() for _ in range(2)],
        ),
    }
    return tuple(Anchor(what, against, largest_difference(*pair)) for (what, against), pair in results.items())


def _flat(shapes: Iterable[Iterable[int]]) -> list[int]:
    return [size for shape in shapes for size in shape]


@cache
def _our_shapes() -> list[tuple[int, ...]]:
    """Return the shape of each parameter of the module that the list of layers makes."""
    with load_torch().device("meta"):
        return [tuple(each.shape) for each in layers.network(layers.VGG11, layers.VGG11_INPUT).parameters()]


@cache
def _pooled() -> list[int]:
    """Return the height that PyTorch's pooling leaves of each of EDGES."""
    torch = load_torch()
    return [torch.nn.MaxPool2d(2)(torch.zeros(1, 1, edge, 2)).shape[2] for edge in EDGES]

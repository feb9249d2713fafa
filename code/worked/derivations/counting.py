"""Shapes, parameters, sizes, memory and operations of dense and convolutional layers, for every size.

The code of the layers (`worked.answers.layers`) is called with symbols here: the formulas that are proved are the lines
that make the tables.
"""

from functools import cache
from math import prod
from typing import Any

import numpy as np
from sympy import (
    Expr,
    Function,
    IndexedBase,
    Integer,
    Max,
    Mod,
    Pow,
    Subs,
    Sum,
    ceiling,
    symbols,
)

from worked.answers import layers
from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.bounds import LastTerms, SumInduction
from worked.symbolic.derivation import Derivation, Step, claim, define, then
from worked.symbolic.division import Division
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total
from worked.symbolic.matrices import Entry, given, positive_part, relu
from worked.symbolic.methods import using

SLUG = "counting"
TITLE = "Shapes, parameters and sizes"

m, D, K, C, k, s, t, n, h, w, q = symbols("m D K C k s t n h w q", integer=True, positive=True)
p, r, L = symbols("p r L", integer=True, nonnegative=True)
i, j, c, b, u, v, y, x, layer = symbols(r"i j c b u v y x \ell", integer=True)

X = IndexedBase("X", shape=(m, D), real=True)
W_h, b_h = IndexedBase("W_h", shape=(D, K), real=True), IndexedBase("b_h", shape=(K,), real=True)
W_o, b_o = IndexedBase("W_o", shape=(K, C), real=True), IndexedBase("b_o", shape=(C,), real=True)
Z_h, H = IndexedBase("Z_h", shape=(m, K), real=True), IndexedBase("H", shape=(m, K), real=True)
Z_o, Y = IndexedBase("Z_o", shape=(m, C), real=True), IndexedBase("Y", shape=(m, C), real=True)

HIDDEN = relu(given(X) @ given(W_h) + given(b_h))
NETWORK = relu(HIDDEN @ given(W_o) + given(b_o))  # its shape is checked when it is built

N_dense, N_conv, out, pad, A, M, B = symbols(r"N_{\text{dense}} N_{\text{conv}} n' P A M B", real=True)
N, A_all, M_all = symbols(r"N A_{\text{all}} M_{\text{all}}", positive=True)
reach = Function("r", real=True)


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    dense, conv = dense_parameters(), conv_parameters()
    return network(), dense, mlp_count(), conv, cnn_count(), window(), same(), stack(), costs(conv), receptive_field()


def network() -> Derivation:
    """The multilayer perceptron, entry by entry and as matrices."""
    hidden = total(Sum(product(X[i, j], W_h[j, b]), (j, 1, D)), b_h[b])
    output = total(Sum(product(H[i, b], W_o[b, c]), (b, 1, K)), b_o[c])
    inserted = total(Sum(product(positive_part(hidden), W_o[b, c]), (b, 1, K)), b_o[c])
    return Derivation(
        f"{SLUG}-mlp",
        "The network as an equation",
        {i: (Integer(1), m), b: (Integer(1), K), c: (Integer(1), C)},
        (
            define(Z_h[i, b], hidden, "Hidden unit $b$ weighs the inputs of sample $i$ and adds its bias."),
            define(H[i, b], positive_part(Z_h[i, b]), "ReLU."),
            define(Z_o[i, c], output, "Output $c$ does the same with the hidden units."),
            define(Y[i, c], positive_part(Z_o[i, c]), "ReLU again."),
            then(positive_part(inserted), "Everything inserted.", using(Z_o[i, c], H[i, b], Z_h[i, b])),
            then(
                Entry(NETWORK, i, c),
                "The sums are products of matrices. A bias is a row that is added to every row.",
            ),
        ),
    )


def dense_parameters() -> Derivation:
    """The weights and biases of a dense layer, counted one by one."""
    counted = total(Sum(1, (i, 1, D), (b, 1, K)), Sum(1, (b, 1, K)))
    return Derivation(
        f"{SLUG}-dense",
        "Parameters of a dense layer",
        {},
        (
            define(N_dense, counted, "One weight for each pair of an input and a unit, one bias for each unit."),
            then(layers.Dense(K).parameters((D,)), "No sum depends on its index."),
        ),
    )


def mlp_count() -> Derivation:
    """The perceptron's parameters."""
    counted = [row for row in layers.rows(layers.MLP, layers.MLP_INPUT) if row.parameters]
    terms = [term for row in counted for term in (product(*row.before, *row.after), *map(Integer, row.after))]
    return Derivation(
        f"{SLUG}-c1",
        "The exercise's perceptron",
        {},
        _added(N, terms, [row.parameters for row in counted], "Weights and biases of the hidden and the output layer."),
    )


def _added(name: Expr, terms: list[Expr], numbers: list[int], why: str) -> tuple[Step, ...]:
    """Define a total layer by layer, then give each layer's number, and their sum."""
    return (
        define(name, total(*terms), why),
        then(total(*map(Integer, numbers)), "Layer by layer."),
        then(Integer(sum(numbers)), "Together."),
    )


def conv_parameters() -> Derivation:
    """The weights and biases of a convolution, counted one by one."""
    kernel = Sum(1, (x, 1, k), (y, 1, k), (i, 1, D))
    return Derivation(
        f"{SLUG}-conv",
        "Parameters of a convolution",
        {},
        (
            define(
                N_conv,
                Sum(1 + kernel, (b, 1, K)),
                "Each of the $K$ output maps has $k$ by $k$ weights for each of the $D$ input maps, and a bias.",
            ),
            then(
                layers.Conv(K, k).parameters((D, h, w)),
                "The image's size does not occur: all places share them.",
            ),
        ),
    )


def cnn_count() -> Derivation:
    """Parameters, numbers and operations of the three convolutions."""
    rows = list(layers.rows(layers.CNN, layers.CNN_INPUT))
    kernels = [product(row.before[0], Pow(row.layer.kernel, 2, evaluate=False)) for row in rows]
    parameters = [product(row.after[0], total(kernel, 1)) for row, kernel in zip(rows, kernels, strict=True)]
    operations = [product(row.units, kernel) for row, kernel in zip(rows, kernels, strict=True)]
    return Derivation(
        f"{SLUG}-c2",
        "The exercise's convolutions",
        {},
        (
            *_added(N, parameters, [row.parameters for row in rows], "Parameters, from the lowest layer up."),
            *_added(
                A_all,
                [product(*row.after) for row in rows],
                [row.units for row in rows],
                "Numbers that come out for one image: maps, height and width of each layer.",
            ),
            *_added(
                M_all,
                operations,
                [row.multiply_adds for row in rows],
                "Multiply-adds for one image: numbers that come out, times weights in a kernel.",
            ),
        ),
    )


def window() -> Derivation:
    """How many windows fit, and what they leave over."""
    return Derivation(
        f"{SLUG}-window",
        "Output size of a window that slides",
        {},
        (
            define(
                out,
                layers.window_count(n, k, s, p),
                "The first window starts at the edge of the padded input, the others a stride apart, while they fit.",
            ),
            claim(
                n + 2 * p,
                total(k, product(s, out - 1), Mod(n + 2 * p - k, s)),
                "The padded input is one kernel, a stride for each further window, and a remainder. That is shorter "
                "than a stride: one window more would not fit.",
                Division(n, (s,), 2 * p - k),
            ),
            claim(
                Subs(out, (k, p), (total(product(2, r), 1), r)),
                ceiling(n / s),
                "An odd kernel, padded by half a kernel at either end: the size is divided by the stride, rounded up.",
                Division(n, (s,)),
            ),
            claim(
                Subs(out, (k, s, p), (total(product(2, r), 1), Integer(1), r)),
                n,
                "At stride 1 such a convolution keeps the size.",
            ),
        ),
    )


def same() -> Derivation:
    """SAME padding: the size, the zeros that it takes, and what PyTorch needs for the same size."""
    return Derivation(
        f"{SLUG}-same",
        "SAME padding with a stride",
        {},
        (
            define(out, ceiling(n / s), "As many windows as there are strides, one that is cut short counted in full."),
            then(
                layers.same_count(n, s),
                "As the code computes it: integer division rounds down.",
                Division(n, (s,)),
            ),
            define(
                pad,
                Max(total(product(s, out - 1), k, -n), 0),
                "The zeros that this takes, at both ends together, if any.",
            ),
            claim(
                layers.window_count(n + pad, k, s, Integer(0)),
                out,
                "With so many zeros exactly that many windows fit.",
                Division(n, (s,)),
            ),
            claim(
                Subs(pad, (n, k, s), (2 * q, Integer(3), Integer(2))),
                Integer(1),
                "The exercise's kernel and stride, even size: a single zero, which goes to the far end.",
            ),
            claim(
                Subs(pad, (n, k, s), (2 * q - 1, Integer(3), Integer(2))),
                Integer(2),
                "Odd size: one zero at either end.",
                Division(q, (1,)),
            ),
        ),
    )


def stack() -> Derivation:
    """Layers on layers: rounding up commutes with dividing on."""
    eighth = ceiling(product(ceiling(product(ceiling(n / 2), Pow(2, -1, evaluate=False))), Pow(2, -1, evaluate=False)))
    return Derivation(
        f"{SLUG}-stack",
        "One layer after the other",
        {},
        (
            claim(
                ceiling(ceiling(n / s) / t),
                ceiling(n / (s * t)),
                "Two SAME layers with strides $s$ and $t$ give the size of one with stride $s\\,t$.",
                Division(n, (s, t)),
            ),
            claim(eighth, ceiling(n / 8), "So three layers of stride 2 divide by 8.", Division(n, (8,))),
        ),
    )


def costs(conv: Derivation) -> Derivation:
    """Numbers that come out of a convolution, their memory, and the operations they take."""
    numbers = Sum(1, (x, 1, w), (y, 1, h), (b, 1, K))
    taps = Sum(1, (u, 1, k), (v, 1, k), (i, 1, D))
    return Derivation(
        f"{SLUG}-costs",
        "Memory and operations",
        {},
        (
            define(A, numbers, "What comes out: $K$ maps of $h$ by $w$ numbers."),
            then(prod((K, h, w)), "Counted."),
            define(B, product(layers.BYTES, m, A), "Bytes for a batch of $m$ in single precision, four each."),
            define(
                M,
                Sum(taps, (x, 1, w), (y, 1, h), (b, 1, K)),
                "Each takes one multiply-add for each weight of its kernel.",
            ),
            then(product(A, D, k**2), "Counted."),
            claim(
                M,
                product(h, w, N_conv - K),
                "Each weight is used once at every place: operations grow with the image, parameters do not.",
            ),
        ),
        conv.definitions.items,
    )


def receptive_field() -> Derivation:
    """What one unit after L equal layers can see of the input, in one direction."""
    seen = 1 + Sum(product(k - 1, s ** (layer - 1)), (layer, 1, L))
    return Derivation(
        f"{SLUG}-reach",
        "Receptive field",
        {},
        (
            define(
                reach(L),
                seen,
                "In layer $\\ell$ a kernel spans $k - 1$ steps, and a step there is $s^{\\ell-1}$ inputs wide.",
            ),
            claim(
                reach(total(L, 1)),
                total(reach(L), product(k - 1, s**L)),
                "So each layer adds its kernel's span, in steps that grow with the strides below.",
                LastTerms(on=L),
            ),
            claim(
                product(s - 1, reach(L) - 1),
                product(k - 1, s**L - 1),
                "In closed form, written so that it holds for stride 1, too.",
                SumInduction(on=L),
            ),
            claim(
                Subs(reach(L), (k, s, L), (Integer(3), Integer(2), Integer(3))),
                Integer(layers.receptive_fields(layers.CNN)[-1]),
                "The exercise's three layers.",
                LastTerms(on=L),
            ),
        ),
    )


WINDOWS = [
    (n, k, s, p) for n in (5, 6, 7, 12, 13) for k, s, p in ((3, 1, 1), (3, 2, 1), (3, 2, 0), (5, 3, 2), (2, 2, 0))
]
HALF_PADDED = [(n, k, s) for n in (5, 6, 7, 12, 13) for k, s in ((3, 2), (5, 2), (3, 3), (1, 2), (7, 4))]
SHAPES = [(2, 3, 1), (4, 2, 3), (3, 5, 5)]  # inputs, outputs, kernel
STACKS = [(3, 2, 3), (3, 1, 4), (5, 2, 2), (2, 3, 2), (1, 2, 2)]  # kernel, stride, layers


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare the definitions and what was proved from them with PyTorch's own layers, run or counted."""
    parts = {d.slug.removeprefix(f"{SLUG}-"): d for d in derivations}

    def values(part: str, head: Expr, point: dict[Any, Any]) -> tuple[float, float]:
        """By its definition, and by the last equation about it."""
        d = parts[part]
        evaluate = Evaluator(d.definitions.by_name, d.ranges)
        return float(evaluate(head, point)), float(evaluate(d.facts()[head], point))

    def twice(theirs: Any) -> list[float]:
        return [float(value) for value in theirs for _ in range(2)]

    arrays, outputs = _torch_network()
    ours = [
        values("mlp", Y[i, c], {m: 2, D: 4, K: 3, C: 2, **arrays, i: row + 1, c: column + 1})
        for row, column in np.ndindex(outputs.shape)
    ]
    dense = [values("dense", N_dense, {D: a, K: z}) for a, z, _ in SHAPES]
    conv = [values("conv", N_conv, {D: a, K: z, k: size}) for a, z, size in SHAPES]
    windows = [values("window", out, {n: a, k: size, s: step, p: zeros}) for a, size, step, zeros in WINDOWS]
    same_sizes = [values("same", out, {n: a, k: size, s: step}) for a, size, step in HALF_PADDED]
    zeros = [values("same", pad, {n: a, k: size, s: step}) for a, size, step in HALF_PADDED]
    rows = list(layers.rows(layers.CNN, layers.CNN_INPUT))
    torchs = [
        layers.measured(net, start) for net, start in ((layers.MLP, layers.MLP_INPUT), (layers.CNN, layers.CNN_INPUT))
    ]
    costs = [values("costs", head, {D: 2, K: 3, k: 2, h: 2, w: 3, m: 5}) for head in (A, B, M)]
    reaches = [values("reach", reach(L), {k: size, s: step, L: depth}) for size, step, depth in STACKS]
    mlp, cnn = ([sum(getattr(layer, of) for layer in net) for of in ("parameters", "multiply_adds")] for net in torchs)
    linear, convolution, ran = "`torch.nn.Linear`", "`torch.nn.Conv2d`", "`torch.nn.Conv2d`, run"
    results: dict[tuple[str, str], tuple[Any, Any]] = {
        ("$Y$", linear): (_flat(ours), twice(outputs.flatten())),
        ("parameters of a dense layer", linear): (_flat(dense), twice(_torch_counts("dense"))),
        ("the perceptron's parameters", linear): (_flat([values("c1", N, {})]), twice(mlp[:1])),
        ("parameters of a convolution", convolution): (_flat(conv), twice(_torch_counts("conv"))),
        ("parameters, numbers and multiply-adds of the three convolutions", ran): (
            _flat([values("c2", head, {}) for head in (N, A_all, M_all)]),
            twice([cnn[0], sum(prod(layer.output) for layer in torchs[1]), cnn[1]]),
        ),
        ("output sizes", ran): (_flat(windows), twice(_torch_sizes(tuple(WINDOWS)))),
        ("sizes under SAME", ran): (
            _flat(same_sizes),
            twice(_torch_sizes(tuple((a, size, step, size // 2) for a, size, step in HALF_PADDED))),
        ),
        ("the fewest zeros for that size", "`torch.nn.functional.conv1d`, by trial"): (
            _flat(zeros),
            twice(_fewest_zeros(tuple(HALF_PADDED))),
        ),
        ("memory and operations", "PyTorch's tensors and `FlopCounterMode`"): (
            _flat(costs),
            twice(_torch_costs(2, 3, 2, (2, 3), batch=5)),
        ),
        ("receptive fields", "the derivatives of a stack of `torch.nn.Conv2d`"): (
            _flat(reaches),
            twice(_torch_reaches()),
        ),
        ("the table's sizes, parameters and multiply-adds", ran): (
            [number for row in rows for number in (*row.after, row.parameters, row.multiply_adds)],
            [x for seen in torchs[1] for x in (*seen.output[1:], seen.parameters, seen.multiply_adds)],
        ),
    }
    return tuple(Anchor(what, against, largest_difference(*pair)) for (what, against), pair in results.items())


def _flat(pairs: list[tuple[float, float]]) -> list[float]:
    return [value for pair in pairs for value in pair]


@cache
def _torch_network() -> tuple[dict[Any, Any], np.ndarray]:
    """Return the arrays of a small perceptron as entries, and what PyTorch makes of them."""
    torch = load_torch()
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2), torch.nn.ReLU()).double()
    rng = np.random.default_rng(8)
    inputs = rng.normal(size=(2, 4))
    weights = [rng.normal(size=size) for size in ((4, 3), (3,), (3, 2), (2,))]
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(array.T))  # PyTorch keeps the transpose
        outputs = model(torch.from_numpy(inputs)).numpy()
    names = dict(zip((X, W_h, b_h, W_o, b_o), (inputs, *weights), strict=True))
    entries = {
        name: lambda index, array=array: float(array[tuple(number - 1 for number in index)])
        for name, array in names.items()
    }
    return entries, outputs


@cache
def _torch_counts(kind: str) -> list[int]:
    """Return the parameters of PyTorch's layers of the sizes SHAPES."""
    nn = load_torch().nn
    made = [nn.Linear(a, z) if kind == "dense" else nn.Conv2d(a, z, size) for a, z, size in SHAPES]
    return [sum(parameter.numel() for parameter in layer.parameters()) for layer in made]


@cache
def _torch_sizes(cases: tuple[tuple[int, int, int, int], ...]) -> list[int]:
    """Return the height that PyTorch's convolution gives for each height, kernel, stride and padding."""
    torch = load_torch()
    return [
        torch.nn.Conv2d(1, 1, size, step, zeros)(torch.zeros(1, 1, a, 20)).shape[2] for a, size, step, zeros in cases
    ]


@cache
def _fewest_zeros(cases: tuple[tuple[int, int, int], ...]) -> list[int]:
    """Return the fewest zeros with which a convolution reaches the size that half a kernel at each end gives."""
    torch = load_torch()
    found = []
    for a, size, step in cases:
        wanted = _torch_sizes(((a, size, step, size // 2),))[0]
        kernel = torch.zeros(1, 1, size)

        def length(zeros: int, a: int = a, kernel: Any = kernel, step: int = step) -> int:
            if a + zeros < kernel.shape[2]:
                return 0
            return torch.nn.functional.conv1d(torch.zeros(1, 1, a + zeros), kernel, stride=step).shape[2]

        found.append(next(zeros for zeros in range(size) if length(zeros) >= wanted))
    return found


@cache
def _torch_costs(maps: int, out_maps: int, size: int, image: tuple[int, int], batch: int) -> list[int]:
    """Return numbers, bytes of a batch, and multiply-adds of a convolution whose output has the size `image`."""
    torch = load_torch()
    before = (maps, *(edge + size - 1 for edge in image))
    (ran,) = layers.measured((layers.Conv(out_maps, kernel=size),), before)
    result = torch.nn.Conv2d(maps, out_maps, size)(torch.zeros(batch, *before))
    return [prod(ran.output), result.numel() * result.element_size(), ran.multiply_adds]


@cache
def _torch_reaches() -> list[int]:
    """Return how many rows the first place of the last layer depends on, for each of STACKS."""
    stacks = [(layers.Conv(1, kernel=size, stride=step),) * depth for size, step, depth in STACKS]
    return [len(layers.footprint(stack, (1, 40, 40), (0, 0))[0]) for stack in stacks]

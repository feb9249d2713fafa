"""A one-dimensional convolution is a dense layer with a banded matrix of shared weights, for every size.

Filters, outputs, inputs and weights of a filter are numbered c, j, t and r, all from 1. The padding puts P zeros before
the inputs and W - 1 - P behind them, so that there are as many outputs as inputs; an odd W has P = (W - 1)/2.
"""

from itertools import product as pairs

import numpy as np
from sympy import Abs, And, Expr, IndexedBase, Integer, KroneckerDelta, Le, Piecewise, Rational, Sum, Symbol, symbols

from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.derivation import Derivation, claim, define, then
from worked.symbolic.evaluate import Entries, Evaluator
from worked.symbolic.functions import Partial
from worked.symbolic.gates import load_torch
from worked.symbolic.latex import product, total
from worked.symbolic.methods import AtSizes, Counting, Differentiation, Window, using

SLUG = "convolution-as-dense"
TITLE = "A convolution as a dense layer"

D, W, M = symbols("D W M", integer=True, positive=True)
c, j, t, r, q, p, P = symbols("c j t r q p P", integer=True)
z, u = symbols("z u", real=True)
lambda_1, lambda_2, strength = symbols(r"\lambda_1 \lambda_2 \lambda", positive=True)
outputs, n_conv, n_conv_bias, n_dense, n_dense_bias, n_band = symbols(
    r"N_{\text{out}} N_{\text{conv}} N_{\text{conv}}^{+} N_{\text{dense}} N_{\text{dense}}^{+} N_{\text{band}}",
    real=True,
)
squares, absolutes = symbols("f_2 f_1", real=True)

x = IndexedBase("x", shape=(D,), real=True)
x_padded = IndexedBase(r"\tilde{x}", shape=(D + W - 1,), real=True)
w = IndexedBase("w", shape=(M, W), real=True)
b = IndexedBase("b", shape=(M,), real=True)
h = IndexedBase("h", shape=(M, D), real=True)
S = IndexedBase("S", shape=(W, D, D), real=True)
T = IndexedBase("T", shape=(M, D, D), real=True)
A = IndexedBase("A", shape=(M, D, D), real=True)
a = IndexedBase("a", shape=(M, D), real=True)
n = IndexedBase("n", shape=(W,), real=True)
w_mean = IndexedBase(r"\bar{w}", shape=(M, W), real=True)
b_mean = IndexedBase(r"\bar{b}", shape=(M,), real=True)
outside = IndexedBase("Z", shape=(M,), real=True)
spread = IndexedBase("V", shape=(M,), real=True)
penalty = IndexedBase("R", shape=(M,), real=True)
distance = IndexedBase(r"\Delta", shape=(M,), real=True)

CHANNEL = (Integer(1), M)
PLACE = (Integer(1), D)
TAP = (Integer(1), W)
LEFT = (Integer(0), W - 1)  # zeros before the inputs
ENTRY = {c: CHANNEL, j: PLACE, t: PLACE}
NARROW = {W: (Integer(1), D), P: LEFT}  # a filter is no wider than its input: no diagonal is empty


def over_matrix(e: Expr) -> Expr:
    """Return the sum over all outputs j and inputs t."""
    return Sum(e, (t, *PLACE), (j, *PLACE))


def over_taps(e: Expr) -> Expr:
    """Return the sum over the weights r of a filter."""
    return Sum(e, (r, *TAP))


def _within(place: Expr) -> And:
    """Return the condition that a place lies on the filter, kept as it is to be printed."""
    shown = total(t, -j, P, 1)
    return And(Le(1, shown, evaluate=False), Le(shown, W, evaluate=False), evaluate=False)


def derive() -> tuple[Derivation, ...]:
    """Return the derivations of the page, in order."""
    layer = layer_derivation()
    regulariser = regulariser_derivation(layer)
    return (
        layer,
        counts_derivation(layer),
        regulariser,
        zero_derivation(regulariser),
        nearest_derivation(regulariser),
        norms_derivation(),
    )


def layer_derivation() -> Derivation:
    """The convolution, step by step, until it reads as a dense layer."""
    shift = KroneckerDelta(t, j + r - 1 - P)
    place = t - j + P + 1
    return Derivation(
        f"{SLUG}-layer",
        "The same computation",
        {c: CHANNEL, j: PLACE, t: PLACE, r: TAP, q: (Integer(1), D + W - 1), P: LEFT},
        (
            define(
                x_padded[q],
                Sum(product(KroneckerDelta(t, q - P), x[t]), (t, *PLACE)),
                r"Zero padding: position $q$ holds input $q - P$ if there is one, else nothing. $\delta$ is 1 where "
                "its two indices are equal and 0 elsewhere.",
            ),
            define(
                h[c, j],
                b[c] + over_taps(product(w[c, r], x_padded[j + r - 1])),
                "Output $j$ of filter $c$: the filter's bias, and its weights times a window of the padded inputs.",
            ),
            then(
                b[c] + over_taps(product(w[c, r], Sum(product(shift, x[t]), (t, *PLACE)))),
                "The padding inserted.",
                using(x_padded[q]),
            ),
            define(S[r, j, t], shift, "The matrix $S_r$ has ones on one diagonal: it shifts the inputs."),
            define(T[c, j, t], over_taps(product(w[c, r], S[r, j, t])), "A filter is a sum of shifts."),
            claim(
                h[c, j],
                b[c] + Sum(product(T[c, j, t], x[t]), (t, *PLACE)),
                "The two finite sums exchanged: this is a dense layer. Neuron $(c, j)$ has the weights $T_{c,j,t}$ and "
                "the bias $b_c$.",
            ),
            claim(
                T[c, j, t],
                Piecewise((w[c, total(t, -j, P, 1)], _within(place)), (0, True), evaluate=False),
                "Its matrix, entry by entry: it depends on $t - j$ only, and is zero outside a band.",
                Window(t, place, TAP),
            ),
        ),
    )


def counts_derivation(layer: Derivation) -> Derivation:
    """Outputs and weights of both layers."""
    ones = Sum(1, (t, *PLACE), (j, *PLACE), (c, *CHANNEL))
    beyond = W - 1 - P  # zeros behind the inputs
    in_band = D * W - P * (P + 1) / 2 - beyond * (beyond + 1) / 2
    return Derivation(
        f"{SLUG}-counts",
        "Outputs and weights",
        {**NARROW, j: PLACE, t: PLACE, r: TAP},
        (
            define(p, W - 1, "Zeros that the padding adds in all."),
            define(
                outputs,
                Sum(1, (j, 1, total(D, p, -W, 1)), (c, *CHANNEL)),
                "A filter has one output for each window of $W$ neighbours among the padded inputs.",
            ),
            then(product(M, D), "As many as inputs, for each filter: also the number of neurons of the dense layer."),
            define(n_conv, Sum(1, (r, *TAP), (c, *CHANNEL)), "Weights of the convolution, without biases."),
            then(product(M, W), "The input's length does not matter."),
            define(n_conv_bias, Sum(1 + over_taps(1), (c, *CHANNEL)), "With one bias for each filter."),
            then(product(M, total(W, 1)), "Counted."),
            define(n_dense, ones, "Weights of the dense layer: one for each neuron and input."),
            then(product(M, D**2), "Counted."),
            define(
                n_dense_bias,
                Sum(1 + Sum(1, (t, *PLACE)), (j, *PLACE), (c, *CHANNEL)),
                "With one bias for each neuron.",
            ),
            then(product(M, D, total(D, 1)), "Counted."),
            claim(n_dense / n_conv, D**2 / W, "How many times as many weights the dense layer has."),
            claim(n_dense_bias / n_conv_bias, product(D, total(D, 1)) / total(W, 1), "And with biases."),
            define(
                n_band,
                Sum(over_taps(over_matrix(S[r, j, t])), (c, *CHANNEL)),
                "Of the dense weights, those on which a filter's weight stands. The others have to be zero.",
            ),
            then(
                product(M, in_band),
                "The corners cut off triangles from the band.",
                AtSizes(({D: 3, M: 2}, {D: 4, M: 1}, {D: 5, M: 2}, {D: 6, M: 1})),
            ),
        ),
        layer.definitions.items,
    )


def regulariser_derivation(layer: Derivation) -> Derivation:
    """The penalty of one filter's block of the dense layer, and its gradient."""
    beside = 1 - over_taps(S[r, j, t])
    off_mean = A[c, j, t] - w_mean[c, r]
    return Derivation(
        f"{SLUG}-regulariser",
        "The regulariser and its gradient",
        {**NARROW, **ENTRY, r: TAP},
        (
            define(n[r], over_matrix(S[r, j, t]), "Entries of the diagonal on which weight $r$ stands."),
            then(D - Abs(r - 1 - P), "It is shorter the farther it lies from the middle; never empty.", Counting()),
            define(
                w_mean[c, r],
                product(1 / n[r], over_matrix(product(S[r, j, t], A[c, j, t]))),
                "The mean of that diagonal.",
            ),
            define(b_mean[c], product(1 / D, Sum(a[c, j], (j, *PLACE))), "The mean of the biases."),
            define(outside[c], over_matrix(product(beside, A[c, j, t] ** 2)), "Sparsity: squares beside the band."),
            define(
                spread[c],
                total(
                    over_taps(over_matrix(product(S[r, j, t], off_mean**2))),
                    Sum((a[c, j] - b_mean[c]) ** 2, (j, *PLACE)),
                ),
                "Sharing: how far weights are from the mean of their diagonal, and biases from theirs.",
            ),
            define(
                penalty[c],
                product(lambda_1, outside[c]) + product(lambda_2, spread[c]),
                "The regulariser, with a strength for each.",
            ),
            claim(
                Partial(penalty[c], a[c, j]),
                product(2, lambda_2, a[c, j] - b_mean[c]),
                "A bias is drawn to the mean of the biases.",
                Differentiation(),
            ),
            claim(
                Partial(penalty[c], A[c, j, t]),
                total(
                    product(2, lambda_1, beside, A[c, j, t]),
                    product(2, lambda_2, over_taps(product(S[r, j, t], off_mean))),
                ),
                "What a weight is drawn to: zero beside the band, the mean of its diagonal in it. That the mean moves "
                "with the weight changes nothing, as deviations from a mean add up to zero.",
                Differentiation(),
            ),
        ),
        layer.definitions.items,
    )


def zero_derivation(regulariser: Derivation) -> Derivation:
    """The regulariser of a dense layer that is a convolution."""
    return Derivation(
        f"{SLUG}-zero",
        "A convolution costs nothing",
        {**NARROW, **ENTRY, r: TAP},
        (
            define(A[c, j, t], T[c, j, t], "Let the dense layer be a convolution."),
            define(a[c, j], b[c], "Its biases, too."),
            claim(w_mean[c, r], w[c, r], "The mean of a diagonal is the weight that stands on it."),
            claim(b_mean[c], b[c], "The mean of equal biases is their value."),
            claim(outside[c], Integer(0), "Nothing stands beside the band."),
            claim(spread[c], Integer(0), "Nothing deviates from its mean."),
            claim(penalty[c], Integer(0), "So nothing is to be paid.", using(penalty[c], outside[c], spread[c])),
        ),
        regulariser.definitions.items,
    )


def nearest_derivation(regulariser: Derivation) -> Derivation:
    """The distance of a dense layer from a convolution: Pythagoras."""
    gap = A[c, j, t] - w[c, r]
    return Derivation(
        f"{SLUG}-nearest",
        "Everything else costs something",
        {**NARROW, **ENTRY, r: TAP},
        (
            define(
                distance[c],
                total(over_matrix((A[c, j, t] - T[c, j, t]) ** 2), Sum((a[c, j] - b[c]) ** 2, (j, *PLACE))),
                "The squared distance of a dense layer from the convolution with weights $w$ and biases $b$.",
            ),
            then(
                total(
                    outside[c],
                    over_taps(over_matrix(product(S[r, j, t], gap**2))),
                    Sum((a[c, j] - b[c]) ** 2, (j, *PLACE)),
                ),
                "Beside the band, where the convolution has zeros, and in it diagonal by diagonal.",
            ),
            then(
                total(
                    outside[c],
                    spread[c],
                    over_taps(product(n[r], (w[c, r] - w_mean[c, r]) ** 2)),
                    product(D, (b[c] - b_mean[c]) ** 2),
                ),
                "Each diagonal's deviations taken from its mean: Pythagoras.",
            ),
        ),
        regulariser.definitions.items,
    )


def norms_derivation() -> Derivation:
    """One weight beside the band under squares and under absolute values."""
    half = Rational(1, 2)
    shrunk = z / (1 + 2 * strength)
    return Derivation(
        f"{SLUG}-norms",
        "Squares shrink, absolute values cut off",
        {},
        (
            define(
                squares,
                total(product(half, (u - z) ** 2), product(strength, u**2)),
                "The data ask for the value $z$ of a weight $u$ beside the band; its square is penalised.",
            ),
            then(
                total(product(half + strength, (u - shrunk) ** 2), product(strength, z**2) / (1 + 2 * strength)),
                "The square completed.",
            ),
            define(
                absolutes,
                total(product(half, (u - z) ** 2), product(strength, Abs(u))),
                "The same with its absolute value penalised.",
            ),
            then(
                total(product(half, z**2), product(half, u**2), product(strength, Abs(u)), product(-1, z, u)),
                "Expanded.",
            ),
        ),
    )


def anchors(derivations: tuple[Derivation, ...]) -> tuple[Anchor, ...]:
    """Compare with PyTorch's convolution, layers and autograd, and with NumPy's and SciPy's matrices and minimisers."""
    layer, counts, regulariser, _, nearest, norms = derivations
    rng = np.random.default_rng(7)
    return (
        *_layer_anchors(layer, rng),
        *_count_anchors(counts),
        *_regulariser_anchors(regulariser, nearest, rng),
        *_norm_anchors(norms),
    )


def _entries(array: np.ndarray) -> Entries:
    """Let indices start at 1."""
    return lambda index: float(array[tuple(number - 1 for number in index)])


def _values(d: Derivation, e: Expr, point: dict, **sizes: int) -> list[float]:
    """Return the value of `e` for every value of the indices named, by plain loops in their order."""
    evaluate = Evaluator(d.definitions.by_name, d.ranges)
    indices = [Symbol(name, integer=True) for name in sizes]
    places = pairs(*(range(1, size + 1) for size in sizes.values()))
    return [evaluate(e, {**point, **dict(zip(indices, place, strict=True))}) for place in places]


def _layer_anchors(layer: Derivation, rng: np.random.Generator) -> tuple[Anchor, ...]:
    """An odd and an even width, the latter with one zero more behind the inputs than before them."""
    from scipy.linalg import toeplitz

    torch = load_torch()
    ours: dict[str, list[float]] = {"sum": [], "dense": [], "matrix": [], "cases": []}
    convolved, matrices = [], []
    for width, left in ((3, 1), (4, 1)):
        size, filters = 5, 2
        inputs, weights, biases = (rng.normal(size=shape) for shape in (size, (filters, width), filters))
        point = {D: size, W: width, M: filters, P: left, x: _entries(inputs), w: _entries(weights), b: _entries(biases)}
        ours["sum"] += _values(layer, h[c, j], point, c=filters, j=size)
        ours["dense"] += _values(layer, layer.facts()[h[c, j]], point, c=filters, j=size)
        ours["matrix"] += _values(layer, T[c, j, t], point, c=filters, j=size, t=size)
        ours["cases"] += _values(layer, layer.facts()[T[c, j, t]], point, c=filters, j=size, t=size)
        padded = torch.nn.functional.pad(torch.from_numpy(inputs)[None, None], (left, width - 1 - left))
        kernel = torch.from_numpy(weights)[:, None]
        convolved += torch.nn.functional.conv1d(padded, kernel, torch.from_numpy(biases)).flatten().tolist()
        for taps in weights:
            long = np.concatenate([taps, np.zeros(size)])  # column 1 runs up from the middle, row 1 down
            column = np.concatenate([long[left::-1], np.zeros(size)])[:size]
            matrices += toeplitz(column, long[left : left + size]).flatten().tolist()
    conv1d = "`torch.nn.functional.conv1d`"
    return (
        Anchor("the padded sum $h_{c,j}$", conv1d, largest_difference(ours["sum"], convolved)),
        Anchor("the dense layer", conv1d, largest_difference(ours["dense"], convolved)),
        Anchor("$T_{c,j,t}$", "`scipy.linalg.toeplitz`", largest_difference(ours["matrix"], matrices)),
        Anchor("its cases", "`scipy.linalg.toeplitz`", largest_difference(ours["cases"], matrices)),
    )


def _count_anchors(counts: Derivation) -> tuple[Anchor, ...]:
    """PyTorch's modules hold as many numbers as was counted."""
    nn = load_torch().nn
    size, width, filters = 6, 3, 2
    point = {D: size, W: width, M: filters, P: (width - 1) // 2}

    def held(module: type, *shape: int, **options: object) -> list[float]:
        made = (module(*shape, bias=bias, device="meta", **options) for bias in (False, True))
        return [float(sum(part.numel() for part in layer.parameters())) for layer in made]

    band = float(filters * sum(np.count_nonzero(np.eye(size, k=offset)) for offset in range(-1, width - 1)))
    theirs = [float(size * filters), *held(nn.Conv1d, 1, filters, width), *held(nn.Linear, size, filters * size), band]
    names = (outputs, n_conv, n_conv_bias, n_dense, n_dense_bias, n_band)
    ours = [_values(counts, side, point)[0] for name in names for side in (name, counts.facts()[name])]
    twice = [value for value in theirs for _ in range(2)]
    return (Anchor("the counts", "`torch.nn.Conv1d`, `torch.nn.Linear`", largest_difference(ours, twice)),)


def _regulariser_anchors(regulariser: Derivation, nearest: Derivation, rng: np.random.Generator) -> tuple[Anchor, ...]:
    """One filter's block, its diagonals taken by `torch.diagonal`; the nearest convolution by least squares."""
    torch = load_torch()
    size, width, left = 4, 3, 1
    matrix, biases, strengths = rng.normal(size=(size, size)), rng.normal(size=size), (0.7, 1.9)
    block, shifts = torch.tensor(matrix, requires_grad=True), torch.tensor(biases, requires_grad=True)
    diagonals = [torch.diagonal(block, offset) for offset in range(-left, width - left)]
    beside = torch.triu(block, width - left).square().sum() + torch.tril(block, -left - 1).square().sum()
    varied = sum(len(line) * line.var(correction=0) for line in (*diagonals, shifts))
    whole = strengths[0] * beside + strengths[1] * varied
    whole.backward()

    point = {D: size, W: width, M: 1, P: left, lambda_1: strengths[0], lambda_2: strengths[1], c: 1}
    point |= {A: _entries(matrix[None]), a: _entries(biases[None])}
    facts = regulariser.facts()
    value = _values(regulariser, penalty[c], point)
    slopes = _values(regulariser, facts[Partial(penalty[c], A[c, j, t])], point, j=size, t=size)
    slopes += _values(regulariser, facts[Partial(penalty[c], a[c, j])], point, j=size)

    basis = np.stack([np.eye(size, k=offset).ravel() for offset in range(-left, width - left)], axis=1)
    taps, (rest,), _, _ = np.linalg.lstsq(basis, matrix.ravel(), rcond=None)
    at_nearest = {**point, w: _entries(taps[None]), b: _entries(np.array([biases.mean()]))}
    closest = _values(nearest, distance[c], at_nearest) + _values(nearest, nearest.facts()[distance[c]], at_nearest)
    least = rest + ((biases - biases.mean()) ** 2).sum()
    means = _values(regulariser, w_mean[c, r], point, r=width) + _values(regulariser, b_mean[c], point)
    lengths = _values(regulariser, facts[n[r]], point, r=width)
    autograd, lstsq = "PyTorch's autograd along `torch.diagonal`", "`numpy.linalg.lstsq`"
    theirs = [*block.grad.flatten().tolist(), *shifts.grad.tolist()]
    return (
        Anchor("$n_r$", "`torch.diagonal`", largest_difference(lengths, map(len, diagonals))),
        Anchor("$R_c$", autograd, largest_difference(value, [whole.item()])),
        Anchor("its gradient", autograd, largest_difference(slopes, theirs)),
        Anchor(r"the nearest convolution $\bar w$, $\bar b$", lstsq, largest_difference(means, [*taps, biases.mean()])),
        Anchor("its squared distance", lstsq, largest_difference(closest, [least, least])),
    )


def _norm_anchors(norms: Derivation) -> tuple[Anchor, ...]:
    """Where the two penalised losses of one weight are least."""
    from scipy.optimize import minimize_scalar

    softshrink, force = load_torch().nn.functional.softshrink, 0.5
    found, expected = [], []
    for target in (0.3, -1.2):
        data = load_torch().tensor(target, dtype=load_torch().float64)
        for name, least in ((squares, target / (1 + 2 * force)), (absolutes, float(softshrink(data, force)))):
            for side in (name, norms.facts()[name]):
                loss = lambda at, e=side, goal=target: _values(norms, e, {u: at, z: goal, strength: force})[0]  # noqa: E731
                with np.errstate(all="ignore"):  # a wrong definition may have no minimum
                    found.append(float(minimize_scalar(loss, bracket=(-2.0, 2.0), tol=1e-10).x))
                expected.append(least)
    against = "`scipy.optimize.minimize_scalar`, `torch.nn.functional.softshrink`"
    return (Anchor("the least $f_2$ and $f_1$", against, largest_difference(found, expected), 1e-6),)

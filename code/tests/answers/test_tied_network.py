"""The network with tied weights: invariant, counted, and equal to the free network with its weights written out."""

import ast
import inspect

import pytest
import torch
from torch import nn

from worked.answers.invariances import GROUPS, SYMMETRIES, TiedNetwork, gradient_norms, images, normalised, orbits

TRANSFORMED = {
    "reversal": lambda X: X.flip(-1),
    "complement": lambda X: X[..., [2, 3, 0, 1], :],
    "reverse complement": lambda X: X[..., [2, 3, 0, 1], :].flip(-1),
}
MEMBERS = {
    "none": (),
    "reversal": ("reversal",),
    "complement": ("complement",),
    "reverse complement": ("reverse complement",),
    "both": ("reversal", "complement", "reverse complement"),
    "symmetric units": ("reversal",),
}
BASES = "CTGA"


def network(d, symmetry, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return TiedNetwork(d, symmetry, 0.1, generator=draws).double(), draws


@pytest.mark.parametrize("d", [1, 2, 5, 6])
@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_network_is_invariant_under_its_symmetry_and_no_other(symmetry, d):
    model, draws = network(d, symmetry)
    X = torch.randn(5, 4, d, generator=draws, dtype=torch.float64)
    for name, transform in TRANSFORMED.items():
        difference = (model(transform(X)) - model(X)).abs().max()
        if name in MEMBERS[symmetry]:
            assert difference < 1e-13
        elif d > 1:
            assert difference > 1e-3


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_it_equals_explicit_loops(symmetry):
    model, draws = network(3, symmetry)
    X = torch.randn(2, 4, 3, generator=draws, dtype=torch.float64)
    W_1, W_2 = model.weights
    for x, output in zip(X, model(X), strict=True):
        hidden = [(W_1[r, k] * x).sum() for r in range(4) for k in range(3)]
        expected = sum(w * nn.LeakyReLU(0.1)(h) for w, h in zip(W_2.flatten(), hidden, strict=True))
        torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("d", range(1, 8))
def test_free_weights_are_as_many_as_derived(d):
    odd = d % 2
    expected = {
        "none": 16 * d**2 + 4 * d,
        "reversal": 8 * (d**2 + odd) + 2 * (d + odd),
        "complement": 8 * d**2 + 2 * d,
        "reverse complement": 8 * d**2 + 2 * d,
        "both": 4 * (d**2 + odd) + d + odd,
        "symmetric units": 8 * d * (d + odd) + 4 * d,
    }
    for symmetry in SYMMETRIES:
        assert sum(p.numel() for p in network(d, symmetry)[0].parameters()) == expected[symmetry], symmetry


def test_bases_pair_as_they_should():
    rows = torch.arange(4.0)[:, None].expand(4, 3)
    paired = images(rows, "complement")[1][:, 0]
    assert ["".join((BASES[n], BASES[int(paired[n])])) for n in range(4)] == ["CG", "TA", "GC", "AT"]


@pytest.mark.parametrize("symmetry", GROUPS)
def test_images_are_a_group(symmetry):
    """The images of every image are the same set of tensors."""
    tensor = torch.randn(4, 5, 4, 5, generator=torch.Generator().manual_seed(1))
    first = {image.numpy().tobytes() for image in images(tensor, symmetry)}
    assert len(first) == len(GROUPS[symmetry])
    for image in images(tensor, symmetry):
        assert {again.numpy().tobytes() for again in images(image.clone(), symmetry)} == first


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_orbits_are_numbered_without_a_gap(symmetry):
    numbers = orbits((4, 3, 4, 3), symmetry)
    assert sorted(set(numbers.flatten().tolist())) == list(range(int(numbers.max()) + 1))
    for image in images(numbers, symmetry):
        assert (image == numbers).all()


def test_symmetric_units_see_only_the_sum_of_mirrored_positions():
    model, draws = network(4, "symmetric units")
    X = torch.randn(3, 4, 4, generator=draws, dtype=torch.float64)
    swapped = X[..., [3, 1, 2, 0]]  # one pair of positions alone
    torch.testing.assert_close(model(swapped), model(X))
    paired, _ = network(4, "reversal")
    assert (paired(swapped) - paired(X)).abs().max() > 1e-3


def test_normalising_removes_the_scale():
    X = torch.randn(6, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scale = torch.rand(6, 1, 1, dtype=torch.float64) * 100 + 0.01
    torch.testing.assert_close(normalised(scale * X), normalised(X))
    torch.testing.assert_close(normalised(X).square().sum((1, 2)), torch.full((6,), 20.0, dtype=torch.float64))


def test_gradient_norms_equal_autograd_sample_by_sample():
    model, draws = network(4, "both")
    X = torch.randn(5, 4, 4, generator=draws, dtype=torch.float64)
    y = torch.tensor([1.0, -1, 1, 1, -1], dtype=torch.float64)
    for x, label, norm in zip(X, y, gradient_norms(model, X, y), strict=True):
        model.zero_grad()
        nn.functional.softplus(-label * model(x[None])[0]).backward()
        expected = torch.cat([p.grad for p in model.parameters()]).norm()
        torch.testing.assert_close(norm, expected)


def test_the_same_generator_gives_the_same_network():
    one, other = network(4, "both", seed=3)[0], network(4, "both", seed=3)[0]
    assert all((a == b).all() for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("shape", "symmetry"),
    [((4, 3), "mirror"), ((3, 4), "both"), ((4, 3, 4), "both"), ((4, 3, 4, 2), "both"), ((), "none")],
)
def test_bad_arguments(shape, symmetry):
    with pytest.raises(ValueError, match="expected"):
        images(torch.zeros(shape), symmetry)


def plain(W_1, W_2, X):
    """The network with free weights, W_1 [units, inputs] and W_2 [units], on inputs [B, inputs]."""
    return nn.functional.leaky_relu(X @ W_1.T, 0.1) @ W_2


def drawn(*sizes):
    draws = torch.Generator().manual_seed(5)
    return [torch.randn(size, generator=draws, dtype=torch.float64) for size in sizes]


def test_parameters_may_be_permuted_and_rescaled():
    W_1, W_2, X, factors = drawn((12, 12), 12, (9, 12), 12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(W_1[order], W_2[order], X), plain(W_1, W_2, X))
    c = factors.exp()
    torch.testing.assert_close(plain(c[:, None] * W_1, W_2 / c, X), plain(W_1, W_2, X))
    assert (plain(-c[:, None] * W_1, -W_2 / c, X) - plain(W_1, W_2, X)).abs().max() > 0.1
    assert (plain(W_1, 3 * W_2, X).sign() == plain(W_1, W_2, X).sign()).all()


def test_special_weights_allow_more():
    W_1, W_2, X, moved = drawn((4, 8), 4, (9, 8), (4, 8))
    before = plain(W_1, W_2, X)
    silent = W_2 * torch.tensor([0.0, 1, 1, 1])  # nothing goes out: anything may come in
    torch.testing.assert_close(plain(torch.cat([moved[:1], W_1[1:]]), silent, X), plain(W_1, silent, X))
    dead = W_1 * torch.tensor([0.0, 1, 1, 1])[:, None]  # nothing comes in
    torch.testing.assert_close(plain(dead, W_2 + torch.tensor([5.0, 0, 0, 0]), X), plain(dead, W_2, X))
    equal = W_1[[0, 0, 2, 3]]
    torch.testing.assert_close(plain(equal, W_2 + torch.tensor([1.0, -1, 0, 0]), X), plain(equal, W_2, X))
    opposite, out = W_1[[0, 0, 1, 1]] * torch.tensor([1.0, -1, 1, -1])[:, None], torch.tensor([1.0, -1, 1, -1]).double()
    shift = moved[0] * torch.tensor([1.0, -1, -1, 1])[:, None]
    torch.testing.assert_close(plain(opposite + shift, out, X), plain(opposite, out, X))
    unseen = X * torch.tensor([0.0] + [1.0] * 7)  # an input that is always zero
    changed = W_1 + moved * torch.tensor([1.0] + [0.0] * 7)
    torch.testing.assert_close(plain(changed, W_2, unseen), plain(W_1, W_2, unseen))
    for weights, outputs in ((moved, W_2), (W_1, W_2 + 1)):
        assert (plain(weights, outputs, X) - before).abs().max() > 0.1


def test_a_scale_passes_through_the_network():
    model, draws = network(5, "none")
    X = torch.randn(7, 4, 5, generator=draws, dtype=torch.float64)
    torch.testing.assert_close(model(3.5 * X), 3.5 * model(X))


def loops(source):
    kinds = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


@pytest.mark.parametrize("item", [images, orbits, TiedNetwork, normalised])
def test_no_loops(item):
    assert not loops(inspect.getsource(item))


def test_a_loop_would_be_seen():
    assert loops("sum(v for v in x)")

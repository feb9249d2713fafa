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


def loops(source):
    kinds = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


@pytest.mark.parametrize("item", [images, orbits, TiedNetwork, normalised])
def test_no_loops(item):
    assert not loops(inspect.getsource(item))


def test_a_loop_would_be_seen():
    assert loops("sum(v for v in x)")

"""xavier_init and kaiming_init are equal in distribution to PyTorch's, and a wrong scale would be seen."""

import math

import pytest
import torch
from scipy import stats

from worked.answers.initializers import kaiming_init, xavier_init

SIZES = [(512, 512), (784, 300), (100, 900)]
OURS = {"xavier": xavier_init, "kaiming": kaiming_init}
THEIRS = {
    "xavier": torch.nn.init.xavier_uniform_,
    "kaiming": lambda weight: torch.nn.init.kaiming_normal_(weight, mode="fan_in", nonlinearity="relu"),
}


def drawn(name, fan_in, fan_out, seed=0):
    return OURS[name](fan_in, fan_out, generator=torch.Generator().manual_seed(seed))


def torchs(name, fan_in, fan_out):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return THEIRS[name](torch.empty(fan_out, fan_in))


def p_value(ours, theirs):
    return stats.ks_2samp(ours.flatten().numpy(), theirs.flatten().numpy()).pvalue


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("sizes", SIZES)
def test_equal_in_distribution(name, sizes):
    ours, theirs = drawn(name, *sizes), torchs(name, *sizes)
    assert ours.shape == theirs.shape == sizes[::-1]
    assert p_value(ours, theirs) > 1e-3


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("scale", [0.98, 1.02])
def test_a_wrong_scale_would_be_seen(name, scale):
    assert p_value(scale * drawn(name, 784, 300), torchs(name, 784, 300)) < 1e-3


def test_fan_out_in_place_of_fan_in_would_be_seen():
    assert p_value(drawn("kaiming", 300, 784).T, torchs("kaiming", 784, 300)) < 1e-3


@pytest.mark.parametrize(("fan_in", "fan_out"), SIZES)
def test_bound_and_variance_of_xavier(fan_in, fan_out):
    weight = drawn("xavier", fan_in, fan_out)
    bound, variance = math.sqrt(6 / (fan_in + fan_out)), 2 / (fan_in + fan_out)
    assert 0.9999 * bound < weight.abs().max().item() <= bound * (1 + 1e-6)
    # the variance of a squared uniform number is 4/5 of the squared variance
    assert abs(weight.var().item() / variance - 1) < 4 * math.sqrt(0.8 / weight.numel())
    assert abs(weight.mean().item()) < 4 * math.sqrt(variance / weight.numel())


@pytest.mark.parametrize(("fan_in", "fan_out"), SIZES)
def test_variance_of_kaiming(fan_in, fan_out):
    weight = drawn("kaiming", fan_in, fan_out)
    assert abs(weight.var().item() * fan_in / 2 - 1) < 4 * math.sqrt(2 / weight.numel())
    assert abs(weight.mean().item()) < 4 * math.sqrt(2 / fan_in / weight.numel())


@pytest.mark.parametrize("name", OURS)
def test_the_generator_decides(name):
    assert torch.equal(drawn(name, 20, 30), drawn(name, 20, 30))
    assert not torch.equal(drawn(name, 20, 30), drawn(name, 20, 30, seed=1))

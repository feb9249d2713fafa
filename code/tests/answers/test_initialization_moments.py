"""Second moments and gains against SciPy's integrals, closed forms and PyTorch."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from worked.answers import initialization as code
from worked.symbolic.expectation import definite, density

BY_NAME = {a.name: a for a in code.ACTIVATIONS}
TORCH = {
    "identity": lambda z: z,
    "ReLU": torch.relu,
    "LeakyReLU": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "SELU": torch.nn.functional.selu,
    "GELU": torch.nn.functional.gelu,
    "SiLU": torch.nn.functional.silu,
}


def by_scipy(name):
    def integrand(z):
        value = float(TORCH[name](torch.tensor(z, dtype=torch.float64)))
        return value**2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    return sum(integrate.quad(integrand, *side, epsabs=1e-13)[0] for side in ((-math.inf, 0), (0, math.inf)))


@pytest.fixture(scope="module")
def rows():
    return {row.name: row for row in code.table(torch.nn.init.calculate_gain)}


@pytest.mark.parametrize("name", BY_NAME)
def test_moments_equal_scipys_of_pytorchs_functions(rows, name):
    assert rows[name].moment == pytest.approx(by_scipy(name), abs=1e-11)
    assert rows[name].gain == pytest.approx(1 / math.sqrt(by_scipy(name)), rel=1e-10)


@pytest.mark.parametrize("name", BY_NAME)
def test_activations_are_pytorchs(name):
    z = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(BY_NAME[name].phi(z), TORCH[name](torch.from_numpy(z)).numpy(), atol=1e-12)


@pytest.mark.parametrize("name", [a.name for a in code.ACTIVATIONS if a.bound])
def test_the_bound_holds_in_the_strip(name):
    """The functions are extended to complex arguments by their own formulas."""
    constant, slope = BY_NAME[name].bound
    x, y = np.meshgrid(np.linspace(-12, 12, 401), np.linspace(-code.STRIP, code.STRIP, 21))
    z = x + 1j * y
    from scipy import special

    extended = {
        "tanh": np.tanh,
        "logistic": lambda z: 1 / (1 + np.exp(-z)),
        "SiLU": lambda z: z / (1 + np.exp(-z)),
        "GELU": lambda z: z * (1 + special.erf(z / np.sqrt(2))) / 2,
    }[name]
    assert (np.abs(extended(z)) ** 2 <= (constant + slope * x**2) * (1 + 1e-9)).all()


def test_the_error_is_below_its_bound_also_with_wide_steps(monkeypatch):
    for step in (1.0, 0.7, 0.5):
        truth = by_scipy("tanh")
        monkeypatch.setattr(code, "STEP", step)
        error = abs(code.second_moment(np.tanh) - truth)
        assert error <= code.error_bound(*BY_NAME["tanh"].bound) < 0.1


def test_gelu_has_the_closed_form_of_partial_integration(rows):
    assert rows["GELU"].moment == pytest.approx(1 / 3 + 1 / (2 * math.sqrt(3) * math.pi), abs=1e-12)


def test_selu_is_proved_by_the_kernel(rows):
    from sympy import Float, Integer, Symbol, exp, oo

    z = Symbol("z", real=True)
    negative = definite((exp(z) - 1) ** 2 * density(z), z, -oo, Integer(0))
    exact = Float(code.SELU_SCALE, 20) ** 2 * (Float("0.5") + Float(code.SELU_ALPHA, 20) ** 2 * negative)
    assert rows["SELU"].moment == pytest.approx(float(exact), rel=1e-12)
    assert rows["SELU"].moment == pytest.approx(1, abs=1e-12)


def test_where_pytorch_agrees(rows):
    agree = {name for name, row in rows.items() if row.settled == "1"}
    assert agree == {"identity", "ReLU", "LeakyReLU"}
    assert rows["GELU"].torchs is None


def test_settled_variances_are_fixed_points():
    for name, gain in (("tanh", 5 / 3), ("logistic", 1.0), ("SELU", 0.75)):
        last = code.variances(BY_NAME[name].phi, gain, 2000)[-1]
        assert gain**2 * code.second_moment(
            lambda z, n=name, q=last: BY_NAME[n].phi(math.sqrt(q) * z)
        ) == pytest.approx(last, rel=1e-9)


def test_relu_halves_without_the_factor():
    through = code.through_layers(30)
    assert through[r"ReLU, $\sqrt{1/d}$"][-1] == pytest.approx(2.0**-30)
    assert through[r"ReLU, $\sqrt{2/d}$"][-1] == pytest.approx(1)

"""A two-layer LeakyReLU network on inputs of 4 bases times d positions, its weights tied by a symmetry; in PyTorch.

Units are numbered like the entries of an input, (base, position), so a tensor's axes are bases and positions in turn:
X `[4, d]`, W_1 `[4, d, 4, d]`, W_2 `[4, d]`. Bases stand in the order C, T, G, A: two further is the one that pairs.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

# Which of the four images (itself, reversed, complemented, both) a weight is tied to.
GROUPS = {
    "none": [0],
    "reversal": [0, 1],
    "complement": [0, 2],
    "reverse complement": [0, 3],
    "both": [0, 1, 2, 3],
}
SYMMETRIES = (*GROUPS, "symmetric units")


def images(tensor: Tensor, symmetry: str) -> Tensor:
    """The tensor and its images under a symmetry, `[images, *tensor.shape]`; axes are bases and positions in turn.

    Raises:
        ValueError: if the symmetry is not known, or the axes are not pairs of 4 bases and d positions.
    """
    if symmetry not in SYMMETRIES:
        raise ValueError(f"expected a symmetry among {', '.join(SYMMETRIES)}, got {symmetry!r}")
    shape = tuple(tensor.shape)
    if not shape or shape != (4, shape[-1]) * (len(shape) // 2):
        raise ValueError(f"expected axes [4, d] or [4, d, 4, d], got {list(shape)}")
    if symmetry == "symmetric units":  # each unit's own weights, which only the first layer has
        return torch.stack((tensor, tensor.flip(3))) if tensor.ndim == 4 else tensor[None]
    bases, positions = tuple(range(0, tensor.ndim, 2)), tuple(range(1, tensor.ndim, 2))
    paired = tensor.roll((2,) * len(bases), bases)
    every = torch.stack((tensor, tensor.flip(positions), paired, paired.flip(positions)))
    return every[GROUPS[symmetry]]


def orbits(shape: tuple[int, ...], symmetry: str) -> Tensor:
    """For each weight the number of the parameter that it shares with its images, from 0 without a gap."""
    numbers = torch.arange(torch.Size(shape).numel()).reshape(shape)
    lowest = images(numbers, symmetry).amin(0)  # one weight stands for all its images
    return torch.unique(lowest, return_inverse=True)[1]


class TiedNetwork(nn.Module):
    """f(X) = Σ W_2[r, k] φ(Σ W_1[r, k, j, i] X[j, i]) with one parameter for each set of weights that are tied.

    Args:
        d: length of the inputs.
        symmetry: one of `SYMMETRIES`.
        slope: of LeakyReLU below zero.
        generator: draws the initial weights: the first layer keeps the mean square of the activations, for standard
            inputs; the second has variance 1 / (4 d).
    """

    first: Tensor
    second: Tensor

    def __init__(self, d: int, symmetry: str = "none", slope: float = 0.01, *, generator: torch.Generator):
        super().__init__()
        first, second = orbits((4, d, 4, d), symmetry), orbits((4, d), symmetry)
        self.slope = slope
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)
        deviation = (2 / ((1 + slope**2) * 4 * d)) ** 0.5
        self.w_1 = nn.Parameter(deviation * torch.randn(int(first.max()) + 1, generator=generator))
        self.w_2 = nn.Parameter((4 * d) ** -0.5 * torch.randn(int(second.max()) + 1, generator=generator))

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        """All weights, each parameter in every place that it has: W_1 `[4, d, 4, d]` and W_2 `[4, d]`."""
        return self.w_1[self.first], self.w_2[self.second]

    def forward(self, X: Tensor) -> Tensor:
        """Return the outputs `[B]` for inputs `[B, 4, d]`."""
        W_1, W_2 = self.weights
        hidden = nn.functional.leaky_relu(torch.einsum("rkji,bji->brk", W_1, X), self.slope)
        return torch.einsum("rk,brk->b", W_2, hidden)


def normalised(X: Tensor) -> Tensor:
    """Each input `[B, 4, d]` divided by its norm, times the root of its number of entries: a mean square of 1."""
    return X / X.square().mean((1, 2), keepdim=True).sqrt()


def gradient_norms(model: TiedNetwork, X: Tensor, y: Tensor) -> Tensor:
    """The norm `[B]` of each sample's own gradient of log(1 + exp(-y f(X))) by all parameters, for labels -1 and 1."""
    weights = {name: weight.detach() for name, weight in model.named_parameters()}

    def loss(parameters: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        return nn.functional.softplus(-label * functional_call(model, parameters, (one[None],))[0])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(weights, X, y)
    return (gradients["w_1"].square().sum(1) + gradients["w_2"].square().sum(1)).sqrt()

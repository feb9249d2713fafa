"""Two initialisations of linear layers, as tensors: Glorot and Bengio's, and He and others'.

A weight matrix is ``[fan_out, fan_in]``, as PyTorch keeps it, and is applied as ``weight @ x``.
"""

import math

import torch
from torch import Tensor


def xavier_init(fan_in: int, fan_out: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Xavier uniform: independent weights between -b and b, with b = sqrt(6 / (fan_in + fan_out)).

    The variance b^2 / 3 = 2 / (fan_in + fan_out) lies between 1 / fan_in, which keeps the size of the values on the
    way up, and 1 / fan_out, which keeps that of the gradients on the way back, if the activation is linear.
    """
    bound = math.sqrt(6 / (fan_in + fan_out))
    return bound * (2 * torch.rand(fan_out, fan_in, generator=generator) - 1)


def kaiming_init(fan_in: int, fan_out: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Kaiming normal, mode fan-in: independent normal weights of mean 0 and standard deviation sqrt(2 / fan_in).

    The 2 makes up for the half of the second moment that ReLU blocks.
    """
    return math.sqrt(2 / fan_in) * torch.randn(fan_out, fan_in, generator=generator)

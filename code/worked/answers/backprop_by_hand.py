"""One hidden layer of sigmoid units with mean squared error in NumPy: a forward pass, a backward pass, a step of SGD.

D inputs, K hidden units, M outputs. A row of a weight matrix belongs to one unit, as in `torch.nn.Linear`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Parameters:
    """Weights and biases, or as many gradients: `W_h` `[K, D]`, `b_h` `[K]`, `W_o` `[M, K]`, `b_o` `[M]`."""

    W_h: Array
    b_h: Array
    W_o: Array
    b_o: Array


@dataclass(frozen=True)
class Step:
    """What one step of SGD computes.

    For a sample, `z_h` and `h` are `[K]`, `z_o` and `y` are `[M]`; for a batch they have a row for each sample.
    """

    z_h: Array
    h: Array
    z_o: Array
    y: Array
    loss: float
    gradient: Parameters
    new: Parameters


def step(
    x: ArrayLike,
    t: ArrayLike,
    W_h: ArrayLike,
    b_h: ArrayLike,
    W_o: ArrayLike,
    b_o: ArrayLike,
    rate: float,
) -> Step:
    """Forward pass, backward pass and one step of SGD, for a sample or a batch.

    z_h = W_h x + b_h    h = σ(z_h)    z_o = W_o h + b_o    y = σ(z_o)
    d_z_o = 2 (y - t) ⊙ y ⊙ (1 - y) / number of squares averaged
    d_z_h = W_o^T d_z_o ⊙ h ⊙ (1 - h)
    d_W_o = d_z_o h^T    d_b_o = d_z_o    d_W_h = d_z_h x^T    d_b_h = d_z_h

    Args:
        x: inputs, `[D]` or `[B, D]`.
        t: targets, `[M]` or `[B, M]`.
        W_h: weights of the hidden units, `[K, D]`.
        b_h: their biases, `[K]`.
        W_o: weights of the outputs, `[M, K]`.
        b_o: their biases, `[M]`.
        rate: the learning rate.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    x, t, W_h, b_h, W_o, b_o = _fitting(x, t, W_h, b_h, W_o, b_o)
    z_h = x @ W_h.T + b_h
    h = _sigmoid(z_h)
    z_o = h @ W_o.T + b_o
    y = _sigmoid(z_o)
    loss = float(np.mean((y - t) ** 2))

    d_z_o = 2 * (y - t) * y * (1 - y) / t.size
    d_z_h = d_z_o @ W_o * h * (1 - h)
    # A single sample is a batch of one; the matrix products add up the samples.
    rows_o, rows_h = np.atleast_2d(d_z_o), np.atleast_2d(d_z_h)
    gradient = Parameters(
        W_h=rows_h.T @ np.atleast_2d(x),
        b_h=rows_h.sum(axis=0),
        W_o=rows_o.T @ np.atleast_2d(h),
        b_o=rows_o.sum(axis=0),
    )
    new = Parameters(
        W_h=W_h - rate * gradient.W_h,
        b_h=b_h - rate * gradient.b_h,
        W_o=W_o - rate * gradient.W_o,
        b_o=b_o - rate * gradient.b_o,
    )
    return Step(z_h, h, z_o, y, loss, gradient, new)


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) from exponentials of negative numbers only."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def _fitting(
    x: ArrayLike, t: ArrayLike, W_h: ArrayLike, b_h: ArrayLike, W_o: ArrayLike, b_o: ArrayLike
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Return everything as arrays of fitting shapes."""
    x, t, W_h, b_h, W_o, b_o = map(_array, (x, t, W_h, b_h, W_o, b_o))
    D, K, M = x.shape[-1:], b_h.shape, b_o.shape
    fits = x.ndim in (1, 2) and len(K) == len(M) == 1 and W_h.shape == K + D and W_o.shape == M + K
    if not fits or t.shape != x.shape[:-1] + M or t.size == 0:
        raise ValueError(
            "shapes must be x [D] or [B, D], t [M] or [B, M], W_h [K, D], b_h [K], W_o [M, K], b_o [M]; "
            f"they are {', '.join(map(str, map(list, map(np.shape, (x, t, W_h, b_h, W_o, b_o)))))}"
        )
    return x, t, W_h, b_h, W_o, b_o


def _array(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)

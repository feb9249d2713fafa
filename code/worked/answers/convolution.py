"""A 1-D convolution as a dense layer, and what keeps a dense layer near one: M filters of width W, D inputs.

The dense layer has weights `A` `[M, D, D]` (filter, output, input) and biases `a` `[M, D]`. `left` zeros stand before
the inputs and W - 1 - left behind them; without `left` the padding is (W - 1) // 2, as PyTorch's "same".
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def shifts(D: int, W: int, left: int | None = None) -> Array:
    """The matrices S `[W, D, D]`, each with ones on one diagonal.

    S[r, j, t] is 1 where weight r joins input t to output j, else 0.

    Raises:
        ValueError: if the filter is wider than the input, or more than
            W - 1 zeros stand before it.
    """
    left = (W - 1) // 2 if left is None else left
    if not 0 <= left < W <= D:
        got = f"left {left}, W {W} and D {D}"
        raise ValueError(f"expected 0 <= left < W <= D, got {got}")
    r, j, t = np.ogrid[:W, :D, :D]
    return (t == j + r - left).astype(np.float64)


def dense_weights(w: ArrayLike, D: int, left: int | None = None) -> Array:
    """Weights `[M, D, D]` of the dense layer for filters `w` `[M, W]`.

    Raises:
        ValueError: if `w` is not a matrix, or for sizes that `shifts` refuses.
    """
    w = np.asarray(w, dtype=np.float64)
    if w.ndim != 2:
        shape = list(w.shape)
        raise ValueError(f"expected filters [M, W], got the shape {shape}")
    return np.einsum("cr,rjt->cjt", w, shifts(D, w.shape[1], left))


def nearest(
    A: ArrayLike,
    a: ArrayLike,
    W: int,
    left: int | None = None,
) -> tuple[Array, Array]:
    """Filters `[M, W]` and biases `[M]` of the nearest convolution.

    They are the means of the diagonals, and of the biases.

    Raises:
        ValueError: if the shapes do not fit together, or for sizes that
            `shifts` refuses.
    """
    A, a = _layer(A, a)
    S = shifts(A.shape[1], W, left)
    return np.einsum("rjt,cjt->cr", S, A) / S.sum(axis=(1, 2)), a.mean(axis=1)


def penalty(
    A: ArrayLike,
    a: ArrayLike,
    W: int,
    sparsity: float,
    sharing: float,
    left: int | None = None,
) -> float:
    """The regulariser, the sum of all R_c.

    sparsity * (squares beside the band)
        + sharing * (squared deviations from the means)

    If both strengths are positive it is 0 for convolutions of width W,
    and positive for every other layer.

    Raises:
        ValueError: if the shapes do not fit together, or for sizes that
            `shifts` refuses.
    """
    beside, off, off_bias = _parts(A, a, W, left)
    deviations = (off**2).sum() + (off_bias**2).sum()
    return float(sparsity * (beside**2).sum() + sharing * deviations)


def penalty_gradient(
    A: ArrayLike,
    a: ArrayLike,
    W: int,
    sparsity: float,
    sharing: float,
    left: int | None = None,
) -> tuple[Array, Array]:
    """The derivatives of `penalty` by `A` and by `a`.

    Raises:
        ValueError: if the shapes do not fit together, or for sizes that
            `shifts` refuses.
    """
    beside, off, off_bias = _parts(A, a, W, left)
    return 2 * sparsity * beside + 2 * sharing * off, 2 * sharing * off_bias


def _parts(
    A: ArrayLike,
    a: ArrayLike,
    W: int,
    left: int | None,
) -> tuple[Array, Array, Array]:
    """The difference from the nearest convolution.

    Beside the band, in the band, and of the biases.
    """
    A, a = _layer(A, a)
    w, b = nearest(A, a, W, left)
    off = A - dense_weights(w, A.shape[1], left)
    band = shifts(A.shape[1], W, left).sum(axis=0)
    return (1 - band) * off, band * off, a - b[:, None]


def _layer(A: ArrayLike, a: ArrayLike) -> tuple[Array, Array]:
    """Weights and biases as arrays of fitting shapes."""
    A, a = np.asarray(A, dtype=np.float64), np.asarray(a, dtype=np.float64)
    if A.ndim != 3 or A.shape[1] != A.shape[2] or a.shape != A.shape[:2]:
        raise ValueError(f"expected weights [M, D, D] and biases [M, D], got {list(A.shape)} and {list(a.shape)}")
    return A, a

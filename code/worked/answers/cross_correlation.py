"""Circular cross-correlation in NumPy: the module, both Jacobians, and products with an upstream gradient.

Signals are vectors of the same length n, with entries numbered from 0 to n - 1.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def cross_correlation(x: ArrayLike, y: ArrayLike) -> Array:
    """z[k], the sum of x[i] y[(i + k) mod n] over i.

    Args:
        x: first signal, `[n]`.
        y: second signal, `[n]`.

    Returns:
        `z`, `[n]`.

    Raises:
        ValueError: if the arrays are not vectors of the same length.
    """
    x, _ = _signals(x, y)
    return jacobians(x, y)[0] @ x


def jacobians(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Both Jacobians of z, the output's index k first.

    dz[k]/dx[i] = y[(i + k) mod n]      dz[k]/dy[i] = x[(i - k) mod n]

    Args:
        x: first signal, `[n]`.
        y: second signal, `[n]`.

    Returns:
        The derivatives by `x` and by `y`, `[n, n]` each.

    Raises:
        ValueError: if the arrays are not vectors of the same length.
    """
    x, y = _signals(x, y)
    k, i = np.indices((len(x), len(x)))
    return y[(i + k) % len(x)], x[(i - k) % len(x)]


def vjp(x: ArrayLike, y: ArrayLike, g: ArrayLike) -> tuple[Array, Array]:
    """Gradients by `x` and `y`, where g is the gradient by z.

    The first is the cross-correlation of g and y, the second the
    convolution of g and x; fast Fourier transforms take O(n log n)
    operations for them, the Jacobians O(n^2).

    Args:
        x: first signal, `[n]`.
        y: second signal, `[n]`.
        g: upstream gradient, `[n]`.

    Returns:
        The gradients by `x` and by `y`, `[n]` each.

    Raises:
        ValueError: if the arrays are not vectors of the same length.
    """
    x, y = _signals(x, y)
    g, _ = _signals(g, x)
    fx, fy, fg = np.fft.rfft(np.stack([x, y, g]))
    by_x, by_y = np.fft.irfft(np.stack([fg.conj() * fy, fg * fx]), len(x))
    return by_x, by_y


def _signals(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    """Return two vectors of the same length as arrays."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        shapes = f"{list(a.shape)} and {list(b.shape)}"
        raise ValueError(f"signals must be vectors [n] of the same length n >= 1; they are {shapes}")
    return a, b

"""Batch normalisation in NumPy, forward and backward: m samples of d features, each feature on its own."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Arrays = tuple[Array, Array, Array]


def forward(
    X: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    eps: float = 1e-5,
) -> tuple[Array, Arrays]:
    """Normalise a batch, scale it and shift it.

    Args:
        X: inputs, `[m, d]`.
        gamma: scales, `[d]`.
        beta: shifts, `[d]`.
        eps: what is added to the variance, positive.

    Returns:
        The outputs `[m, d]`, and what `backward` needs: x_hat `[m, d]`,
        the square root of variance + eps `[d]`, and gamma `[d]`.

    Raises:
        ValueError: if the shapes do not fit together or eps <= 0.
    """
    X = np.asarray(X, dtype=np.float64)
    gamma = np.asarray(gamma, dtype=np.float64)
    beta = np.asarray(beta, dtype=np.float64)
    _check(X, gamma, beta, eps)
    root = np.sqrt(X.var(axis=0) + eps)
    x_hat = (X - X.mean(axis=0)) / root
    return gamma * x_hat + beta, (x_hat, root, gamma)


def backward(d_Y: ArrayLike, cache: Arrays) -> Arrays:
    """Gradients of the loss from those by the outputs.

    Args:
        d_Y: derivatives of the loss by the outputs, `[m, d]`.
        cache: what `forward` returned beside the outputs.

    Returns:
        The derivatives by X `[m, d]`, gamma `[d]` and beta `[d]`.

    Raises:
        ValueError: if `d_Y` does not have the shape of the outputs.
    """
    x_hat, root, gamma = cache
    d_Y = np.asarray(d_Y, dtype=np.float64)
    if d_Y.shape != x_hat.shape:
        expected, got = list(x_hat.shape), list(d_Y.shape)
        raise ValueError(f"d_Y must have the outputs' shape {expected}, not {got}")
    d_gamma = (d_Y * x_hat).sum(axis=0)
    d_beta = d_Y.sum(axis=0)
    m = len(d_Y)
    d_X = gamma / root * (d_Y - d_beta / m - x_hat * d_gamma / m)
    return d_X, d_gamma, d_beta


def _check(X: Array, gamma: Array, beta: Array, eps: float) -> None:
    fits = X.ndim == 2 and gamma.shape == beta.shape == X.shape[1:]
    if not fits or len(X) == 0:
        raise ValueError(
            "shapes must be X [m, d], gamma [d], beta [d] with m >= 1; they "
            f"are {list(X.shape)}, {list(gamma.shape)}, {list(beta.shape)}"
        )
    if not eps > 0:
        raise ValueError(f"eps must be positive; it is {eps}")

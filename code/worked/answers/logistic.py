"""One hidden layer, logistic activation and logistic loss in NumPy: B samples, D inputs, K hidden units.

Weights are a dictionary `{"w_1": [D, K], "w_2": [K, 1]}`; `w_1` is the transpose of the matrix in the formulas.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Weights = dict[str, Array]


def predict(X: ArrayLike, W: Weights) -> tuple[Array, Array, Array]:
    """Forward pass: z_1 = X w_1, z_2 = σ(z_1) w_2, y_hat = σ(z_2).

    Args:
        X: inputs, `[B, D]`.
        W: weights, `w_1` `[D, K]` and `w_2` `[K, 1]`.

    Returns:
        `z_1` `[B, K]`, `z_2` `[B]` and `y_hat` `[B]`.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    X, w_1, w_2 = _inputs(X, W)
    z_1 = X @ w_1
    z_2 = (_sigmoid(z_1) @ w_2)[:, 0]
    return z_1, z_2, _sigmoid(z_2)


def logistic_loss(y: ArrayLike, y_hat: ArrayLike) -> float:
    """Average of -y log(y_hat) - (1 - y) log(1 - y_hat), as it is written.

    A certain prediction gives nan where the limit is 0, because 0 log 0,
    which is 0 times -inf, has no value in floating point.

    Args:
        y: labels 0 or 1, `[B]`.
        y_hat: predictions in [0, 1], `[B]`.

    Raises:
        ValueError: if the arrays are not vectors of the same length, or
            a prediction is not in [0, 1].
    """
    y, y_hat = _vectors(y=y, y_hat=y_hat)
    if not ((y_hat >= 0) & (y_hat <= 1)).all():
        span = f"from {y_hat.min()} to {y_hat.max()}"
        raise ValueError(f"predictions must lie in [0, 1]; they range {span}")
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = -y * np.log(y_hat) - (1 - y) * np.log(1 - y_hat)
    return float(losses.mean())


def stable_logistic_loss(y: ArrayLike, z_2: ArrayLike) -> float:
    """Average of max(z_2, 0) - y z_2 + log(1 + exp(-|z_2|)).

    No exponent is positive, so nothing overflows; what underflows is too
    small to matter.

    Args:
        y: labels 0 or 1, `[B]`.
        z_2: logits, `[B]`.

    Raises:
        ValueError: if the arrays are not vectors of the same length.
    """
    y, z_2 = _vectors(y=y, z_2=z_2)
    losses = np.maximum(z_2, 0) - y * z_2 + np.log1p(np.exp(-np.abs(z_2)))
    return float(losses.mean())


def gradient(X: ArrayLike, y: ArrayLike, W: Weights) -> Weights:
    """Gradient of the average loss J by backpropagation.

    dJ/dz_2 = (y_hat - y) / B                   dJ/dw_2 = x_1.T dJ/dz_2
    dJ/dz_1 = dJ/dz_2 w_2.T ⊙ x_1 ⊙ (1 - x_1)    dJ/dw_1 = X.T dJ/dz_1

    Args:
        X: inputs, `[B, D]`.
        y: labels 0 or 1, `[B]`.
        W: weights, `w_1` `[D, K]` and `w_2` `[K, 1]`.

    Returns:
        A dictionary like `W`, of the same shapes.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    X, _, w_2 = _inputs(X, W)
    z_1, _, y_hat = predict(X, W)
    y, y_hat = _vectors(y=y, y_hat=y_hat)
    x_1 = _sigmoid(z_1)
    d_z_2 = (y_hat - y)[:, None] / len(y)
    d_z_1 = (d_z_2 @ w_2.T) * x_1 * (1 - x_1)
    return {"w_1": X.T @ d_z_1, "w_2": x_1.T @ d_z_2}


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) from exponentials of negative numbers only."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def _inputs(X: ArrayLike, W: Weights) -> tuple[Array, Array, Array]:
    """Return inputs and weights as arrays of fitting shapes."""
    X = np.asarray(X, dtype=np.float64)
    if set(W) != {"w_1", "w_2"}:
        raise ValueError(f"W must hold w_1 [D, K] and w_2 [K, 1]; it holds {', '.join(sorted(W)) or 'nothing'}")
    w_1, w_2 = np.asarray(W["w_1"], dtype=np.float64), np.asarray(W["w_2"], dtype=np.float64)
    fits = X.ndim == w_1.ndim == 2 and X.shape[1] == w_1.shape[0] and w_2.shape == (w_1.shape[1], 1)
    if not fits or len(X) == 0:
        raise ValueError(
            "shapes must be X [B, D], w_1 [D, K], w_2 [K, 1] with B >= 1; "
            f"they are {list(X.shape)}, {list(w_1.shape)}, {list(w_2.shape)}"
        )
    return X, w_1, w_2


def _vectors(**arrays: ArrayLike) -> tuple[Array, Array]:
    """Return two vectors of the same length as arrays."""
    (first, a), (second, b) = arrays.items()
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        raise ValueError(
            f"{first} and {second} must be vectors [B] of the same length B >= 1; "
            f"they are {list(a.shape)} and {list(b.shape)}"
        )
    return a, b

"""SimpleShot in NumPy: a few examples of each class, and the class whose mean feature is nearest.

A trained network gives features f(x) of D numbers. They are used as they are, at length 1, or at length 1 after a mean
is subtracted: that of the features of the images that the network was trained on, which are not those of an episode.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

NORMALISATIONS = ("none", "l2", "centred l2")


def normalised(features: ArrayLike, how: str, mean: ArrayLike | None = None) -> Array:
    """f, or f / |f|, or (f - m) / |f - m| with the mean m; a feature of length 0 stays 0.

    Args:
        features: `[N, D]`.
        how: one of `NORMALISATIONS`.
        mean: `[D]`, of the features of the training images; needed where it is subtracted.

    Raises:
        ValueError: the normalisation is unknown, or there is no mean to subtract.
    """
    f = np.asarray(features, float)
    if how not in NORMALISATIONS:
        raise ValueError(f"expected one of {', '.join(NORMALISATIONS)}, got {how!r}")
    if how == "none":
        return f
    if how == "centred l2":
        if mean is None:
            raise ValueError("expected the mean of the training images' features to subtract, got none")
        f = f - np.asarray(mean, float)
    length = np.linalg.norm(f, axis=-1, keepdims=True)
    return f / np.where(length > 0, length, 1)


def centroids(support: ArrayLike, labels: ArrayLike) -> tuple[Array, Labels]:
    """c_k = the mean of the support features of class k, `[C, D]`, and the classes k, `[C]`, in ascending order."""
    f, y = np.asarray(support, float), np.asarray(labels)
    classes = np.unique(y)
    return np.stack([f[y == k].mean(0) for k in classes]), classes


def predict(support: ArrayLike, labels: ArrayLike, queries: ArrayLike) -> Labels:
    """The class argmin_k |f - c_k|^2 of each query f, the lowest class where several are equally near.

    With one example a class, the centroids are the examples: the nearest neighbour.

    Args:
        support: features, `[N, D]`, normalised like the queries.
        labels: of the support, `[N]`.
        queries: features, `[Q, D]`.
    """
    c, classes = centroids(support, labels)
    # |f - c|^2 = |f|^2 - 2 f c + |c|^2, and |f|^2 is the same for all classes: a linear classifier.
    return classes[(np.asarray(queries, float) @ c.T - (c**2).sum(1) / 2).argmax(1)]


def draw(labels: ArrayLike, *, shots: int, queries: int, generator: np.random.Generator) -> tuple[Labels, Labels]:
    """The places of an episode's support and queries: so many of each class, none twice.

    Raises:
        ValueError: a class has too few examples.
    """
    y = np.asarray(labels)
    places = [np.flatnonzero(y == k) for k in np.unique(y)]
    if (least := min(map(len, places))) < shots + queries:
        raise ValueError(f"expected at least {shots + queries} examples of each class, got {least}")
    drawn = np.stack([generator.choice(place, shots + queries, replace=False) for place in places])
    return drawn[:, :shots].ravel(), drawn[:, shots:].ravel()


def episode_accuracies(
    features: ArrayLike, labels: ArrayLike, *, shots: int, queries: int, episodes: int, seed: int
) -> Array:
    """The share of an episode's queries that are classified rightly, `[E, shots]`: column K - 1 is for K examples.

    K examples are the first K of those drawn. The draws depend on the seed and the labels alone: with the same seed,
    features that were normalised in another way are judged on the same episodes.
    """
    f, y = np.asarray(features, float), np.asarray(labels)
    classes, generator = np.unique(y), np.random.default_rng(seed)
    shares = np.empty((episodes, shots))
    for share in shares:
        support, asked = draw(y, shots=shots, queries=queries, generator=generator)
        s = f[support].reshape(len(classes), shots, -1)
        c = s.cumsum(1) / np.arange(1, shots + 1)[:, None]  # [C, K, D], means of the first K
        scores = np.tensordot(f[asked], c, (1, 2)) - (c**2).sum(2) / 2  # [Q, C, K], as in `predict`
        share[:] = (classes[scores.argmax(1)] == y[asked][:, None]).mean(0)
    return shares


def between_classes(features: ArrayLike, labels: ArrayLike) -> float:
    """The share of the features' variance that lies between the means of the classes, from 0 to 1."""
    f, y = np.asarray(features, float), np.asarray(labels)
    c, classes = centroids(f, y)
    spread = f - f.mean(0)
    return float(((c - f.mean(0))[np.searchsorted(classes, y)] ** 2).sum() / (spread**2).sum())


def plane(features: ArrayLike) -> tuple[Array, Array]:
    """The features' coordinates along their two principal components, `[N, 2]`, and the share of variance of each."""
    f = np.asarray(features, float)
    f = f - f.mean(0)
    _, values, axes = np.linalg.svd(f, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2].sum(1, keepdims=True))  # an axis has no sign of its own
    return f @ axes.T, values[:2] ** 2 / (values**2).sum()

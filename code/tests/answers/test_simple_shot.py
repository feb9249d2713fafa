"""SimpleShot against an independent nearest-centroid classifier, and what its normalisations leave as it is."""

import time

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestCentroid

from worked.answers.simple_shot import (
    NORMALISATIONS,
    between_classes,
    centroids,
    draw,
    episode_accuracies,
    normalised,
    plane,
    predict,
)


def features(seed, count=40, size=7):
    return np.random.default_rng(seed).normal(size=(count, size)) + 1


LABELS = np.arange(40) % 4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", NORMALISATIONS)
def test_it_is_the_nearest_centroid(how, seed):
    mean = features(9).mean(0)
    support, queries = (normalised(features(seed + n), how, mean) for n in (0, 100))
    ours = predict(support, LABELS, queries)
    s, q = torch.from_numpy(support), torch.from_numpy(queries)
    c = torch.stack([s[torch.from_numpy(LABELS) == k].mean(0) for k in range(4)])
    assert np.array_equal(ours, torch.cdist(q, c).argmin(1).numpy())


def test_one_shot_is_the_nearest_neighbour():
    support, queries = features(0, 4), features(1)
    nearest = np.linalg.norm(queries[:, None] - support[None], axis=2).argmin(1)
    assert np.array_equal(predict(support, [0, 1, 2, 3], queries), nearest)


def test_a_centroid_is_a_mean_and_classes_may_have_any_number():
    c, classes = centroids([[0.0, 2.0], [2.0, 0.0], [5.0, 5.0]], [7, 7, 3])
    assert classes.tolist() == [3, 7]
    assert c.tolist() == [[5.0, 5.0], [1.0, 1.0]]
    assert predict([[0.0, 2.0], [2.0, 0.0], [5.0, 5.0]], [7, 7, 3], [[4.0, 4.0]]).tolist() == [3]


def test_normalised_features_have_length_one_and_zero_stays():
    f = np.vstack([features(0), np.zeros(7)])
    assert np.allclose(np.linalg.norm(normalised(f, "l2"), axis=1)[:-1], 1)
    assert not normalised(f, "l2")[-1].any()
    mean = f.mean(0)
    assert np.allclose(normalised(f, "centred l2", mean), normalised(f - mean, "l2"))
    assert np.array_equal(normalised(f, "none"), f)


def predicted(how, change, mean):
    """Predictions for queries after the same change of all features."""
    support, queries = (normalised(change(features(n)), how, mean) for n in (0, 1))
    return predict(support, LABELS, queries)


MEAN = features(2).mean(0)
ROTATION = np.linalg.qr(features(3, 7))[0]
SCALES = np.exp(features(4, 40, 1))  # one for each image


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_a_rotation_of_all_features_changes_no_prediction(how):
    plain = predicted(how, lambda f: f, MEAN)
    assert np.array_equal(plain, predicted(how, lambda f: f @ ROTATION, MEAN @ ROTATION))


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_only_l2_ignores_the_length_of_each_feature(how):
    plain, scaled = (predicted(how, change, MEAN) for change in (lambda f: f, lambda f: f * SCALES))
    assert np.array_equal(plain, scaled) == (how == "l2")


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_only_l2_sees_a_shift_of_all_features_and_of_their_mean(how):
    plain, shifted = predicted(how, lambda f: f, MEAN), predicted(how, lambda f: f + 3, MEAN + 3)
    assert np.array_equal(plain, shifted) == (how != "l2")


def test_an_episode_has_so_many_of_each_class_and_none_twice():
    support, queries = draw(LABELS, shots=3, queries=5, generator=np.random.default_rng(0))
    assert np.bincount(LABELS[support]).tolist() == [3] * 4
    assert np.bincount(LABELS[queries]).tolist() == [5] * 4
    assert len({*support, *queries}) == 4 * 8
    with pytest.raises(ValueError, match="at least 11 examples of each class, got 10"):
        draw(LABELS, shots=3, queries=8, generator=np.random.default_rng(0))


def test_accuracies_of_episodes():
    far = np.eye(4)[LABELS] * 10 + features(0, 40, 4) / 10
    assert (episode_accuracies(far, LABELS, shots=2, queries=5, episodes=20, seed=0) == 1).all()
    noise = features(0)
    once = episode_accuracies(noise, LABELS, shots=2, queries=5, episodes=200, seed=0)
    assert once.shape == (200, 2)
    assert np.array_equal(once, episode_accuracies(noise, LABELS, shots=2, queries=5, episodes=200, seed=0))
    assert np.all(abs(once.mean(0) - 0.25) < 0.05)


def episodes_one_by_one(f, y, judge, *, shots, queries, episodes, seed):
    """The same episodes, each number of examples on its own, classified by ``judge(support, labels, queries)``."""
    generator, shares = np.random.default_rng(seed), []
    for _ in range(episodes):
        support, asked = draw(y, shots=shots, queries=queries, generator=generator)
        first = support.reshape(-1, shots)
        for k in range(1, shots + 1):
            given = first[:, :k].ravel()
            shares.append((judge(f[given], y[given], f[asked]) == y[asked]).mean())
    return np.array(shares).reshape(episodes, shots)


def scikit_learn(support, labels, queries):
    with np.errstate(invalid="ignore"):  # of one example it takes a deviation, which it does not use
        return NearestCentroid().fit(support, labels).predict(queries)


@pytest.mark.parametrize("judge", [predict, scikit_learn])
@pytest.mark.parametrize("how", NORMALISATIONS)
def test_every_number_of_examples_at_once_is_each_on_its_own(how, judge):
    f, counts = normalised(features(0) ** 2, how, MEAN), {"shots": 4, "queries": 5, "episodes": 6, "seed": 1}
    shares = episode_accuracies(f, LABELS, **counts)
    assert np.array_equal(shares, episodes_one_by_one(f, LABELS, judge, **counts))


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize("how", NORMALISATIONS)
def test_predictions_are_those_of_scikit_learn_on_the_same_episodes(how, shots):
    """Features like those of the study: 32 numbers, none negative, 10 classes of 100 images."""
    y = np.arange(1000) % 10
    f = np.maximum(np.random.default_rng(5).normal(size=(1000, 32)) + np.eye(10, 32)[y], 0)
    f = normalised(f, how, f[:200].mean(0))
    generator = np.random.default_rng(shots)
    for _ in range(50):
        support, asked = draw(y, shots=shots, queries=15, generator=generator)
        found = predict(f[support], y[support], f[asked])
        assert np.array_equal(found, scikit_learn(f[support], y[support], f[asked]))


def test_a_thousand_episodes_of_one_and_five_examples_take_less_than_a_minute():
    y = np.arange(10_000) % 10
    f = np.random.default_rng(0).normal(size=(10_000, 32))
    started = time.perf_counter()
    shares = episode_accuracies(f, y, shots=5, queries=15, episodes=1000, seed=0)
    assert shares[:, [0, 4]].shape == (1000, 2)
    assert time.perf_counter() - started < 60


def test_the_share_of_variance_between_classes():
    centre = np.array([[0.0, 0.0], [4.0, 0.0]])[LABELS % 2]
    assert between_classes(centre, LABELS % 2) == pytest.approx(1)
    assert between_classes(np.tile([[1.0], [1.0], [-1.0], [-1.0]], (10, 1)), np.arange(40) % 2) == pytest.approx(0)
    # classes at -1 and 1, a unit to either side of each: half of the variance
    line = np.tile([[-2.0], [2.0], [0.0], [0.0]], (10, 1))
    assert between_classes(line, np.arange(40) % 2) == pytest.approx(0.5)


def test_the_plane_is_that_of_the_principal_components():
    f = features(6) @ np.diag([5, 3, 1, 1, 1, 0.5, 0.1])
    places, shares = plane(f)
    reference = PCA(2).fit(f)
    theirs = reference.transform(f)
    assert np.allclose(abs(places), abs(theirs))
    assert np.allclose(shares, reference.explained_variance_ratio_)
    again, _ = plane(f + 7)
    assert np.allclose(places, again)


def test_what_cannot_be_normalised_is_said():
    with pytest.raises(ValueError, match="expected one of none, l2, centred l2, got 'l1'"):
        normalised(features(0), "l1")
    with pytest.raises(ValueError, match="to subtract, got none"):
        normalised(features(0), "centred l2")

"""SimpleShot against an independent nearest-centroid classifier, and what its normalisations leave as it is."""

import numpy as np
import pytest
import torch

from worked.answers.simple_shot import NORMALISATIONS, centroids, draw, episode_accuracies, normalised, predict


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
    assert (episode_accuracies(far, LABELS, shots=1, queries=5, episodes=20, seed=0) == 1).all()
    noise = features(0)
    once = episode_accuracies(noise, LABELS, shots=1, queries=5, episodes=200, seed=0)
    assert np.array_equal(once, episode_accuracies(noise, LABELS, shots=1, queries=5, episodes=200, seed=0))
    assert abs(once.mean() - 0.25) < 0.05


def test_what_cannot_be_normalised_is_said():
    with pytest.raises(ValueError, match="expected one of none, l2, centred l2, got 'l1'"):
        normalised(features(0), "l1")
    with pytest.raises(ValueError, match="to subtract, got none"):
        normalised(features(0), "centred l2")

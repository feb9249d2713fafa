"""How well does SimpleShot classify Fashion-MNIST from a few examples a class, with the features of an MNIST model?

Each run trains the model on MNIST anew, draws many episodes of Fashion-MNIST, and classifies them with the model's
features and with the pixels themselves, each normalised in three ways. All six see the same episodes.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worked.answers.simple_shot import NORMALISATIONS
from worked.measurement import Context, Measurement
from worked.mnist_source import SOURCE, load, source_data, trained
from worked.records import Spec
from worked.study import Profile, Stored, Study

if TYPE_CHECKING:
    from worked.answers.simple_shot import Array, Labels

SLUG = "few-shot"
SPACES = ("features", "pixels")  # what is compared: the model's last hidden layer, or the image
SHOTS = 20  # the most examples of a class
QUERIES = 15  # of each class in an episode
SHOWN = 30  # images of each class whose features are kept in two dimensions
KEPT_SHOTS = 5  # of the episode that is kept

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 4 minutes on 2 CPU cores", "official",
                {"epochs": 3, "episodes": 1000, "seeds": range(10), "validation": 6000}),
        Profile("smoke", "seconds", "generated",
                {"epochs": 1, "episodes": 20, "seeds": range(2), "validation": 200}),
    )
}  # fmt: skip


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """A run for each seed."""
    settings = profile.settings
    data = source_data(profile.source, settings["validation"], "episodes")
    config = {**SOURCE, "epochs": settings["epochs"], "episodes": settings["episodes"], "queries": QUERIES}
    for seed in settings["seeds"]:
        yield Spec(SLUG, STUDY.protocol, profile.name, config | {"shots": SHOTS}, seed, data)


def measure(run: Spec, context: Context) -> Measurement:
    """Train the MNIST model, then classify the episodes; what is centred is so with the mean of MNIST's images."""
    from worked.answers.simple_shot import between_classes, episode_accuracies, normalised
    from worked.train import normaliser
    from worked.tuning import features

    done, model, target = trained(run, context)
    if context.steps or done.diverged:
        return done
    # The images of the episodes are the test images of Fashion-MNIST: no choice was made on them.
    images, labels = target["test"].images.to(context.device), target["test"].labels.numpy()
    base = load(run, context.device)[0].train.pixels
    model, scaled = model.to(context.device), normaliser(base)
    spaces = {"features": lambda x: features(model, scaled(x)), "pixels": lambda x: scaled(x).flatten(1)}
    metrics, kept = dict(done.metrics), {}
    for space, of in spaces.items():
        mean, raw = of(base).mean(0).cpu().numpy(), of(images).cpu().numpy()
        started = time.perf_counter()
        for how in NORMALISATIONS:
            f = normalised(raw, how, mean)
            shares = episode_accuracies(
                f, labels, shots=SHOTS, queries=QUERIES, episodes=run.config["episodes"], seed=run.seed
            )
            for shots, share in enumerate(shares.T, 1):
                metrics[f"{space} {how} {shots} accuracy"] = float(share.mean())
                metrics[f"{space} {how} {shots} deviation"] = float(share.std(ddof=1))
            metrics[f"{space} {how} between"] = between_classes(f, labels)
        metrics[f"{space} seconds"] = time.perf_counter() - started
        if space == "features" and run.seed == 0:
            kept = pictures(raw, labels, mean)
    return replace(done, metrics=metrics, images=kept)


def pictures(raw: "Array", labels: "Labels", mean: "Array") -> dict[str, Any]:
    """What the page draws: features in two dimensions by normalisation, and an episode with 32 numbers an image."""
    import numpy as np

    from worked.answers.simple_shot import draw, normalised, plane

    first = np.concatenate([np.flatnonzero(labels == k)[:SHOWN] for k in np.unique(labels)])
    planes = {}
    for how in NORMALISATIONS:
        places, shares = plane(normalised(raw, how, mean))
        planes[how] = {"shares": shares.round(4).tolist(), "places": _rows(places[first], labels[first])}
    support, queries = draw(labels, shots=KEPT_SHOTS, queries=QUERIES, generator=np.random.default_rng(0))
    episode = {"support": _rows(raw[support], labels[support]), "queries": _rows(raw[queries], labels[queries])}
    return {"planes": planes, "episode": {"mean": _rows(mean[None], [0]), **episode}}


def _rows(values: Any, labels: Any) -> list[str]:
    """A label and numbers as a line of text each."""
    return [f"{label} " + " ".join(f"{value:.4g}" for value in row) for label, row in zip(labels, values, strict=True)]


STUDY = Study(
    slug=SLUG,
    title="Few-shot classification",
    question="How well does SimpleShot classify Fashion-MNIST with the features of an MNIST model?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=measure,
    epochs=lambda run: run.config["epochs"],
)

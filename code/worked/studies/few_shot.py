"""How well does SimpleShot classify Fashion-MNIST from 1 or 5 examples a class, with the features of an MNIST model?

Each run trains the model on MNIST anew and then classifies many episodes of Fashion-MNIST, with its features and with
the pixels themselves, each normalised in three ways. All of them see the same episodes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worked.answers.simple_shot import NORMALISATIONS
from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.study import Profile, Stored, Study
from worked.training import Training, load_splits

if TYPE_CHECKING:
    from torch import Tensor, nn

    from worked.models import SearchNet
    from worked.train import Recipe
    from worked.training import Loaded

SLUG = "few-shot"
SPACES = ("features", "pixels")  # what is compared: the model's last hidden layer, or the image
SHOTS = (1, 5)
QUERIES = 15  # of each class in an episode
SOURCE = {"kernel": 5, "rate": 0.05, "batch_size": 128}  # the MNIST model; the peak of a one-cycle schedule
SPLIT_SEED = 0  # of the validation split, the same for every run
EPISODE_SEED = 0  # of the episodes, the same for every run

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 8 minutes on 2 CPU cores", "official",
                {"epochs": 10, "episodes": 2000, "seeds": range(5), "validation": 6000}),
        Profile("laptop", "about 3 minutes on 2 CPU cores", "official",
                {"epochs": 3, "episodes": 1000, "seeds": range(3), "validation": 6000}),
        Profile("smoke", "seconds", "generated",
                {"epochs": 1, "episodes": 20, "seeds": range(2), "validation": 200}),
    )
}  # fmt: skip


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """A run for each seed."""
    settings = profile.settings
    subset = f"{settings['validation']} of train set aside for validation, seed {SPLIT_SEED}; episodes of fashion_mnist"
    data = {"name": "mnist", "source": profile.source, "subset": subset}
    config = {**SOURCE, "epochs": settings["epochs"], "episodes": settings["episodes"], "queries": QUERIES}
    for seed in settings["seeds"]:
        yield Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def network(config: Mapping[str, Any]) -> "SearchNet":
    """The untrained MNIST model."""
    from worked.models import SearchNet

    return SearchNet(kernel=config["kernel"])


def load(run: Spec, device: str) -> "Loaded":
    """The splits of MNIST on ``device``."""
    return load_splits(run, PROFILES[run.profile].settings["validation"], split_seed=SPLIT_SEED, device=device)


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """SGD with Nesterov momentum 0.9 under a one-cycle schedule."""
    from worked.train import Recipe

    return Recipe(config["epochs"], config["rate"], config["batch_size"])


TRAINING = Training(load, network, recipe)


def features(model: "nn.Module", pixels: "Tensor") -> "Tensor":
    """The last hidden layer ``[N, 32]`` for normalised images, without the output layer."""
    import torch

    hidden = torch.nn.Sequential(*list(model.children())[:-1]).eval()
    with torch.no_grad():
        return torch.cat([hidden(part) for part in pixels.split(1000)])


def measure(run: Spec, context: Context) -> Measurement:
    """Train the MNIST model, then classify the episodes; a normalisation's mean is that of MNIST's training images."""
    from worked import data
    from worked.answers.simple_shot import episode_accuracies, normalised
    from worked.train import normaliser

    trained = TRAINING.measure(run, replace(context, keep_weights=True))
    # The images of the episodes are the test images of Fashion-MNIST: no choice was made on them.
    images = data.load("fashion_mnist", "test", source=run.data["source"])
    fingerprints = {**trained.data_fingerprint, "episodes": images.fingerprint}
    if context.steps or trained.diverged:
        return replace(trained, data_fingerprint=fingerprints, weights=None)
    splits, _, _ = load(run, context.device)
    model = network(run.config)
    model.load_state_dict(dict(trained.weights or {}))
    model, scaled = model.to(context.device), normaliser(splits.train.pixels)
    metrics = {f"source_{name}": trained.metrics[name] for name in ("train_accuracy", "test_accuracy")}
    base, shown = scaled(splits.train.pixels), scaled(images.images.to(context.device))
    for space in SPACES:
        known, asked = ((features(model, x) if space == "features" else x.flatten(1)).cpu() for x in (base, shown))
        mean = known.double().mean(0).numpy()
        for how in NORMALISATIONS:
            f = normalised(asked.numpy(), how, mean)
            for shots in SHOTS:
                shares = episode_accuracies(
                    f, images.labels.numpy(), shots=shots, queries=QUERIES, episodes=run.config["episodes"],
                    seed=EPISODE_SEED,
                )  # fmt: skip
                metrics[f"{space} {how} {shots} accuracy"] = float(shares.mean())
                metrics[f"{space} {how} {shots} deviation"] = float(shares.std(ddof=1))
    return Measurement(metrics, {}, trained.trace, fingerprints, trained.data_source)


STUDY = Study(
    slug=SLUG,
    title="Few-shot classification",
    question="How well does SimpleShot classify Fashion-MNIST with the features of an MNIST model?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=measure,
    epochs=TRAINING.epochs,
)

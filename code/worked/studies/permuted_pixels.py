"""What does a fixed permutation of the pixels do to a convolutional network, and what to a fully connected one?

Two networks of comparable size learn Fashion-MNIST as it is, and with the pixels of all images in another order. Each
of the four settings searches its own peak learning rate on the validation split, and is then trained on 5 seeds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from worked.records import Spec
from worked.study import Profile, Stored, Study
from worked.training import Training, best_trial, load_splits

if TYPE_CHECKING:
    from torch import Tensor, nn

    from worked.train import Recipe, Splits
    from worked.training import Loaded

SLUG = "permuted-pixels"
NETWORKS = ("cnn", "mlp")
PIXELS = ("original", "permuted")
BATCH_SIZE = 128
HIDDEN = 23  # units of the fully connected network: as many as bring it nearest to the other one's parameters
SPLIT_SEED = 0  # of the validation split, the same for every run
PERMUTATION_SEED = 0  # of the order of the pixels, the same for every run
SEARCH_SEED = 100  # not one of the seeds that are reported
SHOWN = 5  # images kept with a record

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 8 minutes on 2 CPU cores", "official",
                {"epochs": 4, "seeds": range(5), "rates": (0.01, 0.03, 0.1, 0.3), "validation": 6000}),
        Profile("laptop", "about 2 minutes on 2 CPU cores", "official",
                {"epochs": 2, "seeds": range(3), "rates": (0.1,), "validation": 6000}),
        Profile("smoke", "seconds", "generated",
                {"epochs": 1, "seeds": range(2), "rates": (0.1,), "validation": 200}),
    )
}  # fmt: skip


def spec(profile: Profile, seed: int, **config: Any) -> Spec:
    """One run's spec."""
    subset = f"{profile.settings['validation']} of train set aside for validation, seed {SPLIT_SEED}"
    data = {"name": "fashion_mnist", "source": profile.source, "subset": subset}
    config |= {"epochs": profile.settings["epochs"], "batch_size": BATCH_SIZE}
    return Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """The search of each setting, and the runs of those whose search is stored."""
    rates = " ".join(map(str, profile.settings["rates"]))
    for kind, pixels in product(NETWORKS, PIXELS):
        setting = {"network": kind, "pixels": pixels}
        search = spec(profile, SEARCH_SEED, **setting, search="grid", rates=rates)
        yield search
        if record := stored(search):
            rate = best_trial(record.trials)["config"]["rate"]
            yield from (spec(profile, seed, **setting, rate=rate) for seed in profile.settings["seeds"])


def grid(search: Spec) -> list[dict[str, float]]:
    """The configs that a search tries."""
    return [{"rate": float(rate)} for rate in search.config["rates"].split()]


def network(config: Mapping[str, Any]) -> "nn.Module":
    """The untrained network of a config, for images of 28 x 28 pixels."""
    from torch import nn

    # fmt: off
    if config["network"] == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, HIDDEN), nn.ReLU(),
                             nn.Linear(HIDDEN, 10))
    return nn.Sequential(                                            # maps, size
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),   #  8, 14 x 14
        nn.Conv2d(8, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # 32,  7 x  7
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),                     # logits
    )
    # fmt: on


def permuted(pixels: "Tensor") -> "Tensor":
    """Images ``[N, C, H, W]`` with their pixels in another order, the same for every image and every call."""
    import torch

    order = torch.randperm(pixels[0, 0].numel(), generator=torch.Generator().manual_seed(PERMUTATION_SEED))
    return pixels.flatten(2)[:, :, order.to(pixels.device)].view_as(pixels)


def load(run: Spec, device: str) -> "Loaded":
    """The splits of a run on ``device``, permuted once where its config says so; nothing else differs."""
    held = PROFILES[run.profile].settings["validation"]
    splits, fingerprints, source = load_splits(run, held, split_seed=SPLIT_SEED, device=device)
    if run.config["pixels"] == "permuted":
        parts = {name: getattr(splits, name) for name in ("train", "validation", "test")}
        splits = replace(splits, **{name: replace(p, pixels=permuted(p.pixels)) for name, p in parts.items()})
    return splits, fingerprints, source


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """SGD with Nesterov momentum 0.9 under a one-cycle schedule."""
    from worked.train import Recipe

    return Recipe(config["epochs"], config["rate"], config["batch_size"])


def pictures(run: Spec, splits: "Splits") -> dict[str, list[str]]:
    """What the networks of a setting saw: a string of hexadecimal digits for each of the first images."""
    if run.seed != 0:
        return {}
    return {"test": [bytes(image.tolist()).hex() for image in splits.test.pixels[:SHOWN].cpu().flatten(1)]}


TRAINING = Training(load, network, recipe, grid, pictures=pictures)

STUDY = Study(
    slug=SLUG,
    title="Permuted pixels",
    question="What does a fixed permutation of the pixels do to a convolutional and to a fully connected network?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)

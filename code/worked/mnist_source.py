"""The model trained on MNIST that two studies use on Fashion-MNIST: its data, its network, its training."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.training import Training, load_splits

if TYPE_CHECKING:
    from worked.data import Split
    from worked.models import SearchNet
    from worked.train import Recipe
    from worked.training import Loaded

SOURCE = {"kernel": 5, "rate": 0.05, "batch_size": 128}  # of a run's config; the peak of a one-cycle schedule
SPLIT_SEED = 0  # of the validation split, the same for every run


def source_data(source: str, validation: int, target: str) -> dict[str, str]:
    """The ``data`` of a run's spec; ``target`` says what is taken from Fashion-MNIST."""
    held = f"{validation} of train set aside for validation, seed {SPLIT_SEED}"
    return {"name": "mnist", "source": source, "subset": f"{held}; {target} of fashion_mnist"}


def network(config: Mapping[str, Any]) -> "SearchNet":
    """The untrained model."""
    from worked.models import SearchNet

    return SearchNet(kernel=config["kernel"])


def load(run: Spec, device: str) -> "Loaded":
    """The splits of MNIST on ``device``."""
    return load_splits(run, int(run.data["subset"].split()[0]), split_seed=SPLIT_SEED, device=device)


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """SGD with Nesterov momentum 0.9 under a one-cycle schedule."""
    from worked.train import Recipe

    return Recipe(config["epochs"], config["rate"], config["batch_size"])


TRAINING = Training(load, network, recipe)


def trained(run: Spec, context: Context) -> "tuple[Measurement, SearchNet, dict[str, Split]]":
    """Train the model; the measurement of that, without a history, the model, and the splits of Fashion-MNIST.

    The measurement has the fingerprints of both sets, and of the model its train and test accuracy.
    """
    from worked import data

    done = TRAINING.measure(run, replace(context, keep_weights=True))
    target = {split: data.load("fashion_mnist", split, source=run.data["source"]) for split in data.SPLITS}
    model = network(run.config)
    if done.weights:
        model.load_state_dict(dict(done.weights))
    prints = {**done.data_fingerprint, **{f"target {name}": part.fingerprint for name, part in target.items()}}
    kept = {f"source {name}": done.metrics[name] for name in ("train_accuracy", "test_accuracy") if done.metrics}
    return replace(done, metrics=kept, history={}, data_fingerprint=prints, weights=None), model, target

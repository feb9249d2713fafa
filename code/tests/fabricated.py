"""Records of the right form with made-up numbers, to test what reads records without measuring anything."""

import random
from collections.abc import Callable
from pathlib import Path

from worked.records import Record, Spec, Store
from worked.studies import lenet5_regularization as lenet5
from worked.study import Study


def record(spec: Spec, *, code: str = "0" * 64, **changes) -> Record:
    """A record of ``spec`` whose accuracies rise towards a value that depends on its setting and seed."""
    draw = random.Random(spec.key)
    setting = spec.config["regularization"]
    goal = {"none": 0.905, "dropout": 0.907, "weight-decay": 0.911, "batch-norm": 0.913}[setting]
    fields = {
        "spec": spec,
        "data_fingerprint": {"train": "a" * 64, "test": "b" * 64},
        "metrics": {},
        "history": {},
        "trace": {"losses": [2.3], "rates": [0.1], "initial": {"validation_loss": 2.3, "validation_accuracy": 0.1}},
        "code": code,
        "environment": {"python": "3.11", "numpy": "2", "torch": "2.15", "device": "cpu", "device_name": "CPU"},
        "data_source": spec.data["source"],
        "seconds": 1.0,
        "created": "2026-01-01T00:00:00+00:00",
    }
    if "search" in spec.config:
        fields["trials"] = [
            {"config": config, "validation_accuracy": 0.9 + draw.uniform(-0.01, 0.01), "diverged": None}
            for config in lenet5.grid(spec)
        ]
        best = max(fields["trials"], key=lambda trial: trial["validation_accuracy"])
        fields["metrics"] = {"validation_accuracy": best["validation_accuracy"]}
    else:
        epochs = spec.config["epochs"]
        rise = [goal - 0.15 * 0.7**epoch + draw.uniform(-0.002, 0.002) for epoch in range(epochs)]
        history = {
            "train_accuracy": [value + 0.03 for value in rise],
            "validation_accuracy": rise,
            "test_accuracy": [value - 0.004 for value in rise],
        }
        best = max(range(epochs), key=lambda epoch: rise[epoch])
        fields["history"] = history
        fields["metrics"] = {"selected_epoch": best + 1, **{name: values[best] for name, values in history.items()}}
    return Record(**{**fields, **changes})


def whole(study: Study, profile: str, make: Callable[[Spec], Record]) -> list[Record]:
    """Every record of a profile: the searches, then the runs that wait for them."""
    made: dict[str, Record] = {}
    for _ in range(2):
        for spec in study.specs(study.profiles[profile], lambda spec: made.get(spec.key)):
            made.setdefault(spec.key, make(spec))
    return list(made.values())


def store(folder: Path, *, profile: str = "full") -> Store:
    """A store that holds every record of LeNet-5's study."""
    filled = Store(folder)
    for made in whole(lenet5.STUDY, profile, record):
        filled.write(made)
    return filled

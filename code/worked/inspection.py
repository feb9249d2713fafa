"""Trainings whose records hold more than numbers of their networks: confusions, and the worst mistakes as images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.training import Training

if TYPE_CHECKING:
    from torch import Tensor

    from worked.train import Images, Splits


def digits(image: "Tensor") -> str:
    """The bytes of an image, two hexadecimal digits each."""
    return bytes(image.flatten().tolist()).hex()


def confusion(run: Spec, images: "Images", shares: "Tensor") -> dict[str, Any]:
    """How many of the images of each class, a row each, are given to each class."""
    import torch

    classes = shares.shape[1]
    pairs = images.labels.cpu() * classes + shares.argmax(1)
    rows = torch.bincount(pairs, minlength=classes**2).view(classes, classes).tolist()
    return {"confusion": [" ".join(map(str, row)) for row in rows]}


def mistakes(images: "Images", shares: "Tensor", count: int) -> list[dict[str, Any]]:
    """The images given to a wrong class with the largest shares, the largest first."""
    share, chosen = shares.max(1)
    wrong = (chosen != images.labels.cpu()).nonzero()[:, 0]
    worst = wrong[share[wrong].argsort(descending=True, stable=True)[:count]]
    return [
        {
            "image": digits(images.pixels[n]),
            "label": int(images.labels[n]),
            "chosen": int(chosen[n]),
            "share": float(share[n]),
        }
        for n in worst.tolist()
    ]


@dataclass(frozen=True)
class Inspected(Training):
    """Trainings whose records also hold what the network of the selected epoch says of the test images.

    ``inspect`` is given the run, the test images and the shares ``[N, classes]`` that the softmax gives them.
    """

    inspect: "Callable[[Spec, Images, Tensor], dict[str, Any]]" = confusion

    def measure_together(self, runs: Sequence[Spec], context: Context) -> list[Measurement]:
        """As :class:`worked.training.Training` does it; weights are looked at before they are let go."""
        done = super().measure_together(runs, replace(context, keep_weights=True))
        splits = self.load(runs[0], context.device)[0]
        return [self._inspected(run, one, splits, context) for run, one in zip(runs, done, strict=True)]

    def _inspected(self, run: Spec, done: Measurement, splits: "Splits", context: Context) -> Measurement:
        if not done.weights:  # it diverged at once, or was stopped after a few steps
            return done
        seen = self.inspect(run, splits.test, self._shares(run, done, splits))
        kept = done.weights if context.keep_weights or self.keeps_weights(run) else None
        return replace(done, images={**done.images, **seen}, weights=kept)

    def _shares(self, run: Spec, done: Measurement, splits: "Splits") -> "Tensor":
        """Softmax of the test images' logits, on the CPU."""
        import torch

        from worked.train import EVALUATION_BATCH, normaliser

        assert done.weights is not None
        model, normalised = self.network(run.config), normaliser(splits.train.pixels)
        model.load_state_dict(done.weights)
        device, lower = splits.test.labels.device, self.precision(run) == "bfloat16"
        model.to(device).eval()
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=lower):
            parts = splits.test.pixels.split(EVALUATION_BATCH)
            return torch.cat([model(normalised(part)).float().softmax(1).cpu() for part in parts])

"""Trainings whose records hold more than numbers of their networks: confusions, and the worst mistakes as images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.training import Training

if TYPE_CHECKING:
    from torch import Tensor, nn

    from worked.train import Images, Splits


SAMPLES = 6  # test images kept as they are
MISTAKES = 12  # wrong test images kept, the most confident first


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


def examined(run: Spec, images: "Images", shares: "Tensor") -> dict[str, Any]:
    """Counts of the answers to each class, a row each; of the first seed also the first images and the worst mistakes.

    A picture holds pixels in hexadecimal, shape and label; a mistake also the wrong answer and its probability.
    """
    import torch

    labels, pixels, classes = images.labels.cpu(), images.pixels.cpu(), shares.shape[1]
    probability, said = shares.max(1)
    counts = torch.bincount(classes * labels + said, minlength=classes**2).view(classes, classes)
    if run.seed != 0:
        return {"confusion": counts.tolist()}

    def picture(n: int) -> dict[str, Any]:
        return {"pixels": digits(pixels[n]), "shape": list(pixels[n].shape), "label": int(labels[n])}

    wrong = (said != labels).nonzero()[:, 0]
    worst = wrong[probability[wrong].argsort(descending=True, stable=True)][:MISTAKES].tolist()
    return {
        "confusion": counts.tolist(),
        "samples": [picture(n) for n in range(min(SAMPLES, len(labels)))],
        "mistakes": [
            {**picture(n), "said": int(said[n]), "probability": round(float(probability[n]), 6)} for n in worst
        ],
    }


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
        model = self.network(run.config)
        model.load_state_dict(done.weights)
        seen = self.inspect(run, splits.test, probabilities(model, splits, self.precision(run)))
        kept = done.weights if context.keep_weights or self.keeps_weights(run) else None
        return replace(done, images={**done.images, **seen}, weights=kept)


def probabilities(model: "nn.Module", splits: "Splits", precision: str) -> "Tensor":
    """What ``model`` gives each class ``[N, classes]`` for the test images, with dropout off, on the CPU."""
    import torch

    from worked.train import EVALUATION_BATCH, normaliser

    device, pixels = splits.test.pixels.device, splits.test.pixels
    model, normalised = model.to(device).to(memory_format=torch.channels_last).eval(), normaliser(splits.train.pixels)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = [model(normalised(batch)).float() for batch in pixels.split(EVALUATION_BATCH)]
    return torch.cat(logits).softmax(1).cpu()

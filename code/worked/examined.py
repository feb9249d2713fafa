"""Trainings whose networks are looked at: which classes they confuse, and where they are sure and wrong.

A page needs neither data nor weights for this: the record keeps counts and a few small pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.training import Training

if TYPE_CHECKING:
    from torch import Tensor, nn

    from worked.train import Splits

SAMPLES = 6  # test images kept as they are
MISTAKES = 12  # wrong test images kept, the most confident first


def _first(run: Spec) -> bool:
    return run.seed == 0


@dataclass(frozen=True)
class Examined(Training):
    """A training whose records keep, in ``images``, what their selected network does on the test split.

    ``confusion``: counts, a row for each true class and a column for each answer, of every run; of runs that
    ``shows`` picks also ``samples`` and ``mistakes``: pixels in hexadecimal, shape, label, and the wrong answer with
    its probability.
    """

    shows: Callable[[Spec], bool] = _first

    def measure_together(self, runs: Sequence[Spec], context: Context) -> list[Measurement]:
        """As :class:`worked.training.Training` does it, then look at each network that was trained to the end."""
        measured = super().measure_together(runs, replace(context, keep_weights=True))
        if context.steps:
            return measured
        splits, _, _ = self.load(runs[0], context.device)
        return [
            replace(
                one,
                images={**one.images, **(self._examine(run, splits, one.weights) if one.weights else {})},
                weights=one.weights if context.keep_weights or self.keeps_weights(run) else None,
            )
            for run, one in zip(runs, measured, strict=True)
        ]

    def _examine(self, run: Spec, splits: "Splits", weights: Any) -> dict[str, Any]:
        model = self.network(run.config)
        model.load_state_dict(weights)
        chances = probabilities(model, splits, self.precision(run))
        return examined(chances, splits.test.labels.cpu(), splits.test.pixels.cpu(), shows=self.shows(run))


def probabilities(model: "nn.Module", splits: "Splits", precision: str) -> "Tensor":
    """What ``model`` gives each class ``[N, classes]`` for the test images, with dropout off, on the CPU."""
    import torch

    from worked.train import EVALUATION_BATCH, normaliser

    device, pixels = splits.test.pixels.device, splits.test.pixels
    model, normalised = model.to(device).to(memory_format=torch.channels_last).eval(), normaliser(splits.train.pixels)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = [model(normalised(batch)).float() for batch in pixels.split(EVALUATION_BATCH)]
    return torch.cat(logits).softmax(1).cpu()


def examined(chances: "Tensor", labels: "Tensor", pixels: "Tensor", *, shows: bool) -> dict[str, Any]:
    """Confusion of the answers with the ``labels``; with ``shows``, samples and the most confident mistakes too."""
    import torch

    classes = chances.shape[1]
    probability, said = chances.max(1)
    found: dict[str, Any] = {
        "confusion": torch.bincount(classes * labels + said, minlength=classes**2).view(classes, classes).tolist()
    }

    def picture(n: int) -> dict[str, Any]:
        image = pixels[n]
        return {"pixels": bytes(image.flatten().tolist()).hex(), "shape": list(image.shape), "label": int(labels[n])}

    if shows:
        wrong = (said != labels).nonzero()[:, 0]
        worst = wrong[probability[wrong].argsort(descending=True, stable=True)][:MISTAKES].tolist()
        found["samples"] = [picture(n) for n in range(min(SAMPLES, len(labels)))]
        found["mistakes"] = [
            {**picture(n), "said": int(said[n]), "probability": round(float(probability[n]), 6)} for n in worst
        ]
    return found

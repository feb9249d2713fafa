"""Several trainings at once: seeds, and configs that differ in optimiser numbers only, in one vmapped step.

On a GPU a small network leaves most of the device idle; a batch of networks does not. Each replicate has its own
initial weights, order of the data, rate, momentum and weight decay, and equals its single run up to rounding.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional as F

from worked.train import (
    TRACED_STEPS,
    Images,
    Outcome,
    Recipe,
    Splits,
    curve,
    normaliser,
    select_epoch,
    step_rates,
    train,
)

EVALUATION_BATCH = 1000  # images, for every replicate at once


@dataclass(frozen=True)
class Replicate:
    """One training of a group: its initial weights, recipe and the seed of its data's order."""

    model: nn.Module
    recipe: Recipe
    seed: int


def may_go_together(replicates: Sequence[Replicate]) -> str | None:
    """Why the replicates cannot be trained at once, None if they can."""
    first = replicates[0]
    for one in replicates:
        if any(isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0 for m in one.model.modules()):
            return "dropout draws other numbers when networks are trained together"
        shapes, others = ({k: v.shape for k, v in r.model.state_dict().items()} for r in (one, first))
        if shapes != others or str(one.model) != str(first.model):
            return "the networks differ"
        if _common(one.recipe) != _common(first.recipe):
            return "the recipes differ in more than rate, momentum and weight decay"
    if first.recipe.optimiser != "sgd":
        return f"only SGD is done together, the recipe asks for {first.recipe.optimiser}"
    if first.recipe.flip or first.recipe.crop:
        return "images are not augmented for several networks at once"
    if first.recipe.precision != "float32":
        return f"networks are trained together in float32, the recipe asks for {first.recipe.precision}"
    return None


def _common(recipe: Recipe) -> Recipe:
    """The recipe without the numbers that replicates may differ in."""
    return replace(recipe, rate=0.0, momentum=0.0, weight_decay=0.0)


def in_groups(
    replicates: Sequence[Replicate],
    together: Callable[[Sequence[Replicate]], list[Outcome]],
    say: Callable[[str], None] = print,
) -> list[Outcome]:
    """Train all replicates ``together`` if they fit; where memory is short, groups of half the size, and say so."""
    outcomes: list[Outcome] = []
    size = len(replicates)
    while len(outcomes) < len(replicates):
        try:
            outcomes += together(replicates[len(outcomes) : len(outcomes) + size])
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = math.ceil(size / 2)
            say(f"out of memory: going on with {size} replicates at once")
            torch.cuda.empty_cache()
    return outcomes


def train_each(
    replicates: Sequence[Replicate],
    splits: Splits,
    *,
    evaluate: tuple[str, ...] = ("train", "validation", "test"),
    tick: Callable[[int], None] = lambda epochs: None,
    steps: int | None = None,
) -> Iterator[Outcome]:
    """The outcome of each replicate: on a GPU at once where that can be done, else in turn, each when it is asked for.

    On a CPU, one after another is faster; there :func:`worked.study.run` gives each run a process of its own.
    """
    several = len(replicates) > 1 and steps is None and splits.train.pixels.is_cuda
    if several and not may_go_together(replicates):
        yield from in_groups(replicates, lambda group: train_together(group, splits, evaluate=evaluate, tick=tick))
        return
    for one in replicates:
        yield train(one.model, splits, one.recipe, seed=one.seed, evaluate=evaluate, tick=tick, steps=steps)


def train_together(
    replicates: Sequence[Replicate],
    splits: Splits,
    *,
    evaluate: tuple[str, ...] = ("train", "validation", "test"),
    tick: Callable[[int], None] = lambda epochs: None,
) -> list[Outcome]:
    """Train the replicates at once; see :func:`worked.train.train` for what an outcome holds.

    Raises:
        ValueError: they cannot go together, see :func:`may_go_together`.
    """
    if objection := may_go_together(replicates):
        raise ValueError(f"expected replicates of one network and recipe: {objection}")
    device = splits.train.pixels.device
    recipe, count = replicates[0].recipe, len(replicates)
    normalised = normaliser(splits.train.pixels)
    models = [one.model.to(device) for one in replicates]
    parameters, buffers = stack_module_state(models)
    parameters = {name: value.detach() for name, value in parameters.items()}
    skeleton = copy.deepcopy(models[0]).to("meta")

    def loss(own: dict[str, Tensor], state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(skeleton, (own, state), (x,)), y)

    gradients = vmap(grad_and_value(loss))
    update = _Sgd([one.recipe for one in replicates], parameters)
    per_epoch = math.ceil(len(splits.train) / recipe.batch_size)
    rates = torch.tensor([step_rates(one.recipe, per_epoch) for one in replicates], device=device)
    orders = [torch.Generator().manual_seed(one.seed) for one in replicates]

    outcomes = [Outcome() for _ in replicates]
    first = _evaluations(skeleton, parameters, buffers, splits.validation, normalised)
    for n, outcome in enumerate(outcomes):
        starts = rates[n, ::per_epoch].tolist()
        outcome.trace = {
            "initial": {"validation_loss": first[n][0], "validation_accuracy": first[n][1]},
            "rates": starts,
            "curve": [],
        }
    traced: list[Tensor] = []
    for epoch in range(recipe.epochs):
        skeleton.train()
        losses = []
        order = torch.stack([torch.randperm(len(splits.train), generator=generator) for generator in orders])
        for step, batch in enumerate(order.to(device).split(recipe.batch_size, dim=1)):
            pixels = normalised(splits.train.pixels[batch.flatten()])
            x = pixels.unflatten(0, batch.shape)
            slopes, batch_losses = gradients(parameters, buffers, x, splits.train.labels[batch])
            update(parameters, slopes, rates[:, epoch * per_epoch + step])
            losses.append(batch_losses.detach())
        traced += losses[: TRACED_STEPS - len(traced)]
        table = torch.stack(losses)
        rows = [{"batch_loss": value} for value in table.mean(0).tolist()]
        for name in evaluate:
            found = _evaluations(skeleton, parameters, buffers, getattr(splits, name), normalised)
            for row, (mean, accuracy) in zip(rows, found, strict=True):
                row |= {f"{name}_loss": mean, f"{name}_accuracy": accuracy}
        curves = curve(table.T)
        for n, (outcome, row) in enumerate(zip(outcomes, rows, strict=True)):
            if outcome.diverged:
                continue
            outcome.trace["curve"] += curves[n]
            finite = all(map(math.isfinite, row.values()))
            for name, value in row.items():
                outcome.history.setdefault(name, []).append(value if finite else None)
            if not finite:
                outcome.diverged = f"a loss was not finite in epoch {epoch + 1} of {recipe.epochs}"
            elif select_epoch(outcome.history["validation_accuracy"]) == epoch:
                state = {**parameters, **buffers}
                outcome.weights = {name: value[n].cpu().contiguous().clone() for name, value in state.items()}
        tick(count)
    first_losses = torch.stack(traced).T.tolist()
    for outcome, values in zip(outcomes, first_losses, strict=True):
        outcome.trace["losses"] = [value if math.isfinite(value) else None for value in values]
    return outcomes


class _Sgd:
    """PyTorch's SGD, Nesterov momentum and coupled weight decay, with numbers of each replicate's own."""

    def __init__(self, recipes: Sequence[Recipe], parameters: dict[str, Tensor]):
        device = next(iter(parameters.values())).device
        self.momentum = torch.tensor([recipe.momentum for recipe in recipes], device=device)
        self.decay = torch.tensor([recipe.weight_decay for recipe in recipes], device=device)
        self.nesterov = recipes[0].nesterov
        self.velocity = {name: torch.zeros_like(value) for name, value in parameters.items()}

    @torch.no_grad()
    def __call__(self, parameters: dict[str, Tensor], slopes: dict[str, Tensor], rate: Tensor) -> None:
        for name, value in parameters.items():
            rates, momentum, decay = (
                numbers.view(-1, *[1] * (value.ndim - 1)) for numbers in (rate, self.momentum, self.decay)
            )
            slope = slopes[name] + decay * value
            velocity = self.velocity[name].mul_(momentum).add_(slope)
            # Without momentum both branches are plain descent.
            value -= rates * (slope + momentum * velocity if self.nesterov else velocity)


@torch.inference_mode()
def _evaluations(
    skeleton: nn.Module,
    parameters: dict[str, Tensor],
    buffers: dict[str, Tensor],
    images: Images,
    normalised: Callable[[Tensor], Tensor],
) -> list[tuple[float, float]]:
    """Mean cross-entropy and accuracy of every replicate."""
    skeleton.eval()
    forward = vmap(lambda own, state, x: functional_call(skeleton, (own, state), (x,)), in_dims=(0, 0, None))
    losses, correct = torch.tensor(0.0, dtype=torch.float64), torch.tensor(0)
    for start in range(0, len(images), EVALUATION_BATCH):
        batch = images[start : start + EVALUATION_BATCH]
        logits = forward(parameters, buffers, normalised(batch.pixels))
        each = F.cross_entropy(logits.transpose(1, 2), batch.labels.expand(len(logits), -1), reduction="none")
        losses = losses.to(each.device) + each.double().sum(1)
        correct = correct.to(each.device) + (logits.argmax(2) == batch.labels).sum(1)
    return list(zip((losses / len(images)).tolist(), (correct / len(images)).tolist(), strict=True))

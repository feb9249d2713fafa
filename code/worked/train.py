"""The training engine: tensors in, an :class:`Outcome` out; it reads no files and prints nothing.

Images stay on the device as bytes; a batch is gathered, augmented and normalised there. Nothing waits for the device
inside an epoch. Initial weights and the order of the data come from the CPU's generator on every device, so that
the first losses agree across devices.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TRACED_STEPS = 20  # losses kept for replay
CURVE_POINTS = 10  # of the training loss, in an epoch
EVALUATION_BATCH = 1000  # images; fits the cache of a CPU core and is large enough for a GPU


@dataclass(frozen=True)
class Images:
    """One split on its device: ``pixels`` uint8 ``[N, C, H, W]`` and ``labels`` int64 ``[N]``."""

    pixels: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4 or self.labels.shape != self.pixels.shape[:1]:
            raise ValueError(
                "expected uint8 pixels [N, C, H, W] and labels [N], got "
                f"{self.pixels.dtype} {list(self.pixels.shape)} and {list(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> "Images":
        return Images(self.pixels[index], self.labels[index])

    def to(self, device: torch.device) -> "Images":
        """The same split on ``device``."""
        return Images(self.pixels.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Splits:
    """The three splits of a study. Only ``train`` and ``validation`` may decide anything."""

    train: Images
    validation: Images
    test: Images


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. What is not said here is PyTorch's default."""

    epochs: int
    rate: float  # the highest of the schedule
    batch_size: int = 128
    momentum: float = 0.9  # of SGD
    weight_decay: float = 0.0  # PyTorch's: its product with every weight and bias is added to the gradient
    optimiser: str = "sgd"  # or adam
    nesterov: bool = True  # of SGD with momentum
    # one-cycle (Smith and Topin 2018): from rate / 25 up to the rate at 30 % of the steps, then down to nearly zero;
    # constant; or step: the rate times gamma after every so many epochs
    schedule: str = "one-cycle"
    gamma: float = 0.1
    every: int = 1  # epochs
    flip: bool = False  # mirror each training image with probability 1/2
    crop: int = 0  # shift each training image by up to so many pixels, zeros move in
    precision: str = "float32"  # or bfloat16: autocast of the forward pass, weights stay float32

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"expected {name} to be one of {', '.join(known)}, got {getattr(self, name)!r}")


CHOICES = {
    "optimiser": ("sgd", "adam"),
    "schedule": ("one-cycle", "constant", "step"),
    "precision": ("float32", "bfloat16"),
}


@dataclass
class Outcome:
    """What a training run leaves: per-epoch ``history``, replay ``trace``, the selected epoch's ``weights``."""

    history: dict[str, list[float | None]] = field(default_factory=dict)
    trace: dict = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    diverged: str | None = None


def seeded(build: Callable[[], nn.Module], *, seed: int) -> nn.Module:
    """``build()``, its random weights drawn from the CPU's generator whatever device is used later."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def channel_statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[C, 1, 1]`` of uint8 ``[N, C, H, W]``, in units of pixel values, exact sums."""
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in pixels.unbind(1)])
    values = torch.arange(256, dtype=torch.float64, device=pixels.device)
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = (share * values).sum(1)
    variance = (share * (values - mean[:, None]) ** 2).sum(1)
    return mean.float()[:, None, None], variance.sqrt().float()[:, None, None]


def normaliser(train_pixels: Tensor) -> Callable[[Tensor], Tensor]:
    """A function that gives each channel of uint8 images the mean 0 and deviation 1 of the training split.

    Its result is channels-last. The statistics are repeated along a row of pixels, so that the inner loop is long.
    """
    width = train_pixels.shape[3]
    mean, std = (statistic.flatten().repeat(width) for statistic in channel_statistics(train_pixels))

    def normalised(pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 2, 3, 1)
        rows = images.flatten(2).float().sub_(mean).div_(std)
        return rows.view(images.shape).permute(0, 3, 1, 2)

    return normalised


def select_epoch(validation_accuracy: list[float | None]) -> int:
    """Index of the highest validation accuracy, the earliest where several are equal. It sees nothing else."""
    finite = [(-value, epoch) for epoch, value in enumerate(validation_accuracy) if value is not None]
    if not finite:
        raise ValueError("expected at least one epoch with a validation accuracy, got none")
    return min(finite)[1]


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser; on a GPU its update is one fused kernel."""
    fused = True if next(model.parameters()).is_cuda else None
    common: dict = {"lr": recipe.rate, "weight_decay": recipe.weight_decay, "fused": fused}
    if recipe.optimiser == "adam":
        return torch.optim.Adam(model.parameters(), **common)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(model.parameters(), momentum=recipe.momentum, nesterov=nesterov, **common)


def step_rates(recipe: Recipe, per_epoch: int) -> list[float]:
    """The learning rate of every step, found by stepping through PyTorch's schedule without training."""
    schedules = torch.optim.lr_scheduler
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.rate)
    steps = recipe.epochs * per_epoch
    schedule: schedules.LRScheduler
    if recipe.schedule == "one-cycle":
        schedule = schedules.OneCycleLR(optimiser, recipe.rate, total_steps=steps, cycle_momentum=False)
    elif recipe.schedule == "step":
        schedule = schedules.StepLR(optimiser, recipe.every * per_epoch, gamma=recipe.gamma)
    else:
        schedule = schedules.LambdaLR(optimiser, lambda step: 1.0)
    optimiser.step()  # the scheduler warns where it steps before its optimiser
    rates = []
    for _ in range(steps):
        rates.append(float(schedule.get_last_lr()[0]))
        schedule.step()
    return rates


class Loader:
    """The training split on its device, ready to be gathered: each image shifted and mirrored on its own draw.

    It keeps the images row by row with their channels together and, where images are mirrored, their mirror images
    too: a batch is a copy of whole images, then one gather from the windows of a shift.
    """

    def __init__(self, images: Images, recipe: Recipe):
        self.recipe, self.count, self.labels = recipe, len(images), images.labels
        self.pixels = images.pixels.permute(0, 2, 3, 1).contiguous()
        if recipe.flip:
            self.pixels, self.labels = torch.cat([self.pixels, self.pixels.flip(2)]), self.labels.repeat(2)

    def epoch(self, order: torch.Generator, draws: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once: batches of bytes ``[B, C, H, W]``, channels-last, and labels ``[B]``.

        Order and draws come from generators of the CPU, so that they are the same on every device; they are moved
        there once.
        """
        crop, device = self.recipe.crop, self.labels.device
        image, shifts = torch.randperm(self.count, generator=order), torch.zeros(2, self.count, dtype=torch.int64)
        if crop:
            shifts = torch.randint(2 * crop + 1, (2, self.count), generator=draws)
        if self.recipe.flip:
            image = image + self.count * (torch.rand(self.count, generator=draws) < 0.5)
        places = torch.cat([image[None], shifts]).to(device)
        for image, top, left in places.split(self.recipe.batch_size, dim=1):
            pixels = self.pixels.index_select(0, image)
            if crop:
                pixels = _shifted(pixels, crop, top, left)
            yield pixels.permute(0, 3, 1, 2), self.labels[image]


def _shifted(pixels: Tensor, crop: int, top: Tensor, left: Tensor) -> Tensor:
    """A window of its own from each of the images ``[B, H, W, C]`` with a margin of zeros."""
    count, height, width, channels = pixels.shape
    padded = F.pad(pixels, [0, 0, *[crop] * 4])
    image, line, pixel, _ = padded.stride()
    # A row of a window may begin at any byte. Gathering whole rows is several times faster than gathering pixels.
    row = width * channels
    rows = padded.as_strided((padded.numel() - row + 1, row), (1, 1))
    lines = top[:, None] + torch.arange(height, device=pixels.device)
    starts = torch.arange(count, device=pixels.device)[:, None] * image + lines * line + left[:, None] * pixel
    return rows.index_select(0, starts.flatten()).view(pixels.shape)


def train(
    model: nn.Module,
    splits: Splits,
    recipe: Recipe,
    *,
    seed: int,
    evaluate: tuple[str, ...] = ("train", "validation", "test"),
    tick: Callable[[int], None] = lambda epochs: None,
    steps: int | None = None,
) -> Outcome:
    """Train ``model`` on ``splits.train`` and evaluate it after every epoch, with dropout off.

    Args:
        model: on the CPU, with its initial weights; it is moved to the device of ``splits``.
        splits: the data; all three on one device.
        recipe: optimiser, schedule, epochs.
        seed: of the data's order and of the draws of dropout.
        evaluate: the splits whose loss and accuracy are recorded after every epoch.
        tick: called with the number of epochs just finished, after each one.
        steps: stop after so many steps, without evaluating an epoch (for replay).

    Returns:
        history: ``batch_loss`` (mean over the epoch as trained) and, for each split evaluated, ``<split>_loss`` and
        ``<split>_accuracy``. A loss that is not finite ends the run: its epoch holds ``None``, ``diverged`` says so.
        trace: for replay, and ``curve``, the mean loss as trained of each tenth of each epoch.
    """
    device = splits.train.pixels.device
    normalised, loader = normaliser(splits.train.pixels), Loader(splits.train, recipe)
    model = model.to(device).to(memory_format=torch.channels_last)

    # Data order, augmentation and dropout have generators of their own: none disturbs another.
    order = torch.Generator().manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    optimiser = make_optimiser(model, recipe)
    per_epoch = math.ceil(len(splits.train) / recipe.batch_size)
    rates = step_rates(recipe, per_epoch)
    lower = partial(torch.autocast, device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")

    outcome = Outcome()
    traced: list[Tensor] = []
    loss, accuracy = evaluation(model, splits.validation, normalised, recipe.precision)
    outcome.trace = {
        "initial": {"validation_loss": loss, "validation_accuracy": accuracy},
        "rates": rates[::per_epoch],
        "curve": [],
    }
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        step = 0
        for epoch in range(recipe.epochs):
            model.train()
            losses = []
            for pixels, labels in loader.epoch(order, draws):
                with lower():
                    batch_loss = F.cross_entropy(model(normalised(pixels)), labels)
                optimiser.zero_grad()
                batch_loss.backward()
                optimiser.param_groups[0]["lr"] = rates[step]
                optimiser.step()
                step += 1
                losses.append(batch_loss.detach())
                if step == steps:
                    break
            traced += losses[: TRACED_STEPS - len(traced)]
            if step == steps:
                break

            # The only place where the host waits for the device: once an epoch.
            row = {"batch_loss": torch.stack(losses).mean().item()}
            outcome.trace["curve"] += curve(torch.stack(losses)[None])[0]
            for name in evaluate:
                loss, accuracy = evaluation(model, getattr(splits, name), normalised, recipe.precision)
                row |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
            finite = all(map(math.isfinite, row.values()))
            for name, value in row.items():
                outcome.history.setdefault(name, []).append(value if finite else None)
            if not finite:
                outcome.diverged = f"a loss was not finite in epoch {epoch + 1} of {recipe.epochs}"
                break
            if select_epoch(outcome.history["validation_accuracy"]) == epoch:
                outcome.weights = {
                    name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()
                }
            tick(1)
    outcome.trace["losses"] = _finite(torch.stack(traced).tolist())
    return outcome


@torch.inference_mode()
def evaluation(
    model: nn.Module, images: Images, normalised: Callable[[Tensor], Tensor], precision: str = "float32"
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of ``model`` on ``images``; dropout is off, batch norm uses its averages."""
    model.eval()
    loss = torch.zeros((), dtype=torch.float64, device=images.labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=images.labels.device)
    for start in range(0, len(images), EVALUATION_BATCH):
        batch = images[start : start + EVALUATION_BATCH]
        with torch.autocast(images.labels.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(normalised(batch.pixels)).float()
        loss += F.cross_entropy(logits, batch.labels, reduction="sum")
        correct += (logits.argmax(1) == batch.labels).sum()
    return loss.item() / len(images), correct.item() / len(images)


def selected_metrics(history: Mapping[str, list[float | None]]) -> dict[str, float | None]:
    """The metrics of the epoch that :func:`select_epoch` chooses; ``selected_epoch`` counts from 1."""
    epoch = select_epoch(history["validation_accuracy"])
    return {"selected_epoch": epoch + 1, **{name: values[epoch] for name, values in history.items()}}


def curve(losses: Tensor) -> list[list[float | None]]:
    """Means of the losses ``[R, steps]`` of an epoch over each tenth of it, for each of R runs."""
    parts = losses.tensor_split(min(CURVE_POINTS, losses.shape[1]), dim=1)
    return [_finite(run) for run in torch.stack([part.mean(1) for part in parts], 1).tolist()]


def _finite(values: list[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]

"""Compare our training engine with the stock PyTorch loop: LeNet-5, one epoch, side by side in one run.

The stock loop is a torchvision dataset (one PIL image and one transform at a time) behind a `DataLoader`. Ours keeps
bytes on the device and prepares whole batches. Below it stand the same steps in other precisions and memory layouts.
Every round runs each of them once, in turn, so that a disturbance of the machine meets all; a ratio is taken within
a round. All train the same network on the same images with the same batch size and the same number of threads.

    python benchmarks/input_pipeline.py [--images N] [--rounds N] [--threads N] [--device cpu|cuda] [--generated]
"""

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms

from worked import data
from worked.models import LeNet5
from worked.train import Images, Recipe, Splits, channel_statistics, seeded, train

BATCH_SIZE = 128
RATE = 0.02
MOMENTUM = 0.9


class StockDataset(torchvision.datasets.MNIST):
    """Torchvision's MNIST classes read an image as they always do, from images given instead of files."""

    def __init__(self, images: Images, transform: Callable):
        self.data, self.targets = images.pixels[:, 0], images.labels
        self.transform, self.target_transform = transform, None


def stock(images: Images, model: nn.Module, device: torch.device, *, workers: int) -> None:
    """Train one epoch as PyTorch's MNIST example does."""
    mean, std = (statistic.item() / 255 for statistic in channel_statistics(images.pixels))
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    loader: DataLoader = DataLoader(
        StockDataset(images, transform),
        BATCH_SIZE,
        shuffle=True,
        num_workers=workers,
        pin_memory=device.type == "cuda",
    )
    model.to(device).train()
    optimiser = sgd(model)
    for pixels, labels in loader:
        optimiser.zero_grad()
        F.cross_entropy(model(pixels.to(device)), labels.to(device)).backward()
        optimiser.step()


def ours(images: Images, model: nn.Module, device: torch.device) -> None:
    """Train one epoch with `worked.train`, evaluating nothing."""
    on_device = images.to(device)
    steps = -(-len(images) // BATCH_SIZE)
    recipe = Recipe(epochs=1, rate=RATE, batch_size=BATCH_SIZE, momentum=MOMENTUM)
    one = on_device[:1]  # the engine looks at the validation split once before it starts
    train(model, Splits(on_device, one, one), recipe, seed=0, steps=steps)


def resident(
    images: Images, model: nn.Module, device: torch.device, *, layout: torch.memory_format, dtype: torch.dtype
) -> None:
    """Train one epoch on bytes that lie on the device, in a precision and a memory layout."""
    on_device = images.to(device)
    mean, std = channel_statistics(on_device.pixels)
    model.to(device).to(memory_format=layout).train()
    optimiser = sgd(model)
    half = torch.autocast(device.type, dtype) if dtype != torch.float32 else contextlib.nullcontext()
    for batch in torch.randperm(len(images)).to(device).split(BATCH_SIZE):
        pixels = on_device.pixels[batch].float().sub_(mean).div_(std).contiguous(memory_format=layout)
        with half:
            loss = F.cross_entropy(model(pixels), on_device.labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def sgd(model: nn.Module) -> torch.optim.SGD:
    """Return the optimiser of every contender."""
    return torch.optim.SGD(model.parameters(), RATE, momentum=MOMENTUM, nesterov=True)


def contenders(workers: Sequence[int]) -> dict[str, Callable[[Images, nn.Module, torch.device], None]]:
    """Name everything that is compared, what the ratios refer to first."""
    layouts = {"": torch.contiguous_format, ", channels last": torch.channels_last}
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    return {
        **{f"stock loop, {count} workers": partial(stock, workers=count) for count in workers},
        "worked.train": ours,
        **{
            f"resident, {precision}{suffix}": partial(resident, layout=layout, dtype=dtype)
            for precision, dtype in dtypes.items()
            for suffix, layout in layouts.items()
        },
    }


def measure(
    runs: dict[str, Callable[[Images, nn.Module, torch.device], None]],
    images: Images,
    device: torch.device,
    rounds: int,
) -> dict[str, list[float]]:
    """Return the seconds of every contender in every round, after one short round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(images[: 2 * BATCH_SIZE], seeded(LeNet5, seed=0), device)
    for _ in range(rounds):
        for name, run in runs.items():
            model = seeded(LeNet5, seed=0)
            start = time.perf_counter()
            run(images, model, device)
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def table(seconds: dict[str, list[float]], count: int) -> str:
    """Return a line for each contender: images a second, seconds, and how many times as fast as the first one.

    Each column is the median over rounds, with the smallest and the largest.
    """
    first = next(iter(seconds.values()))
    lines = [f"{'':36}{'images/s':>10}{'seconds':>22}{'times the first':>24}"]
    for name, mine in seconds.items():
        ratios = [theirs / own for theirs, own in zip(first, mine, strict=True)]
        lines.append(f"{name:36}{count / statistics.median(mine):>10,.0f}{spread(mine):>22}{spread(ratios):>24}")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Return "median (smallest to largest)"."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=54_000, help="images of an epoch (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each is run (default %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(default %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="of the stock loop (default 0 2)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--generated", action="store_true", help="use the generated stand-in")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)

    split = data.load("fashion_mnist", "train", source="generated" if options.generated else None)
    images = Images(split.images, split.labels)[: options.images]
    device = torch.device(options.device)
    seconds = measure(contenders(options.workers), images, device, options.rounds)
    hardware = torch.cuda.get_device_name() if device.type == "cuda" else f"{options.threads} CPU threads"
    print(
        f"LeNet-5, one epoch of {len(images):,} images of {split.name} ({split.source}), batch {BATCH_SIZE},"
        f" {hardware}, torch {torch.__version__}; median of {options.rounds} rounds (smallest to largest)\n"
    )
    print(table(seconds, len(images)))


if __name__ == "__main__":
    main()

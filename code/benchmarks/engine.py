"""How near is the training engine to the machine's limit? Side by side in one run: ours, others, and the floor.

- ours: `worked.train`, in each precision; the faster counts.
- stock loop: a torchvision dataset, one PIL image and one transform at a time, behind a `DataLoader`, with each number
  of workers; the fastest counts.
- Lightning: its `Trainer` on such a `DataLoader`, where the package is installed; likewise.
- floor: forward, backward and step on one batch that is already there, in each precision and memory layout; the
  fastest counts. But for noise, no loop that reads its data is faster.

Each has a process of its own. Those of ours and of the floor keep the memory that they free, as `worked run` has it;
those of the others leave that as Python starts them, but for a second stock loop that keeps it, too; and ours is timed
once more without.

Three short rounds leave out what is more than a quarter slower than the fastest of its kind. Then every round runs each
of the others once, in an order of its own. Of each kind the contender with the lowest median counts; a ratio is taken
within a round. All train the same network with the same batch size, optimiser and number of threads.

Then flips and crops alone, against those of torchvision and (where it is installed) Kornia; 25 configs of the search
network: at once, in processes (on a CPU), in turn; and the test accuracy of ours and of the stock loop.

    python benchmarks/engine.py [--rounds N] [--images N] [--threads N] [--device cpu|cuda] [--out FILE]
"""

import argparse
import contextlib
import itertools
import json
import logging
import multiprocessing
import os
import random
import signal
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms import v2

from worked import data
from worked.benchmark import EQUAL, KEPT
from worked.estimate import estimate
from worked.executors import end_with_parent, process_context
from worked.machine import environment, keep_freed_memory, prepare_process
from worked.models import ConvNet, LeNet5, SearchNet
from worked.records import Store, read_json, write_atomically
from worked.replicates import Replicate, in_groups, train_together
from worked.train import (
    Images,
    Loader,
    Recipe,
    Splits,
    channel_statistics,
    evaluation,
    make_optimiser,
    normaliser,
    seeded,
    train,
)

PRECISIONS = ("float32", "bfloat16")
LAYOUTS = {"": torch.contiguous_format, ", channels last": torch.channels_last}
OTHERS = ("lightning", "kornia")  # timed where they are installed
KEEPING = ("ours", "floor", KEPT)  # the kinds whose processes keep the memory that they free
NEAR = 1.25  # a contender this many times as slow as the fastest of its kind in short rounds is not that in longer ones
Run = Callable[[nn.Module, Images, torch.device], None]
Seconds = dict[str, list[float]]  # of every contender, in every round


@dataclass(frozen=True)
class Workload:
    """A network with its data and its recipe."""

    name: str
    build: Callable[[], nn.Module]
    data: str
    recipe: Recipe


WORKLOADS = (
    Workload("LeNet-5", LeNet5, "fashion_mnist", Recipe(3, 0.005, batch_size=64, schedule="constant")),
    Workload("CIFAR-10 CNN", ConvNet, "cifar10", Recipe(3, 0.005, 128, schedule="constant", flip=True, crop=4)),
)


@cache
def images_of(name: str, count: int, source: str | None, part: str = "train") -> Images:
    """The first ``count`` images of a split."""
    split = data.load(name, part, source=source)
    return Images(split.images[:count].clone(), split.labels[:count].clone())  # the whole split is not kept


def steps_of(images: Images, recipe: Recipe) -> int:
    """Batches of an epoch."""
    return -(-len(images) // recipe.batch_size)


class StockDataset(torchvision.datasets.VisionDataset):
    """Reads an image as torchvision's own data sets do, a PIL image at a time, from images given instead of files."""

    def __init__(self, images: Images, transform: Callable):
        super().__init__("", transform=transform)
        pixels = images.pixels.cpu().permute(0, 2, 3, 1)
        self.pixels, self.labels = (
            (pixels.squeeze(3) if pixels.shape[3] == 1 else pixels).numpy(),
            images.labels.tolist(),
        )

    def __getitem__(self, index: int) -> tuple:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]

    def __len__(self) -> int:
        return len(self.labels)


def stock_loader(images: Images, recipe: Recipe, workers: int, device: torch.device) -> DataLoader:
    """The loader of PyTorch's examples."""
    size = images.pixels.shape[-1]
    changes: list[Callable] = [transforms.RandomCrop(size, padding=recipe.crop)] if recipe.crop else []
    changes += [transforms.RandomHorizontalFlip()] if recipe.flip else []
    mean, std = ((statistic.flatten() / 255).tolist() for statistic in channel_statistics(images.pixels))
    return DataLoader(
        StockDataset(images, transforms.Compose([*changes, transforms.ToTensor(), transforms.Normalize(mean, std)])),
        recipe.batch_size,
        shuffle=True,
        num_workers=workers,
        pin_memory=device.type == "cuda",
    )


def stock(model: nn.Module, images: Images, device: torch.device, *, recipe: Recipe, workers: int) -> None:
    """Training as PyTorch's examples do it."""
    loader = stock_loader(images, recipe, workers, device)
    model.to(device).train()
    optimiser = make_optimiser(model, recipe)
    schedule = None
    if recipe.schedule == "one-cycle":
        count = recipe.epochs * len(loader)
        schedule = OneCycleLR(optimiser, recipe.rate, total_steps=count, cycle_momentum=False)
    for pixels, labels in itertools.chain.from_iterable(loader for _ in range(recipe.epochs)):
        optimiser.zero_grad()
        F.cross_entropy(model(pixels.to(device)), labels.to(device)).backward()
        optimiser.step()
        if schedule:
            schedule.step()


def by_lightning(model: nn.Module, images: Images, device: torch.device, *, recipe: Recipe, workers: int) -> None:
    """Training by Lightning's Trainer, everything that it logs and saves turned off."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple, index: int) -> torch.Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return make_optimiser(self.model, recipe)

    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        accelerator = "gpu" if device.type == "cuda" else "cpu"
        trainer = lightning.Trainer(max_epochs=recipe.epochs, accelerator=accelerator, devices=1, **quiet)
        trainer.fit(Module(), stock_loader(images, recipe, workers, device))


def ours(model: nn.Module, images: Images, device: torch.device, *, recipe: Recipe, seed: int = 0) -> None:
    """Training with `worked.train`, evaluating nothing."""
    one = images[:1]  # of validation: the engine selects an epoch by it
    train(model, Splits(images, one, one), recipe, seed=seed, evaluate=("validation",))


def floor(
    model: nn.Module, images: Images, device: torch.device, *, recipe: Recipe, precision: str, layout: str
) -> None:
    """As many steps as the others take, on one batch."""
    batch = images[: recipe.batch_size]
    # Scaled by itself: statistics of all images would be a part of the time, and no part of computing.
    pixels = normaliser(batch.pixels)(batch.pixels).contiguous(memory_format=LAYOUTS[layout])
    model.to(device).to(memory_format=LAYOUTS[layout]).train()
    optimiser = make_optimiser(model, recipe)
    half = torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
    for _ in range(recipe.epochs * steps_of(images, recipe)):
        with half:
            loss = F.cross_entropy(model(pixels), batch.labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def contenders(recipe: Recipe, workers: Sequence[int]) -> dict[str, Run]:
    """Everything that is compared, by name; what stands before the comma is its kind."""
    runs: dict[str, Run] = {
        **{
            f"{kind}, {name}": partial(ours, recipe=replace(recipe, precision=name))
            for kind, name in itertools.product(("ours", "ours without kept memory"), PRECISIONS)
        },
        **{
            f"{kind}, {count} workers": partial(stock, recipe=recipe, workers=count)
            for kind, count in itertools.product(("stock loop", KEPT), workers)
        },
        **{
            f"floor, {precision}{layout}": partial(floor, recipe=recipe, precision=precision, layout=layout)
            for precision, layout in itertools.product(PRECISIONS, LAYOUTS)
        },
    }
    if find_spec("lightning"):
        runs |= {
            f"Lightning, {count} workers": partial(by_lightning, recipe=recipe, workers=count) for count in workers
        }
    return runs


def heed_the_benchmark() -> None:
    """Have this process, which the benchmark started, end with it and at no other sign."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group
    end_with_parent()


def prepare(kind: str, threads: int) -> None:
    """Make this process that of one contender of ``kind``."""
    heed_the_benchmark()
    multiprocessing.set_start_method(None, force=True)  # its loaders start workers as those of a user's process do
    torch.set_num_threads(threads)
    if kind in KEEPING:
        keep_freed_memory()


def timed(run: Run, workload: Workload, few: tuple[int, str | None], device: torch.device) -> float:
    """Seconds of one training in this process, on ``few``: so many images, from one source."""
    images = images_of(workload.data, *few).to(device)
    model = seeded(workload.build, seed=0)
    return clocked(lambda: run(model, images, device), device)


@contextlib.contextmanager
def apart(names: Iterable[str], threads: int) -> Iterator[dict[str, ProcessPoolExecutor]]:
    """A process for each contender, started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(ProcessPoolExecutor(1, process_context(), prepare, (kind_of(name), threads)))
            for name in names
        }


def compare(
    workload: Workload, few: tuple[int, str | None], rounds: int, runs: dict[str, Run], ask: Callable[..., float]
) -> tuple[Seconds, Seconds]:
    """Seconds of the contenders near the fastest of their kind, and of all in the shorter rounds that chose them."""
    count, source = few

    def ways(names: Iterable[str], count: int) -> dict[str, Callable[[], float]]:
        return {name: partial(ask, name, runs[name], workload, (count, source)) for name in names}

    interleaved(ways(runs, 2 * workload.recipe.batch_size), 1)  # warms up
    tried = interleaved(ways(runs, count // 4), 3)
    return interleaved(ways(near(tried), count), rounds), tried


def kind_of(name: str) -> str:
    """The kind of a contender: what stands before the comma of its name."""
    return name.partition(",")[0]


def kinds(names: Iterable[str]) -> list[str]:
    """The kinds of contenders."""
    return list(dict.fromkeys(map(kind_of, names)))


def best(seconds: Seconds, kind: str) -> str:
    """The contender of a kind with the lowest median."""
    own = (name for name in seconds if kind_of(name) == kind)
    return min(own, key=lambda name: statistics.median(seconds[name]))


def near(seconds: Seconds) -> list[str]:
    """The contenders that may be the fastest of their kind, given seconds of short rounds; and ours in float32."""
    least = {kind: statistics.median(seconds[best(seconds, kind)]) for kind in kinds(seconds)}
    return [
        name
        for name, taken in seconds.items()
        if name == "ours, float32" or statistics.median(taken) <= NEAR * least[kind_of(name)]
    ]


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """The ratio within each round."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]


def summary(seconds: Seconds) -> dict[str, list[float]]:
    """How many times as fast as the others we are, and the share of the floor that we reach, in every round."""
    mine, limit = seconds[best(seconds, "ours")], seconds[best(seconds, "floor")]
    others = [kind for kind in kinds(seconds) if kind not in ("ours", "floor")]
    return {
        **{f"times {kind}": ratios(seconds[best(seconds, kind)], mine) for kind in others},
        EQUAL: ratios(seconds[best(seconds, "stock loop")], seconds["ours, float32"]),
        "share of the floor": ratios(limit, mine),
        "times stock loop, of the floor": ratios(seconds[best(seconds, "stock loop")], limit),
    }


# -- the same accuracy ------------------------------------------------------------------------------------------------


def accuracies(workload: Workload, images: Images, test: Images, epochs: int, seeds: int) -> dict[str, list[float]]:
    """Test accuracy of ours, in each precision, and of the stock loop: same epochs, and same first weights for a seed.

    The rate is one-cycle: runs that end at a rate near zero scatter less, so that a difference shows.
    """
    peak = 4 * workload.recipe.rate
    recipe = replace(workload.recipe, epochs=epochs, rate=peak, schedule="one-cycle")
    normalised, device = normaliser(images.pixels), images.pixels.device
    reached: dict[str, list[float]] = {}
    for seed in range(seeds):
        torch.manual_seed(seed)  # the stock loop's order of the images
        runs: dict[str, Run] = {
            f"ours, {precision}": partial(ours, seed=seed, recipe=replace(recipe, precision=precision))
            for precision in PRECISIONS
        }
        for name, run in (runs | {"stock loop": partial(stock, recipe=recipe, workers=0)}).items():
            model = seeded(workload.build, seed=seed)
            run(model, images, device)
            reached.setdefault(name, []).append(evaluation(model, test, normalised)[1])
    return reached


# -- flips and crops ---------------------------------------------------------------------------------------------------


def gathered(images: Images, recipe: Recipe, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Go through the images once, in shuffled batches, each changed and normalised."""
    normalised = normaliser(images.pixels)
    for batch in torch.randperm(len(images)).split(recipe.batch_size):
        normalised(change(images.pixels[batch.to(images.pixels.device)]))


def by_loader(images: Images, recipe: Recipe) -> None:
    """The same with the engine's own loader."""
    normalised = normaliser(images.pixels)
    for pixels, _ in Loader(images, recipe).epoch(torch.Generator(), torch.Generator()):
        normalised(pixels)


def augmenters(recipe: Recipe, side: int) -> dict[str, Callable[[Images], None]]:
    """Flips and crops in several ways; all but one give each image draws of its own."""
    changes = v2.Compose([v2.RandomCrop(side, padding=recipe.crop), v2.RandomHorizontalFlip()])
    ways: dict[str, Callable[[Images], None]] = {
        "augmentation, ours": partial(by_loader, recipe=recipe),
        "augmentation, torchvision.transforms.v2, image by image": partial(
            gathered, recipe=recipe, change=lambda pixels: torch.stack([changes(one) for one in pixels])
        ),
        "augmentation, torchvision.transforms.v2, one draw a batch": partial(gathered, recipe=recipe, change=changes),
    }
    if find_spec("kornia"):
        from kornia.augmentation import AugmentationSequential, RandomCrop, RandomHorizontalFlip

        kornia = AugmentationSequential(RandomCrop((side, side), padding=recipe.crop), RandomHorizontalFlip())
        ways["augmentation, Kornia"] = partial(
            gathered, recipe=recipe, change=lambda pixels: kornia(pixels.float() / 255).mul_(255)
        )
    return ways


def clocked(way: Callable[[], object], device: torch.device) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def interleaved(ways: Mapping[str, Callable[[], float]], rounds: int) -> Seconds:
    """Seconds of every way, once a round, each round in an order of its own: what ran before leaves its traces."""
    seconds: Seconds = {name: [] for name in ways}
    for number in range(rounds):
        for name in random.Random(number).sample(list(ways), len(ways)):
            seconds[name].append(ways[name]())
    return seconds


# -- many configs ----------------------------------------------------------------------------------------------------

MANY = "25 configs of the search network"
CONFIGS = [
    Recipe(1, rate, batch_size=64, momentum=momentum, schedule="constant")
    for rate, momentum in itertools.product((1e-4, 3e-4, 1e-3, 3e-3, 1e-2), (0.0, 0.25, 0.5, 0.75, 0.9))
]


def in_turn(images: Images) -> None:
    """25 configs one after another, on the whole machine."""
    for recipe in CONFIGS:
        ours(seeded(SearchNet, seed=0), images, images.pixels.device, recipe=recipe)


def at_once(images: Images) -> None:
    """25 configs in one vmapped training."""
    replicates = [Replicate(seeded(SearchNet, seed=0), recipe, 0) for recipe in CONFIGS]
    splits = Splits(images, images[:1], images[:1])
    in_groups(replicates, lambda group: train_together(group, splits, evaluate=("validation",)))


def one_config(recipe: Recipe, images: Images) -> None:
    """One config in a process of its own: one thread, as `worked run` does it."""
    keep_freed_memory()
    prepare_process("cpu")
    ours(seeded(SearchNet, seed=0), images, torch.device("cpu"), recipe=recipe)


def many(images: Images, rounds: int, processes: int) -> Seconds:
    """Time 25 configs each way."""
    ways: dict[str, Callable[[], object]] = {"in turn": partial(in_turn, images), "at once": partial(at_once, images)}
    with contextlib.ExitStack() as stack:
        if images.pixels.device.type == "cpu":
            pool = stack.enter_context(ProcessPoolExecutor(processes, process_context(), heed_the_benchmark))
            list(pool.map(one_config, CONFIGS[:processes], [images[:64]] * processes))  # started before it counts
            ways["in processes"] = lambda: list(pool.map(one_config, CONFIGS, [images] * len(CONFIGS)))
        device = images.pixels.device
        return interleaved({name: partial(clocked, way, device) for name, way in ways.items()}, rounds)


def instructions() -> list[str]:
    """Those of this processor that decide what bfloat16 gains; none where the system does not tell."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.is_file() else []
    return [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]


# -- the command -----------------------------------------------------------------------------------------------------


def spread(values: Sequence[float]) -> str:
    """Return "median (smallest to largest)"."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(seconds: Seconds, told: dict[str, list[float]]) -> str:
    """A line for each contender and each ratio: the median over rounds, with the smallest and the largest."""
    lines = [f"  {name:36}{spread(values):>26} s" for name, values in seconds.items()]
    return "\n".join([*lines, *(f"  {name:36}{spread(values):>26}" for name, values in told.items())])


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options, measure, print the tables, write the record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="times that each is run (default %(default)s)")
    parser.add_argument("--images", type=int, default=8320, help="of an epoch (default %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(default %(default)s)")
    parser.add_argument("--epochs", type=int, default=5, help="of the trainings whose accuracy is compared")
    parser.add_argument("--seeds", type=int, default=8, help="of those trainings, 0 for none")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="of the loaders (default 0 1 2)")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="parts whose name contains it; the others stay in the record"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--generated", action="store_true", help="use the generated stand-ins")
    parser.add_argument("--out", type=Path, help="the record (default: benchmarks/DEVICE.json beside the results)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # flips and crops, and configs in turn, are timed in this process
    device, source = torch.device(options.device), "generated" if options.generated else None
    here = environment(device.type) | {"threads": options.threads}
    # of a part, as a date is
    made = {"commit": here.pop("commit"), "instructions": instructions()}
    made |= {name: version(name) for name in OTHERS if find_spec(name)}
    out = options.out or Store.default().root / "benchmarks" / f"{device.type}.json"
    record = read_json(out)
    if record.get("environment", here) != here or record.get("source", source or "official") != (source or "official"):
        if options.only:
            parser.error(f"{out} was made with another machine, package, number of threads or data: name another --out")
        record = {}
    record |= {"environment": here, "source": source or "official", "measured": record.get("measured", {})}

    def images(name: str, count: int, part: str = "train") -> Images:
        return images_of(name, count, source, part).to(device)

    def keep(name: str, **found: object) -> None:
        """Note what was measured, in the record at once."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        record["measured"][name] = {"created": created} | made | found
        write_atomically(out, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())

    def note(
        name: str, few: Images, recipe: Recipe, seconds: Seconds, told: dict[str, list[float]], **more: Seconds
    ) -> None:
        what = {"images": len(few), "batch": recipe.batch_size, "epochs": recipe.epochs}
        keep(name, **what, recipe=asdict(recipe), rounds=options.rounds, seconds=seconds, ratios=told, **more)
        print(f"{name}: {what}\n{table(seconds, told)}\n", flush=True)

    with apart(contenders(WORKLOADS[0].recipe, options.workers), options.threads) as processes:

        def ask(name: str, run: Run, workload: Workload, few: tuple[int, str | None]) -> float:
            """Seconds of a training in the process of a contender."""
            return processes[name].submit(timed, run, workload, few, device).result()

        for workload in (one for one in WORKLOADS if options.only in one.name):
            few = images(workload.data, options.images)
            runs = contenders(workload.recipe, options.workers)
            seconds, tried = compare(workload, (len(few), source), options.rounds, runs, ask)
            note(workload.name, few, workload.recipe, seconds, summary(seconds), tried=tried)
    for workload in (one for one in WORKLOADS if options.only in one.name and one.recipe.crop):
        few = images(workload.data, options.images)
        ways = augmenters(workload.recipe, few.pixels.shape[-1])
        clocks = {name: partial(clocked, partial(way, few), device) for name, way in ways.items()}
        seconds = interleaved(clocks, options.rounds)
        own = next(iter(seconds))
        told = {f"times {name}": ratios(taken, seconds[own]) for name, taken in seconds.items() if name != own}
        note(f"Flips and crops, {workload.name}", few, replace(workload.recipe, epochs=1), seconds, told)
    if options.only in MANY:
        few = images("mnist", options.images)
        seconds = many(few, options.rounds, options.threads)
        told = {
            f"times in turn, {way}": ratios(seconds["in turn"], seconds[way]) for way in seconds if way != "in turn"
        }
        note(MANY, few, CONFIGS[0], seconds, told)
    for workload in WORKLOADS if options.seeds else ():
        name = f"Accuracy, {workload.name}"
        if options.only not in name:
            continue
        few = images(workload.data, options.images)
        reached = accuracies(workload, few, images(workload.data, 10_000, "test"), options.epochs, options.seeds)
        keep(name, epochs=options.epochs, images=len(few), reached=reached)
        print(f"{name}: {len(few):,} images, {options.epochs} epochs, {options.seeds} seeds")
        for loop, values in reached.items():
            gap = estimate([mine - theirs for mine, theirs in zip(values, reached["stock loop"], strict=True)])
            points = f"{100 * gap.mean:+.2f} ({100 * gap.low:+.2f} to {100 * gap.high:+.2f})"
            print(f"  {loop:36}{estimate(values).percent:>16}, less the stock loop's {points} points", flush=True)


def stop(*_: object) -> None:
    """End at once, and with this process all that it started."""
    print("engine.py: stopped; the record has what was measured in full, --only measures a part", file=sys.stderr)
    os._exit(130)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    sys.exit(main())

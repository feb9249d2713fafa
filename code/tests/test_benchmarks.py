"""The benchmark runs, its contenders do the same work, and its arithmetic is right; what it measures is not tested."""

import json
import os
from dataclasses import replace

import engine
import pytest
import torch
from test_machine import gnu_c_library, pages_of_equal_steps
from torch.optim.optimizer import register_optimizer_step_post_hook

from worked import benchmark, data
from worked.estimate import estimate
from worked.records import Store


def test_every_contender_is_run_printed_and_kept(tmp_path, capsys):
    threads, out = torch.get_num_threads(), tmp_path / "benchmarks" / "cpu.json"
    words = ["--images=256", "--rounds=2", "--workers", "0", "--device=cpu", "--threads=1", "--generated"]
    words += ["--seeds=2", "--epochs=1"]
    try:
        engine.main([*words, f"--out={out}"])
        printed, record = capsys.readouterr().out, json.loads(out.read_text())
        engine.main([*words, "--rounds=1", "--only", engine.MANY, f"--out={out}"])
    finally:
        torch.set_num_threads(threads)
    again = json.loads(out.read_text())["measured"]
    assert again.pop(engine.MANY)["rounds"] == 1
    assert again == {name: part for name, part in record["measured"].items() if name != engine.MANY}
    assert record["source"] == "generated"
    assert record["environment"]["threads"] == 1
    expected = [
        *(w.name for w in engine.WORKLOADS),
        "Flips and crops, CIFAR-10 CNN",
        "25 configs of the search network",
    ]
    assert sorted(record["measured"]) == sorted([*expected, *(f"Accuracy, {w.name}" for w in engine.WORKLOADS)])
    assert benchmark.brief(benchmark.read("cpu", Store(tmp_path)))  # the page finds all that it shows
    for name, measured in record["measured"].items():
        assert name in printed
        if "reached" in measured:
            assert {len(values) for values in measured["reached"].values()} == {2}
            continue
        assert all(len(values) == 2 and min(values) > 0 for values in measured["seconds"].values())
        assert all(f"  {contender:36}" in printed for contender in measured["seconds"])
    kinds = {name.partition(",")[0] for name in record["measured"]["LeNet-5"]["seconds"]}
    assert {"ours", "ours without kept memory", "stock loop", engine.KEPT, "floor"} <= kinds
    tried = record["measured"]["LeNet-5"]["tried"]
    assert len(tried) >= 10  # twice both precisions of ours, the stock loop, the floors
    assert set(engine.near(tried)) == set(record["measured"]["LeNet-5"]["seconds"])


def test_a_part_is_not_added_to_a_record_made_elsewhere(tmp_path, capsys):
    out = tmp_path / "cpu.json"
    out.write_text(json.dumps({"environment": {"device_name": "another"}, "measured": {"kept": {}}}))
    before = out.read_bytes()
    with pytest.raises(SystemExit):
        engine.main(["--only", engine.MANY, "--threads=1", "--generated", f"--out={out}"])
    assert "name another --out" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize("workload", engine.WORKLOADS, ids=lambda workload: workload.name)
def test_every_contender_takes_the_same_steps(workload):
    """Also a step on every image: the stock loops and ours drop no last batch."""
    few = engine.images_of(workload.data, 2 * workload.recipe.batch_size + 3, "generated")
    steps = []
    hook = register_optimizer_step_post_hook(lambda *arguments: steps.append(1))
    try:
        for name, run in engine.contenders(workload.recipe, [0]).items():
            steps.clear()
            run(engine.seeded(workload.build, seed=0), few, torch.device("cpu"))
            # ours finds the rates of its schedule with an optimiser of one weight, which takes a step
            extra = name.startswith("ours")
            assert len(steps) - extra == workload.recipe.epochs * 3, name
    finally:
        hook.remove()


def test_only_what_is_far_slower_than_its_kind_is_left_out():
    seconds = {
        "ours, float32": [1.0, 1.0, 9.0],
        "ours, bfloat16": [1.2, 1.2, 1.2],
        "floor, float32": [0.9, 0.9, 0.9],
        "floor, bfloat16": [1.2, 1.2, 0.1],
        "stock loop, 0 workers": [9.0, 9.0, 9.0],
    }
    assert engine.near(seconds) == ["ours, float32", "ours, bfloat16", "floor, float32", "stock loop, 0 workers"]
    seconds["ours, float32"] = [9.0, 9.0, 9.0]  # compared with the stock loop, which computes so, too
    assert "ours, float32" in engine.near(seconds)


def test_ratios_are_taken_within_a_round():
    # Ours is twice as fast as the stock loop in every round, though both slow down tenfold in the last one.
    seconds = {
        "ours, float32": [1.0, 2.0, 10.0],
        "ours, bfloat16": [9.0, 9.0, 9.0],
        "stock loop, 0 workers": [2.0, 4.0, 20.0],
        "floor, float32": [0.5, 1.8, 9.0],
        "floor, bfloat16": [9.0, 9.0, 9.0],
    }
    told = engine.summary(seconds)
    assert told["times stock loop"] == [2.0, 2.0, 2.0]
    assert told["share of the floor"] == [0.5, 0.9, 0.9]
    assert told["times stock loop, of the floor"] == [4.0, pytest.approx(4 / 1.8), pytest.approx(20 / 9)]
    assert "0.90 (0.50 to 0.90)" in engine.table(seconds, told).splitlines()[-2]


@gnu_c_library
def test_each_has_a_process_of_its_own_and_ours_keeps_its_memory():
    with engine.apart(["ours, float32", "stock loop, 0 workers", f"{engine.KEPT}, 0 workers"], threads=1) as processes:
        numbers = {process.submit(os.getpid).result() for process in processes.values()}
        ours, stock, kept = (process.submit(pages_of_equal_steps).result() for process in processes.values())
    assert len(numbers | {os.getpid()}) == 4
    assert stock > 10 * ours
    assert stock > 10 * kept


@pytest.mark.parametrize("channels", [1, 3])
def test_the_stock_loop_trains_on_the_same_images(channels):
    """The stock data set hands out each image once; its loader normalises as ours."""
    pixels = torch.randint(256, (3, channels, 28, 28), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    images = engine.Images(pixels, torch.arange(3))
    dataset = engine.StockDataset(images, engine.transforms.ToTensor())
    assert len(dataset) == 3
    for k, (pixels, label) in enumerate(dataset):
        assert torch.equal((pixels * 255).round().to(torch.uint8), images.pixels[k])
        assert label == k
    ours = engine.normaliser(images.pixels)(images.pixels)
    loader = engine.stock_loader(images, engine.Recipe(1, 0.1, 3), 0, torch.device("cpu"))
    ((pixels, labels),) = loader
    torch.testing.assert_close(pixels, ours[labels], rtol=1e-4, atol=1e-4)


def test_our_loop_learns_what_the_stock_loop_learns():
    """After the same epochs the accuracies agree: the interval of the difference is narrow, and lies near zero."""
    splits = [data.load("fashion_mnist", part, source="generated") for part in data.SPLITS]
    train, test = (engine.Images(split.images, split.labels) for split in splits)
    workload = engine.WORKLOADS[0]
    reached = engine.accuracies(workload, train, test, epochs=12, seeds=3)
    theirs = reached.pop("stock loop")
    assert list(reached) == ["ours, float32", "ours, bfloat16"]
    assert min(theirs) > 0.8
    for ours in reached.values():
        gap = estimate([mine - other for mine, other in zip(ours, theirs, strict=True)])
        assert min(ours) > 0.8
        assert abs(gap.mean) < 0.04  # an interval that must hold zero fails once in twenty
        assert gap.high - gap.low < 0.2
    # and it can tell: without training the accuracies do not agree
    untrained = engine.accuracies(replace(workload, recipe=replace(workload.recipe, rate=1e-9)), train, test, 1, 2)
    assert max(untrained["ours, float32"]) < min(theirs)

"""The benchmark runs, its contenders do the same work, and its arithmetic is right; what it measures is not tested."""

import json
import runpy
from pathlib import Path

import pytest
import torch

BENCHMARK = Path(__file__).parents[1] / "benchmarks/engine.py"


@pytest.fixture(scope="module")
def benchmark():
    return runpy.run_path(str(BENCHMARK), run_name="engine")


def test_every_contender_is_run_printed_and_kept(benchmark, tmp_path, capsys):
    threads, out = torch.get_num_threads(), tmp_path / "cpu.json"
    words = ["--steps=2", "--rounds=2", "--workers", "0", "--device=cpu", "--threads=1", "--generated"]
    try:
        benchmark["main"]([*words, f"--out={out}"])
    finally:
        torch.set_num_threads(threads)
    printed, record = capsys.readouterr().out, json.loads(out.read_text())
    assert record["source"] == "generated"
    assert record["environment"]["threads"] == 1
    expected = [*(workload.name for workload in benchmark["WORKLOADS"]), "25 configs of the search network"]
    assert sorted(record["measured"]) == sorted(expected)
    for name, measured in record["measured"].items():
        assert name in printed
        assert all(len(values) == 2 and min(values) > 0 for values in measured["seconds"].values())
        assert all(f"  {contender:36}" in printed for contender in measured["seconds"])
    kinds = {name.partition(",")[0] for name in record["measured"]["LeNet-5"]["seconds"]}
    assert {"ours", "stock loop", "floor"} <= kinds


def test_ratios_are_taken_within_a_round(benchmark):
    # Ours is twice as fast as the stock loop in every round, though both slow down tenfold in the last one.
    seconds = {
        "ours, float32": [1.0, 2.0, 10.0],
        "ours, bfloat16": [9.0, 9.0, 9.0],
        "stock loop, 0 workers": [2.0, 4.0, 20.0],
        "floor, float32": [0.5, 1.8, 9.0],
    }
    told = benchmark["summary"](seconds)
    assert told["times stock loop"] == [2.0, 2.0, 2.0]
    assert told["share of the floor"] == [0.5, 0.9, 0.9]
    assert "0.90 (0.50 to 0.90)" in benchmark["table"](seconds, told).splitlines()[-1]


def test_the_stock_loop_trains_on_the_same_images(benchmark):
    """The stock data set hands out each image once; its loader normalises as ours."""
    images = benchmark["Images"](torch.arange(784 * 3).reshape(3, 1, 28, 28).to(torch.uint8), torch.arange(3))
    dataset = benchmark["StockDataset"](images, benchmark["transforms"].ToTensor())
    assert len(dataset) == 3
    for k, (pixels, label) in enumerate(dataset):
        assert torch.equal((pixels * 255).round().to(torch.uint8), images.pixels[k])
        assert label == k
    ours = benchmark["normaliser"](images.pixels)(images.pixels)
    loader = benchmark["stock_loader"](images, benchmark["Recipe"](1, 0.1, 3), 0, torch.device("cpu"))
    ((pixels, labels),) = loader
    torch.testing.assert_close(pixels, ours[labels], rtol=1e-4, atol=1e-4)

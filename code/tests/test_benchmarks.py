"""The benchmark runs, and its arithmetic is right; what it measures is not tested."""

import runpy
from pathlib import Path

import pytest
import torch

BENCHMARK = Path(__file__).parents[1] / "benchmarks/input_pipeline.py"


@pytest.fixture(scope="module")
def benchmark():
    return runpy.run_path(str(BENCHMARK))


def test_every_contender_is_run_and_printed(benchmark, capsys):
    threads = torch.get_num_threads()
    try:
        benchmark["main"](["--images=160", "--rounds=2", "--workers", "0", "--device=cpu", "--generated"])
    finally:
        torch.set_num_threads(threads)
    heading, _, *lines = capsys.readouterr().out.splitlines()
    assert "160 images of fashion_mnist (generated)" in heading
    names = list(benchmark["contenders"]([0]))
    assert [line[:36].strip() for line in lines[1:]] == names
    assert len(names) == 6


def test_ratios_are_taken_within_a_round(benchmark):
    # The second contender is twice as fast in every round, though both slow down tenfold in the last one.
    text = benchmark["table"]({"first": [2.0, 4.0, 20.0], "second": [1.0, 2.0, 10.0]}, count=100)
    assert "2.00 (2.00 to 2.00)" in text.splitlines()[2]
    assert " 50 " in text.splitlines()[2]  # images a second: 100 in the median of 2 seconds


def test_contenders_train_the_same_network_on_every_image(benchmark):
    """The stock dataset hands out each image once, normalised as ours."""
    images = benchmark["Images"](torch.arange(784 * 3).reshape(3, 1, 28, 28).to(torch.uint8), torch.arange(3))
    dataset = benchmark["StockDataset"](images, benchmark["transforms"].ToTensor())
    assert len(dataset) == 3
    for k, (pixels, label) in enumerate(dataset):
        assert torch.equal((pixels * 255).round().to(torch.uint8), images.pixels[k])
        assert label == k

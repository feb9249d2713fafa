"""The shape of the package: lint, types, who imports whom, and what is not imported."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def run(*words, cwd=CODE):
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ["ruff", "check", ".", "../book/_ext"],
        ["ruff", "format", "--check", ".", "../book/_ext"],
        ["mypy", "worked"],
        ["lint-imports", "--config", "pyproject.toml"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_clean(words):
    done = run(str(BIN / words[0]), *words[1:])
    assert done.returncode == 0, done.stdout + done.stderr


def test_import_contracts_see_a_wrong_import(tmp_path):
    package = tmp_path / "worked"
    for path in (CODE / "worked").rglob("*.py"):
        copy = package / path.relative_to(CODE / "worked")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    (package / "train.py").write_text("from worked import study\nimport botorch, matplotlib\n")
    (package / "symbolic" / "sums.py").write_text("def f():\n    import torch\n")
    # The command looks for packages in the working folder first.
    done = run(str(BIN / "lint-imports"), "--config", str(CODE / "pyproject.toml"), "--no-cache", cwd=tmp_path)
    assert done.returncode == 1
    assert "0 kept, 4 broken" in done.stdout


CELL = """
import sys
from worked import results, studies
from worked.findings import lenet5_regularization as lenet5
from worked.records import Store
for name in studies.names():
    studies.load(name).wanted("full", Store.default())
heavy = {"torch", "torchvision", "ax", "sympy"} & set(sys.modules)
assert not heavy, heavy
"""


def test_listing_specs_and_reading_records_needs_no_torch():
    done = run(sys.executable, "-c", CELL)
    assert done.returncode == 0, done.stderr

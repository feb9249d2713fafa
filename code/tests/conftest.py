"""Fixtures of all tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `import fabricated`


@pytest.fixture(autouse=True)
def no_results_of_the_checkout(tmp_path_factory, monkeypatch):
    """A test that forgets to name its store must not touch the committed records."""
    monkeypatch.setenv("WORKED_STORE", str(tmp_path_factory.mktemp("store")))

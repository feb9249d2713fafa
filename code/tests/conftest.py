"""Fixtures of all tests."""

import pytest


@pytest.fixture(autouse=True)
def no_results_of_the_checkout(tmp_path_factory, monkeypatch):
    """A test that forgets to name its store must not touch the committed records."""
    monkeypatch.setenv("WORKED_STORE", str(tmp_path_factory.mktemp("store")))

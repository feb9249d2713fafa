"""Fixtures: the sample book, built once."""

import shutil
from pathlib import Path

import pytest
from sample_book import Book, make_book, sample_pages


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """The sample book, strictly built once; tests that change a book copy it."""
    book = make_book(tmp_path_factory.mktemp("sample"), sample_pages())
    done = book.build()
    assert done.returncode == 0, done.stdout
    return book


@pytest.fixture
def book(built: Book, tmp_path: Path) -> Book:
    """A copy of the built sample book, contents and times."""
    root = tmp_path / "book"
    shutil.copytree(built.root, root)
    return Book(root)

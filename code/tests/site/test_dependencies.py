"""What a page's result depends on, and the words for a change."""

import pytest
from dependencies import code_cells, modules_of, page_inputs, reason, studies
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sample_book import ROOT


def test_a_cell_brings_in_what_its_imports_import() -> None:
    names = set(modules_of(["from worked import models", "x = 1"]))
    assert {"worked", "worked.models"} <= names
    assert "worked.cli" not in names


def test_a_cell_with_a_syntax_error_is_left_to_its_execution() -> None:
    assert modules_of(["def ("]) == {}


@pytest.mark.parametrize(
    ("modules", "slugs"),
    [
        (["worked.studies.lenet5_regularization", "worked.study"], ["lenet5-regularization"]),
        (["worked.studies", "worked.studies.a.b"], []),
    ],
)
def test_studies_are_told_by_their_modules_names(modules: list[str], slugs: list[str]) -> None:
    assert studies(modules) == slugs


def test_inputs_are_contents_and_only_of_code_cells() -> None:
    notebook = new_notebook(cells=[new_code_cell("from worked import models"), new_markdown_cell("prose")])
    inputs = page_inputs(notebook, ROOT)
    assert "code/worked/models.py" in inputs
    assert "version of Python" in inputs
    notebook.cells[1].source = "other prose"
    assert page_inputs(notebook, ROOT) == inputs
    notebook.cells[0].source += "\nx = 1"
    assert reason(inputs, page_inputs(notebook, ROOT)) == "its code cells changed"
    assert code_cells(notebook) == ["from worked import models\nx = 1"]


def test_front_matter_names_further_files() -> None:
    notebook = new_notebook(cells=[], metadata={"depends": ["code/worked/mod*.py"]})
    assert "code/worked/models.py" in page_inputs(notebook, ROOT)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"a": "1"}, {"a": "1"}, ""),
        ({"a": "1"}, {"a": "2"}, "a changed"),
        ({"a": "1"}, {"a": "1", "b": "1"}, "b added"),
        ({"a": "1", "b": "1"}, {"a": "1"}, "b removed"),
        ({}, {"a": "1", "b": "1", "c": "1", "d": "1"}, "a added, b added, c added and 1 more"),
    ],
    ids=["same", "changed", "added", "removed", "many"],
)
def test_reason(old: dict[str, str], new: dict[str, str], words: str) -> None:
    assert reason(old, new) == words

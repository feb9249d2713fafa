import ast

import pytest

from worked.closure import closure_of_module, closure_of_source, code_fingerprint


def fingerprint(tmp_path, source):
    path = tmp_path / "m.py"
    path.write_text(source)
    return code_fingerprint({"m": path})


def test_imports_inside_functions_count():
    closure = closure_of_module("worked.studies.lenet5_regularization")
    assert {"worked.models", "worked.train", "worked.data", "worked.study"} <= set(closure)
    assert not {"worked.figures", "worked.page", "worked.claims", "worked.cli"} & set(closure)
    assert not any(name.startswith(("worked.findings", "worked.symbolic")) for name in closure)


def test_closure_of_a_cell():
    closure = closure_of_source("from worked import page\ndef f():\n    from worked.models import LeNet5\n")
    assert {"worked", "worked.page", "worked.models"} <= set(closure)
    assert "worked.train" not in closure


def test_a_page_of_a_derivation_does_not_depend_on_networks():
    closure = closure_of_source("from worked import page\nfrom worked.derivations import logistic_backprop\n")
    assert "worked.symbolic.sums" in closure
    assert not {"worked.models", "worked.train", "worked.study"} & set(closure)


SOURCE = 'def f(x):\n    """Say what."""\n    return x + 1\n'


@pytest.mark.parametrize(
    "same",
    [
        'def f(x):\n    """Say it otherwise."""\n    # why\n    return (x\n            + 1)\n',
        "def f(x):\n  return x + 1\n",
    ],
    ids=["comments, docstring, line breaks", "no docstring, other indent"],
)
def test_formatting_does_not_count(tmp_path, same):
    assert fingerprint(tmp_path, SOURCE) == fingerprint(tmp_path, same)


@pytest.mark.parametrize("other", ["x + 2", "x - 1", "1 + x", "y + 1", "'x + 1'"])
def test_code_counts(tmp_path, other):
    assert fingerprint(tmp_path, SOURCE) != fingerprint(tmp_path, SOURCE.replace("x + 1", other))


def test_fingerprint_does_not_depend_on_the_python_version(tmp_path):
    # Fields that a later Python adds to a node are empty where the source does not use them.
    ast.FunctionDef._fields = fields = ast.FunctionDef._fields
    before = fingerprint(tmp_path, SOURCE)
    try:
        ast.FunctionDef._fields = (*fields, "a_field_of_the_future")
        assert fingerprint(tmp_path, SOURCE) == before
    finally:
        ast.FunctionDef._fields = fields

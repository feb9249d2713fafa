"""What a piece of code depends on: the package's modules that it imports, directly or not, read without running it."""

import ast
import hashlib
import tempfile
from collections.abc import Iterator
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType
from typing import Any

CODE = Path(__file__).resolve().parents[1]
PACKAGE = "worked"


class _Finder(ModuleFinder):
    """Scans the same code for imports once a process: a build follows those of every page anew."""

    def __init__(self) -> None:
        super().__init__(path=[str(CODE)])

    def scan_opcodes(self, co: CodeType) -> Iterator[tuple[str, tuple[Any, ...]]]:
        return iter(_scanned(co))


@cache
def _scanned(code: CodeType) -> list[tuple[str, tuple[Any, ...]]]:
    return list(ModuleFinder().scan_opcodes(code))


def closure_of_module(name: str) -> dict[str, Path]:
    """The module ``name`` and every module of the package that it imports, inside functions too, by name."""
    finder = _Finder()
    finder.import_hook(name, fromlist=["*"])
    return _own_modules(finder)


def closure_of_source(source: str) -> dict[str, Path]:
    """Every module of the package that the Python ``source`` imports, by name."""
    finder = _Finder()
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file:
        file.write(source)
        file.flush()
        finder.run_script(file.name)
    return _own_modules(finder)


def _own_modules(finder: ModuleFinder) -> dict[str, Path]:
    files = {name: getattr(module, "__file__", None) for name, module in finder.modules.items()}
    return {name: Path(file) for name, file in sorted(files.items()) if file and name.partition(".")[0] == PACKAGE}


def code_fingerprint(modules: dict[str, Path]) -> str:
    """Hexadecimal SHA-256 of the modules' syntax trees: comments, docstrings and formatting do not count."""
    digest = hashlib.sha256()
    for name, path in sorted(modules.items()):
        digest.update(f"{name}={_shape_of(path.read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()


@cache
def _shape_of(source: str) -> str:
    return _shape(ast.parse(source))


def _shape(node: object) -> str:
    """A syntax tree as text that is the same in every Python version: empty fields and positions are left out."""
    if isinstance(node, list):
        return "[" + ",".join(map(_shape, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        fields["body"] = node.body[1:]
    return f"{type(node).__name__}({','.join(f'{name}={_shape(value)}' for name, value in fields.items())})"

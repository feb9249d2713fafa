"""A tiny book that uses this repository's configuration and extensions, with a package of its own in the place of
`worked`."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from addresses import addresses

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = Path(__file__).parent / "sample"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
# What a build here takes for its addresses: a fork's workflow has others than the configuration.
REPOSITORY, SITE = addresses(CONFIG["repository"]["url"], CONFIG["html"]["baseurl"], os.environ)

FIGURE = '''"""Stands for the package's page helpers."""

import base64
import io
import json
import os

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt


class Figure:
    """A chart that travels with alternative text, caption, provenance and numbers."""

    def __init__(self, name, alt):
        self.name, self.alt = name, alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        folder = os.environ["WORKED_PAGE_FILES"]
        plt.rcParams["svg.hashsalt"] = "sample"
        figure, axes = plt.subplots(figsize=(6.2, 3.2), layout="constrained")
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        axes.plot([1, 2, 3], [0.7, 0.85, 0.9], label="train")
        axes.plot([1, 2, 3], [0.72, 0.83, 0.86], label="test")
        axes.set(xlabel="epoch", ylabel="accuracy")
        axes.legend()
        png = io.BytesIO()
        figure.savefig(png, format="png")
        figure.savefig(f"{folder}/{self.name}.svg", metadata={"Date": None})
        figure.savefig(f"{folder}/{self.name}.pdf", metadata={"CreationDate": None})
        plt.close(figure)
        with open(f"{folder}/{self.name}.csv", "w") as file:
            file.write("epoch,train,test\\n1,0.7,0.72\\n")
        stem = os.path.relpath(folder) + "/" + self.name
        text = f""":::{{figure}} {stem}.*
:name: {self.name}
:alt: {json.dumps(self.alt)}
:class: dark-light

Accuracy by epoch, with $a^2$; see {{eq}}`sample-loss`.

{{.provenance}}
Profile full · seeds 0-4 · [model](repo:code/worked/models.py#L1-L3) · {{download}}`numbers as CSV <{stem}.csv>`
:::
"""
        return {"text/markdown": text, "text/plain": "figure", "image/png": base64.b64encode(png.getvalue()).decode()}


class Text:
    """Any MyST."""

    def __init__(self, text):
        self.text = text

    def _repr_markdown_(self):
        return self.text
'''

PACKAGE = {
    "__init__.py": '"""Sample."""\n',
    "models.py": '"""Sample model."""\n\nWIDTH = 6\n',
    "train.py": "def train():\n    from worked.models import WIDTH  # inside a function\n\n    return WIDTH\n",
    "symbols.py": '"""Nothing imports this but a page."""\n\nX = 1\n',
    "figures.py": FIGURE,
}


@dataclass(frozen=True)
class Book:
    """A book's folder, and how to build it."""

    root: Path

    @property
    def html(self) -> Path:
        """The built site."""
        return self.root / "_build" / "html"

    def write(self, path: str, text: str) -> Path:
        """Write a file of the book."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def build(self, *options: str, strict: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Jupyter Book; output and errors together in ``stdout``."""
        command = [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", *options]
        command += ["-W", "-n", "--keep-going"] if strict else []
        environment = {**os.environ, "PYTHONPATH": str(self.root / "code"), "NO_COLOR": "1"}
        return subprocess.run(
            command, cwd=self.root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


def make_book(root: Path, pages: dict[str, str]) -> Book:
    """A book of ``pages`` (name -> text) in the empty folder ``root``; the first page is the home page."""
    book = Book(root)
    for folder in ("_ext", "_static", "_templates"):
        shutil.copytree(ROOT / "book" / folder, root / "book" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", root)
    book.write("book/references.bib", (SAMPLE / "references.bib").read_text(encoding="utf-8"))
    first, *others = pages
    part = {"caption": "Part", "chapters": [{"file": name} for name in others]}
    toc = {"format": "jb-book", "root": first, "parts": [part]}
    book.write("_toc.yml", yaml.safe_dump(toc, sort_keys=False))
    for name, text in pages.items():
        book.write(f"{name}.md", text)
    for name, text in PACKAGE.items():
        book.write(f"code/worked/{name}", text)
    shutil.copy(ROOT / "code" / "worked" / "closure.py", root / "code" / "worked")  # the extensions use it
    return book


def sample_pages() -> dict[str, str]:
    """The sample pages, by the names they have in a book."""
    names = {"index": "index", "book/experiment": "experiment", "book/derivation": "derivation"}
    return {name: (SAMPLE / f"{stem}.md").read_text(encoding="utf-8") for name, stem in names.items()}

"""Repair what Sphinx and its extensions write against the rules of accessible HTML; each pattern says what is wrong."""

import hashlib
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

REPAIRS = [
    # sphinxcontrib-bibtex lists: a deprecated role, and a list whose children are no list items
    (re.compile(r' role="list"(?= class="citation-list")|(?<=<div class="citation-list") role="list"'), ""),
    (re.compile(r'(<div class="citation"[^>]*?) role="doc-biblioentry"'), r"\1"),
    # sphinx-togglebutton: a label that contradicts the text shown
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
]


def repaired(html: str) -> str:
    """``html`` with every repair made."""
    for pattern, replacement in REPAIRS:
        html = pattern.sub(replacement, html)
    return html


def repair_pages(app: Sphinx, exception: Exception | None) -> None:
    """Repair the pages of a finished HTML build."""
    if exception is not None or app.builder.format != "html":
        return
    for name in app.env.all_docs:
        page = Path(app.outdir, f"{name}.html")
        html = page.read_text(encoding="utf-8")
        if (better := repaired(html)) != html:
            page.write_text(better, encoding="utf-8")


def note_look(app: Sphinx, config: Config) -> None:
    """Let every page be written again when a style or template changed: Sphinx sees changes of pages alone."""
    look = hashlib.sha256()
    for folder in (*config.html_static_path, *config.templates_path):
        for path in sorted(Path(app.confdir, folder).rglob("*")):
            if path.is_file():
                look.update(path.name.encode() + b"\0" + path.read_bytes())
    config.worked_look = look.hexdigest()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_config_value("worked_look", "", "html")
    app.connect("config-inited", note_look)
    app.connect("build-finished", repair_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

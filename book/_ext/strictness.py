"""What makes a strict build strict: alternative text is required, and a build that went wrong leaves nothing to
reuse.

Sphinx shows a warning only when it reads or writes the page in question, so an incremental build after a failed one
could pass. While a build runs, and after one with warnings, ``_build/.unfinished`` exists; the next build then reads
and writes every page.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOG = logging.getLogger(__name__)
PICTURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp", ".*")


def unfinished(app: Sphinx) -> Path:
    """The mark of a build that is running or went wrong."""
    return Path(app.outdir).parent / ".unfinished"


def begin(app: Sphinx, config: Config) -> None:
    """Forget what an unfinished build left, before Sphinx loads it; mark this build as unfinished."""
    mark = unfinished(app)
    if mark.exists():
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)
    mark.touch()


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Take the mark away if nothing went wrong."""
    if exception is None and not app._warncount:
        unfinished(app).unlink(missing_ok=True)


def remove_old_pages(app: Sphinx, exception: Exception | None) -> None:
    """Remove what an earlier build wrote for pages that are no longer in the book."""
    if exception is not None or app.builder.format != "html":
        return
    sources = Path(app.outdir, "_sources")
    for source in sources.rglob("*.md"):
        name = source.relative_to(sources).with_suffix("").as_posix()
        if name not in app.env.all_docs:
            for file in (source, source.with_suffix(".ipynb"), Path(app.outdir, f"{name}.html")):
                file.unlink(missing_ok=True)


def require_alternative_text(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn of a picture without alternative text; a file's name is none.

    Not before the page is written: only then is it settled which of a cell's alternative outputs is shown.
    """
    for image in doctree.findall(nodes.image):
        text = image.get("alt", "").strip()
        if not text or text.lower().endswith(PICTURES):
            LOG.warning(
                "picture without alternative text: %s (give it :alt:)",
                image["uri"],
                location=(docname, image.line),
                type="strictness",
                subtype="alt",
            )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", begin)
    app.connect("build-finished", finish, priority=999)
    app.connect("build-finished", remove_old_pages)
    app.connect("doctree-resolved", require_alternative_text)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

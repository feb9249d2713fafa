"""Give the PDF what the HTML shows: parts, small provenance lines, marked verdicts, links to downloads.

The look itself (how ``provenance`` or ``claim`` print) is set in ``_config.yml``, ``latex_elements``.
"""

import posixpath

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

VERDICTS = ("supported", "not-supported", "undecided")


def latex(text: str) -> nodes.raw:
    """A piece of LaTeX that no other format shows."""
    return nodes.raw("", text, format="latex")


def mark_parts(app: Sphinx, doctree: nodes.document) -> None:
    """Put ``\\part`` before each captioned list of pages: Sphinx drops the captions."""
    for toctree in list(doctree.findall(addnodes.toctree)):
        if caption := toctree.get("caption"):
            toctree.parent.insert(toctree.parent.index(toctree), latex(rf"\part{{{caption}}}"))


class PrintedClasses(SphinxPostTransform):
    """Wrap what carries a class of ours in the LaTeX command of the same purpose."""

    formats = ("latex",)
    default_priority = 900

    def run(self, **kwargs: object) -> None:
        """Change the pages in place."""
        for paragraph in list(self.document.findall(nodes.paragraph)):
            if "provenance" in paragraph["classes"]:
                paragraph.insert(0, latex(r"\workedprovenance{"))
                paragraph.append(latex("}"))
        for inline in list(self.document.findall(nodes.inline)):
            if "claim" in inline["classes"]:
                verdict = next((name for name in VERDICTS if name in inline["classes"]), "undecided")
                inline["classes"] = [f"worked{verdict.replace('-', '')}"]
        for link in list(self.document.findall(addnodes.download_reference)):
            if "filename" in link:
                address = posixpath.join(self.config.html_baseurl, "_downloads", link["filename"])
                link.replace_self(nodes.reference("", link.astext(), refuri=address))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", mark_parts)
    app.add_post_transform(PrintedClasses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

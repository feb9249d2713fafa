"""Give the PDF what the HTML shows: a home page, parts, small provenance lines, marked verdicts, links to downloads.

The look itself (how ``provenance`` or ``verdict`` print) is set in ``_config.yml``, ``latex_elements``.
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


class HomePage(SphinxPostTransform):
    """Print the home page as a chapter without a number: Sphinx makes a chapter of each of its sections."""

    formats = ("latex",)
    default_priority = 5

    def run(self, **kwargs: object) -> None:
        """Change the book in place."""
        home = next(iter(self.document.findall(nodes.section)))
        title = home.next_node(nodes.title).astext()
        for section in [part for part in home.children if isinstance(part, nodes.section)]:
            heading = section.next_node(nodes.title)
            rubric = nodes.rubric("", "", *heading.children, ids=section["ids"])
            rubric["heading-level"] = 2
            section.replace_self([rubric, *(part for part in section.children if part is not heading)])
        home.insert(1, latex(rf"\chapter*{{{title}}}\markboth{{{title}}}{{{title}}}"))


class EmptyChapters(SphinxPostTransform):
    """Leave out a page of which only the title is left: LaTeX prints all references in one chapter at the end."""

    formats = ("latex",)
    default_priority = 900

    def run(self, **kwargs: object) -> None:
        """Change the book in place."""
        for section in list(self.document.findall(nodes.section)):
            if section.astext().strip() == section.next_node(nodes.title).astext():
                section.parent.remove(section)


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
            if "verdict" in inline["classes"]:
                verdict = next((name for name in VERDICTS if name in inline["classes"]), "undecided")
                inline["classes"] = [f"worked{verdict.replace('-', '')}"]
                if inline["ids"]:  # of a claim in a table; LaTeX's writer gives an inline node no label
                    place = inline.parent.index(inline)
                    inline.parent.insert(place, nodes.target("", "", ids=inline["ids"]))
                    inline["ids"] = []
        for link in list(self.document.findall(addnodes.download_reference)):
            if "filename" in link:
                address = posixpath.join(self.config.html_baseurl, "_downloads", link["filename"])
                link.replace_self(nodes.reference("", link.astext(), refuri=address))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", mark_parts)
    for transform in (HomePage, EmptyChapters, PrintedClasses):
        app.add_post_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

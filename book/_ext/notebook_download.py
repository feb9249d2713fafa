"""Publish every executable page as a notebook with its outputs, and offer it in the page's download menu.

The outputs come from jupyter-cache. An output written in MyST shows as directives anywhere but in this book, so it is
replaced by the page's own rendering: a figure by its PNG and its caption, anything else by HTML. Formulas stay TeX,
which Jupyter shows.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import nbformat
from docutils import nodes
from myst_nb.core.read import myst_nb_reader_plugin
from nbformat import NotebookNode
from nbformat.v4 import new_output
from page_cache import cache_of, executable
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

MYST = "text/markdown"


def rendered(builder: StandaloneHTMLBuilder, docname: str, node: nodes.Node) -> NotebookNode:
    """An output that shows ``node`` as HTML; links that were relative to the page point to the published site."""
    page = urljoin(builder.config.html_baseurl, builder.get_target_uri(docname))
    node = node.deepcopy()
    for link in node.findall(nodes.reference):
        if "refuri" in link or "refid" in link:
            link["refuri"] = urljoin(page, link.get("refuri") or f"#{link['refid']}")
            link.attributes.pop("refid", None)
    for box in node.findall(nodes.Admonition):
        if not isinstance(box, nodes.admonition) and isinstance(box.children[0], nodes.title):
            box.pop(0)  # a title that Sphinx added when it wrote the page, and would add again
    html = builder.render_partial(node)["fragment"]
    return new_output("display_data", data={"text/html": html, "text/plain": node.astext()})


def portable(
    cell: NotebookNode, shown: nodes.Element, builder: StandaloneHTMLBuilder, docname: str
) -> list[NotebookNode]:
    """The outputs of ``cell``, those written in MyST as rendered in ``shown``, the cell's output on the page."""
    pictures = iter([output for output in cell.outputs if "image/png" in output.get("data", {})])
    outputs = []
    for child in shown.children:
        if isinstance(child, nodes.figure) and (picture := next(pictures, None)):
            alt = child.next_node(nodes.image)["alt"]
            data = {"image/png": picture.data["image/png"], "text/plain": alt}
            outputs.append(new_output("display_data", data=data))
            captions = [nodes.paragraph("", "", *part.deepcopy().children) for part in child.findall(nodes.caption)]
            legends = [part.deepcopy() for legend in child.findall(nodes.legend) for part in legend.children]
            child = nodes.container("", *captions, *legends)
        output = rendered(builder, docname, child)
        if output.data["text/html"].strip():  # a link's target shows nothing
            outputs.append(output)
    return outputs


def offer_notebook(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Write the notebook beside the page's source and name it to the theme (at html-page-context)."""
    path = Path(app.env.doc2path(docname)) if docname in app.env.all_docs else None
    if doctree is None or path is None or not executable(path):
        return
    _, notebook = cache_of(app.env).merge_match_into_notebook(myst_nb_reader_plugin(str(path)))
    for key in ("source_map", "depends"):
        notebook.metadata.pop(key, None)
    for node in doctree.findall(nodes.container):
        if node.get("nb_element") != "cell_code":
            continue
        cell = notebook.cells[node["cell_index"]]  # cells tagged remove-cell have no node
        shown = next((part for part in node.children if part.get("nb_element") == "cell_code_output"), None)
        if shown is not None and any(MYST in output.get("data", {}) for output in cell.outputs):
            cell.outputs = portable(cell, shown, app.builder, docname)  # type: ignore[arg-type]
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # random by default; a build should give the same files again
    nbformat.validate(notebook)
    target = Path(app.outdir, "_sources", f"{docname}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    context["ipynb_source"] = f"{docname}.ipynb"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("html-page-context", offer_notebook, priority=400)  # before the theme makes its buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}

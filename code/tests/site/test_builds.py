"""Strictness, and that pages are executed when their inputs change and only then; each test builds a real book."""

import os
import time
from pathlib import Path

import nbformat
from html_fixes import repaired
from sample_book import SITE, Book, make_book


def test_the_sample_book_builds(built: Book) -> None:
    html = (built.html / "book" / "experiment.html").read_text(encoding="utf-8")
    assert 'alt="Accuracy: it rises, &quot;really&quot;, to 0.9 (n = 5)."' in html
    assert '<span class="verdict supported">supported</span>' in html
    assert 'class="provenance"' in html
    assert "_images/sample-accuracy.svg" in html
    assert (built.html / "_static" / "mathjax" / "tex-chtml-full.js").is_file()
    assert not (built.root / "_build" / ".unfinished").exists()


def test_the_notebook_carries_its_outputs_without_directives(built: Book) -> None:
    assert "_sources/book/experiment.ipynb" in (built.html / "book" / "experiment.html").read_text(encoding="utf-8")
    notebook = nbformat.read(built.html / "_sources" / "book" / "experiment.ipynb", 4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert "image/png" in kinds
    assert "text/markdown" not in kinds
    assert all(output.data["text/html"].strip() for output in outputs if "text/html" in output.get("data", {}))
    caption = next(output.data["text/html"] for output in outputs if "text/html" in output.get("data", {}))
    assert "Accuracy by epoch" in caption
    assert "Profile full" in caption
    assert 'href="https://' in caption  # no link is relative to the page
    assert (built.html / "_sources" / "book" / "derivation.ipynb").read_text(encoding="utf-8").count(">Warning<") == 1


def test_nothing_executes_twice_and_times_do_not_count(book: Book) -> None:
    for path in (*book.root.glob("code/worked/*.py"), *book.root.glob("book/*.md")):
        os.utime(path, (time.time() + 60,) * 2)
    done = book.build()
    assert done.returncode == 0, done.stdout
    assert "executes:" not in done.stdout


def test_an_edited_module_executes_its_own_pages_only_and_says_why(book: Book) -> None:
    book.write("code/worked/models.py", '"""Sample model."""\n\nWIDTH = 7\n')
    done = book.build()
    assert done.returncode == 0, done.stdout
    assert "pages: book/experiment executes: code/worked/models.py changed" in done.stdout
    assert "book/derivation executes" not in done.stdout


def test_a_changed_style_reaches_the_site_and_executes_nothing(book: Book) -> None:
    style = book.root / "book" / "_static" / "worked.css"
    style.write_text(style.read_text(encoding="utf-8") + "\n/* changed */\n", encoding="utf-8")
    done = book.build()
    assert done.returncode == 0, done.stdout
    assert "executes:" not in done.stdout
    assert "/* changed */" in (book.html / "_static" / "worked.css").read_text(encoding="utf-8")


def test_a_lost_file_and_a_changed_cell_are_noticed(book: Book) -> None:
    next(book.root.glob("_build/pages/book/experiment/*.csv")).unlink()
    page = book.root / "book" / "derivation.md"
    page.write_text(page.read_text(encoding="utf-8").replace("2 x", "2 y"), encoding="utf-8")
    done = book.build()
    assert "book/experiment executes: its file sample-accuracy.csv is missing" in done.stdout
    assert "book/derivation executes: its code cells changed" in done.stdout
    assert "2 y" in (book.html / "book" / "derivation.html").read_text(encoding="utf-8")


def test_a_failing_cell_fails_the_strict_and_the_plain_build(book: Book) -> None:
    page = book.root / "book" / "derivation.md"
    good = page.read_text(encoding="utf-8")
    page.write_text(good.replace("Text(f", "print(1 / 0)\nText(f"), encoding="utf-8")
    for strict in (True, False):
        done = book.build(strict=strict)
        assert done.returncode != 0
        assert "code cell 1 of" in done.stdout
        assert "ZeroDivisionError: division by zero" in done.stdout


FAULTS = {
    "![](book/_static/logo.svg)": "picture without alternative text: book/_static/logo.svg",
    "![favicon.svg](book/_static/favicon.svg)": "picture without alternative text: book/_static/favicon.svg",
    "{ref}`nowhere`": "undefined label: 'nowhere'",
    "[gone](repo:code/gone.py)": "no such file in the repository: code/gone.py",
    "[gone](gone.md)": "'myst' cross-reference target not found: 'gone.md'",
    "{cite:p}`nobody`": 'could not find bibtex key "nobody"',
}


def test_each_fault_is_named_and_fails_this_build_and_the_next(tmp_path: Path) -> None:
    book = make_book(tmp_path, {"index": "# Home\n\n" + "\n\n".join(FAULTS), "other": "# Other\n"})
    for _ in range(2):  # the second would read nothing if the first had left its work
        done = book.build()
        assert done.returncode != 0
        assert [message for message in FAULTS.values() if message not in done.stdout] == []


def test_a_page_that_is_gone_leaves_the_site(book: Book) -> None:
    toc = (book.root / "_toc.yml").read_text(encoding="utf-8")
    book.write("_toc.yml", toc.replace("- file: book/derivation", ""))
    book.build(strict=False)
    assert not (book.html / "book" / "derivation.html").exists()
    assert (book.html / "book" / "experiment.html").is_file()


def test_print_has_what_the_site_has(book: Book) -> None:
    done = book.build("--builder", "latex")
    assert done.returncode == 0, done.stdout
    assert "executes:" not in done.stdout
    tex = (book.root / "_build" / "latex" / "worked.tex").read_text(encoding="utf-8")
    for piece in (
        r"\chapter*{Worked}",
        r"\part{Part}",
        r"\chapter{A sample experiment}",
        r"{{sample-accuracy}.pdf}",
        r"\caption{Accuracy by epoch, with \(a^2\)",
        r"\workedprovenance{Profile full",
        r"\DUrole{workednotsupported}{not supported}",
        r"experiment:claim-in-table}",
        rf"\sphinxhref{{{SITE}\_downloads/",
    ):
        assert piece in tex, piece


def test_html_repairs() -> None:
    bad = '<div role="list" class="citation-list"><div class="citation" id="a" role="doc-biblioentry">x</div></div>'
    assert repaired(bad) == '<div class="citation-list"><div class="citation" id="a">x</div></div>'
    assert repaired('<ul role="list">') == '<ul role="list">'

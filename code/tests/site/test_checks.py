"""The checks of a built site find what they look for."""

from pathlib import Path

import pytest
from browser_check import check, chromium
from link_check import dead_links

GOOD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Good</title>
<link rel="icon" href="data:,"></head>
<body><main><h1>Good</h1><p>Text with <a href="#here">a link</a> to <em id="here">here</em>.</p></main></body></html>"""

# what the page is broken with -> what the check must say
BROKEN = {
    '<img src="https://example.org/a.png" alt="elsewhere">': "third-party request: https://example.org/a.png",
    "<script>throw new Error('broken script')</script>": "script error: broken script",
    '<img src="missing.png" alt="missing">': "HTTP 404",
    '<div style="width: 2000px">wide</div>': "overflow: the page is",
    '<div style="overflow: auto; width: 300px" tabindex="0"><table><caption>Wide</caption><tr><th>A</th></tr><tr>'
    '<td style="min-width: 400px">1</td></tr></table></div>': "a table scrolls: Wide",
    '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">': "axe image-alt",
    "<table><tr><th></th></tr><tr><td>1</td></tr></table>": "axe empty-table-header",
    '<p style="color: #bbb; background: #fff">pale</p>': "axe color-contrast",
    '<span class="math">x</span><mjx-container><mjx-merror>Undefined control sequence</mjx-merror></mjx-container>': (
        "formula error: Undefined control sequence"
    ),
}


# what is broken in the dark only -> what the check must say
DARK = {
    "<style>@media (prefers-color-scheme: dark) { p.night { color: #222; background: #000 } }</style>"
    '<p class="night">sooty</p>': "axe color-contrast",
    "<style>@media (prefers-color-scheme: dark) { h1 { background: url(night.png) } }</style>": "HTTP 404: night.png",
    "<style>@media (prefers-color-scheme: dark) { h1 { width: 2000px } }</style>": "overflow: the page is",
    "<script>document.documentElement.dataset.theme = 'light'</script>": "theme: the page is light where dark is asked",
}


def test_the_browser_check_looks_at_the_dark_page_too(tmp_path: Path) -> None:
    if not chromium():
        pytest.skip("needs Chromium")
    for n, broken in enumerate(DARK):
        (tmp_path / f"{n}.html").write_text(GOOD.replace("</main>", broken + "</main>"), encoding="utf-8")
    faults = check(tmp_path)
    for n, said in enumerate(DARK.values()):
        places = {place for fault, seen in faults.items() if fault.startswith(said) for place in seen}
        assert places == {f"{n}.html (dark, {width} px)" for width in (1280, 375)}, said
    assert all("(dark" in place for seen in faults.values() for place in seen)


def test_the_browser_check_finds_each_fault_and_no_other(tmp_path: Path) -> None:
    if not chromium():
        pytest.skip("needs Chromium")
    (tmp_path / "good.html").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.html").write_text(GOOD.replace("</main>", "".join(BROKEN) + "</main>"), encoding="utf-8")
    faults = check(tmp_path)
    assert [said for said in BROKEN.values() if not any(fault.startswith(said) for fault in faults)] == []
    assert not [place for places in faults.values() for place in places if place.startswith("good")]


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("#nowhere", "a.html: #nowhere: no such anchor"),
        ("gone.html", "a.html: gone.html: no such file"),
        ("b.html#nowhere", "a.html: b.html#nowhere: no such anchor"),
        ("b.html#here", None),
        ("https://example.org/", None),
    ],
)
def test_the_link_check_finds_dead_links(tmp_path: Path, target: str, fault: str | None) -> None:
    (tmp_path / "a.html").write_text(f'<a href="{target}">x</a>', encoding="utf-8")
    (tmp_path / "b.html").write_text('<p id="here">x</p>', encoding="utf-8")
    assert dead_links(tmp_path) == ([fault] if fault else [])


def test_a_site_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make html"):
        dead_links(tmp_path)

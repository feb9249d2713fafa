"""Follow every link inside a built site: each must lead to a file that exists and an anchor that the file has.

    python code/tests/site/link_check.py _build/html

Links to other hosts are counted, not followed. Exits with 1 if any link is dead.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Links(HTMLParser):
    """What a page points to, and the anchors it offers."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = {"", "top"}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Collect the attributes that matter."""
        for name, value in attributes:
            if name in ("href", "src") and value is not None:
                self.targets.add(value)
            elif value and (name == "id" or (tag, name) == ("a", "name")):
                self.anchors.add(value)


def read(page: Path) -> Links:
    """Links and anchors of a page."""
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


def dead_links(root: Path) -> list[str]:
    """One line for each dead link of the site under ``root``."""
    pages = {page: read(page) for page in sorted(root.rglob("*.html")) if "_static" not in page.relative_to(root).parts}
    if not pages:
        raise SystemExit(f"no page to check in {root}: build the site first (make html)")
    dead, followed, outside = [], 0, 0
    for page, links in pages.items():
        for target in sorted(links.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                outside += 1
                continue
            followed += 1
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
            anchors = pages[at].anchors if (at := root / file.relative_to(root.resolve())) in pages else None
            if not file.exists():
                dead.append(f"{page.relative_to(root)}: {target}: no such file")
            elif anchors is not None and unquote(parts.fragment) not in anchors:
                dead.append(f"{page.relative_to(root)}: {target}: no such anchor")
    print(f"followed {followed} links on {len(pages)} pages; {outside} lead to other hosts and were left alone")
    return dead


def main(arguments: list[str]) -> int:
    """Run the check; the exit status."""
    if len(arguments) != 1:
        print("usage: link_check.py FOLDER", file=sys.stderr)
        return 2
    dead = dead_links(Path(arguments[0]))
    print("\n".join(dead) or "no dead link")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Open every page of a built site in Chromium and report what is wrong with it.

    python code/tests/site/browser_check.py _build/html [--pages TEXT] [--screenshots FOLDER]

Faults: a request to another host, a script error, a failed request, a formula that MathJax could not set, a page
wider than its window, a table that scrolls on a desktop, and anything that axe finds against WCAG 2.2 AA or its best
practices; at 1280 and 375 px, light and, without loading it again, dark, where of axe's rules only contrast can differ.
Exits with 1 if there is any. Needs Chromium: $CHROMIUM, or ``chromium`` on the PATH.
"""

import argparse
import functools
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, Request, Response, sync_playwright

AXE_RULES = {  # what axe is asked for, by colour scheme in the order of looking
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "dark": {"type": "rule", "values": ["color-contrast"]},
}
SIZES = [(1280, 900), (375, 800)]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MEASURE = """async (scheme) => {
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
    const formulas = document.querySelectorAll('.math').length;
    const root = document.documentElement;
    for (let n = 0; n < 40 && root.dataset.theme && root.dataset.theme != scheme; n++)  // it is told of a change later
        await new Promise(done => setTimeout(done, 25));
    return {
        formulas, set: document.querySelectorAll('mjx-container').length,
        errors: [...document.querySelectorAll('mjx-merror, merror')].map(e => e.textContent),
        overflow: root.scrollWidth - root.clientWidth,
        tables: [...document.querySelectorAll('main table')]
            .filter(t => innerWidth > 1000 && t.parentElement.scrollWidth > t.parentElement.clientWidth + 1)
            .map(t => (t.caption || t).innerText.trim().slice(0, 60)),
        theme: root.dataset.theme,
    };
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve ``folder`` on this machine; gives the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def axe_source() -> str:
    """Source of axe-core, as the package axe-playwright-python brings it."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def chromium() -> str | None:
    """Path of the browser, if there is one."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def opened(page: Page, address: str, base: str, axe: str) -> dict[str, None]:
    """Open ``address`` in ``page``: the faults of its requests and scripts so far, to which later ones are added."""
    found: dict[str, None] = {}

    def outside(url: str) -> bool:
        return not url.startswith((base, "data:", "blob:"))

    def on_request(request: Request) -> None:
        if outside(request.url):
            found[f"third-party request: {request.url}"] = None

    def on_response(response: Response) -> None:
        if response.status >= 400:
            found[f"HTTP {response.status}: {response.url.removeprefix(base)}"] = None

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            found[f"console: {message.text}"] = None

    page.on("request", on_request)
    page.on("response", on_response)
    page.on("console", on_console)
    page.on("pageerror", lambda error: found.update({f"script error: {error}": None}))
    page.route(outside, lambda route: route.abort())
    page.goto(address, wait_until="load")
    page.add_style_tag(content="* { transition: none !important }")  # or axe sees colours on their way
    page.evaluate(axe)
    return found


def faults_in(page: Page, scheme: str, rules: Collection[str]) -> Iterator[str]:
    """One line for each fault of an open page in a colour scheme."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    seen = page.evaluate(MEASURE, scheme)
    page.wait_for_timeout(100)  # what scripts do after loading
    yield from (f"formula error: {text}" for text in seen["errors"])
    if seen["formulas"] and not seen["set"]:
        yield f"formulas: none of {seen['formulas']} was set"
    if seen["overflow"] > 0:
        yield f"overflow: the page is {seen['overflow']} px wider than its window"
    yield from (f"a table scrolls: {text}" for text in seen["tables"])
    if seen.get("theme") not in (None, scheme):
        yield f"theme: the page is {seen['theme']} where {scheme} is asked for"
    # axe describes every node that passes, too, unless told otherwise: more than half of its time on a long page.
    # It also fetches style sheets, for no rule that is asked for here.
    options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
    result = page.evaluate("options => axe.run(document, options)", options)
    for violation in result["violations"]:
        for node in violation["nodes"]:
            yield f"axe {violation['id']}: {violation['help']}: {node['html'][:160]}"


def check_size(
    size: tuple[int, int], names: list[str], base: str, executable: str, screenshots: Path | None
) -> dict[str, list[str]]:
    """Faults of the pages ``names`` in a window of one size: fault -> where it was seen."""
    width, height = size
    axe = axe_source()
    faults: dict[str, list[str]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        context = browser.new_context(viewport={"width": width, "height": height})
        for name in names:
            page = context.new_page()
            loading = opened(page, base + name, base, axe)
            for scheme, rules in AXE_RULES.items():
                seen = list(faults_in(page, scheme, rules))
                for fault in (*seen, *loading):
                    faults.setdefault(fault, []).append(f"{name} ({scheme}, {width} px)")
                loading.clear()
                if screenshots:
                    screenshots.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=screenshots / f"{name.replace('/', '-')}.{scheme}-{width}.png", full_page=True)
            page.close()
        browser.close()
    return faults


def check(root: Path, only: str = "", screenshots: Path | None = None) -> dict[str, list[str]]:
    """Faults of every page whose path contains ``only``: fault -> where it was seen."""
    pages = [path.relative_to(root) for path in sorted(root.rglob("*.html"))]
    names = [path.as_posix() for path in pages if "_static" not in path.parts and only in path.as_posix()]
    if not names:
        raise SystemExit(f"no page to check in {root}: build the site first (make html)")
    executable = chromium()
    if not executable:
        raise SystemExit("Chromium is missing: install it (Debian: apt-get install chromium) or name it in $CHROMIUM")
    faults: dict[str, list[str]] = {}
    # playwright's synchronous interface wants a thread of its own for each browser
    with served(root) as base, ThreadPoolExecutor(max_workers=len(SIZES)) as sizes:
        for found in sizes.map(lambda size: check_size(size, names, base, executable, screenshots), SIZES):
            for fault, places in found.items():
                faults.setdefault(fault, []).extend(places)
    print(f"checked {len(names)} pages in {len(SIZES) * len(AXE_RULES)} views with Chromium and axe")
    return faults


def main(arguments: list[str]) -> int:
    """Run the check; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("root", type=Path, help="the built site")
    parser.add_argument("--pages", default="", metavar="TEXT", help="only pages whose path contains TEXT")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="keep a picture of every page and view")
    options = parser.parse_args(arguments)
    faults = check(options.root, options.pages, options.screenshots)
    for fault, places in faults.items():
        print(f"{fault}\n    {places[0]}" + (f" and {len(places) - 1} more" if len(places) > 1 else ""))
    print("no fault" if not faults else f"{len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Open every page of a built site in Chromium and report what is wrong with it.

    python code/tests/site/browser_check.py _build/html [--pages TEXT] [--screenshots FOLDER]

Faults: a request to another host, a script error, a failed request, a formula that MathJax could not set, a page wider than its
window, and anything that axe finds against WCAG 2.2 AA or its best practices; at 1280 and 375 px, light and dark. Exits with 1
if there is any. Needs Chromium ($CHROMIUM, or ``chromium`` on the PATH) and, the first time, npm for axe-core.
"""

import argparse
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

AXE_VERSION = "4.14.1"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIEWS = [(scheme, size) for size in ((1280, 900), (375, 800)) for scheme in ("light", "dark")]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
MEASURE = """async () => {
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
    const formulas = document.querySelectorAll('.math').length;
    const root = document.documentElement;
    return {
        formulas, set: document.querySelectorAll('mjx-container').length,
        errors: [...document.querySelectorAll('mjx-merror, merror')].map(e => e.textContent),
        overflow: root.scrollWidth - root.clientWidth,
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


def axe_source(folder: Path) -> str:
    """Source of axe-core, installed into ``folder`` by npm if it is not there."""
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        command = ["npm", "install", "--silent", "--no-save", "--prefix", str(folder), f"axe-core@{AXE_VERSION}"]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"axe-core could not be installed with npm ({error}); install Node and try again") from None
    return script.read_text(encoding="utf-8")


def faults_of(page: Page, address: str, base: str, axe: str) -> Iterator[str]:
    """Open ``address`` in ``page`` and give one line per fault."""
    found: list[str] = []

    def outside(url: str) -> bool:
        return not url.startswith((base, "data:", "blob:"))

    page.on("request", lambda request: outside(request.url) and found.append(f"third-party request: {request.url}"))
    page.on("response", lambda reply: reply.status >= 400 and found.append(f"HTTP {reply.status}: {reply.url}"))
    page.on("pageerror", lambda error: found.append(f"script error: {error}"))
    page.on("console", lambda line: line.type == "error" and found.append(f"console: {line.text}"))
    page.route(outside, lambda route: route.abort())
    page.goto(address, wait_until="load")
    seen = page.evaluate(MEASURE)
    page.wait_for_timeout(100)  # what scripts do after loading
    yield from dict.fromkeys(found)
    yield from (f"formula error: {text}" for text in seen["errors"])
    if seen["formulas"] and not seen["set"]:
        yield f"formulas: none of {seen['formulas']} was set"
    if seen["overflow"] > 0:
        yield f"overflow: the page is {seen['overflow']} px wider than its window"
    page.evaluate(axe)
    result = page.evaluate("tags => axe.run(document, {runOnly: tags})", AXE_TAGS)
    for violation in result["violations"]:
        for node in violation["nodes"]:
            yield f"axe {violation['id']}: {violation['help']}: {node['html'][:160]}"


def check(root: Path, axe: str, only: str = "", screenshots: Path | None = None) -> dict[str, list[str]]:
    """Faults of every page whose path contains ``only``: fault -> where it was seen."""
    pages = [p for p in sorted(root.rglob("*.html")) if "_static" not in p.parts and only in p.relative_to(root).as_posix()]
    if not pages:
        raise SystemExit(f"no page to check in {root}: build the site first (make html)")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        raise SystemExit("Chromium is missing: install it (Debian: apt-get install chromium) or name it in $CHROMIUM")
    faults: dict[str, list[str]] = {}
    with served(root) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for scheme, (width, height) in VIEWS:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            for path in pages:
                name = path.relative_to(root).as_posix()
                page = context.new_page()
                for fault in faults_of(page, base + name, base, axe):
                    faults.setdefault(fault, []).append(f"{name} ({scheme}, {width} px)")
                if screenshots:
                    screenshots.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=screenshots / f"{name.replace('/', '-')}.{scheme}-{width}.png", full_page=True)
                page.close()
            context.close()
        browser.close()
    print(f"checked {len(pages)} pages in {len(VIEWS)} views with Chromium and axe {AXE_VERSION}")
    return faults


def main(arguments: list[str]) -> int:
    """Run the check; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("root", type=Path, help="the built site")
    parser.add_argument("--pages", default="", metavar="TEXT", help="only pages whose path contains TEXT")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="keep a picture of every page and view")
    parser.add_argument("--tools", type=Path, default=Path("_build/tools"), help="where axe-core is installed")
    options = parser.parse_args(arguments)
    faults = check(options.root, axe_source(options.tools), options.pages, options.screenshots)
    for fault, places in faults.items():
        print(f"{fault}\n    {places[0]}" + (f" and {len(places) - 1} more" if len(places) > 1 else ""))
    print("no fault" if not faults else f"{len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Execute the pages whose inputs changed, in parallel, before Sphinx reads anything; say why; keep the results.

Beside the jupyter-cache (``_build/.jupyter_cache``) stand ``_build/pages/manifest.json``, the inputs that each cached
result was computed from, and ``_build/pages/<page>/``, the files that its cells wrote (they find the folder in
``WORKED_PAGE_FILES``). MyST-NB then takes every output from the cache. A page is read again when its manifest entry
differs from the one it was last read with, so an interrupted build repairs itself: an entry is removed before its
page runs and written after the result is stored.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import forked_kernels
import nbformat
from dependencies import code_cells, digest, modules_of, page_inputs, reason, studies
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

LOG = logging.getLogger(__name__)
TRACEBACK_LINES = 12  # of a failing cell, the last ones


@dataclass(frozen=True)
class Page:
    """One executable page: its notebook as read, its inputs, and where its cells may write files."""

    name: str
    path: Path
    notebook: NotebookNode
    inputs: dict[str, str]
    files: Path


def executable(path: Path) -> bool:
    """Whether MyST-NB takes the page for a notebook (its front matter says so)."""
    return path.suffix == ".md" and is_myst_markdown_notebook(path.read_text(encoding="utf-8"))


def execute(
    path: Path, source: str, files: Path, threads: int, timeout: int | None, fork: bool
) -> tuple[str, str, float]:
    """Run a notebook (as JSON) in its page's folder; return it executed, the error or "", and the seconds it took.

    Called in a process of its own, one per page at a time. ``fork``: whether its kernel is forked from one process.
    """
    notebook = nbformat.reads(source, as_version=4)
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    place = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=timeout, record_timing=False, resources=place)
    if fork:
        client.kernel_manager_class = forked_kernels.Manager
    client.extra_arguments = ["--log-level=40"]
    start, error = time.perf_counter(), ""
    try:
        client.execute(env={**os.environ, **limits, "WORKED_PAGE_FILES": str(files)})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as exc:
        number = client.code_cells_executed
        lines = re.sub(r"\x1b\[[\d;]*m", "", str(exc)).strip().splitlines()[-TRACEBACK_LINES:]
        error = f"code cell {number} of {path} failed:\n  " + "\n  ".join(lines)
    return nbformat.writes(notebook), error, time.perf_counter() - start


def cache_of(env: Any) -> JupyterCacheAbstract:
    """The jupyter-cache that MyST-NB uses in this build."""
    return get_cache(env.mystnb_config.execution_cache_path)


class PageCache:
    """The cached results of one book and what they were computed from."""

    def __init__(self, folder: Path, cache: JupyterCacheAbstract) -> None:
        """``folder``: manifest and files of the pages."""
        self.folder, self.cache = folder, cache
        self.manifest_path = self.folder / "manifest.json"
        self.manifest: dict[str, Any] = {}
        if self.manifest_path.is_file():
            try:
                self.manifest = json.loads(self.manifest_path.read_text(encoding="utf-8"))
            except json.JSONDecodeError:
                LOG.info("pages: the manifest is damaged; every page executes")

    def entry_digest(self, name: str) -> str:
        """Digest of a page's manifest entry: inputs, outputs and files."""
        return digest(json.dumps(self.manifest.get(name), sort_keys=True).encode())

    def stale(self, page: Page) -> str:
        """Why the page must be executed, or the empty string."""
        entry = self.manifest.get(page.name)
        if entry is None:
            return "it has no result yet"
        if why := reason(entry["inputs"], page.inputs):
            return why
        if missing := [name for name in entry["files"] if not (page.files / name).is_file()]:
            return f"its file {missing[0]} is missing"
        try:
            self.cache.match_cache_notebook(page.notebook)
        except KeyError:
            return "its cached result is missing"
        return ""

    def write_manifest(self) -> None:
        """Replace the manifest in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.manifest_path.with_suffix(".partial")
        partial.write_text(json.dumps(self.manifest, indent=1, sort_keys=True), encoding="utf-8")
        partial.replace(self.manifest_path)

    def forget(self, pages: list[Page]) -> None:
        """Drop the entries of pages that are about to be executed."""
        for page in pages:
            self.manifest.pop(page.name, None)
        self.write_manifest()

    def store(self, page: Page, source: str, seconds: float) -> None:
        """Keep an executed page (``source``: notebook as JSON), then say so in the manifest."""
        notebook = nbformat.reads(source, as_version=4)
        bundle = CacheBundleIn(notebook, str(page.path), data={"execution_seconds": seconds})
        self.cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        files = {
            path.relative_to(page.files).as_posix(): digest(path.read_bytes())
            for path in sorted(page.files.rglob("*"))
            if path.is_file()
        }
        outputs = [cell.get("outputs", []) for cell in notebook.cells]
        self.manifest[page.name] = {
            "inputs": page.inputs,
            "files": files,
            "outputs": digest(json.dumps(outputs, sort_keys=True).encode()),
        }
        self.write_manifest()

    def refresh(self, pages: list[Page], timeout: int | None) -> None:
        """Execute the stale ones among ``pages``; raise with every failing cell."""
        reasons = {page.name: self.stale(page) for page in pages}
        todo = [page for page in pages if reasons[page.name]]
        if not todo:
            return
        for page in todo:
            LOG.info("pages: %s executes: %s", page.name, reasons[page.name])
        self.forget(todo)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = min(len(todo), cores)
        # A few pages are not worth a process that imports everything; elsewhere a fork is not safe.
        fork = sys.platform == "linux" and len(todo) > 2 * workers
        errors = []
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            jobs = {
                pool.submit(
                    execute, page.path, nbformat.writes(page.notebook), page.files, cores // workers, timeout, fork
                ): page
                for page in todo
            }
            for job in as_completed(jobs):
                page = jobs[job]
                source, error, seconds = job.result()
                if error:
                    errors.append(error)
                else:
                    self.store(page, source, seconds)
                    LOG.info("pages: %s executed in %.1f s", page.name, seconds)
        if errors:
            raise ExtensionError("\n".join(errors))


def run_missing_studies(root: Path, slugs: list[str]) -> None:
    """Let the package complete the records that pages need, by the policy in ``$WORKED_RESULTS``."""
    if not slugs:
        return
    done = subprocess.run([sys.executable, "-m", "worked", "run", "--for-build", *slugs], cwd=root)
    if done.returncode:
        raise ExtensionError(f"`worked run --for-build {' '.join(slugs)}` failed; its message stands above")


class Results:
    """Connects one build to the page cache."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}  # page -> digest of the result that holds now

    def refresh(self, app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
        """Bring every page's result up to date (at env-get-outdated); return the pages last read with another one."""
        root, build = Path(app.srcdir), Path(app.outdir).parent
        listed = {name: path for name in sorted(env.found_docs) if executable(path := Path(env.doc2path(name)))}
        notebooks = {name: myst_nb_reader_plugin(str(path)) for name, path in listed.items()}
        run_missing_studies(root, studies(modules_of(chain(*map(code_cells, notebooks.values())))))
        cache = PageCache(build / "pages", cache_of(env))
        pages = [
            Page(name, path, notebooks[name], page_inputs(notebooks[name], root), cache.folder / name)
            for name, path in listed.items()
        ]
        cache.refresh(pages, app.config.nb_execution_timeout)
        self.digests = {page.name: cache.entry_digest(page.name) for page in pages}
        read = getattr(env, "worked_results_read", {})
        return [name for name, now in self.digests.items() if name in env.all_docs and read.get(name) != now]

    def remember(self, app: Sphinx, docname: str, source: list[str]) -> None:
        """Note in the environment with which result a page is being read (at source-read)."""
        app.env.worked_results_read = {  # type: ignore[attr-defined]
            **getattr(app.env, "worked_results_read", {}),
            docname: self.digests.get(docname),
        }


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    results = Results()
    app.connect("env-get-outdated", results.refresh)
    app.connect("source-read", results.remember)
    return {"parallel_read_safe": False, "parallel_write_safe": True}

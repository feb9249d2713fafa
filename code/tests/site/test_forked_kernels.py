"""Pages whose kernels are forked from one process: the same results, and nothing passes from one page to another."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import forked_kernels
import nbformat
import pytest
from forked_kernels import IMPORTED, Server
from page_cache import execute

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")


def run(folder: Path, *cells: str, fork: bool = True) -> tuple[list[str], str]:
    """What the cells print, and the error."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    page = folder / "page.md"
    done, error, _ = execute(page, nbformat.writes(notebook), folder / "files", 1, 60, fork)
    outputs = [cell.outputs for cell in nbformat.reads(done, as_version=4).cells]
    return ["".join(output.get("text", "") for output in cell) for cell in outputs], error


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """No server is left behind."""
    yield
    Server.stop()


def test_a_forked_kernel_prints_what_another_prints(tmp_path: Path) -> None:
    cells = (
        "import os, sys, pathlib\nprint(os.environ['WORKED_PAGE_FILES'], os.environ['OMP_NUM_THREADS'])",
        "print(pathlib.Path.cwd())",
        "print(sys.path, __name__, len(sys.argv))",
        "import torch\nprint(torch.get_num_threads())",
    )
    assert run(tmp_path, *cells, fork=True) == run(tmp_path, *cells, fork=False)


def test_the_libraries_are_there_before_the_page_imports_them(tmp_path: Path) -> None:
    asked = "import sys\nprint([name in sys.modules for name in ('torch', 'sympy', 'worked', 'page_cache')])"
    assert {"torch", "sympy"} <= set(IMPORTED)
    assert run(tmp_path, asked)[0] == ["[True, True, False, False]\n"]


def test_nothing_passes_from_one_page_to_another(tmp_path: Path) -> None:
    assert run(tmp_path, "import torch, os\nleft = torch.left = 1\nos.environ['LEFT'] = '1'") == ([""], "")
    asked = "import torch, os\nprint('left' in globals(), hasattr(torch, 'left'), 'LEFT' in os.environ)"
    assert run(tmp_path, asked) == (["False False False\n"], "")


def test_a_failing_cell_and_a_kernel_that_dies_are_told(tmp_path: Path) -> None:
    assert "ZeroDivisionError: division by zero" in run(tmp_path, "1 / 0")[1]
    assert "died" in run(tmp_path, "import os\nos._exit(0)")[1].lower()
    assert run(tmp_path, "print(2)") == (["2\n"], "")  # and the next page is none the worse


def test_a_server_that_died_is_replaced(tmp_path: Path) -> None:
    run(tmp_path, "1")
    assert Server.process
    Server.process.kill()
    Server.process.wait()
    assert run(tmp_path, "print(3)") == (["3\n"], "")


def test_a_server_that_cannot_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no such library')")
    Server.stop()
    monkeypatch.setattr(forked_kernels, "__file__", str(broken))
    for _ in range(2):  # whether it dies before it is asked or after
        with pytest.raises(RuntimeError, match="forked from has died"):
            Server.fork([], {}, str(tmp_path))


def test_a_kernel_ends_with_its_page(tmp_path: Path) -> None:
    ((number,), _) = run(tmp_path, "import os\nprint(os.getpid())")
    with pytest.raises(ProcessLookupError):
        os.kill(int(number), 0)

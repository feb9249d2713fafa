"""MathJax from the package sphinx-mathjax-offline, copied into the site: formulas need no other host.

Only the one script with all TeX extensions and the fonts are copied, 2 MB of the package's 24.
"""

from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset

SCRIPT, FONTS = "tex-chtml-full.js", "output/chtml/fonts"


def mathjax_folder() -> Path:
    """The installed package's files."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ExtensionError("MathJax is missing: pip install -r requirements.txt installs sphinx-mathjax-offline")
    return Path(spec.origin).parent / "static" / "mathjax"


def set_path(app: Sphinx, config: Config) -> None:
    """Tell Sphinx where pages find the script, relative to ``_static``."""
    config.mathjax_path = f"mathjax/{SCRIPT}"


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Copy script and fonts into an HTML build."""
    if exception is None and app.builder.format == "html":
        source, target = mathjax_folder(), Path(app.outdir, "_static", "mathjax")
        copy_asset(source / SCRIPT, target)
        copy_asset(source / FONTS, target / FONTS)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", set_path)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""One place for the repository's and the site's address; links into the repository.

``repository.url`` and ``html.baseurl`` in ``_config.yml`` are the addresses. In a GitHub workflow the environment of
the run overrides them, so a fork's site links to the fork; ``WORKED_SITE_URL`` overrides the site's address anywhere.
What needs an address (social cards' metadata, sitemap, buttons) takes it from these two.

``[text](repo:path)`` and ``[text](repo:path#L1-L9)`` become links to that file or folder at the current commit, on
the configured branch where there is no git checkout. A path that does not exist is a warning, so an error in a strict
build.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

LOG = logging.getLogger(__name__)
SCHEME = "repo:"


def addresses(repository: str, site: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Addresses of the repository and of the site, as configured unless the environment knows better."""
    if name := environment.get("GITHUB_REPOSITORY"):
        owner, _, project = name.partition("/")
        repository = f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
        owner = environment.get("GITHUB_REPOSITORY_OWNER", owner).lower()
        site = f"https://{owner}.github.io/" + ("" if project.lower() == f"{owner}.github.io" else f"{project}/")
    site = environment.get("WORKED_SITE_URL") or site
    return repository.rstrip("/"), site.rstrip("/") + "/"


def set_addresses(app: Sphinx, config: Config) -> None:
    """Give the two addresses to everything that needs one."""
    options = config.html_theme_options
    repository, site = addresses(options["repository_url"], config.html_baseurl, os.environ)
    options["repository_url"] = repository
    config.html_baseurl = config.ogp_site_url = site


def commit(root: Path) -> str | None:
    """The commit that is checked out in ``root``, None outside a git checkout of its own."""
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


class RepositoryLinks(SphinxPostTransform):
    """Resolve ``repo:`` links when a page is written."""

    default_priority = 5

    def run(self, **kwargs: object) -> None:
        """Replace the address of each link in place."""
        root = Path(self.app.srcdir)
        options = self.config.html_theme_options
        for link in self.document.findall(nodes.reference):
            if not link.get("refuri", "").startswith(SCHEME):
                continue
            path, _, fragment = link["refuri"].removeprefix(SCHEME).partition("#")
            if not (root / path).exists():
                LOG.warning("no such file in the repository: %s", path, location=link, type="addresses", subtype="repo")
            kind = "tree" if (root / path).is_dir() else "blob"
            version = commit(root) or options.get("repository_branch", "main")
            address = f"{options['repository_url']}/{kind}/{version}/{path}"
            link["refuri"] = f"{address}#{fragment}" if fragment else address


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", set_addresses)
    app.add_post_transform(RepositoryLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

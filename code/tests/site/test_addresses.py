"""The repository's and the site's address, and links into the repository."""

import subprocess
from pathlib import Path

import pytest
from addresses import addresses, commit
from sample_book import REPOSITORY, SITE, Book

CONFIGURED = ("https://github.com/a/b", "https://a.github.io/b/")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, CONFIGURED),
        ({"GITHUB_REPOSITORY": "Fork/worked"}, ("https://github.com/Fork/worked", "https://fork.github.io/worked/")),
        ({"GITHUB_REPOSITORY": "Me/me.github.io"}, ("https://github.com/Me/me.github.io", "https://me.github.io/")),
        (
            {"GITHUB_REPOSITORY": "o/p", "GITHUB_SERVER_URL": "https://ghe.example.org"},
            ("https://ghe.example.org/o/p", "https://o.github.io/p/"),
        ),
        ({"WORKED_SITE_URL": "https://x.example.org/w"}, (CONFIGURED[0], "https://x.example.org/w/")),
    ],
    ids=["configured", "fork", "user site", "other server", "site named"],
)
def test_the_environment_overrides(environment: dict[str, str], expected: tuple[str, str]) -> None:
    assert addresses(*CONFIGURED, environment) == expected


def test_commit_is_that_of_the_checkout(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    assert commit(tmp_path) is None  # no commit yet
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "m"], cwd=tmp_path, check=True)
    assert len(commit(tmp_path) or "") == 40


def test_links_lead_to_the_branch_outside_a_checkout(built: Book) -> None:
    html = (built.html / "book" / "experiment.html").read_text(encoding="utf-8")
    assert f'href="{REPOSITORY}/blob/main/code/worked/models.py#L1-L3"' in html
    assert "repo:" not in html


def test_everything_takes_the_sites_address_from_one_place(built: Book) -> None:
    assert f"<loc>{SITE}book/experiment.html</loc>" in (built.html / "sitemap.xml").read_text(encoding="utf-8")
    assert f'content="{SITE}book/experiment.html"' in (built.html / "book/experiment.html").read_text(encoding="utf-8")

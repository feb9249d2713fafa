"""The studies, one a module. They are listed by name and imported on request, so that each page depends on its own."""

import pkgutil
from importlib import import_module

from worked.study import Study, StudyError


def names() -> tuple[str, ...]:
    """Slugs of all studies, in alphabetical order."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def load(slug: str) -> Study:
    """The study called ``slug``; ``StudyError`` where there is none."""
    if slug not in names():
        raise StudyError(f"no study is called {slug!r}: expected one of {', '.join(names())}")
    return import_module(f"{__name__}.{slug.replace('-', '_')}").STUDY

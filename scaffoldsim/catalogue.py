"""Where a named thing is found: a design, material, experiment, cell type, host, factor, scene.

A name is looked for, in this order, as a path; in ``./scaffolds``, ``./configs``, ``./viz`` of the
folder the user stands in; in each folder of ``$SCAFFOLDSIM_PATH``; and in the installed catalogue.
So a user adds a material by writing one YAML file where they work.
"""

import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

#: kind → folder of the catalogue that holds its files
KINDS: dict[str, str] = {
    "designs": "scaffolds",
    "materials": "scaffolds/materials",
    "experiments": "configs",
    "cells": "configs/cells",
    "hosts": "configs/hosts",
    "organisms": "configs/organisms",
    "tissues": "configs/tissues",
    "vessels": "configs/vessels",
    "immunity": "configs/immunity",
    "loads": "configs/loads",
    "conditions": "configs/conditions",
    "genes": "configs/genes",
    "factors": "configs/factors",
    "fields": "configs/fields",
    "studies": "configs/studies",
    "tuning": "configs/tuning",
    "scenes": "viz/scenes",
    "reports": "viz/reports",
}
_SUFFIXES = {"reports": ".html"}


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a question with the known name nearest to `name`, to be put into a message, or "".

    Examples
    --------
    >>> did_you_mean("bpc", ["bcp", "pcl"])
    "; did you mean 'bcp'?"
    """
    text, names = str(name), sorted(known)
    # letters in another order are the likeliest slip, and difflib's measure does not see it
    same = [each for each in names if sorted(each) == sorted(text)]
    near = same or difflib.get_close_matches(text, names, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


class UnknownEntryError(ValueError):
    """A name the catalogue does not hold."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        self.kind, self.name, self.known = kind, name, known
        super().__init__(
            f"no {kind.removesuffix('s')} named {name!r}{did_you_mean(name, known)} "
            f"(known: {', '.join(known) or 'none'})"
        )


def roots() -> list[Path]:
    """The folders that are searched, first one first."""
    package = Path(__file__).resolve().parent
    installed = package / "_catalogue"
    extra = os.environ.get("SCAFFOLDSIM_PATH", "")
    found = [Path.cwd(), *(Path(part) for part in extra.split(os.pathsep) if part)]
    return [*found, installed if installed.is_dir() else package.parent]


def _files(kind: str) -> Iterator[Path]:
    if kind not in KINDS:
        raise UnknownEntryError("kinds", kind, list(KINDS))
    for root in roots():
        folder = root / KINDS[kind]
        if folder.is_dir():
            yield from sorted(folder.glob(f"*{_SUFFIXES.get(kind, '.yaml')}"))


def names(kind: str) -> list[str]:
    """Return the names of all entries of a `kind`, sorted.

    Examples
    --------
    >>> "bcp" in names("materials")
    True
    """
    return sorted({path.stem for path in _files(kind)})


def find(kind: str, name: str | os.PathLike[str]) -> Path:
    """Return the file of entry `name`; a path to a file is returned as it is.

    Raises
    ------
    UnknownEntryError
        If nothing by that name is found; the message lists what there is.
    """
    text = os.fspath(name)
    suffix = _SUFFIXES.get(kind, ".yaml")
    if (os.sep in text or text.endswith((suffix, ".yml"))) and Path(text).is_file():
        return Path(text)
    for path in _files(kind):
        if path.stem == text:
            return path
    raise UnknownEntryError(kind, text, names(kind))

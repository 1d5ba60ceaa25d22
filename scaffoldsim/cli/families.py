"""What families of geometry there are, what each can do, and what options it takes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

from scaffoldsim.cli.failures import BAD_INPUT, Failure


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and title of every family."""
    from scaffoldsim.scaffold.families import family_names, get_family

    for name in family_names():
        yield "families", name, get_family(name).title


def least_porosity() -> float:
    """Return the least porosity that criterion C4 allows."""
    from scaffoldsim.scaffold.criteria import MIN_POROSITY

    return MIN_POROSITY


def survey_rows(porosity: float, voxel: float) -> Iterator[tuple[str, ...]]:
    """Yield, after a head, what each family can do; those that can first."""
    from scaffoldsim.scaffold.feasibility import survey

    if not 0.02 <= porosity <= 0.995:
        raise Failure(BAD_INPUT, f"--porosity {porosity:g}: between 0.02 and 0.995 can be designed")
    found = []
    for each in survey(porosity, voxel):
        if sys.stderr.isatty():
            print(f"\r\x1b[K{each.name}", end="", file=sys.stderr, flush=True)
        found.append(each)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    yield "family", "can", "wall/pore", "pore/cell"
    for each in sorted(found, key=lambda one: (one.verdict().startswith("no"), one.least_pore)):
        yield (
            each.name,
            each.verdict(),
            f"{each.wall / each.pore:.3f}",
            f"{each.pore:.3f}",
        )


def text(name: str) -> str | None:
    """Return what there is to say of the family `name`; None if there is no such family."""
    from scaffoldsim.scaffold.families import family_names, get_family

    if name not in family_names():
        return None
    family = type(get_family(name))
    lines = [f"families/{name}  ({family.title})", inspect.getdoc(family) or ""]
    options = list(_options(family))
    if options:
        lines += ["", "Options, under options: in a design"]
        lines += [f"  {line}" for line in options]
    return "\n".join(lines)


def _options(family: Any) -> Iterator[str]:
    """Yield one line per option: name, default, what is allowed."""
    from pydantic import TypeAdapter

    from scaffoldsim.scaffold.families.base import option_types

    for option in fields(family):
        schema = TypeAdapter(option_types(family)[option.name]).json_schema()
        low, high = schema.get("minimum"), schema.get("maximum")
        allowed = ", ".join(map(str, schema.get("enum", ())))
        if low is not None:
            allowed = f"{low} to {high}" if high is not None else f"at least {low}"
        default = "" if option.default is MISSING else f"{option.default}"
        yield f"{option.name} = {default}  ({allowed or schema.get('type', '')})"

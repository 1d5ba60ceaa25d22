"""``list`` and ``describe``: what the catalogue holds."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from scaffoldsim import catalogue
from scaffoldsim.cli import behaviours, families
from scaffoldsim.cli.failures import BAD_INPUT, Failure, reading_input
from scaffoldsim.cli.runs import Changes, Quantity, quantity

_FAMILIES = "families"  # written in Python, so they are no files of the catalogue


def list_entries(
    kind: str | None = None, /, *, porosity: Quantity = None, voxel: Quantity = None
) -> None:
    """List what the catalogue holds, one line each: kind, name, title.

    Parameters
    ----------
    kind
        One kind, such as materials or families; all kinds by default.
    porosity
        With families: which of them can be built with this porosity, and from what pore size on.
    voxel
        With families and porosity: the edge of a voxel, "20 um" by default.
    """
    rows: list[tuple[str, ...]] = []
    if porosity is not None or voxel is not None:
        if kind != _FAMILIES or porosity is None:
            raise Failure(
                BAD_INPUT,
                "--porosity and --voxel go with families: "
                'scaffoldsim list families --porosity 0.92 --voxel "20 um"',
            )
        share = quantity("--porosity", porosity, "", example="")
        edge = quantity("--voxel", voxel or "20 um", "m", example="um")
        if edge <= 0:
            raise Failure(BAD_INPUT, f"--voxel {voxel}: must be positive, for example '20 um'")
        rows += families.survey_rows(share, edge)
        if share < families.least_porosity():
            print(
                f"below {families.least_porosity():.2f} criterion C4 is broken: a design needs "
                "criteria: report",
                file=sys.stderr,
            )
    elif kind is not None and kind not in (*catalogue.KINDS, _FAMILIES):
        hint = catalogue.did_you_mean(kind, [*catalogue.KINDS, _FAMILIES])
        raise Failure(
            BAD_INPUT,
            f"no kind named {kind!r}{hint} (known: {', '.join([*catalogue.KINDS, _FAMILIES])})",
        )
    elif kind == _FAMILIES:
        rows += families.rows()
    else:
        with reading_input():
            rows += [
                (each, name, _title(each, name))
                for each in ([kind] if kind else catalogue.KINDS)
                for name in catalogue.names(each)
            ]
        rows += [] if kind else families.rows()
    for line in _columns(rows):
        print(line)


def describe(
    name: str,
    /,
    *,
    yaml: Annotated[bool, Parameter(negative="")] = False,
    rules: Annotated[bool, Parameter(negative="")] = False,
    set: Changes = None,
) -> None:
    """Show an entry of the catalogue: every value with its unit, range, mark and source.

    Parameters
    ----------
    name
        A name, such as bcp or voronoi_foam; or kind and name, such as materials/bcp; or a Python
        file of behaviours, or one of them: quiet.py:Quiet.
    yaml
        Print the file itself, to be copied and changed.
    rules
        Of an experiment or configuration: print all its rules as the methods paragraph of a paper,
        each number with its source.
    set
        With rules: change a value first, KEY=VALUE; repeat for more.
    """
    if rules:
        _describe_rules(name, set or [], yaml=yaml)
        return
    if set:
        raise Failure(BAD_INPUT, "--set goes with --rules: scaffoldsim describe quickstart --rules")
    with reading_input(name):
        family = families.text(name.removeprefix(f"{_FAMILIES}/"))
        if family is not None and yaml:
            raise Failure(
                BAD_INPUT,
                f"{name!r} is a family, written in Python, and no YAML file; copy a design that "
                "uses it: scaffoldsim describe bcp_designed --yaml",
            )
        if family is not None:
            print(family)
            return
        told = None if yaml else behaviours.text(name)
        if told is not None:
            print(told)
            return
        found = list(_find(name))
        if yaml:
            print(_text(name, found), end="")
            return
        blocks = [_block(kind, entry, path) for kind, entry, path in found]
    print("\n\n".join(blocks))


def _describe_rules(name: str, changes: Sequence[str], *, yaml: bool) -> None:
    """Print the rules of the configuration that `name` means, wrapped to the width of a page."""
    if yaml:
        raise Failure(BAD_INPUT, "give either --rules or --yaml")
    with reading_input(name):
        from scaffoldsim.config import load
        from scaffoldsim.model.methods import paragraphs

        texts = paragraphs(load(name.removeprefix("experiments/"), set=changes))
    wrapped = [
        "\n".join(textwrap.fill(line, 96, subsequent_indent="  ") for line in text.splitlines())
        for text in texts
    ]
    print("\n\n".join(wrapped))


def _text(name: str, found: Sequence[tuple[str, str, Path]]) -> str:
    """Return the text of the one file that `name` means."""
    if len(found) > 1:
        ways = " or ".join(f"{kind}/{entry}" for kind, entry, _ in found)
        raise Failure(BAD_INPUT, f"{name!r} is the name of several things; write {ways}")
    path = found[0][2]
    if path.suffix not in (".yaml", ".yml"):
        raise Failure(BAD_INPUT, f"{name!r} is no YAML file: {_shown(path)}")
    return path.read_text(encoding="utf-8")


def _title(kind: str, name: str) -> str:
    path = catalogue.find(kind, name)
    if path.suffix == ".html":
        return ""
    data = _data(path)
    return str(data.get("title") or "") if isinstance(data, dict) else ""


def _data(path: Path) -> Any:
    from scaffoldsim import tree

    return tree.read(path).data


def _find(name: str) -> Iterator[tuple[str, str, Path]]:
    """Yield (kind, name, file) of every entry that `name` means."""
    kind, slash, rest = name.partition("/")
    if slash and kind in catalogue.KINDS:
        yield kind, rest, catalogue.find(kind, rest)
        return
    if os.sep in name or name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise Failure(BAD_INPUT, f"no such file: {name!r}")
        yield "file", name, Path(name)
        return
    kinds = [kind for kind in catalogue.KINDS if name in catalogue.names(kind)]
    if not kinds:
        everything = {entry for kind in catalogue.KINDS for entry in catalogue.names(kind)}
        hint = catalogue.did_you_mean(name, everything)
        raise Failure(
            BAD_INPUT, f"nothing in the catalogue is named {name!r}{hint} (see scaffoldsim list)"
        )
    for kind in kinds:
        yield kind, name, catalogue.find(kind, name)


def _block(kind: str, name: str, path: Path) -> str:
    head = f"{kind}/{name}" if kind in catalogue.KINDS else name
    lines = [f"{head}  ({_shown(path)})"]
    if path.suffix == ".html":
        return lines[0]
    data = _data(path)
    if isinstance(data, dict) and data.get("title"):
        lines.append(str(data["title"]))
    rows = [("key", "value", "range", "mark", "source"), *_rows(data, "")]
    return "\n".join([*lines, *("  " + line for line in _columns(rows))])


def _rows(node: Any, key: str) -> Iterator[tuple[str, ...]]:
    """Yield one row per value: key, value with its unit, range, mark, source."""
    if isinstance(node, dict) and "value" in node:
        limits = node.get("range")
        span = " to ".join(map(str, limits)) if isinstance(limits, list) else str(limits or "")
        yield (
            key,
            str(node["value"]),
            span,
            str(node.get("mark", "")),
            str(node.get("source", "")),
        )
    elif isinstance(node, dict):
        for name, child in node.items():
            if key or name not in ("schema", "title"):
                yield from _rows(child, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list) and any(isinstance(child, dict | list) for child in node):
        for index, child in enumerate(node):
            yield from _rows(child, f"{key}.{index}")
    else:
        text = ", ".join(map(str, node)) if isinstance(node, list) else str(node)
        yield (key, "" if node is None else text, "", "", "")


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else []
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _shown(path: Path) -> str:
    """Return the path as seen from here where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

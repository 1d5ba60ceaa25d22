"""``build`` and ``measure``: scaffolds without cells."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from scaffoldsim import catalogue
from scaffoldsim.cli.failures import BAD_INPUT, Failure, reading_input
from scaffoldsim.cli.places import require_file, require_folder, writing
from scaffoldsim.cli.runs import Changes, Flag, Quantity, quantity


def build(design: str, /, *, set: Changes = None, out: Path | None = None) -> None:
    """Design a scaffold to its constraints; its folder is printed on stdout.

    The folder holds scaffold.tif, scaffold.stl, morphometry.json and scaffold.png.

    Parameters
    ----------
    design
        A design of the catalogue, or a YAML file.
    set
        A change, KEY=VALUE, such as porosity=0.95; may be given several times.
    out
        The folder; <design>-build by default. One that exists is refused.
    """
    folder = out or Path(f"{Path(design).stem}-build")
    require_folder(folder)
    if folder.exists():
        raise Failure(BAD_INPUT, f"{folder} exists; name another folder with --out")
    _require_design(design, set)
    from scaffoldsim.render.still import render_scaffold
    from scaffoldsim.scaffold.scaffold import Scaffold

    with reading_input(design), _as_written(design, set):
        config = _config_of(design, set)
        try:
            scaffold = Scaffold.from_section(config.scaffold, config.faces.periodic)
        except ValueError as error:
            raise config.error(("scaffold",), str(error)) from error
    for note in scaffold.notes:
        print(note, file=sys.stderr)
    with writing(folder):
        scaffold.write(folder)
        picture = render_scaffold(
            scaffold.distance, scaffold.grid.voxel, folder / "scaffold.png", title=Path(design).stem
        )
    if picture.note:
        print(picture.note, file=sys.stderr)
    measured = json.loads((folder / "morphometry.json").read_text(encoding="utf-8"))
    for criterion in measured["criteria"]:
        print("{name}: {value:.4g} (limit {limit}) {verdict}".format(**criterion), file=sys.stderr)
    print(folder)


def measure(
    image: Path,
    /,
    *,
    voxel: Quantity = None,
    threshold: Annotated[str, Parameter(allow_leading_hyphen=True)] = "otsu",
    invert: Flag = False,
    out: Path | None = None,
) -> None:
    """Measure the pores of an image, and judge them; JSON on stdout.

    Parameters
    ----------
    image
        A stack of images in one TIFF file.
    voxel
        Edge of a voxel, such as "19.5 um"; needed where the file does not say.
    threshold
        Solid is what is brighter than this: a grey value, or otsu.
    invert
        Solid is what is darker.
    out
        A file for the JSON, in place of stdout.
    """
    if out is not None:
        require_file(out)
    edge = None if voxel is None else quantity("--voxel", voxel, "m", example="um")
    if edge == 0:
        raise Failure(BAD_INPUT, f"--voxel {voxel}: must be positive, for example '20 um'")
    level = _threshold(threshold)
    from scaffoldsim.scaffold.scaffold import Scaffold

    with reading_input(str(image)):
        scaffold = Scaffold.from_image(image, voxel=edge, threshold=level, invert=invert)
    morphometry = scaffold.measure()
    for criterion in morphometry.check():
        print(criterion, file=sys.stderr)
    if out is None:
        print(json.dumps(morphometry.to_dict(), indent=1))
    else:
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            print(morphometry.write(out))


def _config_of(design: str, changes: list[str] | None) -> Any:
    """Return a config that holds this design and no cells."""
    from scaffoldsim.config import load

    bare = {"schema": 1, "duration": "1 h", "scaffold": design, "cells": {"number": 0, "donor": {}}}
    return load(bare, set=[f"scaffold.{change}" for change in changes or []])


def _require_design(design: str, changes: list[str] | None) -> None:
    """End with exit code 2 for a name that is no design, and a change that is no KEY=VALUE."""
    for change in changes or []:
        if "=" not in change:
            raise Failure(BAD_INPUT, f"--set {change}: write KEY=VALUE, for example porosity=0.95")
    try:
        catalogue.find("designs", design)
    except catalogue.UnknownEntryError as error:
        if design in catalogue.names("experiments"):
            raise Failure(
                BAD_INPUT,
                f"{design!r} is a config, and build takes a design "
                f"({', '.join(catalogue.names('designs'))}); scaffoldsim run {design} builds the "
                "scaffold of the config",
            ) from error
        raise Failure(BAD_INPUT, str(error)) from error


@contextmanager
def _as_written(design: str, changes: list[str] | None) -> Iterator[None]:
    """Locate problems in the words the user wrote: not in the config made around the design."""
    from scaffoldsim.config import ConfigError
    from scaffoldsim.tree import Mark, Problem

    command = Mark(" ".join([design, *(f"--set {change}" for change in changes or [])]))

    def written(problem: Problem) -> Problem:
        mark = command if problem.mark == Mark("config") else problem.mark
        words = mark.file.replace("--set scaffold.", "--set ", 1) if not mark.line else mark.file
        key = problem.key.removeprefix("scaffold").removeprefix(".")
        return problem._replace(mark=mark._replace(file=words), key=key)

    try:
        yield
    except ConfigError as error:
        raise ConfigError(map(written, error.problems)) from error


def _threshold(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        if text != "otsu":
            raise Failure(
                BAD_INPUT, f"--threshold {text!r} is neither a grey value nor otsu"
            ) from None
        return text

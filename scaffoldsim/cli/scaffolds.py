"""``build`` and ``measure``: scaffolds without cells."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from scaffoldsim.cli.failures import BAD_INPUT, Failure, reading_input

Changes = Annotated[list[str] | None, Parameter(name="--set", negative="")]


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
    from scaffoldsim.render.still import render_scaffold
    from scaffoldsim.scaffold.scaffold import Scaffold

    folder = out or Path(f"{Path(design).stem}-build")
    if folder.exists():
        raise Failure(BAD_INPUT, f"{folder} exists; name another folder with --out")
    with reading_input(design):
        config = _config_of(design, set)
        try:
            scaffold = Scaffold.from_section(config.scaffold, config.faces.periodic)
        except ValueError as error:
            raise config.error(("scaffold",), str(error)) from error
    for note in scaffold.notes:
        print(note, file=sys.stderr)
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
    voxel: str | None = None,
    threshold: str = "otsu",
    invert: Annotated[bool, Parameter(negative="")] = False,
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
    from scaffoldsim.scaffold.scaffold import Scaffold

    with reading_input(str(image)):
        scaffold = Scaffold.from_image(
            image, voxel=voxel, threshold=_threshold(threshold), invert=invert
        )
    morphometry = scaffold.measure()
    for criterion in morphometry.check():
        print(criterion, file=sys.stderr)
    if out is None:
        print(json.dumps(morphometry.to_dict(), indent=1))
    else:
        print(morphometry.write(out))


def _config_of(design: str, changes: list[str] | None) -> Any:
    """Return a config that holds this design and no cells."""
    from scaffoldsim.config import load

    bare = {"schema": 1, "duration": "1 h", "scaffold": design, "cells": {"number": 0, "donor": {}}}
    return load(bare, set=[f"scaffold.{change}" for change in changes or []])


def _threshold(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        if text != "otsu":
            raise Failure(
                BAD_INPUT, f"--threshold {text!r} is neither a grey value nor otsu"
            ) from None
        return text

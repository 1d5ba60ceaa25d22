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


def build(
    design: str,
    /,
    *,
    set: Changes = None,
    out: Path | None = None,
    format: Annotated[list[str] | None, Parameter(negative="")] = None,
) -> None:
    """Design a scaffold to its constraints; its folder is printed on stdout.

    The folder holds scaffold.tif, scaffold.stl, morphometry.json and scaffold.png. A scaffold
    without walls, a gel, has no mesh and no picture.

    Parameters
    ----------
    design
        A design of the catalogue, or a YAML file.
    set
        A change, KEY=VALUE, such as porosity=0.95; may be given several times.
    out
        The folder; <design>-build by default. One that exists is refused.
    format
        Another form of scaffold to write: nii.gz, nii, npy or nrrd; may be given several times.
    """
    folder = out or Path(f"{Path(design).stem}-build")
    require_folder(folder)
    if folder.exists():
        raise Failure(BAD_INPUT, f"{folder} exists; name another folder with --out")
    _require_design(design, set)
    from scaffoldsim.scaffold.export import FORMATS

    for each in format or []:
        if each not in FORMATS:
            raise Failure(BAD_INPUT, f"--format {each} is not one of {', '.join(FORMATS)}")
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
        scaffold.write(folder, formats=list(dict.fromkeys(["tif", "stl", *(format or [])])))
        if scaffold.solid.any():
            picture = render_scaffold(
                scaffold.distance,
                scaffold.grid.voxel,
                folder / "scaffold.png",
                title=Path(design).stem,
            )
            if picture.note:
                print(picture.note, file=sys.stderr)
    measured = json.loads((folder / "morphometry.json").read_text(encoding="utf-8"))
    for criterion in measured["criteria"]:
        value = "-" if criterion["value"] is None else f"{criterion['value']:.4g}"
        print("{name}: {0} (limit {limit}) {verdict}".format(value, **criterion), file=sys.stderr)
    print(folder)


def measure(
    image: Path,
    /,
    *,
    voxel: Quantity = None,
    threshold: Annotated[str, Parameter(allow_leading_hyphen=True)] = "otsu",
    invert: Flag = False,
    crop: Annotated[list[str] | None, Parameter(negative="")] = None,
    resample: Quantity = None,
    largest_pore_network: Flag = False,
    smallest_island: Annotated[int, Parameter(allow_leading_hyphen=True)] = 0,
    unit: str = "mm",
    out: Path | None = None,
) -> None:
    """Measure the pores of an image or a mesh, and judge them; JSON on stdout.

    Parameters
    ----------
    image
        A TIFF stack, a folder of slices, NIfTI, NRRD, DICOM, .npy; or a closed mesh: STL, OBJ, PLY.
    voxel
        Edge of a voxel, such as "19.5 um"; needed where the file does not say, and for meshes.
    threshold
        Solid is what is brighter than this: a grey value, or otsu.
    invert
        Solid is what is darker.
    crop
        The part to keep, AXIS=FROM:TO, such as "x=1 mm:3 mm"; may be given for each axis.
    resample
        Edge of the voxels wanted, such as "20 um".
    largest_pore_network
        Fill the pores that are not joined to the largest network.
    smallest_island
        Remove pieces of solid of fewer voxels than this.
    unit
        Unit of length of a mesh: um, mm, cm, m or inch.
    out
        A file for the JSON, in place of stdout.
    """
    if out is not None:
        require_file(out)
    edge, wanted = _edge("--voxel", voxel), _edge("--resample", resample)
    level, spans = _threshold(threshold), _crop(crop)
    from scaffoldsim.scaffold.images import image_grid
    from scaffoldsim.scaffold.scaffold import Scaffold

    with reading_input(str(image)):
        Scaffold.require_memory_of(
            image_grid(image, voxel=edge, unit=unit, crop=spans, resample=wanted).n_voxels,
            transport=True,
        )
        scaffold = Scaffold.from_image(
            image,
            voxel=edge,
            threshold=level,
            invert=invert,
            unit=unit,
            crop=spans,
            resample=wanted,
            largest_pore_network=largest_pore_network,
            smallest_island=smallest_island,
        )
        morphometry = scaffold.measure(transport=True)
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
        from scaffoldsim.scaffold.families import family_names

        if design in family_names():
            raise Failure(
                BAD_INPUT,
                f"{design!r} is a family, and build takes a design; change the family of one: "
                f"scaffoldsim build bcp_designed --set family={design}",
            ) from error
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


def _edge(option: str, text: str | None) -> float | None:
    """Return the length, m, that was given for an edge, if one was."""
    if text is None:
        return None
    length = quantity(option, text, "m", example="um")
    if length <= 0:
        raise Failure(BAD_INPUT, f"{option} {text}: must be positive, for example '20 um'")
    return length


def _crop(given: list[str] | None) -> dict[str, tuple[float, float]] | None:
    """Return axis → (from, to), m, from texts such as "x=1 mm:3 mm"."""
    spans = {}
    for text in given or []:
        axis, _, span = text.partition("=")
        low, colon, high = span.partition(":")
        if axis in spans:
            raise Failure(BAD_INPUT, f"--crop {text}: {axis} is cropped twice")
        if axis not in ("x", "y", "z") or not colon:
            raise Failure(
                BAD_INPUT, f"--crop {text}: write AXIS=FROM:TO, for example 'x=1 mm:3 mm'"
            )
        spans[axis] = (
            quantity("--crop", low, "m", example="mm"),
            quantity("--crop", high, "m", example="mm"),
        )
    return spans or None

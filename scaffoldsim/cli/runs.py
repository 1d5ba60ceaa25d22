"""``check``, ``run``, ``resume``, ``render`` and ``view``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scaffoldsim.cli.failures import (
    BAD_INPUT,
    INTERRUPTED,
    REFUSED,
    Failure,
    bad_input,
    reading_input,
    unexpected,
)
from scaffoldsim.cli.places import require_file, require_folder, writing
from scaffoldsim.cli.progress import Progress

if TYPE_CHECKING:
    from scaffoldsim.config import Config
    from scaffoldsim.run.estimate import Estimate
    from scaffoldsim.run.record import Run
    from scaffoldsim.run.simulation import Simulation

Changes = Annotated[list[str] | None, Parameter(name="--set", negative="")]
Flag = Annotated[bool, Parameter(negative="")]
#: a quantity; a leading minus makes it no option but a wrong value, which is said in words
Quantity = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


def check(config: str, /, *, set: Changes = None, seed: int | None = None) -> None:
    """Validate a config or a study, build its scaffold, say what it needs; start and write nothing.

    Parameters
    ----------
    config
        A config or a study: a name of the catalogue, or a YAML file.
    set
        A change, KEY=VALUE; may be given several times.
    seed
        Replaces the seed of the config.
    """
    from scaffoldsim.cli.study import check_study, is_study

    if is_study(config):
        if set or seed is not None:
            raise Failure(BAD_INPUT, f"{config} is a study; --set and --seed go with a config")
        check_study(config)
        return
    loaded = load_config(config, set, seed)
    from scaffoldsim.model.idle import idle
    from scaffoldsim.model.model import Model
    from scaffoldsim.run.simulation import Simulation

    folder = Simulation(loaded).default_folder
    need = resources(loaded, folder)
    with reading_input():
        model = Model(loaded)
    marks = [parameter.mark for parameter in loaded.parameters().values()]
    counted = ", ".join(f"{marks.count(mark)} {mark}" for mark in ("read", "recalled", "assumed"))
    rows = {
        "config": loaded.title or loaded.name,
        "hash": loaded.hash,
        "steps": f"{loaded.steps:,} of {loaded.step / 3600:g} h",
        "voxels": f"{need.voxels:,}, {' x '.join(map(str, model.grid.shape))}",
        "cells": f"{model.cells.n:,} at the start, at most {max(need.cells, model.cells.n):,}",
        "memory": f"at most {need.memory_bytes / 1e6:,.0f} MB; {need.picture_bytes / 1e6:,.0f} MB "
        "while the picture is drawn",
        "disk": f"at most {need.disk_bytes / 1e6:,.0f} MB",
        "time": f"about {minutes(need.seconds)} on two free cores",
        "parameters": f"{len(marks)} with a source: {counted}",
        "run folder": str(folder),
    }
    for key, value in rows.items():
        print(f"{key:12}{value}")
    for note in [*model.scaffold.notes, *idle(model)]:
        print(f"{'note':12}{note}")


def run(
    config: str,
    /,
    *,
    set: Changes = None,
    seed: int | None = None,
    threads: int | None = None,
    out: Path | None = None,
    force: Flag = False,
    reuse: Flag = False,
) -> None:
    """Run a simulation; its folder is printed on stdout.

    Parameters
    ----------
    config
        A name of the catalogue, or a YAML file.
    set
        A change, KEY=VALUE; may be given several times.
    seed
        Replaces the seed of the config.
    threads
        Threads of the compiled parts; the result is the same for any number.
    out
        The run folder; runs/<name>-<hash>-s<seed> by default.
    force
        Replace a run folder that exists.
    reuse
        If the run folder exists, show the finished run or resume the interrupted one.
    """
    loaded = load_config(config, set, seed)
    from scaffoldsim.run.simulation import Simulation

    simulation = Simulation(loaded)
    folder = out or simulation.default_folder
    require_folder(folder)
    if reuse and not force and (folder / "manifest.json").is_file():
        _require_same(loaded, folder)
        _continue(folder, threads)
        return
    resources(loaded, folder)
    _simulate(simulation, folder, threads=threads, force=force)


def resume(run: Path, /, *, threads: int | None = None) -> None:
    """Go on with an interrupted run; the result is that of a run without interruption.

    Parameters
    ----------
    run
        The run folder; a finished run is only shown.
    threads
        Threads of the compiled parts; the result is the same for any number.
    """
    _continue(run, threads)


def render(
    run: Path,
    /,
    *,
    scene: str = "cutaway",
    at: Quantity = None,
    out: Path | None = None,
) -> None:
    """Draw a still or a movie of a run; its path is printed on stdout.

    Parameters
    ----------
    run
        The run folder.
    scene
        How to look at it: a scene of the catalogue (cutaway, inside_pore, healing, turntable), or a
        YAML file.
    at
        When, such as "14 d": the nearest stored frame is drawn, the last one by default. A movie
        shows every stored frame, unless its scene turns one.
    out
        A still is a .png, a movie a .webp, .gif or .mp4. RUN/<scene>.png by default, and .webp for
        a scene of a movie.
    """
    from scaffoldsim.render import movie_suffix, render_movie, render_still
    from scaffoldsim.render.scene import Scene
    from scaffoldsim.run.record import Run

    with reading_input(str(run)):
        stored = Run(run)
        moving = Scene.load(scene).movie is not None
        target = out or stored.path / f"{Path(scene).stem}{'.webp' if moving else '.png'}"
        with reading_input("--out"):
            suffix = movie_suffix(target)
        require_file(target)
        moment = None if at is None else quantity("--at", at, "s", example="d")
        with writing(target):
            if suffix == ".png":
                result = render_still(stored, target, scene=scene, at=moment)
            else:
                with _one_by_one(f"{stored.title}: {target.name}") as progress:
                    result = render_movie(stored, target, scene=scene, at=moment, progress=progress)
    if result.note:
        print(result.note, file=sys.stderr)
    print(result.path)


def view(run: Path, /, *, scene: str = "cutaway", out: Path | None = None) -> None:
    """Write an interactive page of a run, for any browser, offline; its path is printed on stdout.

    Parameters
    ----------
    run
        The run folder.
    scene
        Its colours and sizes: a scene of the catalogue (cutaway, inside_pore), or a YAML file.
    out
        The page, a .html; RUN/view.html by default.
    """
    from scaffoldsim.render.viewer import write_view
    from scaffoldsim.run.record import Run

    with reading_input(str(run)):
        stored = Run(run)
        target = out or stored.path / "view.html"
        if target.suffix.lower() not in (".html", ".htm"):
            raise Failure(BAD_INPUT, f"--out {target}: a page is a .html")
        require_file(target)
        with writing(target):
            page = write_view(
                stored, target, scene=scene, tell=lambda note: print(note, file=sys.stderr)
            )
    print(page)


@contextmanager
def _one_by_one(title: str) -> Iterator[Callable[[int, int, Mapping[str, Any]], None]]:
    """Progress that begins with the first picture: what is wrong before is said in one line."""
    bar: Progress | None = None
    with ExitStack() as stack:

        def progress(step: int, steps: int, news: Mapping[str, Any]) -> None:
            nonlocal bar
            bar = bar or stack.enter_context(Progress(title))
            bar(step, steps, news)

        yield progress


def quantity(option: str, text: str, unit: str, *, example: str) -> float:
    """Return the value of an option in `unit`, or end with exit code 2; it may not be negative."""
    from scaffoldsim import units

    with reading_input(f"{option} {text}"):
        value = units.parse(text, unit, example=example)
    if value < 0:
        raise Failure(BAD_INPUT, f"{option} {text}: must be positive, for example '1 {example}'")
    return value


def load_config(config: str, changes: list[str] | None, seed: int | None = None) -> Config:
    """Return the validated config, or end with exit code 2 and every problem."""
    with reading_input(config):
        from scaffoldsim.config import load

        return load(config, set=changes, seed=seed)


def resources(config: Config, folder: Path) -> Estimate:
    """Return what a run needs, or end with exit code 3 if this machine lacks it."""
    from scaffoldsim.config import ConfigError
    from scaffoldsim.run.estimate import ResourceError, check_resources

    with reading_input():
        try:
            return check_resources(config, folder)
        except ResourceError as error:
            raise Failure(REFUSED, str(error)) from error
        except ConfigError as error:
            # Only the header of an image is read by now; a designed scaffold has its numbers.
            reason = str(error.__cause__ or error)
            raise config.error(("scaffold", "image"), reason) from error


def _require_same(config: Config, folder: Path) -> None:
    """End with exit code 2 unless `folder` holds a run of this config and seed."""
    from scaffoldsim.run.manifest import read_manifest

    with reading_input(str(folder)):
        manifest = read_manifest(folder)
    there = str(manifest.get("config_hash")), manifest.get("seed")
    if there != (config.hash, config.seed):
        raise Failure(
            BAD_INPUT,
            f"{folder} holds another run: config {there[0][:8]}, seed {there[1]}, not "
            f"{config.hash[:8]}, seed {config.seed}; name another --out, or replace it: --force",
        )


def _continue(folder: Path, threads: int | None) -> None:
    """Show a finished run; go on with any other."""
    from scaffoldsim.run.record import Run
    from scaffoldsim.run.simulation import Simulation

    with reading_input(str(folder)):
        stored = Run(folder)
        if stored.status == "finished":
            print(f"{folder}: finished", file=sys.stderr)
            _publish(stored, again=False)
            return
        require_folder(folder)
        simulation = Simulation.resume(folder)
    _simulate(simulation, folder, threads=threads)


def _simulate(
    simulation: Simulation, folder: Path, *, threads: int | None = None, force: bool = False
) -> None:
    """Run to the end with progress on stderr, then publish."""
    from scaffoldsim.config import ConfigError
    from scaffoldsim.run.estimate import ResourceError
    from scaffoldsim.run.simulation import FolderExistsError, Interrupted

    if threads is not None and threads < 1:
        raise Failure(BAD_INPUT, f"--threads {threads}: at least 1 is needed")
    config = simulation.config
    with Progress(config.title or config.name) as progress:
        try:
            done = simulation.run(folder, threads=threads, force=force, progress=progress)
        except ResourceError as error:
            raise Failure(REFUSED, str(error)) from error
        except (FolderExistsError, ConfigError) as error:
            raise bad_input(error) from error
        except Interrupted as error:
            raise Failure(INTERRUPTED, str(error)) from error
        except (Exception, SystemExit) as error:
            raise unexpected(error, folder) from error
    _publish(done)


def _publish(run: Run, *, again: bool = True) -> None:
    """Make the picture and the report of a finished run where they are missing; say where."""
    from scaffoldsim.compare.report import write_report
    from scaffoldsim.render.still import render_still

    picture, report = run.path / "picture.png", run.path / "report.html"
    with writing(run.path):
        if again or not picture.is_file():
            result = render_still(run, picture)
            if result.note:
                print(result.note, file=sys.stderr)
        if again or not report.is_file():
            write_report(run)
    print(f"picture  {picture}", file=sys.stderr)
    print(f"report   {report}", file=sys.stderr)
    print(run.path)


def minutes(seconds: float) -> str:
    """Say a time in seconds or minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

"""``compare``: designs, materials, configs or runs, side by side."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scaffoldsim import catalogue
from scaffoldsim.cli.failures import BAD_INPUT, FAILED, Failure, reading_input
from scaffoldsim.cli.places import require_folder, writing
from scaffoldsim.cli.progress import Progress
from scaffoldsim.cli.runs import Changes, load_config, resources

if TYPE_CHECKING:
    from scaffoldsim.config import Config
    from scaffoldsim.run.record import Run

#: kinds of thing, and the key of the common config that a name of this kind replaces
_KEYS = {"experiments": "", "designs": "scaffold", "materials": "scaffold.material"}


def compare(
    *things: str,
    config: str = "quickstart",
    set: Changes = None,
    seeds: int = 8,
    workers: int | None = None,
    scheduler: str | None = None,
    out: Path | None = None,
) -> None:
    """Compare designs, materials, configs or runs; the folder of the report is printed on stdout.

    The folder holds compare.csv (means), differences.csv (pairs), report.html and the runs; runs
    that are there are used again. All arms get the same seeds, each a virtual donor, so that
    differences are taken within a donor.

    Parameters
    ----------
    things
        Two or more designs, materials, configs (names or files) or run folders.
    config
        The config that designs and materials are put into.
    set
        A change to all arms, KEY=VALUE; may be given several times.
    seeds
        Runs per arm: seeds 1 to N.
    workers
        Processes at the same time; by default one per core.
    scheduler
        Address of a Dask scheduler, in place of processes on this machine.
    out
        The folder; runs/compare-<things>-<hash of their configs> by default.
    """
    if seeds < 1:
        raise Failure(BAD_INPUT, f"--seeds {seeds}: at least 1 is needed")
    stored = _stored(thing for thing in things if _is_run(thing))
    named = _named([thing for thing in things if not _is_run(thing)], stored)
    if len(stored) + len(named) < 2:
        raise Failure(BAD_INPUT, "compare needs two things or more")
    planned = {name: _arm(thing, config, set) for name, thing in named.items()}
    folder = out or Path("runs") / _folder_name(stored, planned)
    require_folder(folder)
    for arm in planned.values():
        resources(arm, folder)
    for line in _unlike(list(planned.values())):
        print(line, file=sys.stderr)
    require_scaffolds(list(planned.values()))
    done, failures = carry_out(
        " against ".join(planned), planned, seeds, folder, workers, scheduler
    )
    runs = {name: group for name, group in (stored | done).items() if group}
    if len(runs) > 1:
        _publish(runs, folder, failures)
    if failures:
        raise Failure(FAILED, *failures, "the others are done; the same command tries these again")


def require_scaffolds(arms: list[Config]) -> None:
    """Build the scaffold of each arm, so that one that cannot be is refused before any is run."""
    from scaffoldsim.config import ConfigError
    from scaffoldsim.scaffold.scaffold import Scaffold

    problems = []
    seen: list[tuple[object, object]] = []
    for arm in arms:
        if (arm.scaffold, arm.faces.periodic) in seen:
            continue
        seen.append((arm.scaffold, arm.faces.periodic))
        try:
            Scaffold.from_section(arm.scaffold, arm.faces.periodic)
        except ValueError as error:
            problems += arm.error(("scaffold",), str(error)).problems
    if problems:
        with reading_input():
            raise ConfigError(problems)


def _unlike(arms: list[Config]) -> Iterator[str]:
    """Yield what makes arms differ beside what is compared."""
    grids = [arm.scaffold.grid() for arm in arms]
    edges = [grid.voxel * 1e6 for grid in grids]
    if edges and max(edges) > 1.01 * min(edges):
        yield (
            f"note: voxels of {min(edges):g} to {max(edges):g} um: a voxel holds one cell, so the "
            "arms hold different numbers of cells per volume; --set scaffold.voxel makes them alike"
        )
    volumes = [grid.n_voxels * grid.voxel_volume * 1e9 for grid in grids]
    counted = [arm.cells.number for arm in arms if arm.cells.number]
    if counted and max(volumes) > 1.2 * min(volumes):
        density = counted[0] / (sum(volumes) / len(volumes)) * 1e3
        yield (
            f"note: {counted[0]} cells in boxes of {min(volumes):.3g} to {max(volumes):.3g} mm3; "
            "seed by volume to compare like with like: --set cells.number=null "
            f'--set cells.density="{density:.1e} /mL"'
        )


def _is_run(thing: str) -> bool:
    return Path(thing, "manifest.json").is_file()


def _named(things: Sequence[str], taken: Iterable[str]) -> dict[str, str]:
    """Return the things by the name of their arm; no two may have one name.

    That is the last part of a path or of kind/name; with the folder before it, where files of the
    same name lie in several.
    """
    short = Counter(map(_name, things))
    pairs = [
        (_long_name(thing) if short[_name(thing)] > 1 else _name(thing), thing) for thing in things
    ]
    count = Counter([*(name for name, _ in pairs), *taken])
    for name, times in count.items():
        if times > 1:
            same = [thing for other, thing in pairs if other == name]
            same += ["a run folder"] * (times - len(same))
            raise Failure(
                BAD_INPUT,
                f"compare: {' and '.join(same)} would both be the arm {name!r}; each thing is "
                "given once, under a name of its own",
            )
    return dict(pairs)


def _name(thing: str) -> str:
    return Path(thing).stem if _is_file(thing) else Path(thing).name


def _long_name(thing: str) -> str:
    path = Path(thing).resolve()
    return f"{path.parent.name}-{path.stem}" if _is_file(thing) else _name(thing)


def _is_file(thing: str) -> bool:
    return thing.endswith((".yaml", ".yml"))


def _folder_name(stored: dict[str, list[Run]], planned: dict[str, Config]) -> str:
    """Return a name that says what is compared: the arms, and a hash of their configs."""
    hashes = {name: str(runs[0].manifest["config_hash"]) for name, runs in stored.items()}
    hashes |= {name: config.hash for name, config in planned.items()}
    text = "".join(f"{name}:{hash_}\n" for name, hash_ in hashes.items())
    return f"compare-{'-'.join(hashes)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _stored(folders: Iterable[str]) -> dict[str, list[Run]]:
    """Return the runs by arm: those that differ only in their seed are one arm."""
    from scaffoldsim.run.record import Run

    arms: dict[str, list[Run]] = {}
    hashes: dict[str, str] = {}
    donors: dict[tuple[str, object], str] = {}
    for folder in folders:
        with reading_input(folder):
            run = Run(folder)
        if run.status != "finished":
            raise Failure(BAD_INPUT, f"{folder} is {run.status}: scaffoldsim resume {folder}")
        key = str(run.manifest.get("config_hash"))
        first = donors.setdefault((key, run.manifest.get("seed")), folder)
        if first is not folder:
            raise Failure(
                BAD_INPUT,
                f"compare: {first} and {folder} are the same run: one config, one seed; a virtual "
                "donor counts once",
            )
        name = str(run.manifest.get("name") or run.path.name)
        if key not in hashes:
            hashes[key] = f"{name}-{key[:8]}" if name in arms else name
        arms.setdefault(hashes[key], []).append(run)
    return arms


def _arm(thing: str, config: str, changes: list[str] | None) -> Config:
    """Return the config that `thing` stands for, with the changes to all arms."""
    kind, slash, name = thing.partition("/")
    if os.sep in thing and not (slash and kind in _KEYS):
        return load_config(thing, changes)
    if _is_file(thing):
        return load_config(thing, changes)
    if slash:
        kinds = [kind] if name in catalogue.names(kind) else []
    else:
        name = thing
        kinds = [kind for kind in _KEYS if thing in catalogue.names(kind)]
    if len(kinds) > 1:
        ways = " or ".join(f"{kind}/{thing}" for kind in kinds)
        raise Failure(BAD_INPUT, f"{thing!r} is the name of several things; write {ways}")
    if not kinds:
        known = sorted(entry for kind in _KEYS for entry in catalogue.names(kind))
        hint = catalogue.did_you_mean(name, known)
        raise Failure(
            BAD_INPUT, f"no design, material, config or run folder is named {thing!r}{hint}"
        )
    key = _KEYS[kinds[0]]
    if not key:
        return load_config(name, changes)
    return load_config(config, [f"{key}={name}", *(changes or [])])


def carry_out(
    title: str,
    arms: Mapping[str, Config],
    seeds: int,
    folder: Path,
    workers: int | None,
    scheduler: str | None,
) -> tuple[dict[str, list[Run]], list[str]]:
    """Run all arms with all seeds, as far as they are not done; return the runs, and failures."""
    if not arms:
        return {}, []
    from scaffoldsim.run.record import Run
    from scaffoldsim.run.study import Arm, StudyError, execute

    failures: list[str] = []
    with Progress(title) as progress, reading_input():
        try:
            folders = execute(
                # Resolved: a worker may stand where the user's catalogue is not found.
                {name: Arm(config.resolved()) for name, config in arms.items()},
                range(1, seeds + 1),
                folder,
                workers=workers,
                scheduler=scheduler,
                progress=progress,
            )
        except StudyError as error:
            folders, failures = error.folders, [str(failure) for failure in error.failures]
    return {name: [Run(path) for path in paths] for name, paths in folders.items()}, failures


def _publish(runs: dict[str, list[Run]], folder: Path, failures: list[str]) -> None:
    """Draw the first run of each arm, write tables and page, say where."""
    from scaffoldsim.compare.comparison import write_comparison
    from scaffoldsim.render.still import render_still

    said = set()
    pictures = {}
    with reading_input(), writing(folder):
        for name, group in runs.items():
            result = render_still(group[0], folder / f"{name}.png")
            pictures[name] = result.path
            said.add(result.note)
        written = write_comparison(runs, folder, pictures=pictures, notes=failures)
    for line in sorted(said - {""}):
        print(line, file=sys.stderr)
    for name in ("compare", "differences", "report"):
        print(f"{name:12}{written[name]}", file=sys.stderr)
    print(folder)

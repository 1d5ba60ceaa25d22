"""A simulation: a model stepped through time, and a folder that holds what came of it."""

import contextlib
import fcntl
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim import catalogue
from scaffoldsim.config import Config, dump, load
from scaffoldsim.model.idle import idle
from scaffoldsim.model.indicators import COLUMNS
from scaffoldsim.model.model import Model
from scaffoldsim.model.species import SHOWN
from scaffoldsim.run import checkpoint
from scaffoldsim.run.atomic import json_text, write_atomic
from scaffoldsim.run.estimate import check_resources
from scaffoldsim.run.manifest import (
    MANIFEST,
    new_manifest,
    read_manifest,
    update_manifest,
    versions,
    write_manifest,
)
from scaffoldsim.run.record import Run
from scaffoldsim.run.schedule import due
from scaffoldsim.run.state import StateWriter
from scaffoldsim.run.writers import MetricsWriter
from scaffoldsim.tree import digest
from scaffoldsim.units import format_si

#: called after steps: (steps made, steps in all, {"day", "cells", "oxygen_mM"})
Progress = Callable[[int, int, Mapping[str, float]], None]

_CONFIG, _METRICS, _STATE, _CHECKPOINT = "config.yaml", "metrics.csv", "state.zarr", "checkpoint"
#: all that a run folder holds, beside pictures by scene; with anything else it is not replaced
_ENTRIES = {
    *(MANIFEST, _CONFIG, _METRICS, _STATE, _CHECKPOINT, "inputs", "morphometry.json"),
    *("picture.png", "report.html", "error.log", "export", "view.html"),
}
_CELL_COLUMNS = ("id", "voxel", "type", "origin", "parent", "clone", "age", "doublings")


class FolderExistsError(ValueError):
    """The folder of a run is there already."""


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop; it wrote a checkpoint first. `folder` can be resumed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"interrupted; go on with: scaffoldsim resume {folder}")


class Simulation:
    """A configuration to be run, or a run to be gone on with.

    Examples
    --------
    >>> import tempfile
    >>> simulation = Simulation.from_config("quickstart", set={"duration": "2 h"}, seed=1)
    >>> run = simulation.run(tempfile.mkdtemp() + "/a")
    >>> list(run.metrics.time_h)
    [0.0, 2.0]
    """

    def __init__(self, config: Config, folder: Path | None = None) -> None:
        self.config = config
        self._folder = folder

    def __repr__(self) -> str:
        return (
            f"Simulation({self.config.name!r}, seed {self.config.seed}, {self.config.steps} steps)"
        )

    @classmethod
    def from_config(
        cls,
        config: str | os.PathLike[str] | Mapping[str, Any],
        *,
        set: Mapping[str, Any] | list[str] | None = None,
        seed: int | None = None,
    ) -> "Simulation":
        """Return the simulation of a configuration (name, file or data).

        Raises
        ------
        ConfigError
            With every problem at once.
        """
        return cls(load(config, set=set, seed=seed))

    @classmethod
    def resume(cls, folder: str | os.PathLike[str]) -> "Simulation":
        """Return the simulation of a run folder, to go on where its newest checkpoint stands.

        Raises
        ------
        FileNotFoundError, ValueError
            If it is no run folder, or its configuration or inputs were changed.
        """
        path = Path(folder)
        manifest = read_manifest(path)
        config = load(path / _CONFIG)
        if (config.hash, config.seed) != (manifest.get("config_hash"), manifest.get("seed")):
            raise config.error(
                (), "this is not the configuration the run began with; it, or an input, was changed"
            )
        return cls(config, path)

    @property
    def default_folder(self) -> Path:
        """``runs/<name>-<hash8>-s<seed>``."""
        config = self.config
        return Path("runs") / f"{config.name}-{config.hash[:8]}-s{config.seed}"

    def run(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Run:
        """Simulate, and write the run folder.

        Parameters
        ----------
        out
            The run folder; `default_folder` if None.
        threads
            Of the compiled kernels; the result does not depend on it.
        force
            Replace a run folder that exists.
        progress
            Called about a hundred times, see `Progress`.

        Raises
        ------
        FolderExistsError
            If the folder exists and `force` is not given.
        ResourceError
            If memory or disk would not suffice.
        ConfigError
            If the scaffold cannot be built; nothing has been written then.
        Interrupted
            On Ctrl-C or SIGTERM, with a checkpoint written.

        Warns
        -----
        RuntimeWarning
            If something that the host was given will do nothing, see `idle`.
        """
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}; at least 1 is needed")
        if self._folder is not None:
            return self._go_on(self._folder, threads, progress)
        folder = Path(out) if out is not None else self.default_folder
        if folder.exists():
            _require_replaceable(folder, force)
        check_resources(self.config, folder)
        model = Model(self.config, threads=threads)
        for note in idle(model):
            warnings.warn(note, RuntimeWarning, stacklevel=2)
        self._prepare(folder, model)
        with _locked(folder):
            return self._advance(folder, model, *self._begin(folder, model), progress)

    def _prepare(self, folder: Path, model: Model) -> None:
        """Make the folder; the manifest, which makes it a run, comes last."""
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        data = self.config.resolved()
        for path, file in self.config.inputs().items():
            (folder / "inputs").mkdir(exist_ok=True)
            copy = Path("inputs", _name_of_copy(file))
            if file.is_dir():
                shutil.copytree(file, folder / copy, ignore=shutil.ignore_patterns(".*"))
            else:
                shutil.copyfile(file, folder / copy)
            node: Any = data
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = copy.as_posix()
        write_atomic(folder / _CONFIG, dump(data))
        write_atomic(folder / "morphometry.json", json_text(model.scaffold.measure().to_dict()))
        sources = {
            key: {"value": p.text, "range": list(p.range), "mark": p.mark, "source": p.source}
            for key, p in self.config.parameters().items()
        }
        donor = model.rates.donor
        notes = [*model.scaffold.notes, *idle(model)]
        if model.cells.n:
            notes.append(
                f"Virtual donor of seed {self.config.seed}: doubling time × "
                f"{donor.doubling_time:.3f}, osteogenic rate × {donor.osteogenic:.3f}."
            )
        simulated = self.config.steps * self.config.step
        if simulated > self.config.duration:
            notes.append(
                f"duration {format_si(self.config.duration, 's')} is no whole number of steps of "
                f"{format_si(self.config.step, 's')}: {format_si(simulated, 's')} were run"
            )
        notes += [f"behaviour {b.name}: sha256 {b.sha256}" for b in self.config.behaviours]
        write_manifest(
            folder,
            new_manifest(
                title=self.config.title or self.config.name,
                seed=self.config.seed,
                config_hash=self.config.hash,
                threads=model.lattice.threads,
                sources=sources,
                notes=notes,
                name=self.config.name,
                steps=self.config.steps,
            ),
        )

    def _go_on(self, folder: Path, threads: int | None, progress: Progress | None) -> Run:
        with _locked(folder):
            manifest = read_manifest(folder)
            if manifest["status"] == "finished":
                return Run(folder)
            model = Model(self.config, threads=threads)
            notes = manifest.get("notes", [])
            if manifest.get("versions") != versions():
                notes = [*notes, f"went on with other versions: {versions()}"]
            update_manifest(folder, status="running", error=None, notes=notes)
            writers = self._reopen(folder, model)
            if writers is None:
                model = Model(self.config, threads=threads)
                writers = self._begin(folder, model)
            return self._advance(folder, model, *writers, progress)

    def _reopen(self, folder: Path, model: Model) -> tuple[MetricsWriter, StateWriter] | None:
        """Go to the newest checkpoint whose rows and frames are there; None if there is none."""
        for stored, counts in checkpoint.newest_first(folder / _CHECKPOINT):
            try:
                state = StateWriter.reopen(folder / _STATE, frames=counts["frames"])
                metrics = MetricsWriter(folder / _METRICS, COLUMNS, rows=counts["rows"])
                model.load(stored)
            except (ValueError, OSError, KeyError):
                continue  # damaged on disk; what is older may be whole
            return metrics, state
        return None

    def _begin(self, folder: Path, model: Model) -> tuple[MetricsWriter, StateWriter]:
        """Begin metrics and state anew."""
        shutil.rmtree(folder / _STATE, ignore_errors=True)
        state = StateWriter.create(
            folder / _STATE,
            grid_shape=model.grid.shape,
            voxel=model.grid.voxel,
            field_names=list(model.fields.species),
            field_units=[SHOWN[entry.unit][0] for entry in model.fields.species.values()],
            type_names=list(model.cells.types),
            distance=model.scaffold.distance,
            fraction=model.scaffold.fraction,
            frames_every_h=self.config.output.frames_every / 3600,
            matrix_names=list(_matrix(model)),
            vessels=_vessels(model) is not None,
            origin_names=list(model.ledger.origins),
        )
        return MetricsWriter(folder / _METRICS, COLUMNS), state

    def _advance(
        self,
        folder: Path,
        model: Model,
        metrics: MetricsWriter,
        state: StateWriter,
        progress: Progress | None,
    ) -> Run:
        """Step to the end; write what is due; leave a checkpoint whatever happens."""
        output, last = self.config.output, self.config.steps
        saved = time.monotonic()
        written = model.step_index if metrics.rows else -1

        def save() -> None:
            """Write a checkpoint, unless the last step or what was due at it broke off."""
            if not model.intact or model.step_index != written:
                return
            metrics.commit()
            counts = {"rows": metrics.rows, "frames": state.frames}
            checkpoint.save(folder / _CHECKPOINT, model.state(), **counts)

        def write() -> None:
            nonlocal written
            step = model.step_index
            if due(step, model.dt, output.metrics_every, last):
                # What takes long to measure of the structure is due with the frames.
                structure = due(step, model.dt, output.frames_every, last)
                metrics.append(model.metrics(structure=structure))
            if due(step, model.dt, output.frames_every, last):
                _write_frame(state, model)
            written = step

        with metrics, _stop_signals() as stop:
            try:
                if written < 0:
                    write()
                while model.running:
                    if stop.is_set():
                        raise Interrupted(folder)
                    model.step()
                    write()
                    if time.monotonic() - saved >= output.checkpoint_every:
                        save()
                        saved = time.monotonic()
                    if progress is not None and _tells(model.step_index, last):
                        progress(model.step_index, last, _news(model))
            except BaseException as error:
                status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                with contextlib.suppress(OSError):  # the disk may be what failed
                    update_manifest(folder, status=status, error=f"{type(error).__name__}: {error}")
                    save()
                raise
            save()
        update_manifest(folder, status="finished")
        return Run(folder)


def _require_replaceable(folder: Path, force: bool) -> None:
    """Refuse a path that exists, unless `force` and it holds a run and nothing else."""
    if not folder.is_dir():
        raise FolderExistsError(f"{folder} is a file; give another folder")
    if not force:
        raise FolderExistsError(
            f"{folder} exists. Go on with: scaffoldsim resume {folder}   or replace it with: "
            "--force"
        )
    entries = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    drawn = {f"{scene}{end}" for scene in catalogue.names("scenes") for end in (".png", ".webp")}
    foreign = sorted(entries - _ENTRIES - drawn)
    if foreign:
        raise FolderExistsError(
            f"{folder} holds {foreign[0]!r}, which is not a run's; it is not replaced, even with "
            "--force"
        )
    if entries:
        try:
            read_manifest(folder)
        except (OSError, ValueError) as error:
            raise FolderExistsError(
                f"{folder} is not a run folder; it is not replaced, even with --force"
            ) from error


def _name_of_copy(file: Path) -> str:
    """Return a name that two files with different contents never share: ``<sha8>-<name>``."""
    prefix = digest(file)[:8] + "-"
    return file.name if file.name.startswith(prefix) else prefix + file.name


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, so that no second process writes into it; ended by any exit."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderExistsError(f"another process is writing into {folder}") from error
        yield
    finally:
        os.close(handle)


def _write_frame(state: StateWriter, model: Model) -> None:
    """Write fields (in the unit they are shown in, NaN in solid), cells by voxel, vessels."""
    fields = {}
    for name, entry in model.fields.species.items():
        shown = model.fields.value[name] * np.float32(SHOWN[entry.unit][1])
        fields[name] = np.where(model.fields.open, shown, np.float32(np.nan))
    order = np.argsort(model.cells.voxel, kind="stable")
    cells = {name: getattr(model.cells, name)[order] for name in _CELL_COLUMNS}
    state.write_frame(model.seconds / 3600, fields, cells, _matrix(model), _vessels(model))


def _matrix(model: Model) -> dict[str, NDArray[np.float32]]:
    """What each voxel is filled with, as shares of it; nothing where none of it changes."""
    tissue = getattr(model, "tissue", None)
    if tissue is None:
        return {}
    matrix = tissue.matrix
    stages = matrix.osteoid
    return {
        "scaffold": tissue.degradation.fraction,
        "osteoid": stages[0] + stages[1] + stages[2],  # in this order on every machine
        "mineral": matrix.mineral,
        "host_bone": matrix.host,
    }


def _vessels(model: Model) -> dict[str, NDArray[Any]] | None:
    """Edges and tips of the host's vessels, as `Run.vessels` reads them."""
    circulation = getattr(model, "circulation", None)
    if circulation is None:
        return None
    vessels = circulation.vessels
    graph, tips = vessels.graph, vessels.tips
    position, nodes = graph.nodes["position"], graph.edges["ends"]
    start = position[nodes[:, 0]]
    # Round a periodic face the second end is beyond the box: a straight line stays one.
    end = start + graph.between(start, position[nodes[:, 1]])
    left = position[tips["node"]]
    return {
        "ends": np.stack([start, end], axis=1).astype(np.float32),
        "nodes": nodes.astype(np.int32),
        "radius": graph.edges["radius"].astype(np.float32),
        "carries": vessels.carries.astype(bool),
        "tips": np.stack([left, left + tips["offset"]], axis=1).astype(np.float32),
        "tip_nodes": tips["node"].astype(np.int32),
    }


def _tells(step: int, last: int) -> bool:
    return step == last or step * 100 // last > (step - 1) * 100 // last


def _news(model: Model) -> dict[str, float]:
    oxygen = model.fields.mean("oxygen") or 0.0
    return {"day": model.seconds / 86400, "cells": float(model.cells.n), "oxygen_mM": oxygen}


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into a flag that is read between two steps."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

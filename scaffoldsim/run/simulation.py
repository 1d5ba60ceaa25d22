"""A simulation: a model stepped through time, and a folder that holds what came of it."""

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scaffoldsim.config import Config, dump, load
from scaffoldsim.model.indicators import COLUMNS
from scaffoldsim.model.model import Model
from scaffoldsim.run import checkpoint
from scaffoldsim.run.atomic import json_text, write_atomic
from scaffoldsim.run.estimate import check_resources
from scaffoldsim.run.manifest import (
    MANIFEST,
    new_manifest,
    read_manifest,
    update_manifest,
    write_manifest,
)
from scaffoldsim.run.record import Run
from scaffoldsim.run.schedule import due
from scaffoldsim.run.state import StateWriter
from scaffoldsim.run.writers import MetricsWriter

#: called after steps: (steps made, steps in all, {"day", "cells", "oxygen_mM"})
Progress = Callable[[int, int, Mapping[str, float]], None]

_CONFIG, _METRICS, _STATE, _CHECKPOINT = "config.yaml", "metrics.csv", "state.zarr", "checkpoint"
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
            If it is no run folder.
        """
        path = Path(folder)
        read_manifest(path)
        return cls(load(path / _CONFIG), path)

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
        """
        if self._folder is not None:
            return self._go_on(self._folder, threads, progress)
        folder = Path(out) if out is not None else self.default_folder
        if folder.exists() and not force:
            raise FolderExistsError(
                f"{folder} exists. Go on with: scaffoldsim resume {folder}   or replace it with: "
                "--force"
            )
        if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
            raise FolderExistsError(
                f"{folder} is not a run folder; it is not replaced, even with --force"
            )
        check_resources(self.config, folder)
        model = Model(self.config, threads=threads)
        self._prepare(folder, model, threads)
        with self._writers(folder, model) as (metrics, state):
            return self._advance(folder, model, metrics, state, progress)

    def _prepare(self, folder: Path, model: Model, threads: int | None) -> None:
        """Make the folder; the manifest, which makes it a run, comes last."""
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        data = self.config.resolved()
        for path, file in self.config.inputs().items():
            (folder / "inputs").mkdir(exist_ok=True)
            shutil.copyfile(file, folder / "inputs" / file.name)
            node: Any = data
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = f"inputs/{file.name}"
        write_atomic(folder / _CONFIG, dump(data))
        write_atomic(folder / "morphometry.json", json_text(model.scaffold.measure().to_dict()))
        sources = {
            key: {"value": p.text, "range": list(p.range), "mark": p.mark, "source": p.source}
            for key, p in self.config.parameters().items()
        }
        notes = [
            *model.scaffold.notes,
            f"virtual donor of seed {self.config.seed}: {model.rates.donor}",
        ]
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
        if read_manifest(folder)["status"] == "finished":
            return Run(folder)
        model = Model(self.config, threads=threads)
        update_manifest(folder, status="running")
        stored = checkpoint.newest(folder / _CHECKPOINT)
        counts = {"rows": 0, "frames": 0}
        if stored is not None:
            model.load(stored[0])
            counts = stored[1]
        with self._writers(folder, model, **counts) as (metrics, state):
            return self._advance(folder, model, metrics, state, progress)

    @contextlib.contextmanager
    def _writers(
        self, folder: Path, model: Model, *, rows: int = 0, frames: int = 0
    ) -> Iterator[tuple[MetricsWriter, StateWriter]]:
        """Open metrics and state; with no rows and frames to keep, begin them anew."""
        if frames:
            state = StateWriter.reopen(folder / _STATE, frames=frames)
        else:
            shutil.rmtree(folder / _STATE, ignore_errors=True)
            state = StateWriter.create(
                folder / _STATE,
                grid_shape=model.grid.shape,
                voxel=model.grid.voxel,
                field_names=list(model.fields.value),
                field_units=["mM"] * len(model.fields.value),
                type_names=list(model.cells.types),
                distance=model.scaffold.distance,
                fraction=model.scaffold.fraction,
                frames_every_h=self.config.output.frames_every / 3600,
            )
        with MetricsWriter(folder / _METRICS, COLUMNS, rows=rows) as metrics:
            yield metrics, state

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

        def save() -> None:
            metrics.commit()
            counts = {"rows": metrics.rows, "frames": state.frames}
            checkpoint.save(folder / _CHECKPOINT, model.state(), **counts)

        def write() -> None:
            step = model.step_index
            if due(step, model.dt, output.metrics_every, last):
                metrics.append(model.metrics())
            if due(step, model.dt, output.frames_every, last):
                _write_frame(state, model)

        with _stop_signals() as stop:
            try:
                if model.step_index == 0:
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
                save()
                status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                update_manifest(folder, status=status, error=f"{type(error).__name__}: {error}")
                raise
        save()
        update_manifest(folder, status="finished")
        return Run(folder)


def _write_frame(state: StateWriter, model: Model) -> None:
    """Write fields (NaN in solid) and cells, by voxel."""
    solid = ~model.fields.open
    fields = {name: np.where(solid, np.nan, value) for name, value in model.fields.value.items()}
    order = np.argsort(model.cells.voxel, kind="stable")
    cells = {name: getattr(model.cells, name)[order] for name in _CELL_COLUMNS}
    state.write_frame(model.seconds / 3600, fields, cells)


def _tells(step: int, last: int) -> bool:
    return step == last or step * 100 // last > (step - 1) * 100 // last


def _news(model: Model) -> dict[str, float]:
    oxygen = float(model.fields.in_pores("oxygen").mean(dtype=np.float64))
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

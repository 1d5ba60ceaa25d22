"""Arms × seeds on Dask: only carries runs out; `scaffoldsim.compare` judges them.

The truth of a study is one run folder per arm and seed, and a folder counts when its manifest says
``finished`` under the same config hash. Dask only hurries: whatever it loses is done again, from
the last checkpoint of that run, and a study that was stopped goes on where it stood.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffoldsim.run.atomic import SCHEMA, json_text, write_atomic
from scaffoldsim.run.manifest import MANIFEST, read_manifest
from scaffoldsim.solver.inputs import cores

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,79}")

#: Ctrl-C reaches every process of a terminal: this one ends the study, and with it its workers,
#: which would else each print a traceback.
_DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"

#: Called after every run: runs done, runs in all, and which one it was.
Progress = Callable[[int, int, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Arm:
    """What one arm of a study runs.

    Attributes
    ----------
    config : str, path or mapping
        An experiment of the catalogue, a file, or the values themselves.
    set : mapping
        Changes by dotted key, such as ``{"scaffold.material": "plga"}``.
    """

    config: str | os.PathLike[str] | Mapping[str, Any]
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A run that could not be carried out, and why."""

    arm: str
    seed: int
    folder: Path
    error: str

    def __str__(self) -> str:
        return f"{self.arm}, seed {self.seed}: {self.error}"


class StudyError(RuntimeError):
    """Some runs of a study failed; all others are done.

    Attributes
    ----------
    folders : dict of str to list of Path
        What `execute` would have returned, without the runs that failed.
    failures : list of Failure
        The runs that failed.
    """

    def __init__(self, folders: dict[str, list[Path]], failures: list[Failure]) -> None:
        self.folders, self.failures = folders, failures
        done = sum(len(runs) for runs in folders.values())
        total = done + len(failures)
        lines = "".join(f"\n  {failure}" for failure in failures)
        super().__init__(f"{len(failures)} of {total} runs failed, {done} are done:{lines}")


def execute(
    arms: Mapping[str, Arm],
    seeds: Sequence[int],
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    simulation: Any = None,
) -> dict[str, list[Path]]:
    """Run every arm with every seed; seed i is the same virtual donor in all arms.

    Parameters
    ----------
    arms : mapping of str to Arm
        The arms by name.
    seeds : sequence of int
        Seeds, the same for all arms, so that comparisons are paired.
    out : path
        Folder of the study; the runs are ``<out>/<arm>/s<seed>``.
    workers : int, optional
        Processes of one thread each; by default one per core, but not more than there are runs.
    scheduler : str, optional
        Address of a running Dask scheduler, in place of local processes; `out` must then be on a
        disk that all workers share.
    progress : callable, optional
        Called in this process after every run.
    simulation : class, optional
        What carries a run out; `scaffoldsim.run.simulation.Simulation` by default.

    Returns
    -------
    dict of str to list of Path
        The run folders of each arm, in the order of `seeds`.

    Raises
    ------
    ValueError
        If there is no arm or seed, seeds repeat, a name is no folder name, a config is wrong, or
        `out` holds runs of other configs; nothing has started then.
    StudyError
        If runs failed, after all others are done.

    Examples
    --------
    >>> arms = {"bcp": Arm("quickstart"), "plga": Arm("quickstart", {"scaffold.material": "plga"})}
    >>> execute(arms, range(1, 9), "studies/materials")  # doctest: +SKIP
    """
    seeds = [int(seed) for seed in seeds]
    _check(arms, seeds, workers)
    # Absolute: a worker may stand in another folder.
    root = Path(out).resolve()
    places = {(name, seed): root / name / f"s{seed}" for name in arms for seed in seeds}
    for name, arm in arms.items():
        planned = _engine(simulation).from_config(arm.config, set=dict(arm.set), seed=seeds[0])
        for seed in seeds:
            _require_same(places[name, seed], planned.config.hash, seed)
    root.mkdir(parents=True, exist_ok=True)
    write_atomic(root / "study.json", json_text(_description(arms, seeds)))
    errors = _compute(arms, places, workers, scheduler, progress, simulation)
    folders = {
        name: [places[name, seed] for seed in seeds if (name, seed) not in errors] for name in arms
    }
    if errors:
        failures = [Failure(*key, places[key], errors[key]) for key in places if key in errors]
        raise StudyError(folders, failures)
    return folders


def run_one(arm: Arm, seed: int, folder: str | os.PathLike[str], simulation: Any = None) -> str:
    """Carry out one run, as far as it is not done yet; return ``kept``, ``resumed`` or ``run``.

    Raises
    ------
    ValueError
        If the folder holds a run of another config.
    """
    engine = _engine(simulation)
    place = Path(folder)
    planned = engine.from_config(arm.config, set=dict(arm.set), seed=seed)
    if (place / MANIFEST).is_file():
        _require_same(place, planned.config.hash, seed)
        if read_manifest(place)["status"] == "finished":
            return "kept"
        engine.resume(place).run(threads=1)
        return "resumed"
    # A folder without a manifest was left by a kill before the run began: it holds no result.
    if place.is_dir():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    planned.run(place, threads=1)
    return "run"


def _require_same(place: Path, config_hash: str, seed: int) -> None:
    """Refuse a folder that holds a run of another config or seed; one without a run is fine."""
    if not (place / MANIFEST).is_file():
        return
    manifest = read_manifest(place)
    there = str(manifest.get("config_hash")), manifest.get("seed")
    if there != (config_hash, seed):
        raise ValueError(
            f"{place} holds a run of another config ({there[0][:8]}, seed {there[1]}; asked: "
            f"{config_hash[:8]}, seed {seed}); give another folder, or remove this one"
        )


class _RunError(RuntimeError):
    """What went wrong in a worker, in words: any process can read it, unlike some exceptions."""


def _attempt(arm: Arm, seed: int, folder: str, simulation: Any) -> str:
    """Do `run_one` in a worker."""
    try:
        return run_one(arm, seed, folder, simulation)
    except (Exception, SystemExit) as error:  # a SystemExit would end the worker
        raise _RunError(f"{type(error).__name__}: {error}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the loggers of `distributed` in this process: what matters is told by `execute`."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    loggers = [logging.getLogger(name) for name in ["distributed", *names]]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _compute(
    arms: Mapping[str, Arm],
    places: Mapping[tuple[str, int], Path],
    workers: int | None,
    scheduler: str | None,
    progress: Progress | None,
    simulation: Any,
) -> dict[tuple[str, int], str]:
    """Hand all runs to Dask and wait; return the errors by arm and seed."""
    from distributed import Client, LocalCluster, as_completed

    count = min(workers or cores(), len(places))
    cluster: Any = None
    if scheduler is None:
        # A run guards its own memory before it starts; a limit here would kill it half-way.
        cluster = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            preload=[_DEAF],
        )
    errors: dict[tuple[str, int], str] = {}
    try:
        address = scheduler if cluster is None else cluster
        with _quiet(), Client(address) as client:  # type: ignore[no-untyped-call]
            tasks = {
                client.submit(
                    _attempt,
                    arms[name],
                    seed,
                    str(place),
                    simulation,
                    key=f"run-{name}-s{seed}-{place}",
                    pure=False,
                ): (name, seed)
                for (name, seed), place in places.items()
            }
            finished = as_completed(list(tasks))  # type: ignore[no-untyped-call]
            for done, task in enumerate(finished, start=1):
                arm, seed = tasks[task]
                if task.status == "finished":
                    outcome = task.result()
                else:
                    outcome = "failed"
                    errors[arm, seed] = _words(task.exception())
                if progress is not None:
                    news = {"arm": arm, "seed": seed, "outcome": outcome}
                    progress(done, len(tasks), news)
    finally:
        if cluster is not None:
            cluster.close()
    return errors


def _words(error: BaseException | None) -> str:
    if type(error).__name__ == "KilledWorker":
        return "its worker was killed again and again (out of memory?); run the study again"
    if isinstance(error, _RunError):
        return str(error)
    return f"{type(error).__name__}: {error}" if error is not None else "cancelled"


def _engine(simulation: Any) -> Any:
    if simulation is not None:
        return simulation
    from scaffoldsim.run.simulation import Simulation

    return Simulation


def _check(arms: Mapping[str, Arm], seeds: Sequence[int], workers: int | None) -> None:
    if not arms:
        raise ValueError("a study needs at least one arm")
    if not seeds:
        raise ValueError("a study needs at least one seed")
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds {list(seeds)} must differ: a donor counts once")
    for name in arms:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"arm {name!r} cannot name a folder (letters, digits, blanks and . _ + - are fine)"
            )
    if workers is not None and workers < 1:
        raise ValueError(f"workers {workers} must be at least 1")


def _description(arms: Mapping[str, Arm], seeds: Sequence[int]) -> dict[str, Any]:
    def plain(config: Any) -> Any:
        return dict(config) if isinstance(config, Mapping) else os.fspath(config)

    listed = {
        name: {"config": plain(arm.config), "set": dict(arm.set)} for name, arm in arms.items()
    }
    return {"schema": SCHEMA, "arms": listed, "seeds": list(seeds)}

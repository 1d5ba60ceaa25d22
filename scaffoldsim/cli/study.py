"""``study``: arms × virtual donors, and a verdict for each expectation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scaffoldsim import catalogue
from scaffoldsim.cli.comparison import carry_out, require_scaffolds
from scaffoldsim.cli.failures import BAD_INPUT, FAILED, INTERRUPTED, REFUSED, Failure, reading_input
from scaffoldsim.cli.places import require_folder, writing
from scaffoldsim.cli.runs import minutes, resources

if TYPE_CHECKING:
    from scaffoldsim.compare.plan import Plan
    from scaffoldsim.run.estimate import Estimate
    from scaffoldsim.run.record import Run


def study(
    name: str,
    /,
    *,
    seeds: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    out: Path | None = None,
) -> None:
    """Run a study and judge what it expects; its folder is printed on stdout.

    Every arm is run with every virtual donor, and again without the multipliers that are the
    study's own, so that an ordering that was put in is told from one that was not. The folder holds
    study.csv (comparisons), outcomes.csv (means), verdicts.json, report.html and the runs; runs
    that are there are used again, so the same command goes on after any interruption. An
    expectation that is not shown is a result: the exit code is 0.

    Parameters
    ----------
    name
        A study of the catalogue, or a YAML file.
    seeds
        Virtual donors: seeds 1 to N; those of the study by default.
    workers
        Processes at the same time; by default one per core.
    scheduler
        Address of a Dask scheduler, in place of processes on this machine.
    out
        The folder; runs/study-<name>-<hash of its arms> by default.
    """
    if seeds is not None and seeds < 1:
        raise Failure(BAD_INPUT, f"--seeds {seeds}: at least 1 is needed")
    if workers is not None and workers < 1:
        raise Failure(BAD_INPUT, f"--workers {workers}: at least 1 is needed")
    plan = load_plan(name)
    number = seeds or plan.study.seeds
    folder = out or Path("runs") / plan.folder_name
    require_folder(folder)
    _needs(plan, number, folder, None if scheduler else workers)
    require_scaffolds(list(plan.configs.values()))
    runs, failures = _execute(plan, number, folder, workers, scheduler)
    if any(runs.get(arm) for arm in plan.study.arms):
        _publish(plan, runs, folder, failures)
    if failures:
        raise Failure(FAILED, *failures, "the others are done; the same command tries these again")


def is_study(name: str) -> bool:
    """Whether a name or file means a study, and not an experiment."""
    if _is_file(name):
        from scaffoldsim import tree

        with reading_input(name):
            data = tree.read(name).data if Path(name).is_file() else None
        return isinstance(data, dict) and "arms" in data
    if name.startswith("studies/"):
        return True
    return name in catalogue.names("studies") and name not in catalogue.names("experiments")


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def check_study(name: str) -> None:
    """Validate a study, build its scaffolds, say what it needs; start and write nothing."""
    plan = load_plan(name)
    study, folder = plan.study, Path("runs") / plan.folder_name
    need = _needs(plan, study.seeds, folder, None)
    require_scaffolds(list(plan.configs.values()))
    from scaffoldsim.solver.inputs import cores

    runs, claims = len(plan.configs) * study.seeds, study.expect
    arms = list(study.arms)
    seconds = sum(each.seconds for each in need) * study.seeds
    rows = {
        "study": study.title or study.name,
        "rows": ", ".join(study.rows),
        "arms": ", ".join(arms),
        "neutral": f"{len(plan.configs) - len(arms)} arms without the row's own multipliers",
        "donors": f"{study.seeds}, the same in every arm",
        "runs": f"{runs:,}, at most {max(n.memory_bytes for n in need) / 1e6:,.0f} MB each",
        "disk": f"at most {sum(n.disk_bytes for n in need) * study.seeds / 1e6:,.0f} MB",
        "time": f"about {minutes(seconds * 2 / cores())} on {cores()} cores",
        "folder": str(folder),
    }
    for key, value in rows.items():
        print(f"{key:12}{value}")
    for each in claims:
        days = ", ".join(f"{at / 86400:g}" for at in each.at)
        print(f"{'expected':12}{each.outcome}, day {days}: {each.words()}")


def load_plan(name: str) -> Plan:
    """Return the plan of a study, or end with exit code 2 and every problem."""
    given = name
    if _is_file(name):
        if not Path(name).is_file():
            raise Failure(BAD_INPUT, f"no such file: {name!r}")
        if not is_study(name):
            raise Failure(
                BAD_INPUT, f"{name} is no study: it has no arms (scaffoldsim run {name}?)"
            )
    else:
        given, known = name.removeprefix("studies/"), catalogue.names("studies")
        if given not in known:
            hint = catalogue.did_you_mean(given, known)
            raise Failure(BAD_INPUT, f"no study named {given!r}{hint} (known: {', '.join(known)})")
    from scaffoldsim.compare.plan import make_plan

    with reading_input(given):
        return make_plan(given)


def _needs(plan: Plan, seeds: int, folder: Path, workers: int | None) -> list[Estimate]:
    """Return what each config needs, or end with exit code 3 if all of them are too much."""
    import shutil

    from scaffoldsim.run.atomic import existing
    from scaffoldsim.scaffold.grid import free_memory
    from scaffoldsim.solver.inputs import cores

    need = [resources(config, folder) for config in plan.configs.values()]
    together = min(workers or cores(), len(need) * seeds)
    memory, free = max(each.memory_bytes for each in need) * together, free_memory()
    if memory > free:
        raise Failure(
            REFUSED,
            f"{together} runs at a time need about {memory / 1e9:.1f} GB of memory; "
            f"{free / 1e9:.1f} GB are free. Take fewer --workers.",
        )
    place = existing(folder)
    disk, left = sum(each.disk_bytes for each in need) * seeds, shutil.disk_usage(place).free
    if disk > left:
        raise Failure(
            REFUSED,
            f"{len(need) * seeds} runs would write up to {disk / 1e9:.1f} GB to {place}; "
            f"{left / 1e9:.1f} GB are free. Raise output.frames_every or choose another --out.",
        )
    return need


def _execute(
    plan: Plan, seeds: int, folder: Path, workers: int | None, scheduler: str | None
) -> tuple[dict[str, list[Run]], list[str]]:
    """Run all arms with all donors, as far as they are not done; return the runs, and failures."""
    title = f"study {plan.study.name}, {len(plan.configs)} arms x {seeds} donors"
    with writing(folder):
        try:
            return carry_out(title, plan.configs, seeds, folder, workers, scheduler)
        except KeyboardInterrupt:
            raise Failure(
                INTERRUPTED, f"interrupted; {folder} keeps its runs, the same command goes on"
            ) from None


def _publish(plan: Plan, runs: dict[str, list[Run]], folder: Path, failures: list[str]) -> None:
    """Judge, write tables and page, show the verdicts and say where they are."""
    from scaffoldsim.compare.study import table_lines, write_study

    with reading_input(), writing(folder):
        verdicts, written = write_study(plan, runs, folder, notes=failures)
    for line in table_lines(verdicts):
        print(line, file=sys.stderr)
    for verdict in verdicts:
        if verdict.reason:
            words = f"{verdict.expectation.outcome}, day {verdict.at / 86400:g}"
            print(
                f"{words}, {verdict.expectation.words()}: {verdict.kind or verdict.verdict}: "
                f"{verdict.reason}",
                file=sys.stderr,
            )
    for key in ("study", "verdicts", "report"):
        print(f"{key:12}{os.fspath(written[key])}", file=sys.stderr)
    print(folder)

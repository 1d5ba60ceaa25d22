"""What a study runs: a config for every arm, and for every arm without the row's own multipliers.

An ordering that a multiplier put in comes out again, and that is no evidence. So a study runs each
arm of a statement a second time with the row's own multipliers at their neutral values; what is
gone then had been put in. Only running it tells: effects on division and death, crowding and lack
of oxygen may carry an ordering, or turn it round.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffoldsim import catalogue
from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.compare.addresses import (
    MULTIPLYING,
    UnknownAddressError,
    entries,
    entry_of,
    locate,
    neutralise,
)
from scaffoldsim.compare.expectations import Expectation, Study
from scaffoldsim.compare.metrics import outcome
from scaffoldsim.config import Config, ConfigError, load, located_entry, read_entry
from scaffoldsim.run.schedule import due
from scaffoldsim.tree import Mark, Path_, Problem, Tree


@dataclass(frozen=True)
class Plan:
    """A study, ready to run.

    Attributes
    ----------
    study : Study
        Arms, donors and statements.
    configs : dict of str to Config
        What is run, by name: the arms, then the neutral ones.
    neutral : dict of (str, str) to str
        (`own_key`, arm) → the name in `configs` of the arm without the row's own multipliers; it
        is the arm itself where that has none of them.
    tuned : dict of str to list of str
        The defaults an arm uses that were chosen by this study, by address.
    """

    study: Study
    configs: dict[str, Config]
    neutral: dict[tuple[str, str], str] = field(default_factory=dict)
    tuned: dict[str, list[str]] = field(default_factory=dict)

    @property
    def arms(self) -> dict[str, Config]:
        """The arms of the study, without the neutral ones."""
        return {name: self.configs[name] for name in self.study.arms}

    @property
    def folder_name(self) -> str:
        """Name of the folder: the study, and a hash of what its arms simulate.

        Donors and neutral arms do not count: more of them go into the same folder.
        """
        text = "".join(f"{name}:{config.hash}\n" for name, config in self.arms.items())
        return f"study-{self.study.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def own_key(own: Mapping[str, Any]) -> str:
    """Return a short name for a set of own multipliers, the same whatever their order.

    Examples
    --------
    >>> own_key({"a": 1, "b": 2}) == own_key({"b": 2, "a": 1})
    True
    """
    text = json.dumps(dict(own), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def make_plan(name: str | os.PathLike[str]) -> Plan:
    """Read a study, load every arm of it and make the neutral ones; nothing is run.

    Parameters
    ----------
    name : str or path
        A study of the catalogue, or a file.

    Raises
    ------
    ConfigError
        With every problem at once, in the study, in its arms, or in the files they name.
    """
    section, tree = located_entry("studies", os.fspath(name))
    assert isinstance(section, Study)
    configs, problems = _arms(section, tree)
    if problems:
        raise ConfigError(problems)
    problems = [*_untimely(section, tree, configs), *_twins(tree, configs)]
    neutral, more = _neutral(section, tree, configs)
    problems += more
    tuned, more = _tuned(section, configs)
    if problems + more:
        raise ConfigError(problems + more)
    return Plan(section, configs, neutral, tuned)


def _arms(study: Study, tree: Tree) -> tuple[dict[str, Config], list[Problem]]:
    """Load the config of every arm; what is wrong in a change is located in the study's file."""
    experiment, configs, problems = _experiment(study, tree), {}, []
    for arm, changes in study.arms.items():
        places: dict[str, Path_] = {f"set {k}={v!r}": ("set", k) for k, v in study.set.items()}
        places |= {f"set {k}={v!r}": ("arms", arm, k) for k, v in changes.items()}
        try:
            configs[arm] = load(experiment, set={**study.set, **changes})
        except ConfigError as error:
            problems += [_moved(each, places, tree) for each in error.problems]
    return configs, problems


def _experiment(study: Study, tree: Tree) -> str:
    """Return the experiment: a file beside the study, or a name or path as elsewhere."""
    beside = Path(tree.mark(("config",)).file).parent / study.config
    return str(beside) if beside.is_file() else study.config


def _moved(problem: Problem, places: Mapping[str, Path_], tree: Tree) -> Problem:
    """Locate a problem with a change where the change was written."""
    place = places.get(problem.mark.file)
    if place is None:
        if problem.mark.line == 0 and "config" in tree.data and not problem.key:
            return tree.problem(("config",), problem.message)
        return problem
    change = str(place[-1])
    below = problem.key.removeprefix(change).strip(".")
    inner = tuple(int(k) if k.isdigit() else k for k in below.split(".")) if below else ()
    key = ".".join(map(str, (*place[:-1], problem.key or change)))
    return Problem(tree.mark((*place, *inner)), key, problem.message)


def _untimely(study: Study, tree: Tree, configs: Mapping[str, Config]) -> Iterator[Problem]:
    """Yield times at which a run has no row of metrics, or no frame for what needs one."""
    asked: list[tuple[Path_, Any, list[str]]] = [
        (("at", k), t, study.outcomes) for k, t in enumerate(study.at or [])
    ]
    for index, each in enumerate(study.expect):
        asked += [(("expect", index, "at", k), t, [each.outcome]) for k, t in enumerate(each.at)]
    for place, moment, outcomes in asked:
        framed = [name for name in outcomes if outcome(name).framed]
        for name, config in configs.items():
            output = config.output
            missing = None
            if not _written(config, moment, output.metrics_every):
                missing = "metrics", output.metrics_every
            elif framed and not _written(config, moment, output.frames_every):
                missing = f"frames, which {framed[0]} needs,", output.frames_every
            if missing is None:
                continue
            text = getattr(moment, "text", f"{moment:g} s")
            yield tree.problem(
                place,
                f"there are no {missing[0]} at {text}: arm {name} writes them every "
                f"{missing[1] / 3600:g} h and ends at {config.steps * config.step / 86400:g} d",
            )
            break


def _written(config: Config, moment: float, every: float) -> bool:
    """Whether something that is due `every` s is written at a moment."""
    last = config.steps
    return any(
        abs(moment - k * config.step) < 30
        for k in range(last + 1)
        if due(k, config.step, every, last)
    )


def _twins(tree: Tree, configs: Mapping[str, Config]) -> Iterator[Problem]:
    """Yield arms that simulate the same: a change without effect, such as a word written twice."""
    first: dict[str, str] = {}
    for name, config in configs.items():
        twin = first.setdefault(config.hash, name)
        if twin != name:
            yield tree.problem(("arms", name), f"simulates the same as arm {twin!r}")


def _neutral(
    study: Study, tree: Tree, configs: dict[str, Config]
) -> tuple[dict[tuple[str, str], str], list[Problem]]:
    """Add the neutral arms to `configs`; return which they are, and what is wrong with `own`."""
    names = {config.hash: name for name, config in configs.items()}
    arms = dict(configs)
    neutral: dict[tuple[str, str], str] = {}
    problems: list[Problem] = []
    # by where an `own` stands and by arm: that of the study is for all statements without another
    missed: dict[Path_, dict[str, dict[str, str]]] = {}
    for index, each in enumerate(study.expect):
        place: Path_ = ("own",) if each.own is None else ("expect", index, "own")
        own, claims = study.own_of(each), each.claims(list(arms))
        used = dict.fromkeys(arm for claim in claims for arm in (claim.first, claim.second))
        key = own_key(own)
        for arm in used:
            if (key, arm) in neutral or not own:
                continue
            data, lacks = neutralise(
                arms[arm], own, why=f"neutral: study {study.name} takes it out"
            )
            missed.setdefault(place, {})[arm] = lacks
            try:
                config = load(data)
            except ConfigError as error:
                # The data has no file of its own; the key says where in the arm it is wrong.
                problems += [
                    tree.problem(place, f"arm {arm}, {wrong.key}: {wrong.message}")
                    for wrong in error.problems
                ]
                continue
            name = names.setdefault(config.hash, f"{arm}.neutral-{key}")
            configs.setdefault(name, config)
            neutral[key, arm] = name
        problems += [tree.problem(place, text) for text in _left_out(each, own, arms)]
    for place, lacking in missed.items():
        for address in dict.fromkeys(a for lacks in lacking.values() for a in lacks):
            reasons = [lacks.get(address, "") for lacks in lacking.values()]
            if all(reasons):
                problems.append(tree.problem(place, _nowhere(address, reasons, arms, lacking)))
    return neutral, list(dict.fromkeys(problems))


def _nowhere(
    address: str, reasons: list[str], arms: Mapping[str, Config], used: Iterable[str]
) -> str:
    """Say why an address leads nowhere in any of the arms that are `used`."""
    told = next((reason for reason in reasons if reason), "")
    if entry_of(address) not in {entry for arm in used for entry in entries(arms[arm])}:
        known = {f"{kind}/{name}" for arm in used for kind, name in entries(arms[arm])}
        told += did_you_mean(address.partition(".")[0], known)
    return f"{told} (arms: {', '.join(used)})"


def _left_out(
    expectation: Expectation, own: Mapping[str, Any], arms: Mapping[str, Config]
) -> Iterator[str]:
    """Yield the multiplying entries by which arms differ and which `own` does not touch.

    An ordering that was put in could else pass for a prediction, by not naming what put it in. Two
    doses of one factor, or two ages, put one in as well as a factor and none do.
    """
    named = {entry_of(address) for address in own}
    for claim in expectation.claims(list(arms)):
        one, other = (_multiplying(arms[arm]) for arm in (claim.first, claim.second))
        for kind, name in sorted(one.keys() | other.keys()):
            if one.get((kind, name)) != other.get((kind, name)) and (kind, name) not in named:
                yield (
                    f"arms {claim.first} and {claim.second} differ in {kind}/{name}, and own takes "
                    f"nothing of it out; add the numbers of {kind}/{name} that bear on "
                    f"{expectation.outcome}"
                )


def _multiplying(config: Config) -> dict[tuple[str, str], list[Any]]:
    """Return the multiplying entries of a config, within no other, and how each is given."""
    used = {entry: paths for entry, paths in entries(config).items() if entry[0] in MULTIPLYING}
    places = [path for paths in used.values() for path in paths]

    def outermost(path: Path_) -> bool:
        return not any(path != other and path[: len(other)] == other for other in places)

    data = config.resolved()
    given = {e: [_given(data, p) for p in paths if outermost(p)] for e, paths in used.items()}
    return {entry: ways for entry, ways in given.items() if ways}


def _given(data: Any, path: Path_) -> list[Any]:
    """Return an entry with what stands beside it: dose and schedule, severity, vector, or age."""
    above: list[Any] = [data]
    for part in path:
        above.append(above[-1][part])
    entry, beside, key = above[-1], above[-2], path[-1]
    if key == "ageing":  # of an organism, which stands beside the age
        return [entry, above[-3].get("age")]
    if key == "material" or path == ("bone", "factor"):  # beside them: geometry, numbers of bone
        return [entry]
    return [entry, {k: v for k, v in beside.items() if k != key}]


def _tuned(
    study: Study, configs: Mapping[str, Config]
) -> tuple[dict[str, list[str]], list[Problem]]:
    """Return which defaults of each arm were chosen by this study."""
    found: dict[str, list[str]] = {name: [] for name in study.arms}
    problems = []
    for file in catalogue.names("tuning"):
        for chosen in read_entry("tuning", file).tuned:  # type: ignore[attr-defined]
            if chosen.study != study.name:
                continue
            for name in study.arms:
                try:
                    if locate(configs[name], chosen.parameter):
                        found[name].append(chosen.parameter)
                except UnknownAddressError as error:
                    problems.append(
                        Problem(Mark(str(catalogue.find("tuning", file))), "", str(error))
                    )
    return found, list(dict.fromkeys(problems))

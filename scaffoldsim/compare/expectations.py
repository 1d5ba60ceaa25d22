"""A study file: arms, donors, and what is expected to come out, as statements that can be judged.

The entry stands in ``configs/studies/``; `scaffoldsim.compare.plan` turns it into runs and
`scaffoldsim.compare.verdicts` judges them. What the verdicts mean is in docs/studies.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.compare import metrics
from scaffoldsim.config import Entry, Section, Unit
from scaffoldsim.schema import Quantity
from scaffoldsim.tree import Path_

#: the ways to state an expectation, of which each has exactly one
STATEMENTS = ("order", "greatest", "least", "monotone", "equivalent")
#: fewer donors than this support no claim (the reviews' own trials are no larger)
ENOUGH = 16

_ARM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,39}")


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Moment = Annotated[float, Unit("s", ge=0, show="d")]
Moments = Annotated[list[Moment], BeforeValidator(_listed), Field(min_length=1)]
Wanted = Literal["greater", "equivalent", "not less"]


@dataclass(frozen=True)
class Claim:
    """One comparison of two arms, and what is wanted of `first` against `second`."""

    first: str
    second: str
    wanted: Wanted


class Expectation(Section):
    """One statement about one outcome, at one time or several; it is judged at each.

    Attributes
    ----------
    outcome
        One of `metrics.courses`, or a ratio of two.
    at
        When, after the start.
    order
        Arms from the greatest to the least: each is above the next.
    greatest, least
        The arm that is above, or below, each of `among` (all other arms of the study).
    monotone
        Arms along which the outcome falls: the first is above the last, and no step rises.
    equivalent
        Two arms that are the same within 10 %.
    donors
        Share of donors in which the whole statement has to hold.
    own
        What the row put in itself, and the value that takes it out; that of the study by default.
    """

    outcome: str
    at: Moments
    order: list[str] | None = None
    greatest: str | None = None
    least: str | None = None
    monotone: list[str] | None = None
    equivalent: list[str] | None = None
    among: list[str] | None = None
    donors: Annotated[float, Unit("", ge=0, le=1)] | None = None
    own: dict[str, Any] | None = None

    @property
    def statement(self) -> str:
        """Which of `STATEMENTS` it is; of several the first."""
        given = [key for key in STATEMENTS if getattr(self, key) is not None]
        return given[0] if given else ""

    @property
    def arms(self) -> list[str]:
        """The arms that are named."""
        value = getattr(self, self.statement) if self.statement else []
        return [*_listed(value), *(self.among or [])]

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield what makes the statement none, or two at once."""
        given = [key for key in STATEMENTS if getattr(self, key) is not None]
        if len(given) != 1:
            said = f"{' and '.join(given)} are" if given else "none is"
            yield (), f"an expectation has one of {', '.join(STATEMENTS)} ({said} given)"
            return
        if self.among is not None and self.statement not in ("greatest", "least"):
            yield ("among",), "goes with greatest and least"
        count = len(_listed(getattr(self, self.statement)))
        if self.statement == "equivalent" and count != 2:
            yield ("equivalent",), f"names two arms ({count} are given)"
        elif self.statement in ("order", "monotone") and count < 2:
            yield (self.statement,), f"names two arms or more ({count} is given)"
        if self.among is not None and not self.among:
            yield ("among",), "names one arm or more"
        for name in {name for name in self.arms if self.arms.count(name) > 1}:
            yield (self.statement,), f"arm {name!r} is named twice"

    def claims(self, arms: list[str]) -> list[Claim]:
        """Return the comparisons it consists of, `arms` being all arms of the study.

        Examples
        --------
        >>> falls = Expectation(outcome="cells", at="7 d", order=["a", "b", "c"])
        >>> [(claim.first, claim.second) for claim in falls.claims([])]
        [('a', 'b'), ('b', 'c')]
        """
        named = _listed(getattr(self, self.statement))
        steps = list(pairwise(named))
        others = [name for name in self.among or arms if name != named[0]]
        if self.statement == "order":
            return [Claim(a, b, "greater") for a, b in steps]
        if self.statement == "greatest":
            return [Claim(named[0], other, "greater") for other in others]
        if self.statement == "least":
            return [Claim(other, named[0], "greater") for other in others]
        if self.statement == "equivalent":
            return [Claim(named[0], named[1], "equivalent")]
        ends = [Claim(named[0], named[-1], "greater")]
        return ends + ([Claim(a, b, "not less") for a, b in steps] if len(named) > 2 else [])

    def words(self) -> str:
        """Say the statement without outcome and time.

        Examples
        --------
        >>> Expectation(outcome="cells", at="7 d", greatest="a").words()
        'a greatest'
        """
        named = _listed(getattr(self, self.statement))
        if self.statement == "order":
            return " > ".join(named)
        if self.statement == "monotone":
            return f"falls along {', '.join(named)}"
        if self.statement == "equivalent":
            return " = ".join(named)
        return f"{named[0]} {self.statement}" + (
            f" of {', '.join([named[0], *self.among])}" if self.among else ""
        )


class Study(Entry):
    """Arms × virtual donors, and what is expected of them.

    Attributes
    ----------
    rows
        The rows of the two reviews that it carries out, such as ``N7``.
    config
        The experiment all arms start from.
    set
        Changes to all arms, by dotted key.
    arms
        Changes of each arm, by dotted key.
    seeds
        How many virtual donors; seed i is donor i in every arm.
    outcomes, at
        What is put into the table of means, and when.
    expect
        The statements.
    own
        The row's own multipliers by address, each with the value that makes it neutral; ``{}`` for
        a row that has none.
    """

    kind: ClassVar[str] = "studies"

    rows: list[str] = Field(min_length=1)
    config: str
    set: dict[str, Any] = Field({})
    arms: dict[str, dict[str, Any]] = Field(min_length=2)
    seeds: int = Field(ENOUGH, ge=1, le=100_000)
    outcomes: list[str] = Field(["cells", "osteogenic_share", "adipocyte_share"])
    at: Moments | None = None
    expect: list[Expectation] = Field(min_length=1)
    own: dict[str, Any] | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield arms, outcomes and multipliers that do not fit together."""
        for name in self.arms:
            if not _ARM.fullmatch(name):
                yield (
                    ("arms", name),
                    f"{name!r} cannot name an arm (letters, digits, _ + -, at most 40)",
                )
        for index, outcome in enumerate(self.outcomes):
            yield from _unknown_outcome(outcome, ("outcomes", index))
        for index, each in enumerate(self.expect):
            place: Path_ = ("expect", index)
            yield from _unknown_outcome(each.outcome, (*place, "outcome"))
            for name in dict.fromkeys(each.arms):
                if name not in self.arms:
                    key = "among" if name in (each.among or []) else each.statement
                    yield (
                        (*place, key),
                        f"no arm named {name!r}{did_you_mean(name, self.arms)} "
                        f"(arms: {', '.join(self.arms)})",
                    )
            if self.own is None and each.own is None:
                yield (
                    place,
                    "own is missing, here or for the whole study: which numbers put this ordering "
                    "in, and what value takes them out, for example "
                    '{"factors/bmp2.cues.osteogenic.fold": 1}; own: {} if there is none',
                )

    def own_of(self, expectation: Expectation) -> dict[str, Any]:
        """Return the multipliers that are the row's own for one expectation."""
        own = self.own if expectation.own is None else expectation.own
        assert own is not None
        return own

    def times(self) -> list[Quantity]:
        """Return every time at which something is asked for, once, in order."""
        given = [*(self.at or []), *(moment for each in self.expect for moment in each.at)]
        return [Quantity(t, getattr(t, "text", f"{t:g} s")) for t in sorted(set(given))]


class Chosen(Section):
    """A default that was chosen by looking at what a study gives."""

    parameter: str
    study: str
    why: str = Field(min_length=1)


class Tuning(Entry):
    """All defaults that were chosen by looking at what a study gives: the one place for it."""

    kind: ClassVar[str] = "tuning"

    tuned: list[Chosen] = Field([])


def _unknown_outcome(name: str, place: Path_) -> Iterator[tuple[Path_, str]]:
    parts, known = [part.strip() for part in name.split("/")], metrics.courses()
    if len(parts) > 2:
        yield place, f"{name!r}: a ratio is of two outcomes"
        return
    for part in parts:
        if part not in known:
            yield (
                place,
                f"no outcome named {part!r}{did_you_mean(part, known)} (known: {', '.join(known)}; "
                "or a ratio of two, as in osteogenic_share / adipocyte_share)",
            )

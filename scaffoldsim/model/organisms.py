"""Man and animals: how vitality falls with age; one file in ``configs/organisms/`` each."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from scaffoldsim.config import Entry, Parameter, Section, Unit, read_entry
from scaffoldsim.model.bone import OrganismBone
from scaffoldsim.model.conditions import Condition
from scaffoldsim.tree import Path_
from scaffoldsim.units import format_si

Age = Unit("s", ge=86400, le=150 * 31557600, show="y")
_Age = Annotated[Parameter, Age]


class Decline(Section):
    """q = exp(−(age − reference)/scale), at most 1."""

    reference: _Age
    scale: _Age


class Vitality(Section):
    """q at one age."""

    age: _Age
    q: Annotated[Parameter, Unit("", ge=0, le=1)]


class Organism(Entry):
    """Who a host or a donor is, and how its vitality q falls from 1 with age.

    Attributes
    ----------
    youngest, oldest
        The ages that are taken, s.
    adult
        The age where none is given.
    decline
        q as an exponential, or
    vitality
        as a table, linear between its rows and flat outside.
    ageing
        What age does: a condition of severity 1 − q. It acts through the age alone.
    bone
        How it makes bone, and how much of it the young adult has.
    """

    kind: ClassVar[str] = "organisms"

    youngest: _Age
    oldest: _Age
    adult: _Age
    decline: Decline | None = None
    vitality: list[Vitality] = Field([])
    bone: OrganismBone
    ageing: Annotated[Condition, BeforeValidator(lambda v: _named("conditions", v))] = "ageing"  # type: ignore[assignment]

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a law of ageing that is given twice or not at all, and ages out of order."""
        if (self.decline is None) == (not self.vitality):
            yield (), "give either decline or vitality"
        ages = [float(row.age) for row in self.vitality]
        if any(b <= a for a, b in pairwise(ages)):
            yield ("vitality",), "the ages must rise from row to row"
        if not self.youngest <= self.adult <= self.oldest:
            yield ("adult",), f"{self.adult.text} is not between youngest and oldest"

    def q(self, age: float) -> float:
        """Return the vitality at `age` in s.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> year = 31557600.0
        >>> round(read_entry("organisms", "human").q(80 * year), 3)
        0.368
        """
        if self.decline is not None:
            return min(1.0, math.exp(-(age - self.decline.reference) / self.decline.scale))
        rows = [(float(row.age), float(row.q)) for row in self.vitality]
        if age <= rows[0][0]:
            return rows[0][1]
        for (low, q0), (high, q1) in pairwise(rows):
            if age <= high:
                return q0 + (q1 - q0) * (age - low) / (high - low)
        return rows[-1][1]

    def age_problem(self, age: float | None) -> str | None:
        """Return what is wrong with an age of this organism, or None."""
        if age is None or self.youngest <= age <= self.oldest:
            return None
        return (
            f"{_years(age)} is no age of a {self.name} here (allowed {self.youngest.text} to "
            f"{self.oldest.text})"
        )


def _named(kind: str, value: Any) -> Any:
    """Take an entry by its name; a configuration has the entry here, Python code the name."""
    return read_entry(kind, value) if isinstance(value, str) else value


#: an organism, or the name of one
NamedOrganism = Annotated[Organism, BeforeValidator(lambda value: _named("organisms", value))]


def _years(age: float) -> str:
    return getattr(age, "text", None) or format_si(age, "s")

"""Who the cells are from: species, age, conditions, expansion, and what differs between people."""

import math
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from scaffoldsim.config import Section
from scaffoldsim.model import counter
from scaffoldsim.model.conditions import Affliction
from scaffoldsim.model.organisms import Age, NamedOrganism
from scaffoldsim.tree import Path_


class DonorSection(Section):
    """Who the cells are from.

    Attributes
    ----------
    species
        An organism of the catalogue.
    age : s, optional
        By default that of the host where the cells are its own, else that of an adult.
    spread
        Coefficient of variation between virtual donors, of doubling time and osteogenic rate.
    conditions
        What the donor had; the cells keep the `memory` of each. By default those of the host where
        the cells are its own.
    doublings
        Population doublings of the expansion in culture, carried in.
    passage
        The same as a number of passages; the cell type says what a passage adds.
    """

    species: NamedOrganism = "human"  # type: ignore[assignment]
    age: Annotated[float, Age] | None = None
    spread: float = Field(0.3, ge=0, le=2)
    conditions: list[Affliction] | None = None
    doublings: float | None = Field(None, ge=0, le=200)
    passage: int | None = Field(None, ge=0, le=100)

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield an age that the organism does not reach, and an expansion that is given twice."""
        message = self.species.age_problem(self.age)
        if message:
            yield ("age",), message
        if self.doublings is not None and self.passage is not None:
            yield ("passage",), "give either doublings or passage, not both"


class Donor:
    """One virtual donor: its own osteogenic rate and doubling time.

    Both are lognormal with median 1 and coefficient of variation `spread`; the draw depends on the
    seed alone, so seed i is the same donor in every arm of a study.
    """

    def __init__(self, seed: int, spread: float) -> None:
        key = counter.keys(seed=seed, step=0, purpose="donor")
        u = counter.uniform(np.arange(1, 3), key)
        sigma = math.sqrt(math.log1p(spread**2))
        radius = sigma * math.sqrt(-2 * math.log(1.0 - float(u[0])))
        angle = 2 * math.pi * float(u[1])
        self.osteogenic = math.exp(radius * math.cos(angle))
        self.doubling_time = math.exp(radius * math.sin(angle))

    def __repr__(self) -> str:
        return (
            f"Donor(doubling time × {self.doubling_time:.3f}, "
            f"osteogenic rate × {self.osteogenic:.3f})"
        )

"""Who the scaffold is put into: one file in ``configs/hosts/`` each."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from scaffoldsim.config import Entry, Parameter, Unit
from scaffoldsim.model.conditions import Affliction
from scaffoldsim.model.factors import Event, Setting
from scaffoldsim.model.hostbone import HostBone
from scaffoldsim.model.immunity import ImmuneResponse
from scaffoldsim.model.marrow import Marrow
from scaffoldsim.model.mechanics import Load
from scaffoldsim.model.organisms import Age, Organism
from scaffoldsim.model.site import Site
from scaffoldsim.model.sprouting import VesselTissue
from scaffoldsim.model.wound import Wound
from scaffoldsim.tree import Path_

#: what a culture has not
_OF_A_BODY = (
    "organism",
    "age",
    "conditions",
    "wound",
    "vessels",
    "immunity",
    "marrow",
    "site",
)

Multiplier = Annotated[Parameter, Unit("", ge=0, le=100)]


class Host(Entry):
    """The surroundings of the scaffold.

    Attributes
    ----------
    setting
        ``culture``: in vitro, no wound, no vessels, no resorption. ``in_vivo``: in a body.
    organism
        Whose body; needed in vivo.
    age : s, optional
        By default that of an adult of the organism.
    conditions
        What is wrong with it.
    wound
        What the wound does to division; in vivo.
    multipliers
        Free factors on the rate of each event, 1 where not given.
    load
        Of the site; none where absent.
    bone
        Its bone in the box; none if not given.
    vessels
        How its vessels grow into the box; none if not given.
    immunity
        What it does to foreign cells and materials; nothing if not given.
    marrow
        The stromal cells of its marrow; they come where it has vessels.
    site
        What part of the body the box is, and what was done to it; if not given, all is wound.
    """

    kind: ClassVar[str] = "hosts"

    setting: Setting
    organism: Organism | None = None
    age: Annotated[float, Age] | None = None
    conditions: list[Affliction] = Field([])
    wound: Wound | None = None
    multipliers: dict[Event, Multiplier] = Field({})
    load: Load | None = None
    bone: HostBone | None = None
    vessels: VesselTissue | None = None
    immunity: ImmuneResponse | None = None
    marrow: Marrow | None = None
    site: Site | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield what a body needs and lacks, and what a dish has no use for."""
        if self.setting == "in_vivo":
            for key in ("organism", "wound"):
                if getattr(self, key) is None:
                    yield (key,), f"{key} is missing; a host with setting in_vivo needs one"
        else:
            for key in _OF_A_BODY:
                if getattr(self, key):
                    yield (
                        (key,),
                        f"a culture has no {key}; describe the cells under cells.donor, or take a "
                        "host with setting in_vivo",
                    )
        if self.organism is not None:
            message = self.organism.age_problem(self.age)
            if message:
                yield ("age",), message
        elif self.age is not None and self.setting == "in_vivo":
            yield ("age",), "an age needs an organism"

    @property
    def operated(self) -> bool:
        """Whether there is a fresh wound: not where a site was only diagnosed."""
        return self.setting == "in_vivo" and (self.site is None or self.site.hole is not None)

    def multiplier(self, event: str) -> float:
        """Return the free factor on the rate of `event`."""
        return float(self.multipliers.get(event, 1.0))

    @property
    def vitality(self) -> float:
        """Vitality q of the organism at its age; 1 where there is none."""
        if self.organism is None:
            return 1.0
        return self.organism.q(float(self.organism.adult if self.age is None else self.age))

    def wound_signal(self, start: float, end: float) -> float:
        """Return the mean factor on division between two times, s; 1 in culture."""
        if self.wound is None:
            return 1.0
        return self.wound.mean(start, end) if self.operated else float(self.wound.resting)

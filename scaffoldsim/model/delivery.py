"""How cells get into the scaffold, as data: how many, whose, when, and by which route."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from scaffoldsim.config import Section, Unit
from scaffoldsim.model.celltypes import Attachment, CellType
from scaffoldsim.model.donor import DonorSection
from scaffoldsim.model.genes import MOST_GENES, Modification
from scaffoldsim.tree import Path_

#: where cells come from, in the order of the origin column; the host's own come by themselves
SOURCES = ("autologous", "allogeneic", "xenogeneic", "host")
#: the host's own cells in that column
HOST = SOURCES.index("host")

Face = Literal["x-", "x+", "y-", "y+", "z-", "z+"]
Route = Literal[
    "dynamic_seeding",
    "static_seeding",
    "gel_seeding",
    "injection",
    "core_decompression",
    "arterial_infusion",
]
#: route → what a cell type says of the share that stays
SHARES: dict[Route, str] = {
    "dynamic_seeding": "dynamic_share",
    "static_seeding": "static_share",
    "gel_seeding": "gel_share",
    "injection": "injected_share",
    "core_decompression": "injected_share",
    "arterial_infusion": "infused_share",
}
#: cells in suspension, of which some more are washed out after the first day
SUSPENDED: tuple[Route, ...] = ("injection", "core_decompression")
#: routes that lead through a body
IN_BODY: tuple[Route, ...] = (*SUSPENDED, "arterial_infusion")

# more cells than a box has voxels; one per µm³; fewer stromal ones than any marrow holds
_Number = Annotated[int, Field(ge=0, le=1_000_000_000)]
_Density = Annotated[float, Unit("1/m^3", ge=0, le=1e18, show="1/mL")]
_Share = Annotated[float, Unit("", ge=1e-6, le=1)]


class Dose(Section):
    """Cells that are given later on; what is not said is as for the first.

    Attributes
    ----------
    at : s
        Since the start of the run. Cells come at the beginning of the step it falls into; none
        come that would at or after the end.
    number, density
        At most one of the two.
    delivery, face
        As of `Seeding`.
    """

    at: Annotated[float, Unit("s", ge=0, le=1e10, show="d")]
    number: _Number | None = None
    density: _Density | None = None
    delivery: Route | None = None
    face: Face | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield an amount that is given twice."""
        if self.number is not None and self.density is not None:
            yield ("density",), "give either number or density, not both"


@dataclass(frozen=True)
class Given:
    """One dose with all that is said of it.

    Attributes
    ----------
    at : float
        s.
    number, density
        Exactly one of the two.
    delivery, face
        How.
    msc_fraction
        Share of the cells that is stromal.
    place
        Where it stands below ``cells``, for messages.
    """

    at: float
    number: int | None
    density: float | None
    delivery: Route
    face: Face
    msc_fraction: float
    place: Path_ = ()

    def count(self, volume: float) -> int:
        """Return how many cells are given to a target of `volume`, m³."""
        if self.number is not None:
            return self.number
        assert self.density is not None
        return round(self.density * volume)

    def stromal(self, volume: float) -> int:
        """Return how many of them are of the type that is given."""
        return round(self.msc_fraction * self.count(volume))

    def share(self, rule: Attachment, adhesion: float) -> float:
        """Return the share that stays, on a material of this `adhesion`."""
        kept = float(getattr(rule, SHARES[self.delivery]))
        return kept * adhesion if self.delivery == "static_seeding" else kept


class Seeding(Section):
    """Cells that are given: how many, of what type, from whom, when, and by which route.

    Attributes
    ----------
    type
        A name among `cell_types`.
    number, density
        Cells given at the start: a count, or per volume of the target, which is the box, or the
        region that the host's site names. Exactly one of the two.
    delivery
        ``dynamic_seeding``: even over all surfaces. ``static_seeding``: on surfaces, falling
        exponentially from `face`. ``gel_seeding``: mixed into what fills the pores, even in
        volume. ``injection``: a suspension, even in volume. ``core_decompression``: the same into
        the track of the host's site. ``arterial_infusion``: with the blood, beside vessels that
        carry some, by their flow. The share that stays is the cell type's `attachment`.
    source
        Whose cells: the host's own, another's of the same species, or of another species.
    msc_fraction
        Share of the cells given that is stromal, as of mononuclear cells of marrow. The others are
        counted, and do nothing.
    genes
        What the cells were modified with before; bit i of a cell's mask is the i-th. A plasmid
        fades from the start of the run on, also in cells that are given later.
    doses
        More of the same cells, later.
    """

    type: str = "bmsc"
    number: _Number | None = None
    density: _Density | None = None
    delivery: Route = "dynamic_seeding"
    face: Face = "z+"
    source: Literal["autologous", "allogeneic", "xenogeneic"] = "allogeneic"
    msc_fraction: _Share = 1.0
    donor: DonorSection = Field({})  # type: ignore[assignment]
    genes: list[Modification] = Field([], max_length=MOST_GENES)
    doses: list[Dose] = Field([], max_length=1000)  # each is looked at in every step

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a dose that is given twice or not at all, and a gene given twice."""
        names = [change.gene.name for change in self.genes]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("genes", index), f"{name} is given twice"
        if (self.number is None) == (self.density is None):
            yield (), 'give either number or density, for example density: "1e6 /mL"'

    @property
    def mask(self) -> int:
        """The genes of the cells that are given, one bit each."""
        return (1 << len(self.genes)) - 1

    @property
    def plan(self) -> tuple[Given, ...]:
        """All doses: that of the start, then the others as they are listed.

        Examples
        --------
        >>> more = {"number": 90, "doses": [{"at": "3 d"}, {"at": "1 wk", "number": 5}]}
        >>> [(dose.at / 86400, dose.number) for dose in Seeding.model_validate(more).plan]
        [(0.0, 90), (3.0, 90), (7.0, 5)]
        """
        first = Given(
            0.0, self.number, self.density, self.delivery, self.face, float(self.msc_fraction)
        )
        doses = [first]
        for index, dose in enumerate(self.doses):
            own = dose.number is not None or dose.density is not None
            doses.append(
                Given(
                    float(dose.at),
                    dose.number if own else first.number,
                    dose.density if own else first.density,
                    dose.delivery or first.delivery,
                    dose.face or first.face,
                    first.msc_fraction,
                    ("doses", index) if dose.delivery else (),
                )
            )
        return tuple(doses)

    def doublings(self, cell_type: CellType) -> float:
        """Return the population doublings of their expansion, carried in."""
        donor, rule = self.donor, cell_type.proliferation
        if donor.passage is not None and rule is not None and rule.doublings_per_passage:
            return donor.passage * float(rule.doublings_per_passage)
        return donor.doublings or 0.0

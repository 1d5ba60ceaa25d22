"""What each cell feels becomes one rate per event.

The rules are data: a cell type is a file in ``configs/cells/`` that says how fast it crawls,
divides, dies, what it can become and how oxygen bears on that. `Rates.evaluate` fills the rate
columns of all cells; the lattice turns them into events.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scaffoldsim.config import Entry, Parameter, Section, Unit
from scaffoldsim.model import counter
from scaffoldsim.model.host import Event, Exposure, Host, cue_multipliers
from scaffoldsim.tree import Path_

if TYPE_CHECKING:
    from scaffoldsim.model.model import Model

#: why a cell dies, in the order of the death columns
CAUSES = ("basal", "ischaemic", "lifespan")

_Rate = Annotated[Parameter, Unit("1/s", ge=0, le=1, show="1/h")]
_Time = Annotated[Parameter, Unit("s", ge=60, le=1e12, show="h")]
#: of a half-maximal concentration: never 0, it stands in a denominator
_Oxygen = Annotated[Parameter, Unit("mol/m^3", ge=1e-9, le=10, show="mM")]
_Number = Annotated[Parameter, Unit("", ge=0, le=1e3)]


class Migration(Section):
    r"""Persistent random walk: D = S² P / 3, and on voxels of edge h a hop rate k = 6 D / h²."""

    speed: Annotated[Parameter, Unit("m/s", ge=0, le=1e-6, show="um/h")]
    persistence: _Time

    def hop_rate(self, voxel: float) -> float:
        """Return k in 1/s on voxels of edge `voxel` in m."""
        return float(2 * self.speed**2 * self.persistence / voxel**2)


class Proliferation(Section):
    r"""λ = (ln 2/TD) f_3D · C/(C + C_q) · q-term, with TD longer after many doublings."""

    doubling_time: _Time
    scaffold_factor: _Number
    half_maximal_oxygen: _Oxygen
    lag: Annotated[Parameter, Unit("s", ge=0, show="h")]
    #: TD × (1 + slowing (doublings/10)²)
    slowing: _Number


class Death(Section):
    """Loss at a basal rate, and where oxygen lacks: k / (1 + (C/C_half)²)."""

    basal: _Rate
    ischaemic: _Rate
    ischaemic_oxygen: _Oxygen
    lifespan: _Time | None = None


class Fate(Section):
    """What a cell can become, and how fast; oxygen gates it as C/(C + K), 1 at `reference`."""

    rate: _Rate
    event: Event | None = None
    half_maximal_oxygen: _Oxygen | None = None
    reference_oxygen: _Oxygen | None = None
    #: whether the material's osteoconductivity multiplies the rate of a cell that touches it
    osteoconductive: bool = False

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a gate that is only half given."""
        if (self.half_maximal_oxygen is None) != (self.reference_oxygen is None):
            yield ("half_maximal_oxygen",), "needs reference_oxygen, and the other way round"


class Ageing(Section):
    """Age acts through q = exp(−(age − reference)/scale); a rate is × (v + (1 − v) q)."""

    reference: Annotated[Parameter, Unit("s", ge=0, show="y")]
    scale: Annotated[Parameter, Unit("s", ge=1, show="y")]
    proliferation: _Number
    death: _Number
    osteogenic: _Number
    adipogenic: _Number

    def multiplier(self, event: str, age: float) -> float:
        """Return the factor on the rate of `event` for a donor of `age` in s."""
        v = float(getattr(self, event, 1.0))
        q = math.exp(-(age - self.reference) / self.scale)
        return v + (1 - v) * q


class Attachment(Section):
    """How much of a seeded dose stays: the share kept, and the depth at which 1/e is left."""

    dynamic_share: _Number
    static_share: _Number
    static_depth: Annotated[Parameter, Unit("m", ge=1e-6, le=0.1, show="mm")]


class CellType(Entry):
    """A cell type: what it does, and how fast.

    A missing `migration` or `proliferation` means that it does not move or divide.
    """

    kind: ClassVar[str] = "cells"

    oxygen_uptake: Annotated[Parameter, Unit("mol/s", ge=0, le=1e-12, show="fmol/h")]
    death: Death
    migration: Migration | None = None
    proliferation: Proliferation | None = None
    fates: dict[str, Fate] = Field({})
    ageing: Ageing | None = None
    attachment: Attachment | None = None


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


class Rates:
    """The rules of all cell types, ready to be applied to columns.

    Parameters
    ----------
    types
        Cell types by name; their order is that of `Cells.types`.
    voxel
        Edge of a voxel, m.
    donor, donor_age
        The virtual donor, and its age in s.
    host, exposures
        What multiplies the rates of all cells.
    osteoconductivity
        Of the scaffold's material.
    """

    def __init__(
        self,
        types: dict[str, CellType],
        *,
        voxel: float,
        donor: Donor,
        donor_age: float,
        host: Host,
        exposures: list[Exposure],
        osteoconductivity: float = 1.0,
    ) -> None:
        self.types, self.donor, self.donor_age = types, donor, donor_age
        self.host, self.exposures = host, exposures
        self.osteoconductivity = osteoconductivity
        self._names = list(types)
        self._hop = [t.migration.hop_rate(voxel) if t.migration else 0.0 for t in types.values()]

    def evaluate(self, model: "Model") -> None:
        """Fill the rate columns of `model.cells` for the step that begins now."""
        cells, time = model.cells, model.seconds
        oxygen = model.fields.at(cells.voxel, "oxygen")
        touching = model.lattice.near_surface.ravel()[cells.voxel]
        cue = cue_multipliers(self.exposures, time)
        cells.hop[:] = 0
        cells.divide[:] = 0
        cells.death[:] = 0
        cells.fate[:] = 0
        for index, cell_type in enumerate(self.types.values()):
            rows = np.flatnonzero(cells.type == index)
            if rows.size == 0:
                continue
            c = oxygen[rows]
            cells.hop[rows] = self._hop[index] * self._common("migration", cell_type, cue)
            if cell_type.proliferation is not None and time >= cell_type.proliferation.lag:
                cells.divide[rows] = self._division(cell_type, c, cells.doublings[rows], cue)
            self._deaths(cells.death, rows, cell_type, c, cue)
            for name, fate in cell_type.fates.items():
                k = self._fate(fate, cell_type, c, touching[rows], cue)
                cells.fate[self._names.index(name), rows] = k

    def _common(self, event: str, cell_type: CellType, cue: dict[str, float]) -> float:
        """Return the product of what is the same for all cells of a type: host, cues, age."""
        factor = self.host.multiplier(event) * cue[event]
        if cell_type.ageing is not None:
            factor *= cell_type.ageing.multiplier(event, self.donor_age)
        return factor

    def _division(
        self,
        cell_type: CellType,
        oxygen: NDArray[np.float32],
        doublings: NDArray[np.float32],
        cue: dict[str, float],
    ) -> NDArray[Any]:
        rule = cell_type.proliferation
        assert rule is not None
        slow = 1.0 + float(rule.slowing) * (doublings / np.float32(10)) ** 2
        base = math.log(2) / (float(rule.doubling_time) * self.donor.doubling_time)
        base *= float(rule.scaffold_factor) * self._common("proliferation", cell_type, cue)
        share: NDArray[Any] = rise(oxygen, float(rule.half_maximal_oxygen))
        return base * share / slow

    def _deaths(
        self,
        death: NDArray[np.float32],
        rows: NDArray[np.intp],
        cell_type: CellType,
        oxygen: NDArray[np.float32],
        cue: dict[str, float],
    ) -> None:
        rule, factor = cell_type.death, self._common("death", cell_type, cue)
        lack = 1.0 / (1.0 + (oxygen / np.float32(rule.ischaemic_oxygen)) ** 2)
        death[CAUSES.index("basal"), rows] = float(rule.basal) * factor
        death[CAUSES.index("ischaemic"), rows] = float(rule.ischaemic) * factor * lack
        if rule.lifespan is not None:
            death[CAUSES.index("lifespan"), rows] = 1.0 / float(rule.lifespan)

    def _fate(
        self,
        fate: Fate,
        cell_type: CellType,
        oxygen: NDArray[np.float32],
        touching: NDArray[np.bool_],
        cue: dict[str, float],
    ) -> NDArray[Any]:
        k = np.full(oxygen.shape, float(fate.rate))
        if fate.event is not None:
            k *= self._common(fate.event, cell_type, cue)
        if fate.event == "osteogenic":
            k *= self.donor.osteogenic
        if fate.half_maximal_oxygen is not None and fate.reference_oxygen is not None:
            half = float(fate.half_maximal_oxygen)
            k *= rise(oxygen, half) / rise(float(fate.reference_oxygen), half)
        if fate.osteoconductive:
            k *= np.where(touching, self.osteoconductivity, 1.0)
        return k


def rise(concentration: Any, half_maximal: float) -> Any:
    """Return C/(C + K), the share of the greatest effect; 0 at and below C = 0.

    Examples
    --------
    >>> rise(0.006, 0.006)
    0.5
    """
    positive = np.maximum(concentration, 0)
    share = positive / (positive + half_maximal)
    return float(share) if np.ndim(share) == 0 else share

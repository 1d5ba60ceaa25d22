"""What each cell feels becomes one rate per event.

The rules are data: a cell type is a file in ``configs/cells/``, a factor one in
``configs/factors/``, and so are conditions, genes and hosts. `Rates.evaluate` fills the rate
columns of all cells from tables (compiled twin: ``_rates.pyx``); the lattice turns them into
events.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _rates
from scaffoldsim.model.celltypes import CAUSES, CellType, OxygenGate
from scaffoldsim.model.donor import Donor
from scaffoldsim.model.factors import CELL_EVENTS
from scaffoldsim.model.signals import WHO, Signals

if TYPE_CHECKING:
    from scaffoldsim.model.cells import Cells
    from scaffoldsim.model.fields import Fields
    from scaffoldsim.model.ground import Ground
    from scaffoldsim.model.model import Model

__all__ = ["CAUSES", "CellType", "Donor", "Rates"]

#: below this many cells a thread costs more to wake than it gains
_CELLS_PER_THREAD = 20_000
_FORMS = {None: 0, "rising": 1, "falling": 2}
#: origins of cells that were given; whatever comes after them is the host's own
_GIVEN = 3
_PROLIFERATION, _MIGRATION, _DEATH, _OSTEOGENIC = (
    CELL_EVENTS.index(event) for event in ("proliferation", "migration", "death", "osteogenic")
)

Table = NDArray[np.float64]


class Rates:
    r"""The rules of all cell types, ready to be applied to columns.

    With the oxygen C, the multipliers m of an event (host, donor, age, exposures, genes, cues that
    act locally) and the doublings PD of a cell,

    .. math::

        k_\text{hop} &= 6 D m / h^2 \\
        \lambda &= \frac{\ln 2}{TD}\, f_{3D}\, \frac{C}{C + C_q}\,
                   \frac{m}{1 + s (PD/10)^2} \\
        k_\text{ischaemic} &= k_0\, \frac{m}{1 + (C/C_h)^2} \\
        k_\text{fate} &= k_0\, m\, o(C)\, g(E)\, \mu(S)\, [oc \text{ of what it touches}]

    and a division makes mother and daughter senescent with the chance `Senescence` says. All
    numbers stand in the cell types; see `scaffoldsim.model.celltypes`.

    Parameters
    ----------
    types
        Cell types by name; their order is that of `Cells.types`.
    voxel
        Edge of a voxel, m.
    donor
        The virtual donor.
    signals
        What host, donor, exposures and genes say.
    ground
        What each voxel touches; without one, cells touch nothing.
    gel
        Whether cells crawl in a gel.
    threads
        Of the kernel; the result does not depend on it.

    Attributes
    ----------
    equivalent : float
        Concentration of the factor `Signals.touched` that a cell feels that touches the scaffold,
        on top of that in the fluid, kg/m³ or mol/m³; the owner sets it for each step.
    """

    def __init__(
        self,
        types: dict[str, CellType],
        *,
        voxel: float,
        donor: Donor,
        signals: Signals,
        ground: "Ground | None" = None,
        gel: bool = False,
        threads: int = 1,
    ) -> None:
        self.types, self.donor, self.signals = types, donor, signals
        self.ground, self.threads = ground, threads
        self.equivalent = 0.0
        names, every = list(types), list(types.values())
        self._hop = np.array(
            [t.migration.hop_rate(voxel, gel=gel) if t.migration else 0.0 for t in every]
        )
        self._divide = np.array([_fastest(t, donor) for t in every])
        self._shape = np.array([_shape(t) for t in every])
        fates = [(i, j, f) for i, t in enumerate(every) for j, f in t.fates.items()]
        self._spans = np.searchsorted([i for i, _, _ in fates], np.arange(len(types) + 1)).astype(
            np.int32
        )
        # as a voxel holds it, in single precision, so that a jump is met exactly
        rows = [np.float32(row.stimulus) for _, _, f in fates for row in f.mechanics]
        factors = [float(row.factor) for _, _, f in fates for row in f.mechanics]
        self._table, self._table_y = np.array(rows, float), np.array(factors, float)
        ends = np.cumsum([0, *(len(f.mechanics) for _, _, f in fates)])
        self._fates = np.array(
            [
                (
                    names.index(j),
                    f.event_index,
                    _FORMS[f.oxygen.form if f.oxygen else None],
                    f.osteoconductive,
                    _FORMS[f.stiffness.form if f.stiffness else None],
                    ends[n],
                    ends[n + 1],
                )
                for n, (_, j, f) in enumerate(fates)
            ],
            np.int32,
        ).reshape(-1, 7)
        self._gates = np.array(
            [
                (
                    _half(f.oxygen),
                    f.oxygen.scale if f.oxygen else 1.0,
                    float(f.stiffness.half_maximal) ** 2 if f.stiffness else 1.0,
                    float(f.stiffness.gain) if f.stiffness else 0.0,
                )
                for _, _, f in fates
            ],
            float,
        ).reshape(-1, 4)
        self._becomes = [(i, names.index(j), float(f.rate), f.event_index) for i, j, f in fates]

    # time -------------------------------------------------------------------------------------

    def advance(self, start: float, end: float) -> None:
        """Go on to the step from `start` to `end` (s): exposures and doses due in it."""
        self.signals.advance(start, end)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs."""
        return self.signals.state()

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state."""
        self.signals.load(state)

    # cells ------------------------------------------------------------------------------------

    def evaluate(self, model: "Model") -> None:
        """Fill the rate columns of `model.cells` for the step that begins now."""
        cells, fields = model.cells, model.fields
        common, into, n_masks = self._tables()
        cue_of, cues, carriers, base, touched, kept = self._local(fields)
        touch, conduction, material = self._touch(fields)
        stimulus = self._stimulus(model)
        _rates.fill(
            cells.n,
            *(cells.allocated(name) for name in ("type", "origin", "genes", "voxel", "parent")),
            *(cells.allocated(name) for name in ("age", "doublings")),
            oxygen=fields.value["oxygen"].ravel(),
            substrate=model.substrate,
            touch=touch,
            conduction=conduction,
            material=material,
            stimulus=stimulus,
            carriers=carriers,
            base=base,
            touched=touched,
            cue_of=cue_of,
            cues=cues,
            who=np.array([0] * _GIVEN + [1] * (256 - _GIVEN), np.int32),
            n_masks=n_masks,
            common=common,
            shape=self._shape,
            into=into,
            spans=self._spans,
            fates=self._fates,
            gates=self._gates,
            table=self._table,
            table_y=self._table_y,
            threads=max(1, min(self.threads, cells.n // _CELLS_PER_THREAD)),
            **{
                name: cells.allocated(name) for name in ("hop", "divide", "arrest", "death", "fate")
            },
        )
        del kept  # the kernel had only their addresses

    def tissue(self, event: str, concentration: Mapping[str, Any] | None = None) -> Any:
        """Return the factor on what the host's tissue does, for example ``deposition``.

        Parameters
        ----------
        event
            One of `factors.TISSUE_EVENTS`, ``<species>_secretion`` or ``<factor>_chemotaxis``.
        concentration
            Factor → local concentration, numbers or arrays, for the cues that fields carry; they
            are left out without it.
        """
        factor = self.signals.multiplier(event, "host")
        return (
            factor
            if concentration is None
            else factor * self.signals.local_multiplier(event, concentration)
        )

    # what cells do to fields, and fields to where they crawl ------------------------------------

    def secretion(
        self, species: str, cells: "Cells", fields: "Fields", basal: Table | None
    ) -> Table | None:
        """Return what each cell gives off of `species`, from its own `basal` rate, mol/s or kg/s.

        The event ``<species>_secretion`` multiplies it, and genes add theirs; None is nothing.
        """
        event = f"{species}_secretion"
        if basal is not None:
            basal = basal * self.signals.multiplier(event)
            if any(cue.event == event for _, cue in self.signals.local_cues()):
                basal = basal * self.signals.local_multiplier(
                    event, self.concentration(fields, cells.voxel)
                )
        for bit, rate, share in self.signals.expression(species):
            has = (cells.genes >> np.uint8(bit)) & np.uint8(1)
            more = has * (fields.species[species].amount(rate) * share)
            basal = more if basal is None else basal + more
        return basal

    def potential(self, fields: "Fields") -> NDArray[np.float32] | None:
        r"""Return the potential of chemotaxis per voxel; None if nothing draws.

        .. math:: \Phi = \sum_x \beta_x s_x \frac{c_x}{K_x + c_x}

        s is the multiplier of the event ``<factor>_chemotaxis`` of the cells that were given.
        """
        total: NDArray[np.float32] | None = None
        for name, carriers in self.signals.carried.items():
            rule = self.signals.factors[name].chemotaxis
            if rule is None or not carriers:
                continue
            strength = float(rule.strength) * self.signals.multiplier(f"{name}_chemotaxis")
            if strength == 0.0:
                continue
            c: NDArray[np.float32] = sum_of([fields.value[carrier] for carrier in carriers])
            theta: NDArray[np.float32] = c / (c + np.float32(rule.half_maximal))
            theta *= np.float32(strength)
            total = theta if total is None else total + theta
        return total

    def concentration(self, fields: "Fields", voxel: NDArray[Any]) -> dict[str, Any]:
        """Return what cells feel of each factor that acts locally, at flat voxel numbers.

        Without the systemic level, which `Signals.local_multiplier` adds.
        """
        found: dict[str, Any] = {}
        for name, carriers in self.signals.carried.items():
            local = [fields.at(voxel, carrier) for carrier in carriers]
            found[name] = sum_of(local) if local else np.zeros(voxel.shape, np.float32)
            if name == self.signals.touched and self.ground is not None and self.equivalent > 0:
                touches = (self.ground.touch[voxel] & self.ground.material) > 0
                found[name] = found[name] + touches * self.equivalent
        return found

    # tables -----------------------------------------------------------------------------------

    def _tables(self) -> tuple[Table, Table, int]:
        """Return rates before what a cell feels, by (whose, genes, type), and by fate too."""
        by_who, by_mask = self.signals.tables()
        m = by_who[:, None, :] * by_mask[None, :, :]  # whose × genes × event
        n = len(self.types)
        common = np.zeros((*m.shape[:2], n, 6))
        common[..., 0] = self._hop * m[:, :, _MIGRATION, None]
        common[..., 1] = self._divide * m[:, :, _PROLIFERATION, None]
        into = np.zeros((*m.shape[:2], n, n))
        q = {"donor": self.signals.q, "host": self.signals.host.vitality}
        for i, cell_type in enumerate(self.types.values()):
            rule = cell_type.death
            common[:, :, i, 2] = float(rule.basal) * m[:, :, _DEATH]
            common[:, :, i, 3] = float(rule.ischaemic) * m[:, :, _DEATH]
            common[:, :, i, 4] = 1.0 / float(rule.lifespan) if rule.lifespan else 0.0
            if cell_type.senescence is not None:
                for k, who in enumerate(WHO):
                    common[k, :, i, 5] = cell_type.senescence.limit(q[who])
        for source, target, rate, event in self._becomes:
            into[:, :, source, target] = rate * (m[:, :, event] if event >= 0 else 1.0)
            if event == _OSTEOGENIC:
                into[:, :, source, target] *= self.donor.osteogenic
        rows = math.prod(m.shape[:2]) * n
        return common.reshape(rows, 6), into.reshape(rows, n), m.shape[1]

    def _local(
        self, fields: "Fields"
    ) -> tuple[NDArray[np.int32], Table, NDArray[np.uintp], Table, Table, list[Any]]:
        """Return the cues that act locally, and of each factor of them: the address of its field.

        Then its systemic level, what is felt of it by touch, and what holds the fields.
        """
        signals = self.signals
        cues = [(name, cue) for name, cue in signals.local_cues() if cue.event in CELL_EVENTS]
        names = sorted({name for name, _ in cues})
        kept: list[Any] = []
        for name in names:
            carriers = [fields.value[carrier] for carrier in signals.carried[name]]
            kept.append(np.ascontiguousarray(sum_of(carriers)) if carriers else None)
        return (
            np.array(
                [(names.index(name), CELL_EVENTS.index(cue.event)) for name, cue in cues], np.int32
            ).reshape(-1, 2),
            np.array(
                [(c.half_maximal**c.hill, float(c.hill), float(c.fold) - 1.0) for _, c in cues],
                float,
            ).reshape(-1, 3),
            np.array([0 if array is None else array.ctypes.data for array in kept], np.uintp),
            np.array([signals.level[name] for name in names], float),
            np.array([self.equivalent * (name == signals.touched) for name in names], float),
            kept,
        )

    def _touch(self, fields: "Fields") -> tuple[NDArray[np.uint8], Table, int]:
        """Return what each voxel touches, the osteoconductivity of it, and the scaffold's bits."""
        if self.ground is None:
            return np.zeros(fields.value["oxygen"].size, np.uint8), np.ones(16), 0
        return self.ground.touch, self.ground.conduction, self.ground.material

    def _stimulus(self, model: "Model") -> NDArray[np.float32]:
        """Return the mechanical stimulus per voxel as cells feel it; empty without load."""
        if model.stimulus is None:
            return np.zeros(0, np.float32)
        felt = self.signals.multiplier("stimulus", "host")
        return (model.stimulus.ravel() * np.float32(felt)).astype(np.float32)


def sum_of(arrays: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the sum of one array or more; a single one as it is."""
    total = arrays[0]
    for more in arrays[1:]:
        total = total + more
    return total


def _fastest(cell_type: CellType, donor: Donor) -> float:
    """Return the division rate with nothing in its way, 1/s."""
    rule = cell_type.proliferation
    if rule is None:
        return 0.0
    base = math.log(2) / (float(rule.doubling_time) * donor.doubling_time)
    return base * float(rule.scaffold_factor)


def _half(gate: OxygenGate | None) -> float:
    """Return the half-maximum as the kernel takes it: K if the gate rises with C, K² if not."""
    if gate is None:
        return 1.0
    half = float(gate.half_maximal)
    return half if gate.form == "rising" else half**2


def _shape(cell_type: CellType) -> tuple[float, ...]:
    """Return what stands in the laws of division, senescence and death; 0 where there is none."""
    rule, limit, death = cell_type.proliferation, cell_type.senescence, cell_type.death
    divides = (1.0, 0.0, 0.0)
    if rule is not None:
        divides = (float(rule.half_maximal_oxygen), float(rule.lag), float(rule.slowing))
    return (*divides, float(limit.width) if limit else 0.0, float(death.ischaemic_oxygen) ** 2)

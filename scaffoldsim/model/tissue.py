"""What is solid, and how it changes: scaffold that dissolves, bone that is laid and taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _osteoid
from scaffoldsim.model.degradation import REACH_OF_CELLS, Degradation
from scaffoldsim.model.delivery import HOST, SOURCES
from scaffoldsim.model.ground import PORE, Ground
from scaffoldsim.model.hostbone import HostBoneState
from scaffoldsim.model.ledger import InvariantError
from scaffoldsim.model.marrow import MarrowCells
from scaffoldsim.model.matrix import Matrix
from scaffoldsim.model.mechanics import Mechanics
from scaffoldsim.model.release import Release, equivalent
from scaffoldsim.model.remodelling import BUILDER, RECRUIT, Remodelling, pass_on
from scaffoldsim.model.signals import Signals
from scaffoldsim.model.substrate import RIGID, is_gel
from scaffoldsim.model.wound import WoundSource

if TYPE_CHECKING:
    from scaffoldsim.config import Config
    from scaffoldsim.model.fields import Fields
    from scaffoldsim.model.lattice import Lattice
    from scaffoldsim.model.model import Model
    from scaffoldsim.model.rates import Rates
    from scaffoldsim.model.site import Place
    from scaffoldsim.scaffold.scaffold import Scaffold

#: what a buried osteoblast that lives on becomes, and what the others die of
OSTEOCYTE, BURIED = "osteocyte", "buried"
#: time between two rounds of mineralisation and recruits, and two looks at load, s: all are of days
_TURN_EVERY = _LOAD_EVERY = 6 * 3600.0
#: time between two changes of what hinders fluxes, and two of who waits for an answer, s
_FLUX_EVERY = _PASS_EVERY = 24 * 3600.0
#: bone is resorbed as often as it mineralises if it recedes by so many voxels, else once a day
_LEAST_RECESSION, _RESORB_EVERY = 4e-3, 24 * 3600.0
#: share of all matrix that was ever laid that the books may leave unexplained: rounding of osteoid
#: comes to 3e-7 where a single osteoblast lays and mineral takes months, to 1e-9 among many
_LARGEST_GAP = 1e-6


class Tissue:
    """Scaffold and bone of a model, and all that follows from them.

    A step goes `give` (what is set free reaches the pores, before the fields), then, after the
    cells, `advance`: bone is resorbed, mineralises and is laid; osteoblasts are buried; recruits
    come; scaffold is lost; what each voxel is to cells and fluxes follows; and now and then load.

    Parameters
    ----------
    config
        The configuration.
    scaffold
        As built.
    lattice, fields
        Who is told of walls and pores.
    place
        The site of the host.
    threads
        Of the kernels; the result does not depend on it.

    Raises
    ------
    ConfigError
        If the bone of the host does not fit the box.

    Attributes
    ----------
    matrix : Matrix
        Osteoid, new bone, bone of the host.
    degradation : Degradation
        What is left of the scaffold.
    release : Release
        What both give to the pores.
    mechanics : Mechanics
        Stiffness and load.
    ground : Ground
        What a voxel is to cells and to fluxes.
    hostbone : HostBoneState
        The bone of the host at the start, and its density.
    remodelling : Remodelling or None
        How the host answers resorption; None in culture.
    coupling : float or None
        c of the last step.
    supplied : ndarray of bool, or None
        Where resorption is at full speed; None in culture, where there is none.
    reached : ndarray of bool, or None
        Where cells of the host take scaffold away; None in culture.
    """

    def __init__(
        self,
        config: Config,
        scaffold: Scaffold,
        lattice: Lattice,
        fields: Fields,
        place: Place,
        *,
        threads: int | None = None,
    ) -> None:
        self.config, self.scaffold, self.place = config, scaffold, place
        self.lattice, self.fields = lattice, fields
        grid, host, bone = scaffold.grid, config.host, config.bone
        in_vivo = host.setting == "in_vivo"
        organism = host.organism if in_vivo else config.cells.donor.species
        material, seed = scaffold.material, config.seed
        try:
            self.hostbone = HostBoneState(
                host.bone,
                host.organism,
                bone,
                grid,
                config.faces,
                scaffold.fraction,
                seed=seed,
                place=place,
                threads=threads,
            )
        except (ValueError, OSError) as error:
            raise config.error(("host", "bone"), str(error)) from error
        self.matrix = Matrix(
            grid,
            bone,
            deposition=float(organism.bone.deposition),
            mineralisation_time=float(organism.bone.mineralisation_time),
            host=self.hostbone.start,
            threads=threads,
        )
        self.degradation = Degradation(
            grid,
            scaffold.fraction,
            None if material is None else material.degradation,
            threads=threads,
        )
        self.release = Release(fields, self.degradation, config.scaffold)
        self.wound = WoundSource(host.wound, place, fields)
        self.marrow: MarrowCells | None = None
        self.mechanics = Mechanics(
            grid,
            bone,
            host.load,
            modulus=RIGID if material is None else float(material.youngs_modulus),
            gel=is_gel(scaffold),
            threads=threads,
        )
        self.supplied: NDArray[np.bool_] | None = None
        self.remodelling: Remodelling | None = None
        self.coupling: float | None = None
        # steps of resorption and mineralisation to be made, each times what multiplies it
        self._due = np.zeros(2)
        self.reached: NDArray[np.bool_] | None = None
        if in_vivo:
            self.supplied = place.near(float(bone.supply_distance))
            self.reached = place.near(REACH_OF_CELLS)
            if place.dead is not None:  # cells come into it with blood alone
                self.reached &= ~place.dead
            self.remodelling = Remodelling(
                host.organism,
                config.cell_types,
                bone,
                oxygen=float(config.fields["oxygen"].host) if "oxygen" in config.fields else 1.0,
                dead=self.hostbone.dead,
            )
        self.ground = Ground.of(scaffold, bone, lattice, fields)
        self._settle_ground(first=True)
        self._bear_load(0.0)

    def __repr__(self) -> str:
        return f"Tissue({self.degradation!r}, {self.matrix!r}, {self.mechanics!r})"

    @property
    def equivalent(self) -> float:
        """What the material's own factors are worth now to cells that touch it, kg/m³."""
        return equivalent(self.scaffold.material, self.release.seconds)

    @property
    def stimulus(self) -> NDArray[np.float32] | None:
        """Mechanical stimulus per voxel; None without load."""
        imposed = self.config.mechanics.stimulus
        if imposed is not None:
            return np.full(self.scaffold.grid.shape, imposed, np.float32)
        return self.mechanics.stimulus

    # a step -----------------------------------------------------------------------------------

    def give(self, dt: float) -> None:
        """Set free what the pores get in the step of `dt` seconds that comes."""
        self.wound.advance(self.release.seconds, dt)
        matrix = None
        if any(entry.binding is not None for entry in self.fields.species.values()):
            matrix = self.matrix.covered - self.matrix.host
        self.release.advance(dt, matrix=matrix)

    def advance(self, model: Model, dt: float) -> None:
        """Advance by `dt` seconds, after what cells did in the same step."""
        cells, step = model.cells, model.step_index
        if self.remodelling is not None:
            self.coupling = self.remodelling.coupling(model.rates.signals, self._load_of_layers())
            if step > 0 and _is_due(step - 1, dt, _PASS_EVERY):
                self._pass_on()
            # before bone is laid, so that nobody comes to a voxel that is filled in the same step
            if _is_due(step, dt, _TURN_EVERY):
                self._recruit(model, _steps(dt, _TURN_EVERY) * dt)
                if self.marrow is not None:
                    self.marrow.advance(model, _steps(dt, _TURN_EVERY) * dt)
        self._lay(model, dt)
        self._bury(model)
        self.degradation.advance(
            dt,
            covered=self.matrix.covered,
            acid=self.fields.value.get("lactic_acid"),
            near=self.reached,
        )
        self._settle_ground(fluxes=_is_due(step, dt, _FLUX_EVERY))
        if _is_due(step, dt, _LOAD_EVERY):
            self._bear_load((step + 1) * dt)
        model.ledger.close(cells.census(len(SOURCES)))

    def check(self) -> None:
        """Check what must hold after every step.

        Raises
        ------
        InvariantError
            If the books of matrix do not close, or a voxel holds more than its volume.
        """
        gap = self.matrix.gap
        if not gap <= _LARGEST_GAP:
            raise InvariantError(f"the books of bone matrix do not close: {gap:.2g} unexplained")
        filled = self.degradation.fraction + self.matrix.covered
        if not (filled.min() >= 0 and filled.max() <= 1 + 1e-4):
            raise InvariantError(
                f"scaffold and bone fill {filled.min():.4g} to {filled.max():.4g} of a voxel"
            )

    # the start --------------------------------------------------------------------------------

    def begin(self, model: Model) -> None:
        """Put the cells of living host tissue where they are in its steady state."""
        self._settle_bone(model)
        host = self.config.host
        if host.marrow is not None and host.vessels is not None:
            self.marrow = MarrowCells(host.marrow, model)
            self.marrow.begin(model)

    def _settle_bone(self, model: Model) -> None:
        """Put osteoblasts and osteoid on the bone of the host that lives."""
        bone, rule = self.hostbone.start, self.remodelling
        if rule is None or rule.dead or bone is None or not bone.any():
            return
        config, grid, alive = self.config, self.scaffold.grid, ~self.place.lost
        resting = Signals(config.host, config.cells.donor, [], [])
        resorbed = self._resorbed(resting.multiplier("resorption", "host")) * alive
        free = self._vacant().reshape(grid.shape) & alive
        start = rule.start(
            resting,
            resorbed,
            self.degradation.fraction + self.matrix.covered,
            free,
            grid,
            seed=config.seed,
            stimulus=self._load_of_layers(),
        )
        self.matrix.osteoid[:] += start.osteoid / np.float32(len(self.matrix.osteoid))
        self.matrix.answering[:] = start.answering
        self.matrix.begin()
        self._settle_ground(first=True)
        for name, voxels in ((BUILDER, start.builders), (RECRUIT, start.recruits)):
            self.welcome(model, name, voxels[self._vacant()[voxels]])

    def vacant(self) -> NDArray[np.bool_]:
        """Return where a cell may be put, (nx, ny, nz)."""
        return self._vacant().reshape(self.scaffold.grid.shape)

    # checkpoints ------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs."""
        return {"due": self._due.copy()} | {
            f"{name}/{key}": value
            for name in ("matrix", "degradation", "release", "mechanics", "ground")
            for key, value in getattr(self, name).state().items()
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state of the same configuration; cells are not yet there."""
        for name in ("matrix", "degradation", "release", "mechanics", "ground"):
            prefix = f"{name}/"
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            getattr(self, name).load(own)
        self._due = np.array(state["due"], np.float64)
        self._settle_ground(first=True, fluxes=False)

    # ------------------------------------------------------------------------------------------

    def _lay(self, model: Model, dt: float) -> None:
        """Resorb, mineralise and lay bone."""
        cells, rates, n = model.cells, model.rates, self.scaffold.grid.n_voxels
        motile = np.array([name not in (BUILDER, OSTEOCYTE) for name in cells.types])
        visited = np.zeros(n, bool)
        visited[cells.voxel[motile[cells.type]]] = True
        builders = _ascending(cells.voxel[self._of(model, BUILDER)], n)
        felt = rates.concentration(self.fields, builders)
        output = rates.tissue("deposition", felt)
        self._due += rates.tissue("resorption"), rates.tissue("mineralisation")
        turns = _is_due(model.step_index, dt, _TURN_EVERY)
        recedes = float(self._due[0] * dt * self.config.bone.resorption_speed)
        enough = turns and recedes >= _LEAST_RECESSION * self.scaffold.grid.voxel
        resorbs = self.supplied is not None and (
            enough or _is_due(model.step_index, dt, _RESORB_EVERY)
        )
        resorption = mineralisation = 0.0
        if resorbs:
            resorption = self._due[0] * self._cues(rates, "resorption")
            self._due[0] = 0.0
        if turns:
            mean = self._due[1] / _steps(dt, _TURN_EVERY)
            mineralisation = mean * self._cues(rates, "mineralisation")
            self._due[1] = 0.0
        self.matrix.advance(
            dt,
            scaffold=self.degradation.fraction,
            osteoblasts=builders,
            output=output if np.ndim(output) == 0 else output.astype(np.float32),
            occupied=visited,
            mineralisation=mineralisation,
            elapsed=_steps(dt, _TURN_EVERY) * dt if turns else 0.0,
            resorption=resorption,
            supplied=self.supplied if resorbs else None,
        )

    def throughout(self, rates: Rates, event: str) -> float:
        """Return the factor on an event, with the mean over the pores of what acts locally."""
        return float(rates.tissue(event)) * self._cues(rates, event)

    def _cues(self, rates: Rates, event: str) -> float:
        """Return the factor on an event of what acts locally, by its mean over the pores."""
        signals = rates.signals
        local = {
            name: sum(self.fields.mean(carrier) or 0.0 for carrier in signals.carried[name])
            for name in sorted({name for name, cue in signals.local_cues() if cue.event == event})
        }
        return float(signals.local_multiplier(event, local))

    def _bury(self, model: Model) -> None:
        """Let osteoblasts in full voxels become osteocytes, or die."""
        cells = model.cells
        rows = self._of(model, BUILDER)
        rows = rows[self.matrix.buried(cells.voxel[rows], self.degradation.fraction)]
        if not rows.size:
            return
        survival = float(self.config.bone.buried_survival) if OSTEOCYTE in cells.types else 0.0
        lives = cells.uniform(BURIED)[rows] < survival
        if self.remodelling is not None and self.coupling is not None:
            own = rows[cells.origin[rows] >= HOST]
            owed = self.remodelling.owed(self.coupling) / self.scaffold.grid.voxel_volume
            self.matrix.owe(cells.voxel[own], owed)
        fates = {OSTEOCYTE: rows[lives]} if survival > 0 else {}
        events = self.lattice.interfere(cells, deaths={BURIED: rows[~lives]}, fates=fates)
        model.ledger.book(events, cells.census(len(SOURCES)))

    def _recruit(self, model: Model, dt: float) -> None:
        """Let the host's cells come to where bone was resorbed."""
        assert self.remodelling is not None
        assert self.coupling is not None
        if RECRUIT not in model.cells.types:
            return
        voxels = self.matrix.recruits(
            dt,
            self.remodelling.recruits_per_volume(self.coupling),
            seed=model.seed,
            step=model.step_index,
            open_=self._vacant() & self._answered(),
        )
        self.welcome(model, RECRUIT, voxels)

    def welcome(self, model: Model, name: str, voxels: NDArray[np.int32]) -> None:
        """Add cells of the host at free voxels."""
        if name not in model.cells.types or not voxels.size:
            return
        kind = model.cells.types.index(name)
        self.lattice.settle(model.cells, voxels, type=kind, origin=HOST)
        model.ledger.deliver(type=kind, origin=HOST, given=voxels.size, stayed=voxels.size)

    def _answered(self) -> NDArray[np.bool_] | Literal[True]:
        """Where cells of the host come to what was resorbed, flat; True: everywhere."""
        where = None if self.reached is None else self.place.answered(self.reached)
        return True if where is None else where.ravel()

    def _of(self, model: Model, name: str) -> NDArray[np.int64]:
        """Rows of the cells of a type."""
        types = model.cells.types
        if name not in types:
            return np.zeros(0, np.int64)
        return np.flatnonzero(model.cells.type == types.index(name))

    def _vacant(self) -> NDArray[np.bool_]:
        """Where a cell may come to and none stands, flat."""
        vacant: NDArray[np.bool_] = (self.ground.kind == PORE) & (self.lattice.occupant < 0)
        return vacant

    def _load_of_layers(self) -> float | NDArray[np.float64] | None:
        """Stimulus of each layer before what the host's conditions make of it."""
        imposed: float | None = self.config.mechanics.stimulus
        return self.mechanics.felt if imposed is None else imposed

    def _pass_on(self) -> None:
        """Let what was resorbed and is covered by now be answered from where there is room."""
        open_ = (self.ground.kind == PORE).reshape(self.scaffold.grid.shape)
        pass_on(self.matrix.answering, open_, self.scaffold.grid.periodic)
        answered = self._answered()
        if answered is not True:  # nobody hears what is resorbed elsewhere, now or later
            self.matrix.answering.reshape(-1)[~answered] = 0
        self.matrix.take_stock()

    def _resorbed(self, factor: float) -> NDArray[np.float32]:
        """Share of each voxel that is resorbed per second at the start."""
        hour, trial = (
            3600.0,
            Matrix(
                self.scaffold.grid,
                self.config.bone,
                deposition=0.0,
                mineralisation_time=1.0,
                host=self.matrix.host,
                threads=self.matrix.threads,
            ),
        )
        trial.advance(
            hour,
            scaffold=self.degradation.fraction,
            osteoblasts=np.zeros(0, np.int32),
            output=0.0,
            occupied=np.zeros(self.scaffold.grid.n_voxels, bool),
            resorption=factor,
            supplied=self.supplied,
        )
        return (self.matrix.host - trial.host) / np.float32(hour)

    def _settle_ground(self, *, first: bool = False, fluxes: bool = True) -> None:
        matrix = self.matrix
        self.ground.update(
            self.degradation.fraction,
            matrix.osteoid,
            matrix.mineral,
            matrix.host,
            first=first,
            fluxes=fluxes,
        )

    def _bear_load(self, time: float) -> None:
        matrix, integrity = self.matrix, self.degradation.integrity
        if self.degradation.gel is not None:
            integrity = integrity * self.degradation.gel
        self.mechanics.update(
            self.degradation.fraction,
            matrix.osteoid,
            matrix.mineral,
            matrix.young,
            matrix.host,
            integrity=integrity,
            time=time,
        )


def _steps(dt: float, every: float) -> int:
    """How many steps there are from one time to the next of what is done every so many seconds."""
    return max(1, round(every / dt))


def _is_due(step: int, dt: float, every: float) -> bool:
    """Whether what is done every so many seconds, and at most once a step, is done in this step."""
    return (step + 1) % _steps(dt, every) == 0


def _ascending(voxels: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    """Return some of `n` voxels, each there once, in order."""
    if 64 * voxels.size < n:
        return np.sort(voxels)
    # many are marked quicker than sorted
    marks, found = np.zeros(n, np.uint8), np.empty(voxels.size + 1, np.int32)
    marks[voxels] = 1
    _osteoid.marked(marks, found)
    return found[:-1]

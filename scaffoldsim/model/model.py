"""The state of a simulation, and one step of it."""

import os
from collections.abc import Mapping
from typing import Any

import mesa
import numpy as np
from numpy.typing import NDArray

from scaffoldsim.config import Config, load
from scaffoldsim.model import indicators
from scaffoldsim.model.agents import ColumnAgents
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.celltypes import CAUSES, HAZARDS, senescent_of, stages_of
from scaffoldsim.model.circulation import Circulation
from scaffoldsim.model.delivery import SOURCES
from scaffoldsim.model.doses import Delivery
from scaffoldsim.model.fields import Fields
from scaffoldsim.model.immunity import Immunity
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.model.ledger import InvariantError, Ledger
from scaffoldsim.model.rates import Donor, Rates
from scaffoldsim.model.signals import Signals
from scaffoldsim.model.site import Place
from scaffoldsim.model.tissue import Tissue
from scaffoldsim.model.walls import SCAFFOLD
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.scaffold import Scaffold

#: steps between two checks of the whole state; the ledger is checked at every step
_CHECK_EVERY = 24
#: share of a field's total that its budget may leave unexplained; what the solver's residual leaves
#: is 1e-6 and less, an entry that is missing far more
_LARGEST_GAP = 1e-4


class Model(ColumnAgents):
    """A scaffold with cells in it: a Mesa model whose agents are rows of columns.

    Parameters
    ----------
    config
        A name of the catalogue, a file, data, or a loaded `Config`.
    set
        Changes to it, ``{"scaffold.porosity": 0.95}``.
    rng
        Seed; None takes the configuration's.
    threads
        Of the compiled kernels; the result does not depend on it.

    Attributes
    ----------
    scaffold : Scaffold
        Geometry and material.
    grid : Grid
        The voxels.
    fields : Fields
        Concentrations, mol/m³ or kg/m³.
    place : Place
        The site of the host: what is dead, alive, cleared, opened.
    lattice : Lattice
        Which cell is in which voxel.
    cells : Cells
        One column per attribute, one row per cell.
    rates : Rates
        The rules that set each cell's rates.
    substrate : ndarray of float32
        Per voxel, flat: stiffness that a cell there feels, Pa; 0 where it touches nothing.
    stimulus : ndarray of float32 or None
        Per voxel, (nx, ny, nz): mechanical stimulus; None without load.
    tissue : Tissue
        Scaffold that dissolves, bone that is laid and taken away, and what they are to cells.
    circulation : Circulation or None
        Vessels of the host, if it has some.
    delivery : Delivery
        The doses of cells.
    immunity : Immunity or None
        Response of the host to what is foreign, if it has one.
    ledger : Ledger
        What became of all cells.
    step_index : int
        Steps made.
    running : bool
        False once `duration` is reached.
    intact : bool
        Whether the state is that of the end of a step; False after a step that broke off half-way.

    Raises
    ------
    ConfigError
        If the configuration is wrong, or the scaffold cannot be built.
    ValueError
        If a loaded configuration comes with changes.

    Examples
    --------
    >>> model = Model(config="quickstart", set={"duration": "2 h"}, rng=1)
    >>> model.step()
    >>> model.agents.groupby("type").count()["bmsc"] > 15_000
    True
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | Mapping[str, Any] | Config = "quickstart",
        *,
        set: Mapping[str, Any] | None = None,
        rng: int | None = None,
        threads: int | None = None,
    ) -> None:
        if not isinstance(config, Config):
            config = load(config, set=set, seed=rng)
        elif set is not None or (rng is not None and rng != config.seed):
            raise ValueError(
                f"a loaded configuration is taken as it is; set={set!r}, rng={rng!r} go into "
                "scaffoldsim.config.load, or give the name instead"
            )
        self.config = config
        self.seed = config.seed
        self.step_index = 0
        self.dt = float(config.step)
        self.cells = Cells(list(config.cell_types), CAUSES, hazards=HAZARDS)
        super().__init__(rng=self.seed)
        self.running = self.intact = True

        self.scaffold = _build_scaffold(config, threads)
        self.grid: Grid = self.scaffold.grid
        self.place = Place.of(config, self.grid)
        self.scaffold = self.place.confine(self.scaffold)
        self.lattice = Lattice(
            self.grid,
            self.scaffold.solid,
            senescent=senescent_of(config.cell_types),
            stages=stages_of(config.cell_types),
            threads=threads,
        )
        self.fields = Fields(
            self.grid,
            self.scaffold.fraction,
            config.faces,
            self.place.species(config.fields),
            config.cell_types,
            threads=threads,
        )
        self.tissue = Tissue(
            config, self.scaffold, self.lattice, self.fields, self.place, threads=threads
        )
        self.ground = self.tissue.ground
        self.rates = Rates(
            config.cell_types,
            voxel=self.grid.voxel,
            donor=Donor(self.seed, config.cells.donor.spread),
            signals=Signals(
                config.host,
                config.cells.donor,
                config.exposures,
                config.cells.genes,
                autologous=config.cells.source == "autologous",
                species=config.fields,
                touched=config.bone.factor if self.tissue.equivalent > 0 else None,
            ),
            ground=self.ground,
            gel=self.ground.gel,
            threads=self.lattice.threads,
        )
        self.fields.secrete = lambda name, cells, basal: self.rates.secretion(
            name, cells, self.fields, basal
        )
        self.substrate = self.ground.felt
        self.stimulus = self.tissue.stimulus
        try:
            self.behaviours = [each.make(config.fields) for each in config.behaviours]
        except ValueError as error:
            raise config.error(("behaviours",), str(error)) from error
        self.ledger = Ledger(CAUSES, self.cells.types, SOURCES)
        self.tissue.begin(self)
        self.circulation: Circulation | None = None
        if config.host.vessels is not None:
            self.circulation = Circulation(
                config,
                self.tissue,
                self.fields,
                owner=self,
                roots=None if self.place.site is None else self.place.roots,
                living=self.place.living,
            )
        self.immunity: Immunity | None = None
        if config.host.immunity is not None:
            self.immunity = Immunity(config, self.tissue)
        self.delivery = Delivery(config)
        self.delivery.begin(self)
        self.lattice.place(self.cells)
        self.datacollector = mesa.DataCollector(model_reporters=_reporters(self.cells.types))

    def __repr__(self) -> str:
        nx, ny, nz = self.grid.shape
        day = self.seconds / 86400
        return f"Model(day {day:.2f}, {self.cells.n} cells, {nx} × {ny} × {nz} voxels)"

    @property
    def seconds(self) -> float:
        """Simulated time, s."""
        return self.step_index * self.dt

    def step(self) -> None:
        """Advance by one `dt`: exposures, fields, what cells feel, users' rules, cells, tissue.

        If a field, rates or a rule fail, the state is that of the end of the last step. If
        anything later fails, `intact` is False and the state must not be kept.
        """
        before, signals = self.fields.state(), self.rates.state()
        release = self.tissue.release.state()
        self.intact = False
        self.cells.seed, self.cells.step = self.seed, self.step_index
        try:
            booked = (self.step_index + 1) % _CHECK_EVERY == 0
            self.rates.advance(self.seconds, self.seconds + self.dt)
            self.rates.equivalent = self.tissue.equivalent
            self.tissue.give(self.dt)
            self.fields.advance(self.cells, self.dt, book=booked)
            self.lattice.potential = self.rates.potential(self.fields)
            self.rates.evaluate(self)
            for behaviour in self.behaviours:
                behaviour.apply(self, self.dt)
        except Exception:
            self.fields.load(before)
            self.rates.load(signals)
            self.tissue.release.load(release)
            self.intact = True
            raise
        events = self.lattice.update(self.cells, self.dt, seed=self.seed, step=self.step_index)
        self.ledger.book(events, self.cells.census(len(SOURCES)))
        if self.circulation is not None:
            if self.immunity is not None:
                self.circulation.hazard = self.immunity.hazard_of_vessels(self.seconds)
            self.circulation.advance(self, self.dt)
        self.delivery.lose(self, self.dt)
        if self.immunity is not None:
            self.immunity.advance(self, self.dt)
        self.tissue.advance(self, self.dt)
        self.step_index += 1
        # at the end of a step, so that one that breaks off half-way has given nothing
        self.delivery.advance(self)
        if self.step_index % _CHECK_EVERY == 0:
            self.check()
        self.running = self.step_index < self.config.steps
        self.datacollector.collect(self)
        self.intact = True

    def check(self) -> None:
        """Check what must hold after every step.

        Raises
        ------
        InvariantError
            If a concentration is negative or not a number, the budget of a field or the books of
            bone do not close, two cells share a voxel, or a cell stands where it may not be.
        """
        for name, budget in self.fields.budget.items():
            if not budget.gap <= _LARGEST_GAP:
                raise InvariantError(f"the budget of {name} does not close: {budget}")
        for name, value in self.fields.value.items():
            if not np.all(value >= 0):
                raise InvariantError(f"{name} is negative or not a number somewhere")
        occupant, voxel = self.lattice.occupant, self.cells.voxel
        if not np.array_equal(occupant[voxel], np.arange(self.cells.n)):
            raise InvariantError("two cells share a voxel, or a cell is not where its row says")
        if np.count_nonzero(occupant >= 0) != self.cells.n:
            raise InvariantError("a voxel is held by a cell that does not exist")
        if (self.ground.kind[voxel] == SCAFFOLD).any():
            raise InvariantError("a cell stands in solid")
        self.tissue.check()

    def metrics(self, *, structure: bool = False) -> dict[str, Any]:
        """Return the row of metrics.csv for the state now.

        With `structure` also what takes long to measure: thickness, pieces, distances.
        """
        return indicators.row(self, structure=structure)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that a restart needs and that the configuration does not give."""
        state: dict[str, NDArray[Any]] = {
            f"cells/{name}": column for name, column in self.cells.state().items()
        }
        state |= {f"fields/{name}": value for name, value in self.fields.state().items()}
        state |= {f"signals/{name}": value for name, value in self.rates.state().items()}
        state |= {f"tissue/{name}": value for name, value in self.tissue.state().items()}
        if self.circulation is not None:
            vessels = self.circulation.state() | {"next": np.array(self.next_ordinary_id)}
            state |= {f"vessels/{name}": value for name, value in vessels.items()}
        state |= {f"delivery/{name}": value for name, value in self.delivery.state().items()}
        if self.immunity is not None:
            state |= {f"immunity/{name}": value for name, value in self.immunity.state().items()}
        state["step"] = np.array(self.step_index)
        state |= {f"ledger/{name}": entry for name, entry in self.ledger.state().items()}
        return state

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state of the same configuration."""

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

        self.cells.keep(np.zeros(self.cells.n, bool))
        self.lattice.place(self.cells)
        self.tissue.load(part("tissue/"))
        if self.circulation is not None:
            vessels = part("vessels/")
            following = int(vessels.pop("next"))
            self.circulation.load(vessels)
            self.next_ordinary_id = following
        self.delivery.load(part("delivery/"))
        if self.immunity is not None:
            self.immunity.load(part("immunity/"))
        self.cells.load(part("cells/"))
        self.lattice.place(self.cells)
        self.fields.load(part("fields/"))
        self.rates.load(part("signals/"))
        self.step_index = int(state["step"])
        self.ledger.load(part("ledger/"))
        self.ledger.close(self.cells.census(len(SOURCES)))
        self.running = self.step_index < self.config.steps


def _build_scaffold(config: Config, threads: int | None) -> Scaffold:
    try:
        return Scaffold.from_section(config.scaffold, config.faces.periodic, threads=threads)
    except (ValueError, OSError) as error:
        raise config.error(("scaffold",), str(error)) from error


def _reporters(types: tuple[str, ...]) -> dict[str, Any]:
    """Return what Mesa's DataCollector records at each step; cheap enough for every step."""

    def counter_of(index: int) -> Any:
        return lambda model: int(np.count_nonzero(model.cells.type == index))

    reporters: dict[str, Any] = {
        "time_h": lambda model: model.seconds / 3600,
        "cells_total": lambda model: model.cells.n,
    }
    reporters |= {f"cells_{name}": counter_of(index) for index, name in enumerate(types)}
    reporters["oxygen_mean_mM"] = lambda model: model.fields.mean("oxygen")
    return reporters

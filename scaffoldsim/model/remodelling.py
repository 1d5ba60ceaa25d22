r"""The host's own balance: who answers resorption, and the steady state a run begins with.

A volume R of bone that was resorbed calls

.. math:: \frac{R\,c}{v_o\,\tau}

pre-osteoblasts to its surface after the reversal time. τ is the mean time that a recruit spends as
an osteoblast in a healthy adult of the organism, :math:`v_o` what one lays there, and c the
coupling: 1 in that adult, so that as much bone is laid as is taken away. c is the product of

* the host's multipliers of the osteogenic fate, of division (without the signal of a wound) and of
  the number of stromal cells, over those of the healthy adult, and
* µ(S)/µ(healthy load), what load does to the osteogenic fate.

Harm that acts on osteoblasts themselves (their death, what they lay) is not in c: it acts through
the cells that come.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.model.bone import BURY, ENTER, BoneTissue
from scaffoldsim.model.celltypes import CellType, MechanicsRow
from scaffoldsim.model.organisms import Organism
from scaffoldsim.model.signals import Signals
from scaffoldsim.scaffold.grid import Grid

#: what is called to a resorbed surface, and what it becomes
RECRUIT, BUILDER = "preosteoblast", "osteoblast"
#: the stimulus of bone in everyday use: the middle, on a log scale, of the window of bone
EVERYDAY = 0.1
#: what decides how many answer
_CALLED_BY = ("osteogenic", "proliferation", "msc_count")
#: osteoid of the start leaves its voxels open by this much
_ROOM = 0.02
#: share that an osteoblast on a plane of bone lays into its own voxel: weight 2 of 2 + 4 · 2 + 1
_OWN = 2 / 11
#: at most this share of osteoblasts is taken to be buried at the start
_MOST_BURIED = 0.9
#: a cell that nothing ends lives as long, s, so that no sum is infinite
_FOREVER = 1e12

Multiplier = Callable[[str], float]


@dataclass(frozen=True)
class Course:
    """What becomes of a recruit on average.

    Attributes
    ----------
    waits : s
        As a pre-osteoblast.
    matures
        Share that become osteoblasts.
    builds : s
        An osteoblast's time, if it is not buried.
    """

    waits: float
    matures: float
    builds: float

    @property
    def building(self) -> float:
        """Mean time as an osteoblast of a recruit, deaths included, s."""
        return self.matures * self.builds


def course(types: Mapping[str, CellType], multiplier: Multiplier, oxygen: float) -> Course:
    r"""Return what becomes of a recruit, in closed form.

    With the rates of death and fate k of the two types, constant in time,

    .. math:: t = \frac{1}{\sum k}, \qquad p = \frac{k_\text{osteoblast}}{\sum k}

    Parameters
    ----------
    types
        The cell types of a configuration; one of the two missing means that nobody comes.
    multiplier
        Event → factor of host and drugs on its rate.
    oxygen : mol/m³
        Where they live.

    Examples
    --------
    >>> from scaffoldsim.config import load
    >>> types = load("culture").cell_types
    >>> mean = course(types, lambda event: 1.0, oxygen=0.052)
    >>> round(mean.waits / 86400, 1), round(mean.matures, 2), round(mean.builds / 86400, 1)
    (6.5, 0.93, 36.5)
    """
    if RECRUIT not in types or BUILDER not in types:
        return Course(0.0, 0.0, 0.0)
    waits, into = _hazards(types[RECRUIT], multiplier, oxygen)
    builds, _ = _hazards(types[BUILDER], multiplier, oxygen)
    return Course(
        waits=_mean_time(waits),
        matures=into.get(BUILDER, 0.0) / waits if waits > 0 else 0.0,
        builds=_mean_time(builds),
    )


def _hazards(
    cell_type: CellType, multiplier: Multiplier, oxygen: float
) -> tuple[float, dict[str, float]]:
    """Return the rate at which a type ends, 1/s, and that of each of its fates."""
    rule = cell_type.death
    ischaemic = float(rule.ischaemic) / (1 + (oxygen / float(rule.ischaemic_oxygen)) ** 2)
    total = (float(rule.basal) + ischaemic) * multiplier("death")
    if rule.lifespan is not None:
        total += 1 / float(rule.lifespan)
    into = {
        name: float(fate.rate)
        * (1.0 if fate.event is None else multiplier(fate.event))
        * (1.0 if fate.oxygen is None else float(fate.oxygen(oxygen)))
        for name, fate in cell_type.fates.items()
    }
    return total + sum(into.values()), into


def _mean_time(rate: float) -> float:
    return 1 / max(rate, 1 / _FOREVER)


def mechanical(rows: Sequence[MechanicsRow], stimulus: float) -> float:
    """Return the factor of a table at a stimulus: linear, flat outside, the second at a jump.

    Examples
    --------
    >>> from scaffoldsim.config import read_entry
    >>> rows = read_entry("cells", "bmsc").fates["preosteoblast"].mechanics
    >>> mechanical(rows, 0), mechanical(rows, 0.01), mechanical(rows, 1.5), mechanical(rows, 9)
    (1.0, 1.5, 1.175, 0.0)
    """
    if not rows:
        return 1.0
    table = [(float(row.stimulus), float(row.factor)) for row in rows]
    if stimulus < table[0][0]:
        return table[0][1]
    for (a, low), (b, high) in pairwise(table):
        if a <= stimulus < b:
            return low + (high - low) * (stimulus - a) / (b - a)
    return table[-1][1]


@dataclass(frozen=True)
class Start:
    """The steady state of living bone.

    Attributes
    ----------
    answering : ndarray of float32, (nx, ny, nz)
        Share of each voxel that was resorbed and has not been answered.
    osteoid : ndarray of float32, (nx, ny, nz)
        On the surfaces of bone, in all its stages together (each holds a third).
    builders, recruits : ndarray of int32
        Flat voxels of osteoblasts and of pre-osteoblasts, ascending.
    """

    answering: NDArray[np.float32]
    osteoid: NDArray[np.float32]
    builders: NDArray[np.int32]
    recruits: NDArray[np.int32]


class Remodelling:
    """How the host answers resorption.

    Parameters
    ----------
    organism
        Of the host.
    types
        The cell types of the configuration.
    bone
        The tissue.
    oxygen : mol/m³
        Of the host, by which its cells live.
    dead
        Nobody answers.

    Attributes
    ----------
    adult : Course
        Of a recruit in the healthy adult.
    """

    def __init__(
        self,
        organism: Organism,
        types: Mapping[str, CellType],
        bone: BoneTissue,
        *,
        oxygen: float,
        dead: bool = False,
    ) -> None:
        self.organism, self.types, self.bone = organism, types, bone
        self.oxygen, self.dead = oxygen, dead
        self.adult = course(types, self._healthy, oxygen)
        #: volume that a recruit lays in the healthy adult, m³
        self.lays = (
            float(organism.bone.deposition) * self._healthy("deposition") * self.adult.building
        )
        self._load = next(
            (f.mechanics for t in types.values() for n, f in t.fates.items() if n == RECRUIT), []
        )

    def coupling(
        self, signals: Signals, stimulus: "float | NDArray[np.float64] | None" = None
    ) -> float:
        """Return c, the bone that is laid over the bone taken away if cells do as in health.

        Parameters
        ----------
        signals
            Of the step.
        stimulus
            Mechanical stimulus of the bone before what the host's conditions make of it, or that of
            each layer, over which µ is then averaged; without one it is `EVERYDAY`.

        Examples
        --------
        >>> from scaffoldsim.config import load
        >>> config = load("culture", set={"host": "healthy_rat", "cells.donor.species": "rat",
        ...                               "cells.donor.age": "6 months"})
        >>> host = Remodelling(config.host.organism, config.cell_types, config.bone, oxygen=0.052)
        >>> host.coupling(Signals(config.host, config.cells.donor, [], []))
        1.0
        """
        if self.dead:
            return 0.0
        c = 1.0
        for event in _CALLED_BY:
            healthy = self._healthy(event)
            if healthy <= 0:
                return 0.0
            c *= signals.multiplier(event, "host", wound=False) / healthy
        share = signals.multiplier("stimulus", "host")
        layers = np.atleast_1d(EVERYDAY if stimulus is None else stimulus).tolist()
        favours = [mechanical(self._load, felt * share) for felt in layers]
        everyday = mechanical(self._load, EVERYDAY)
        return c * (sum(favours) / len(favours)) / everyday if everyday > 0 else c

    def recruits_per_volume(self, coupling: float) -> float:
        """Return the pre-osteoblasts that a resorbed volume calls, 1/m³."""
        return coupling / self.lays if self.lays > 0 else 0.0

    def owed(self, coupling: float) -> float:
        r"""Return the resorbed volume that an osteoblast leaves unanswered when it is buried, m³.

        The time of an osteoblast has no memory: burial cuts off :math:`v_o t` whenever it comes,
        what one new osteoblast lays. A volume that calls 1/p recruits brings that one, p being the
        share that mature; without it, bone that buries its osteoblasts would never be in balance.
        """
        called = self.recruits_per_volume(coupling) * self.adult.matures
        return 1.0 / called if called > 0 else 0.0

    def start(
        self,
        resting: Signals,
        resorbed: NDArray[np.float32],
        filled: NDArray[np.float32],
        free: NDArray[np.bool_],
        grid: Grid,
        *,
        seed: int,
        stimulus: "float | NDArray[np.float64] | None" = None,
    ) -> Start:
        r"""Return the steady state that belongs to a rate of resorption.

        What is resorbed per time, times the time until it is answered, is waiting; recruits times
        the mean times of their course are there as cells; and what they lay times the time to
        mineral is osteoid. Of osteoblasts a share

        .. math:: \beta = \frac{1}{f_e} \int_0^{f_e} e^{-(f_b - f) h^3 / (w\,v_o\,t)}\, df

        fills its own voxel to `BURY` before it ends (w of what it lays goes there; a voxel that a
        cell may enter is filled by any share below `ENTER`, :math:`f_e`), and is replaced:
        1/(1 − β) times as much is waiting, and as many are on their way.

        Parameters
        ----------
        resting
            Of the host without what is given in the run: its own state, before.
        resorbed : (nx, ny, nz)
            Share of each voxel that is taken away per second, by `resting`.
        filled : (nx, ny, nz)
            Share of scaffold and bone.
        free : (nx, ny, nz)
            Voxels that a cell may take.
        seed
            Of the choice of voxels.

        Notes
        -----
        Cells stand in open voxels by what is resorbed in the voxel and its face neighbours, as
        where recruits come to; a box without enough of them holds fewer. The fraction of a cell is
        kept by chance.
        """
        coupling = self.coupling(resting, stimulus)
        calm: Multiplier = lambda event: resting.multiplier(event, "host")  # noqa: E731
        own = course(self.types, calm, self.oxygen)
        per_second = (
            self.recruits_per_volume(coupling)
            * grid.voxel_volume
            * float(resorbed.sum(dtype=np.float64))
        )
        output = float(self.organism.bone.deposition) * calm("deposition")
        again = _replaced(output * own.builds, grid.voxel_volume)
        near = with_neighbours(resorbed, grid.periodic)
        open_ = filled < ENTER
        builders, recruits = _choose(
            near * (open_ & free),
            [per_second * own.building, per_second * again * own.waits],
            seed,
        )
        faster = calm("mineralisation")
        time = float(self.organism.bone.mineralisation_time) / faster if faster > 0 else 0.0
        weight = near * open_
        total = float(weight.sum(dtype=np.float64))
        laid = per_second * own.building * output
        share = laid * time / grid.voxel_volume / total if total > 0 else 0.0
        room = np.maximum(np.float32(ENTER - _ROOM) - filled, np.float32(0))
        return Start(
            answering=resorbed
            * np.float32(0 if self.dead else again * float(self.bone.reversal_time)),
            osteoid=np.minimum(weight * np.float32(share), room),
            builders=builders,
            recruits=recruits,
        )

    def _healthy(self, event: str) -> float:
        """Return the factor on an event in the healthy adult: that of its age."""
        organism = self.organism
        return organism.ageing.multiplier(event, 1 - organism.q(float(organism.adult)))


def _replaced(lays: float, voxel_volume: float) -> float:
    """Return 1/(1 − β) for an osteoblast that lays the volume `lays` if it is not buried."""
    buried = 0.0
    if lays > 0:
        per_share = voxel_volume / (_OWN * lays)  # of what is laid, to fill its own voxel
        full = math.exp(-(BURY - ENTER) * per_share)
        buried = full * -math.expm1(-ENTER * per_share) / (ENTER * per_share)
    return 1 / (1 - min(buried, _MOST_BURIED))


def pass_on(
    answering: NDArray[np.float32], open_: NDArray[np.bool_], periodic: tuple[bool, bool, bool]
) -> None:
    """Let what waits where nobody can stand go to its neighbours, in place, on its way out.

    A resorbed place may be covered by new bone before it is answered. What waits in a voxel that is
    closed among closed ones is split over its six neighbours, so that it comes to the surface in
    some such steps; once a day is enough. The total stays.

    Parameters
    ----------
    answering : (nx, ny, nz)
        Share of each voxel that was resorbed and has not been answered.
    open_ : (nx, ny, nz)
        Voxels a cell may enter, empty or not.
    periodic
        Axes that wrap round.

    Examples
    --------
    >>> waiting = np.zeros((1, 1, 5), np.float32)
    >>> waiting[0, 0, 0] = 6
    >>> open_ = np.array([[[False, False, False, True, True]]])
    >>> pass_on(waiting, open_, (False, False, False))
    >>> waiting.ravel()
    array([5., 1., 0., 0., 0.], dtype=float32)
    """
    enclosed = with_neighbours(open_.astype(np.float32), periodic) == 0
    sent: NDArray[np.float32] = np.where(enclosed, answering, np.float32(0))
    sent /= np.float32(6)
    arriving = with_neighbours(sent, periodic) - sent
    for axis, wraps in enumerate(periodic):
        if not wraps:  # what would leave the box stays
            to, of = np.moveaxis(arriving, axis, 0), np.moveaxis(sent, axis, 0)
            to[0] += of[0]
            to[-1] += of[-1]
    answering[...] = np.where(enclosed, np.float32(0), answering) + arriving


def with_neighbours(
    values: NDArray[np.float32], periodic: tuple[bool, bool, bool]
) -> NDArray[np.float32]:
    """Return the sum over each voxel and its six face neighbours.

    Examples
    --------
    >>> with_neighbours(np.ones((3, 1, 1), np.float32), (False, False, False)).ravel()
    array([2., 3., 2.], dtype=float32)
    """
    total = values.copy()
    for axis, wraps in enumerate(periodic):
        to, of = np.moveaxis(total, axis, 0), np.moveaxis(values, axis, 0)
        to[1:] += of[:-1]
        to[:-1] += of[1:]
        if wraps:
            to[0] += of[-1]
            to[-1] += of[0]
    return total


def _choose(
    weight: NDArray[np.float32], wanted: list[float], seed: int
) -> tuple[NDArray[np.int32], ...]:
    """Draw `wanted` voxels of each kind, none twice, by `weight`.

    A weighted sample without replacement (Efraimidis and Spirakis 2006), by numbers that depend on
    seed and voxel alone.
    """
    voxels = np.flatnonzero(weight.ravel() > 0)
    chances = counter.uniform(
        np.arange(len(wanted)), counter.keys(seed=seed, step=0, purpose="host cells, number")
    )
    counts = [math.floor(n + u) for n, u in zip(wanted, chances, strict=True)]
    u = counter.uniform(voxels, counter.keys(seed=seed, step=0, purpose="host cells"))
    order = np.argsort(-np.log1p(-u) / weight.ravel()[voxels], kind="stable")
    ends = np.minimum(np.cumsum([0, *counts]), voxels.size)
    return tuple(np.sort(voxels[order[a:b]]).astype(np.int32) for a, b in pairwise(ends.tolist()))

"""How the scaffold is lost, voxel by voxel."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _degradation
from scaffoldsim.solver.inputs import cores

if TYPE_CHECKING:
    from scaffoldsim.scaffold import material
    from scaffoldsim.scaffold.grid import Grid

Array = NDArray[Any]
Floats = NDArray[np.float32]

#: within this distance of perfusion a scaffold is taken away by cells, m (assumed: a few cells)
REACH_OF_CELLS = 100e-6
#: voxels by which a surface recedes in one go, at most; and while its speed is found (second order)
_STRIDE, _LONG_STRIDE = 0.05, 0.1
#: what is left of a voxel below this share goes with the rest, so that nothing shrinks for ever
_RESIDUE = 1e-3
#: a step waits for the next while it would take a smaller share than this: float32 would round it
_LEAST = 2e-5
#: the same while chains are cut and none is short enough to be lost, so that nothing is given off
_LEAST_CUT = 5e-3
#: the same where a surface recedes, in voxels: hours of it at once are as exact, and cost as one
_LEAST_RECESSION = 4e-3
#: stiffness of a polymer that has lost all its molecular weight, and by which any exceeds M/M₀
_STAYS_STIFF = 0.1
_SURFACE = ("dissolution", "ion_exchange")


class Degradation:
    r"""The scaffold as it is lost.

    ``dissolution`` and ``ion_exchange`` take surfaces away,

    .. math:: ds/dt = -k_d A/h^3

    with the exposed area A of the voxel (``_exposure.h``) of all that is solid, of which scaffold
    has the share it has of the voxel. The speed :math:`k_d` is such that the scaffold as built,
    left alone, has lost half its mass after `half_mass`; it is found by letting it dissolve once.
    ``hydrolysis`` cuts chains in every voxel, exactly for the acid of the step,

    .. math:: dM/dt = -k_M M (1 + a/a_2), \qquad ds/dt = -k_s s \text{ once } M < m_c M_0

    ``cell_mediated`` is :math:`ds/dt = -(\ln 2/t_{1/2}) s` near perfused vessels. A gel, which has
    no walls, goes everywhere at that rate, or by hydrolysis.

    Parameters
    ----------
    grid
        The voxels.
    fraction
        Share of scaffold in each voxel, (nx, ny, nz); it is copied.
    degradation
        Of the material; None for one that is not known, which stays. Where it is given and
        `fraction` is 0 everywhere, the box is a gel.
    threads
        Of the kernels; None takes all cores. Results do not depend on it.

    Attributes
    ----------
    fraction : ndarray of float32
        Share of scaffold in each voxel. An array is not written to once it is here: a step puts a
        new one in its place, as it does with the next three.
    gel : ndarray of float32 or None
        Share of the gel that is left in each voxel, if it is one.
    molecular_weight : ndarray of float32 or None
        M/M₀ in each voxel, for ``hydrolysis``; some hours old before mass is lost, but exact in
        what follows from it.
    lost : ndarray of float32
        Share of each voxel that was lost in the last step.
    total_lost : float
        Volume lost so far, m³.
    rate : float
        k_d, m/s; 0 where no surface recedes.

    Raises
    ------
    ValueError
        If `fraction` has another shape than the grid.

    Examples
    --------
    A wall of 800 µm that loses half in 12 weeks recedes by 200 µm on each side:

    >>> from scaffoldsim.config import read_entry
    >>> from scaffoldsim.scaffold.grid import Grid
    >>> wall = np.zeros((1, 1, 60), np.float32)
    >>> wall[:, :, 10:50] = 1
    >>> dissolving = read_entry("materials", "scpp").degradation
    >>> scaffold = Degradation(Grid(wall.shape, 20e-6, (True, True, False)), wall, dissolving)
    >>> round(scaffold.rate * 12 * 7 * 86400 * 1e6)
    200
    >>> for _ in range(84):
    ...     _ = scaffold.advance(86400.0)
    >>> round(scaffold.mass, 2)
    0.5
    """

    def __init__(
        self,
        grid: "Grid",
        fraction: Array,
        degradation: "material.Degradation | None",
        *,
        threads: int | None = None,
    ) -> None:
        if np.shape(fraction) != grid.shape:
            raise ValueError(f"fraction has shape {np.shape(fraction)}; grid: {grid.shape}")
        self.grid, self.law = grid, degradation
        self.threads = threads if threads is not None else cores()
        self.fraction: Floats = np.array(fraction, np.float32, order="C")
        self._none_lost = np.zeros(grid.shape, np.float32)
        self.lost: Floats = self._none_lost
        self.total_lost = 0.0
        self._owed = 0.0  # seconds that steps too short to be felt have left over
        walls = bool(self.fraction.any())
        self.gel: Floats | None = None
        if degradation is not None and not walls:
            self.gel = np.ones(grid.shape, np.float32)
        self._start = float(np.sum(self._body, dtype=np.float64))
        self.molecular_weight: Floats | None = None
        if self.mode == "hydrolysis":
            self.molecular_weight = np.ones(grid.shape, np.float32)
        self.rate = 0.0
        if self.mode in _SURFACE and walls:
            self.rate = self._recession_to_half() * grid.voxel / self._half_mass

    def __repr__(self) -> str:
        mass = self.mass
        return f"Degradation({self.mode}, {'nothing' if mass is None else f'{mass:.1%}'} left)"

    @property
    def mode(self) -> str:
        """How the scaffold is lost, one of the modes of the material."""
        return "none" if self.law is None else self.law.mode

    @property
    def mass(self) -> float | None:
        """Share of the mass that is left; None if there was nothing."""
        if self._start == 0:
            return None
        return float(np.sum(self._body, dtype=np.float64)) / self._start

    @property
    def mean_molecular_weight(self) -> float | None:
        """M/M₀, the mean over the mass that is left; None if there is none, or no hydrolysis."""
        if self.molecular_weight is None:
            return None
        mass = np.sum(self._body, dtype=np.float64)
        held = np.sum(self._body * self.molecular_weight, dtype=np.float64)
        return float(held / mass) * self._since if mass > 0 else None

    @property
    def integrity(self) -> "float | Floats":
        """Stiffness of the solid as a share of the start: min(1, M/M₀ + 0.1) for hydrolysis."""
        if self.molecular_weight is None:
            return 1.0
        weight = self.molecular_weight * np.float32(self._since)
        stiff: Floats = np.minimum(weight + np.float32(_STAYS_STIFF), np.float32(1))
        return stiff

    def advance(
        self,
        dt: float,
        *,
        covered: Array | None = None,
        acid: Array | None = None,
        near: Array | None = None,
    ) -> bool:
        """Advance by `dt` seconds; return whether anything was lost.

        Parameters
        ----------
        dt
            The step, s.
        covered
            Share of tissue in each voxel, which keeps fluid away from the surface.
        acid
            Concentration of acid, mol/m³; a closed voxel feels the most of what is beside it.
        near
            Whether perfused vessels are near; None where there are none.
        """
        self._owed += dt
        if self._owed * self._slowest() < self._least():
            self.lost = self._none_lost
            return False
        dt, self._owed = self._owed, 0.0
        before = self._body
        if self.mode in _SURFACE and self.gel is None:
            after, lost = self._dissolve(before, self.rate * dt / self.grid.voxel, covered)
        elif self.mode == "hydrolysis":
            after, lost = self._hydrolyse(before, dt, acid)
        elif self.mode == "cell_mediated":
            after, lost = self._thin(
                before, dt, np.zeros(before.shape, bool) if near is None else near
            )
        else:
            after, lost = self._thin(before, dt, None)
        if lost == 0:
            self.lost = self._none_lost
            return False
        self.lost = before - after
        self.total_lost += lost * self.grid.voxel_volume
        if self.gel is None:
            self.fraction = after
        else:
            self.gel = after
        return True

    def state(self) -> dict[str, Array]:
        """Return what a restart needs; the arrays are those in use, and stay as they are."""
        state: dict[str, Array] = {
            "fraction": self.fraction,
            "lost": self.lost,
            "total_lost": np.array(self.total_lost),
            "owed": np.array(self._owed),
        }
        if self.gel is not None:
            state["gel"] = self.gel
        if self.molecular_weight is not None:
            state["molecular_weight"] = self.molecular_weight
        return state

    def load(self, state: Mapping[str, Array]) -> None:
        """Go to a stored state of the same scaffold."""
        self.fraction = np.array(state["fraction"], np.float32)
        self.lost = np.array(state["lost"], np.float32)
        self.total_lost, self._owed = float(state["total_lost"]), float(state["owed"])
        if self.gel is not None:
            self.gel = np.array(state["gel"], np.float32)
        if self.molecular_weight is not None:
            self.molecular_weight = np.array(state["molecular_weight"], np.float32)

    @property
    def _body(self) -> Floats:
        return self.fraction if self.gel is None else self.gel

    @property
    def _half_mass(self) -> float:
        assert self.law is not None
        assert self.law.half_mass is not None
        return float(self.law.half_mass)

    def _slowest(self) -> float:
        """Return the rate of what a step must not be too short for, 1/s."""
        if self.law is None or self.mode == "none":
            return 0.0
        if self.law.molecular_weight_half_life is not None:
            return math.log(2) / float(self.law.molecular_weight_half_life)
        if self.mode in _SURFACE and self.gel is None:
            return self.rate / self.grid.voxel
        return math.log(2) / self._half_mass

    @property
    def _since(self) -> float:
        """By what chains are shorter now than in `molecular_weight`, acid left out."""
        return math.exp(-self._slowest() * self._owed)

    def _least(self) -> float:
        """Return what that rate must come to before a step is made."""
        if self.rate > 0:
            return _LEAST_RECESSION
        return _LEAST_CUT if self.mode == "hydrolysis" and self.total_lost == 0 else _LEAST

    def _dissolve(self, body: Floats, reach: float, covered: Array | None) -> tuple[Floats, float]:
        """Let surfaces recede by `reach` voxels; return what is left, and the loss in voxels."""
        strides, lost = max(1, math.ceil(reach / _STRIDE)), 0.0
        for _ in range(strides):
            body, gone = self._recede(body, reach / strides, covered)
            lost += gone
            if gone == 0:
                break
        return body, lost

    def _recede(self, body: Floats, reach: float, covered: Array | None) -> tuple[Floats, float]:
        """As `_dissolve`, in one go."""
        planes, left = np.empty(self.grid.shape[0]), np.empty_like(body)
        total = body if covered is None else np.add(body, covered, dtype=np.float32)
        _degradation.dissolve(
            body, total, reach, _RESIDUE, self.grid.periodic, self.threads, left, planes
        )
        return left, float(planes.sum())

    def _recession_to_half(self) -> float:
        """Return by how many voxels surfaces recede until half is lost; 0 if none is exposed."""
        body, reach, half = self.fraction, 0.0, self._start / 2
        mass = self._start
        while True:
            # Heun's step is the mean of none and of two of Euler's
            once = self._recede(body, _LONG_STRIDE, None)[0]
            body = (body + self._recede(once, _LONG_STRIDE, None)[0]) * np.float32(0.5)
            left = float(np.sum(body, dtype=np.float64))
            if left == mass:
                return 0.0
            if left <= half:
                # what is thin goes exponentially
                part = math.log(mass / half) / math.log(mass / left) if left > 0 else 1.0
                return reach + _LONG_STRIDE * part
            mass, reach = left, reach + _LONG_STRIDE

    def _thin(self, body: Floats, dt: float, where: Array | None) -> tuple[Floats, float]:
        planes, left = np.empty(self.grid.shape[0]), np.empty_like(body)
        rows = (self.grid.shape[0], -1)
        mask = np.empty((0, 0), np.uint8)
        if where is not None:
            mask = np.ascontiguousarray(where, bool).view(np.uint8).reshape(rows)
        share = 0.5 ** (dt / self._half_mass)
        _degradation.thin(
            body.reshape(rows), share, _RESIDUE, mask, self.threads, left.reshape(rows), planes
        )
        return left, float(planes.sum())

    def _hydrolyse(self, body: Floats, dt: float, acid: Array | None) -> tuple[Floats, float]:
        law, weight = self.law, self.molecular_weight
        assert law is not None
        assert weight is not None
        assert law.critical_molecular_weight is not None
        assert law.loss_rate is not None
        hasty = law.doubling_acid is not None and acid is not None
        felt = np.ascontiguousarray(acid, np.float32) if hasty else np.empty((0, 0, 0), np.float32)
        planes, left = np.empty(self.grid.shape[0]), np.empty_like(body)
        weight = weight.copy()
        _degradation.hydrolyse(
            body,
            felt,
            self.grid.periodic,
            self._slowest() * dt,
            1.0 / float(law.doubling_acid) if law.doubling_acid is not None else 0.0,
            float(law.critical_molecular_weight),
            float(law.loss_rate) * dt,
            _RESIDUE,
            self.threads,
            weight,
            left,
            planes,
        )
        self.molecular_weight = weight
        return left, float(planes.sum())

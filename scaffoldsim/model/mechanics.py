"""Load on scaffold and bone: stiffness, strain, what cells feel of it, and when it fails.

Layers across the load, in series. Bone carries it beside what is left of the scaffold, so stiffness
falls as one dissolves and rises as the other grows. Compiled half: ``_mechanics.pyx``.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.config import Entry, Parameter, Unit
from scaffoldsim.model import _mechanics
from scaffoldsim.model.bone import BoneTissue
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.solver.inputs import thread_count
from scaffoldsim.tree import Path_

#: ν of a layer, as usual for bone and for scaffolds
POISSON = 0.3
#: octahedral shear strain and speed of fluid (m/s) that count as a stimulus of 1 (Prendergast 1997,
#: recalled); the windows of the cell types are in these units
SHEAR, SPEED = 0.0375, 3e-6
#: a solid keeps this share of its modulus whatever becomes of its molecules
_LEAST = 1e-3
#: voxels that are worth a thread
_VOXELS_PER_THREAD = 100_000

Field32 = NDArray[np.float32]


def octahedral_shear(strain: Any) -> Any:
    r"""Return the octahedral shear strain of a uniaxial load.

    .. math:: \gamma_\text{oct} = \tfrac{2\sqrt 2}{3} (1 + \nu) |\varepsilon|

    Parameters
    ----------
    strain
        ε along the load, a number or an array.

    Examples
    --------
    >>> round(octahedral_shear(1.0), 4)
    1.2257
    """
    return 2 * math.sqrt(2) / 3 * (1 + POISSON) * abs(strain)


class Load(Entry):
    """The load of a site, along one axis of the box.

    Attributes
    ----------
    stress
        On the site, Pa; or
    strain
        of the construct, where the bone around it says how far it is compressed.
    rim_share
        Share of the stress that the bone around the construct takes; none where absent.
    axis
        The direction of the load.
    fluid_speed
        Of the fluid that passes cells, m/s; absent, it stands still.
    """

    kind: ClassVar[str] = "loads"

    stress: Annotated[Parameter, Unit("Pa", ge=0, le=1e9, show="MPa")] | None = None
    strain: Annotated[Parameter, Unit("", ge=0, le=1)] | None = None
    rim_share: Annotated[Parameter, Unit("", ge=0, le=1)] | None = None
    axis: Literal["x", "y", "z"] = "z"
    fluid_speed: Annotated[Parameter, Unit("m/s", ge=0, le=1e-2, show="um/s")] | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a load that is given twice or not at all, and a rim that has nothing to take."""
        if (self.stress is None) == (self.strain is None):
            yield (), "a load has either a stress or a strain"
        elif self.stress is None and self.rim_share is not None:
            yield ("rim_share",), "it takes a share of a stress, but a strain is given"

    @property
    def carried(self) -> float | None:
        """The stress that the construct carries, Pa; None where a strain is given.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> read_entry("loads", "femoral_head").carried
        1000000.0
        """
        if self.stress is None:
            return None
        return float(self.stress) * (1 - float(self.rim_share or 0.0))


class Mechanics:
    r"""Stiffness of scaffold and bone, and what a load does to it.

    With the mean modulus of scaffold and bone :math:`E_t` and their share f in a layer across the
    load, and E_p of what fills the pores,

    .. math::

        E_k = f^2 E_t + (1 - f) E_p, \qquad E = n / \sum_k 1/E_k

    within the Reuss and Voigt bounds of what is in the layer, to which E_k is held: constituents in
    series and side by side, wherever they lie in a voxel. The square is that of open cells (Gibson
    and Ashby 1997, recalled); a layer without pores is exact. Strains follow from the
    stress, :math:`\varepsilon_k = \sigma/E_k`, or from the strain that is imposed,
    :math:`\sigma = E \varepsilon`. Layers stay elastic: past collapse they go on as before.

    Parameters
    ----------
    grid
        The voxels.
    bone
        Moduli of bone and of what fills the pores, and the strain at which a layer fails.
    load
        The site's; None is none, and then there is stiffness only.
    modulus
        Of the scaffold's solid, or of the gel, Pa.
    gel
        Whether the scaffold is a gel: no walls, it fills the pores beside the soft tissue.
    threads
        Of the kernel; the result does not depend on it.

    Attributes
    ----------
    layers, layer_voigt, layer_reuss : ndarray
        Modulus of each layer along the load and its bounds, Pa.
    voigt, reuss : float
        Bounds of the stiffness of the box, Pa.
    lowest : float
        Least stiffness so far, Pa; inf before the first update.
    time_to_collapse : float or None
        When a layer first failed, s; None if none has.
    stimulus : ndarray of float32 or None
        Per voxel, (nx, ny, nz): mechanical stimulus; None without load.
    felt : ndarray or None
        The same of each layer.

    Raises
    ------
    ValueError
        If the modulus is not positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from scaffoldsim.config import read_entry
    >>> grid, none = Grid((4, 4, 4), 2e-5), np.zeros((4, 4, 4), np.float32)
    >>> bone, load = read_entry("tissues", "bone"), read_entry("loads", "femur")
    >>> mechanics = Mechanics(grid, bone, load, modulus=80e9)
    >>> solid = np.full_like(none, 0.1)
    >>> mechanics.update(solid, np.zeros((3, 4, 4, 4), np.float32), none, none, none, time=0.0)
    >>> round(mechanics.stiffness / 1e6, 2), round(mechanics.collapse_index, 3)
    (800.18, 0.156)
    """

    def __init__(
        self,
        grid: Grid,
        bone: BoneTissue,
        load: Load | None = None,
        *,
        modulus: float,
        gel: bool = False,
        threads: int | None = None,
    ) -> None:
        if not 0 < modulus < math.inf:
            raise ValueError(f"modulus is {modulus!r} Pa; it must be positive and finite.")
        self.grid, self.bone, self.applied = grid, bone, load
        self._moduli = {
            "solid": float(modulus),
            "gel_modulus": float(modulus) if gel else 0.0,
            "osteoid_modulus": float(bone.osteoid_modulus),
            "mature_modulus": float(bone.mature_modulus),
            "fresh_modulus": float(bone.fresh_modulus),
            "host_modulus": float(bone.host_modulus),
            "soft_modulus": float(bone.soft_modulus),
        }
        self._axis = "xyz".index(load.axis) if load is not None else 2
        self._threads = max(1, min(thread_count(threads), grid.n_voxels // _VOXELS_PER_THREAD))
        # before the first update: pores and nothing else
        pores = self._moduli["soft_modulus"] + self._moduli["gel_modulus"]
        n = grid.shape[self._axis]
        self.layers, self.layer_voigt, self.layer_reuss = (np.full(n, pores) for _ in range(3))
        self.lowest = math.inf
        self.time_to_collapse: float | None = None
        self.stimulus = None if load is None else np.empty(grid.shape, np.float32)
        self.felt: NDArray[np.float64] | None = None
        self._spread()

    def __repr__(self) -> str:
        index = self.collapse_index
        failing = "no load" if index is None else f"collapse index {index:.3g}"
        return f"Mechanics({self.stiffness / 1e6:.4g} MPa, {failing})"

    def update(
        self,
        scaffold: Field32,
        osteoid: Field32,
        mineral: Field32,
        young: Field32,
        host: Field32,
        *,
        integrity: float | Field32 = 1.0,
        time: float,
    ) -> None:
        """Take the state of the tissue at `time`.

        Parameters
        ----------
        scaffold, mineral, host
            Share of each voxel, (nx, ny, nz).
        osteoid
            The same in its stages, (3, nx, ny, nz).
        young
            Sum of new mineral × e^(−age/τ), (nx, ny, nz).
        integrity
            Share of its modulus that the scaffold has kept; of a gel, share of the gel that is
            left. A number or per voxel.
        time
            s.

        Raises
        ------
        ValueError
            If an array is not float32, in C order and of the shape of the grid.
        """
        arrays = {"scaffold": scaffold, "mineral": mineral, "young": young, "host": host}
        if isinstance(integrity, np.ndarray):
            arrays["integrity"] = integrity
        for name, array in (*arrays.items(), ("osteoid", osteoid)):
            shape = (3, *self.grid.shape) if name == "osteoid" else self.grid.shape
            if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous:
                raise ValueError(
                    f"{name} is {array.dtype} of shape {array.shape}; it must be float32 of shape "
                    f"{shape}, in C order."
                )
        planes = _mechanics.sums(
            scaffold,
            osteoid,
            mineral,
            young,
            host,
            integrity,
            least=_LEAST,
            by_y=self._axis == 1,
            threads=self._threads,
            **self._moduli,
        )
        sums = planes.sum(axis=0) if self._axis == 2 else planes.sum(axis=2).T
        pore, tissue, filling, compliance = sums / (self.grid.n_voxels // sums.shape[1])
        self.layer_voigt, self.layer_reuss = tissue + filling, 1 / compliance
        cellular = (1 - pore) * tissue + filling
        self.layers = np.clip(cellular, self.layer_reuss, self.layer_voigt)
        self.lowest = min(self.lowest, self.stiffness)
        index = self.collapse_index
        if self.time_to_collapse is None and index is not None and index >= 1:
            self.time_to_collapse = float(time)
        self._spread()

    # what follows from the layers -----------------------------------------------------------------

    @property
    def stiffness(self) -> float:
        """Modulus of the box along the load, Pa: its layers in series."""
        return float(1 / np.mean(1 / self.layers))

    @property
    def voigt(self) -> float:
        """Upper bound of the stiffness, Pa: arithmetic mean over all that is in the box."""
        return float(np.mean(self.layer_voigt))

    @property
    def reuss(self) -> float:
        """Lower bound of the stiffness, Pa: harmonic mean over all that is in the box."""
        return float(1 / np.mean(1 / self.layer_reuss))

    @property
    def stress(self) -> float | None:
        """Stress on the construct, Pa, also where a strain is imposed; None without load."""
        load = self.applied
        if load is None:
            return None
        if load.strain is not None:
            return float(load.strain) * self.stiffness
        return load.carried

    @property
    def strain(self) -> NDArray[np.float64] | None:
        """Strain of each layer along the load; None without load."""
        stress = self.stress
        return None if stress is None else stress / self.layers

    @property
    def collapse_index(self) -> float | None:
        """Largest strain of a layer over the one at which it fails; None without load."""
        strain = self.strain
        return None if strain is None else float(strain.max() / float(self.bone.collapse_strain))

    def _spread(self) -> None:
        r"""Give each voxel the stimulus of its layer, :math:`S = \gamma/3.75\,\% + v/3\,µm/s`."""
        strain, load = self.strain, self.applied
        if self.stimulus is None or strain is None or load is None:
            return
        self.felt = octahedral_shear(strain) / SHEAR + float(load.fluid_speed or 0.0) / SPEED
        along = [1, 1, 1]
        along[self._axis] = self.felt.size
        self.stimulus[...] = self.felt.reshape(along)

    # restart --------------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs."""
        never = math.inf if self.time_to_collapse is None else self.time_to_collapse
        return {
            "layers": np.stack([self.layers, self.layer_voigt, self.layer_reuss]),
            "history": np.array([self.lowest, never]),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state."""
        self.layers, self.layer_voigt, self.layer_reuss = (row.copy() for row in state["layers"])
        self.lowest, failed = (float(value) for value in state["history"])
        self.time_to_collapse = None if math.isinf(failed) else failed
        self._spread()

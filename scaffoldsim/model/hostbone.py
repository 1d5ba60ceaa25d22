"""The bone of the host: what of it stands in the box at the start, its mineral, and its T-score.

A seed is a virtual host: its bone volume fraction is drawn as the donor of the cells is, from the
seed alone. What keeps the bone in balance is in `scaffoldsim.model.remodelling`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.config import Config, Parameter, Section, Unit
from scaffoldsim.model import counter
from scaffoldsim.model.bone import BoneTissue, OrganismBone
from scaffoldsim.scaffold.design import Infeasible
from scaffoldsim.scaffold.families import family_names, get_family, option_problems
from scaffoldsim.scaffold.grid import Faces, Grid
from scaffoldsim.scaffold.scaffold import Scaffold
from scaffoldsim.schema import InputFile, Quantity
from scaffoldsim.tree import Path_

if TYPE_CHECKING:
    from scaffoldsim.model.organisms import Organism
    from scaffoldsim.model.site import Place

#: a T-score at or below this is osteoporosis (WHO 1994, by DXA in women; "T-like" elsewhere)
OSTEOPOROSIS = -2.5
#: virtual young healthy hosts behind a T-score; their mean is then known within .03 of its unit
YOUNG_HOSTS = 1024
#: bone volume fractions beyond these are of no cancellous bone
_LEAST, _MOST = 0.01, 0.95
#: pores along the edges of the box that bone is designed in, at least; tried in this order
_PORES = (0, 4, 8)
_HALVINGS = 24
_OF_FAMILIES = ("options", "porosity", "pore_size")
_OF_IMAGES = ("voxel", "threshold", "invert")


def _with_source(value: Any) -> Any:
    """A bare number in a configuration is that of the user's own case."""
    if isinstance(value, int | float | str) and not isinstance(value, bool | Parameter):
        text = value.text if isinstance(value, Quantity) else value
        return {
            "value": text,
            "range": [text, text],
            "mark": "assumed",
            "source": "set in the configuration",
        }
    return value


class HostBone(Section):
    """Cancellous bone of the host in the box, beside the scaffold and never in it.

    Attributes
    ----------
    family, options
        Its geometry, one of the families of scaffolds, or
    image, voxel, threshold, invert
        a scan, which covers the box from its low corner on; see `Scaffold.from_image`.
    porosity
        1 − BV/TV of such hosts on average; by default that of the young adult of the organism. The
        virtual host of a seed differs from it.
    pore_size : m
        Mean trabecular separation.
    depth : m, optional
        Only this near to a face that is ``host``; else the whole box.
    dead
        Necrotic: the same mineral, but no cells, and nobody answers its resorption.
    """

    family: str | None = None
    options: dict[str, Any] = Field({})
    porosity: (
        Annotated[Parameter, Unit("", ge=0.05, le=0.99), BeforeValidator(_with_source)] | None
    ) = None
    pore_size: (
        Annotated[Parameter, Unit("m", ge=1e-6, le=1e-2, show="um"), BeforeValidator(_with_source)]
        | None
    ) = None
    image: Annotated[str, InputFile] | None = None
    voxel: Annotated[float, Unit("m", ge=1e-7, le=1e-3, show="um")] | None = None
    threshold: Annotated[float, Unit("")] | None = None
    invert: bool = False
    depth: Annotated[float, Unit("m", ge=0, le=0.1, show="mm")] | None = None
    dead: bool = False

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a geometry that is given twice or not at all, and keys of the other one."""
        if (self.family is None) == (self.image is None):
            yield (), "bone of a host is either a family or an image; give one of them"
            return
        others, name = (_OF_IMAGES, "family") if self.image is None else (_OF_FAMILIES, "image")
        for key in others:
            if getattr(self, key) != type(self).model_fields[key].default:
                yield (key,), f"goes not with {name}; remove this key"
        if self.family is None:
            return
        if self.family not in family_names():
            hint = did_you_mean(self.family, family_names())
            yield ("family",), f"{self.family!r} is not known{hint} ({', '.join(family_names())})"
            return
        wrong = option_problems(self.family, self.options)
        for key, message in wrong:
            yield ("options", key), message
        if not wrong and not get_family(self.family, self.options).walls:
            yield ("family",), f"a {self.family} has no walls; bone needs some"
        if self.pore_size is None:
            yield ("pore_size",), "is missing: bone needs its mean trabecular separation"


def problems(config: Config) -> Iterator[tuple[Path_, str]]:
    """Yield (path, message) where the bone of the host does not fit what is around it."""
    host: Any = config.host
    section: HostBone | None = host.bone
    if section is None:
        return
    place: Path_ = ("host", "bone")
    if host.setting != "in_vivo":
        yield place, "a culture has no bone of a host; take a host with setting in_vivo"
    if section.depth is not None and not config.faces.of_kind("host"):
        yield (
            (*place, "depth"),
            "is measured from faces that are host, and no face is; leave it out, or set faces",
        )


def spread(ids: NDArray[np.int64], cv: float, *, seed: int, purpose: str) -> NDArray[np.float64]:
    r"""Return one lognormal factor of mean 1 and coefficient of variation `cv` for each of `ids`.

    .. math:: e^{\sigma z - \sigma^2/2}, \qquad \sigma^2 = \ln(1 + cv^2)

    z is normal (Box and Muller), of two numbers that depend on seed, purpose and id alone.

    Examples
    --------
    >>> factors = spread(np.arange(20_000), 0.3, seed=1, purpose="example")
    >>> round(float(factors.mean()), 2), round(float(factors.std()), 1)
    (1.0, 0.3)
    """
    key = counter.keys(seed=seed, step=0, purpose=purpose)
    u, v = counter.uniform(2 * ids, key), counter.uniform(2 * ids + 1, key)
    variance = math.log1p(cv**2)
    z = np.sqrt(-2.0 * np.log1p(-u)) * np.cos(2.0 * np.pi * v)
    factors: NDArray[np.float64] = np.exp(math.sqrt(variance) * z - variance / 2)
    return factors


def virtual_bv_tv(mean: float, cv: float, seed: int) -> float:
    """Return the bone volume fraction of the virtual host of `seed`.

    Examples
    --------
    >>> virtual_bv_tv(0.25, 0.15, 1) == virtual_bv_tv(0.25, 0.15, 1)
    True
    """
    factor = spread(np.zeros(1, np.int64), cv, seed=seed, purpose="host bone")
    return float(np.clip(mean * factor[0], _LEAST, _MOST))


@dataclass(frozen=True)
class Reference:
    """Bone mineral density of young healthy adults, kg/m³: what a T-score refers to."""

    mean: float
    sd: float

    @classmethod
    def of(cls, young: OrganismBone, bone: BoneTissue) -> "Reference":
        """Return it for an organism, from `YOUNG_HOSTS` virtual hosts, the same in every run.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> tissue = read_entry("tissues", "bone")
        >>> reference = Reference.of(read_entry("organisms", "rat").bone, tissue)
        >>> round(reference.mean / (1150 * 0.25), 1), round(reference.sd / reference.mean, 2)
        (1.0, 0.15)
        """
        cv = float(young.young_bv_tv_cv)
        factors = spread(np.arange(YOUNG_HOSTS), cv, seed=0, purpose="young hosts")
        density = float(bone.mineral_density) * np.clip(
            float(young.young_bv_tv) * factors, _LEAST, _MOST
        )
        return cls(float(density.mean()), float(density.std(ddof=1)))

    def t_score(self, density: float) -> float:
        """Return (density − mean)/sd; `OSTEOPOROSIS` and below is osteoporosis.

        Examples
        --------
        >>> Reference(mean=300.0, sd=40.0).t_score(200.0)
        -2.5
        """
        return (density - self.mean) / self.sd


class HostBoneState:
    """The bone of the host in a run.

    Everything here follows from configuration and seed, so nothing of it is in a checkpoint; the
    bone that is left stands in `Matrix.host`.

    Parameters
    ----------
    section
        None: no bone of the host in the box.
    organism
        Whose bone.
    bone
        Its tissue.
    grid, faces
        The box of the model.
    fraction : (nx, ny, nz)
        Scaffold as built.
    seed
        The virtual host.
    place
        Where bone was taken out or died; by default nowhere.

    Attributes
    ----------
    start : ndarray of float32, or None
        Share of bone in each voxel when a run begins.
    region : ndarray of bool, or None
        Where mineral is measured: the box, or what is within `depth` of the host.
    reference : Reference or None
    dead : bool
        Whether all of it is.

    Raises
    ------
    ValueError
        If no such geometry fits the box, or an image is too small for it.
    """

    def __init__(
        self,
        section: HostBone | None,
        organism: "Organism | None",
        bone: BoneTissue,
        grid: Grid,
        faces: Faces,
        fraction: NDArray[np.float32],
        *,
        seed: int,
        place: "Place | None" = None,
        threads: int | None = None,
    ) -> None:
        self.start: NDArray[np.float32] | None = None
        self.region: NDArray[np.bool_] | None = None
        self.reference: Reference | None = None
        self.dead = section is not None and section.dead
        self._dead = None if place is None else place.dead
        self._density = float(bone.mineral_density)
        self._volume = 0.0
        if organism is not None:
            self.reference = Reference.of(organism.bone, bone)
        if section is None or organism is None:
            return
        self.region = near_host(grid, faces, section.depth)
        built = built_bone(section, organism.bone, grid, seed=seed, threads=threads)
        free = np.float32(1) - fraction
        self.start = np.where(self.region, np.minimum(built, free), np.float32(0))
        if place is not None and place.cleared is not None:
            self.start[place.cleared] = 0
        self._volume = float(free[self.region].sum(dtype=np.float64))

    def bmd(self, mineral: NDArray[np.float32], host: NDArray[np.float32]) -> float | None:
        r"""Return the volumetric bone mineral density of the region, kg/m³.

        .. math:: \rho\,\frac{\sum (m + b)}{\sum (1 - s_0)}

        New and old mineral over all that was not scaffold as built. None without a region, or if
        scaffold fills it.
        """
        if self.region is None or self._volume <= 0:
            return None
        there = mineral[self.region].sum(dtype=np.float64) + host[self.region].sum(dtype=np.float64)
        return self._density * float(there) / self._volume

    def dead_share(self, host: NDArray[np.float32]) -> float:
        """Return the share of the host's bone that was dead at the start, of what is left."""
        if self.dead or self._dead is None:
            return float(self.dead)
        total = float(host.sum(dtype=np.float64))
        return float(host[self._dead].sum(dtype=np.float64)) / total if total > 0 else 0.0

    def t_score(self, bmd: float | None) -> float | None:
        """Return the T-score of a density in kg/m³; None where there is none."""
        if bmd is None or self.reference is None:
            return None
        return self.reference.t_score(bmd)


def built_bone(
    section: HostBone,
    young: OrganismBone,
    grid: Grid,
    *,
    seed: int,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Return the share of bone in each voxel of `grid`, as if there were no scaffold.

    The geometry does not wrap: where the box does, it has a seam. A family has the bone volume
    fraction of the virtual host in the box; a scan is taken as it is.

    Raises
    ------
    ValueError
        If the family cannot have such pores, or the scan is too small.
    """
    if section.image is not None:
        return _scanned(section, grid, threads)
    mean = float(young.young_bv_tv) if section.porosity is None else 1 - float(section.porosity)
    share = virtual_bv_tv(mean, float(young.young_bv_tv_cv), seed)
    return _to_share(_designed(section, grid, share, threads), grid.voxel, share)


def near_host(grid: Grid, faces: Faces, depth: float | None) -> NDArray[np.bool_]:
    """Return where a voxel's centre is within `depth` of a face that is host; None: everywhere."""
    if depth is None:
        return np.ones(grid.shape, bool)
    near = np.zeros(grid.shape, bool)
    for face in faces.of_kind("host"):
        near |= grid.below(face) <= depth
    return near


def _designed(
    section: HostBone, grid: Grid, share: float, threads: int | None
) -> NDArray[np.float32]:
    """Return the distance to the surface of bone in the box, m; below 0 in bone.

    A box of few pores is cut out of a larger design, which is feasible for any virtual host.
    """
    pore = float(section.pore_size or 0)
    first: Infeasible | None = None
    for pores in _PORES:
        try:
            built = Scaffold.design(
                str(section.family),
                porosity=1 - share,
                pore_size=pore,
                size=[max(edge, pores * pore) for edge in grid.size],
                voxel=grid.voxel,
                options=section.options,
                solid="fraction",
                criteria="report",
                threads=threads,
            )
        except Infeasible as error:
            first = first or error
            continue
        x, y, z = grid.shape
        return built.distance[:x, :y, :z]
    assert first is not None
    raise first


def _to_share(distance: NDArray[np.float32], voxel: float, share: float) -> NDArray[np.float32]:
    """Return shares of bone in voxels, with the surface moved until they come to `share`."""
    low, high = float(distance.min()) - voxel, float(distance.max()) + voxel
    ramp = np.float32(0.5) - distance / np.float32(voxel)
    filled = ramp
    for _ in range(_HALVINGS):
        shift = (low + high) / 2
        filled = np.clip(ramp + np.float32(shift / voxel), np.float32(0), np.float32(1))
        if filled.mean(dtype=np.float64) < share:
            low = shift
        else:
            high = shift
    return filled


def _scanned(section: HostBone, grid: Grid, threads: int | None) -> NDArray[np.float32]:
    """Cut the box out of a scan, from its low corner on."""
    scan = Scaffold.from_image(
        str(section.image),
        voxel=None if section.voxel is None else float(section.voxel),
        threshold="otsu" if section.threshold is None else float(section.threshold),
        invert=section.invert,
        resample=grid.voxel,
        threads=threads,
    )
    x, y, z = grid.shape
    part = scan.fraction[:x, :y, :z]
    if part.shape != grid.shape:
        raise ValueError(
            f"the scan is {_voxels(scan.grid.shape)} of the model's voxels, and the box is "
            f"{_voxels(grid.shape)}; take a larger scan, or a smaller scaffold"
        )
    return np.ascontiguousarray(part)


def _voxels(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))

"""How cells get into the scaffold at the start."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scaffoldsim.config import Section, Unit
from scaffoldsim.model import counter
from scaffoldsim.model.celltypes import CellType
from scaffoldsim.model.donor import DonorSection
from scaffoldsim.model.genes import MOST_GENES, Modification
from scaffoldsim.tree import Path_

if TYPE_CHECKING:
    from scaffoldsim.scaffold.grid import Grid

#: where cells come from, in the order of the origin column; the host's own come by themselves
SOURCES = ("autologous", "allogeneic", "xenogeneic", "host")
#: share of the chance of a surface voxel that a pore voxel away from any surface has: cells settle
#: on surfaces, and only what finds no room there stays in the fluid
_IN_FLUID = 1e-6

Face = Literal["x-", "x+", "y-", "y+", "z-", "z+"]


class Seeding(Section):
    """Cells at the start: how many, of what type, from whom, and by which method.

    Attributes
    ----------
    type
        A name among `cell_types`.
    number, density
        Cells given: a count, or per volume of the box. Exactly one of the two.
    delivery
        ``dynamic_seeding``: even over all surfaces. ``static_seeding``: on surfaces, falling
        exponentially from `face`. The share that stays is the cell type's `attachment`.
    source
        Whose cells: the host's own, another's of the same species, or of another species.
    genes
        What the cells were modified with before; bit i of a cell's mask is the i-th.
    """

    type: str = "bmsc"
    number: int | None = Field(None, ge=0, le=1_000_000_000)
    density: Annotated[float, Unit("1/m^3", ge=0, le=1e18, show="1/mL")] | None = None
    delivery: Literal["dynamic_seeding", "static_seeding"] = "dynamic_seeding"
    face: Face = "z+"
    source: Literal["autologous", "allogeneic", "xenogeneic"] = "allogeneic"
    donor: DonorSection = Field({})  # type: ignore[assignment]
    genes: list[Modification] = Field([], max_length=MOST_GENES)

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

    def doublings(self, cell_type: CellType) -> float:
        """Return the population doublings of their expansion, carried in."""
        donor, rule = self.donor, cell_type.proliferation
        if donor.passage is not None and rule is not None and rule.doublings_per_passage:
            return donor.passage * float(rule.doublings_per_passage)
        return donor.doublings or 0.0

    def given(self, grid: "Grid") -> int:
        """Return the number of cells given to the box of `grid`."""
        if self.number is not None:
            return self.number
        assert self.density is not None
        return round(self.density * grid.voxel_volume * grid.n_voxels)


def seed_voxels(
    seeding: Seeding,
    cell_type: CellType,
    grid: "Grid",
    open_: NDArray[np.bool_],
    near_surface: NDArray[np.bool_],
    *,
    adhesion: float,
    seed: int,
) -> NDArray[np.int32]:
    r"""Choose the voxels of the cells that stay, without repetition.

    Voxel v is drawn with weight :math:`w_v`: 1 at a surface (times
    :math:`e^{-d/\lambda}` at depth d from the loaded face when seeding is static) and
    10⁻⁶ of that in the fluid. The n smallest of :math:`-\ln(u_v)/w_v` are a weighted sample
    without replacement (Efraimidis and Spirakis 2006); :math:`u_v` depends on seed and voxel alone.

    Returns
    -------
    ndarray of int32
        Flat voxel numbers, ascending.

    Raises
    ------
    ValueError
        If more cells stay than there are open voxels.
    """
    rule = cell_type.attachment
    assert rule is not None
    static = seeding.delivery == "static_seeding"
    share = float(rule.static_share) * adhesion if static else float(rule.dynamic_share)
    n = round(share * seeding.given(grid))
    voxels = np.flatnonzero(open_.ravel()).astype(np.int32)
    if n > voxels.size:
        raise ValueError(
            f"{n} cells would stay ({share:.2g} of {seeding.given(grid)}), but the pores hold "
            f"{voxels.size} voxels of one cell each; give at most {int(voxels.size / share)} cells"
        )
    weight = np.where(near_surface.ravel()[voxels], 1.0, _IN_FLUID)
    if static:
        axis = "xyz".index(seeding.face[0])
        index = np.unravel_index(voxels, grid.shape)[axis]
        if seeding.face[1] == "+":
            index = grid.shape[axis] - 1 - index
        weight *= np.exp(-(index + 0.5) * grid.voxel / float(rule.static_depth))
    key = counter.keys(seed=seed, step=0, purpose="seeding")
    u = counter.uniform(voxels.astype(np.int64), key)
    order = np.argsort(-np.log1p(-u) / weight, kind="stable")
    return np.sort(voxels[order[:n]])

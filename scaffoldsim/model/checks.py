"""What must hold before cells take a step, each refusal in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model import _lattice

if TYPE_CHECKING:
    from scaffoldsim.model.cells import Cells

__all__ = [
    "name_bad_rate",
    "require_changes",
    "require_free",
    "require_mask",
    "require_name",
    "require_one_each",
    "require_places",
    "require_potential",
    "require_rows",
    "require_short_step",
    "require_type",
]


def require_mask(value: ArrayLike, name: str, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return `value` as an array of bool of that shape.

    Raises
    ------
    ValueError
        If it is not one.
    """
    mask = np.asarray(value)
    if mask.dtype != bool or mask.shape != tuple(shape):
        raise ValueError(
            f"{name} has type {mask.dtype} and shape {mask.shape}, must be bool of shape "
            f"{tuple(shape)}."
        )
    return mask


def require_changes(
    voxels: ArrayLike, kind: ArrayLike, n_voxels: int, last: int
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return voxels that ascend, and the kind 0 to `last` of each, as the kernels take them.

    Raises
    ------
    ValueError
        If they are not so.
    """
    where, now = np.atleast_1d(voxels), np.atleast_1d(kind)
    if where.shape != now.shape or where.ndim != 1:
        raise ValueError(
            f"voxels have shape {where.shape} and kind {now.shape}, must be one kind a voxel."
        )
    if where.size and not (
        where[0] >= 0 and where[-1] < n_voxels and bool(np.all(where[1:] > where[:-1]))
    ):
        raise ValueError(f"the voxels that change must ascend and lie in 0 to {n_voxels - 1}.")
    if now.size and not (now.min() >= 0 and now.max() <= last):
        raise ValueError(f"kind has values {now.min()} to {now.max()}, must lie in 0 to {last}.")
    return np.ascontiguousarray(where, np.int32), np.ascontiguousarray(now, np.uint8)


def require_free(
    voxels: NDArray[Any],
    occupant: NDArray[np.int32],
    flags: NDArray[np.uint8],
    shut: np.uint8,
    shape: tuple[int, int, int],
) -> None:
    """New cells may stand in these voxels; where the `shut` bit of `flags` is set, none may.

    Raises
    ------
    ValueError
        Naming the first voxel that is outside, named twice, held or closed.
    """
    outside = voxels[(voxels < 0) | (voxels >= occupant.size)]
    if outside.size:
        raise ValueError(f"there is no voxel {outside[0]}, must be 0 to {occupant.size - 1}.")
    order = np.sort(voxels)
    twice = order[1:][order[1:] == order[:-1]]
    if twice.size:
        raise ValueError(f"voxel {_ijk(twice[0], shape)} is named twice: one voxel holds one cell.")
    held = voxels[occupant[voxels] >= 0]
    if held.size:
        raise ValueError(
            f"voxel {_ijk(held[0], shape)} holds a cell already: take one that is free."
        )
    closed = voxels[(flags[voxels] & shut) != 0]
    if closed.size:
        raise ValueError(
            f"voxel {_ijk(closed[0], shape)} is solid or matrix: take one that is open."
        )


def require_name(name: str, names: tuple[str, ...], what: str) -> int:
    """Return the place of `name` among `names`.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if name not in names:
        raise ValueError(f"there is no {what} {name!r} (allowed: {', '.join(names)}).")
    return names.index(name)


def require_rows(rows: ArrayLike, n: int, taken: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return rows of cells that exist, are named once, and are not `taken` yet.

    Raises
    ------
    ValueError
        Naming the first row that is not so.
    """
    at = np.atleast_1d(np.asarray(rows, dtype=np.int64))
    outside = at[(at < 0) | (at >= n)]
    if outside.size:
        raise ValueError(f"there is no row {outside[0]}: there are {n} cells.")
    order = np.sort(at)
    twice = np.concatenate([order[1:][order[1:] == order[:-1]], at[taken[at] != 0]])
    if twice.size:
        raise ValueError(f"row {twice[0]} is named twice: a cell has one event at a time.")
    return at


def require_type(senescent: int | None, types: tuple[str, ...]) -> None:
    """The type of cells that divide no more exists.

    Raises
    ------
    ValueError
        If it does not.
    """
    if senescent is not None and not 0 <= senescent < len(types):
        raise ValueError(
            f"senescent is type {senescent}, must be 0 to {len(types) - 1} ({', '.join(types)}), "
            "or None where no cell ages."
        )


def require_places(
    cells: Cells, solid: NDArray[Any], n_free: int, shape: tuple[int, int, int]
) -> None:
    """Every cell has a voxel of its box that is not solid (flat, non-zero where solid).

    Raises
    ------
    ValueError
        Naming the first cell without one, or both numbers where the cells are too many.
    """
    voxel = cells.voxel
    if cells.n > n_free:
        raise ValueError(
            f"{cells.n} cells are more than the {n_free} voxels free of solid: deliver fewer "
            "cells or use a larger scaffold."
        )
    outside = np.flatnonzero((voxel < 0) | (voxel >= solid.size))
    if outside.size:
        raise ValueError(
            f"cell {cells.id[outside[0]]} has voxel {voxel[outside[0]]}, must be 0 to "
            f"{solid.size - 1}: place it before the step."
        )
    inside = np.flatnonzero(solid[voxel])
    if inside.size:
        raise ValueError(
            f"cell {cells.id[inside[0]]} stands in solid at voxel {_ijk(voxel[inside[0]], shape)}: "
            "place it in a pore."
        )


def require_one_each(
    cells: Cells, occupant: NDArray[np.int32], shape: tuple[int, int, int]
) -> None:
    """No two cells share a voxel, given who was entered last in each.

    Raises
    ------
    ValueError
        Naming two cells that do.
    """
    last = occupant[cells.voxel]
    clash = np.flatnonzero(last != np.arange(cells.n))
    if clash.size:
        row = clash[0]
        raise ValueError(
            f"cells {cells.id[row]} and {cells.id[last[row]]} share voxel "
            f"{_ijk(cells.voxel[row], shape)}: one voxel holds one cell."
        )


def require_potential(
    potential: NDArray[np.float32], flags: NDArray[np.uint8], limit: float, threads: int
) -> None:
    """The potential is a number within +-limit wherever a cell can go.

    Raises
    ------
    ValueError
        If it is not.
    """
    bad = _lattice.count_bad_potential(potential, flags, limit, threads)
    if bad:
        raise ValueError(
            f"the potential is not finite or beyond +-{limit:g} in {bad} open voxels: check the "
            "fields and chemotaxis strengths it is made from."
        )


def require_short_step(
    cells: Cells, dt: float, hop: float, division: float, most_hops: float, most_division: float
) -> None:
    """The step suits the greatest finite rates of hops and division.

    Raises
    ------
    ValueError
        Naming the cell, and the longest step that would do.
    """
    # a limit kept in single precision, as the rate is, may exceed itself by one rounding
    if division * dt > most_division * (1.0 + 1e-6):
        longest = most_division / division
        row = int(np.flatnonzero(cells.divide == np.float32(division))[0])
        raise ValueError(
            f"divide is {division:.4g} /s for cell {cells.id[row]}: times the step of {dt:g} s "
            f"this exceeds {most_division:.3g}; use a step of at most {longest:.4g} s."
        )
    if hop * dt > most_hops:
        row = int(np.flatnonzero(cells.hop == np.float32(hop))[0])
        raise ValueError(
            f"hop is {hop:.4g} /s for cell {cells.id[row]}: more than {most_hops:g} hops in the "
            f"step of {dt:g} s; use a step of at most {most_hops / hop:.4g} s."
        )


def name_bad_rate(cells: Cells) -> str:
    """Which rate of which cell is negative or NaN, in words."""
    for name in ("hop", "divide", "death", "fate"):
        rates = np.atleast_2d(getattr(cells, name))
        bad = np.argwhere(~(rates >= 0.0))
        if bad.size:
            kind, row = bad[0]
            names = {"death": cells.hazards, "fate": cells.types}.get(name)
            label = name if names is None else f"{name} ({names[kind]})"
            return (
                f"{label} is {rates[kind, row]} /s for cell {cells.id[row]}, must be 0 or more: "
                "check the rule that sets it."
            )
    wrong = np.flatnonzero(~((cells.arrest >= 0.0) & (cells.arrest <= 1.0)))
    if wrong.size:
        row = wrong[0]
        return (
            f"arrest is {cells.arrest[row]} for cell {cells.id[row]}, must lie in 0 to 1: check "
            "the rule that sets it."
        )
    raise AssertionError("the kernel counted a bad rate that is not there")


def _ijk(voxel: int, shape: tuple[int, int, int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(voxel), shape))

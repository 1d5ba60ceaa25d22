"""Degradation and release against closed forms: slab, sphere, two stages, carrier, and the sink."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import read_entry
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.celltypes import CAUSES
from scaffoldsim.model.degradation import Degradation
from scaffoldsim.model.fields import Fields
from scaffoldsim.model.release import Release
from scaffoldsim.scaffold.grid import Faces, Grid
from scaffoldsim.scaffold.section import ScaffoldSection
from tests.theory.orders import observed_order

HOUR, DAY, WEEK = 3600.0, 86400.0, 7 * 86400.0
DISSOLVING: Any = read_entry("materials", "scpp")
PLGA: Any = read_entry("materials", "plga")


def receding(fraction: np.ndarray, voxel: float, speed: float) -> Degradation:
    """A scaffold whose surfaces recede at `speed`, m/s."""
    grid = Grid(fraction.shape, voxel, (True, True, False))  # type: ignore[arg-type]
    scaffold = Degradation(grid, fraction, DISSOLVING.degradation, threads=1)
    scaffold.rate = speed
    return scaffold


@pytest.mark.parametrize("depth", [2.0, 5.5])
def test_a_slab_recedes_exactly(depth: float) -> None:
    """A18: both faces recede by kt, whether they stand between voxels or within one."""
    slab = np.zeros((2, 2, 60), np.float32)
    slab[:, :, 10:50] = 1
    slab[:, :, 9] = 0.3
    scaffold = receding(slab, 20e-6, 20e-6 / DAY)
    for _ in range(round(depth * 24)):
        scaffold.advance(HOUR)
    assert scaffold.fraction[0, 0].sum() == pytest.approx(40.3 - 2 * depth, rel=2e-5)


def sphere(n: int, sharp: bool) -> np.ndarray:
    """A ball of radius n voxels, off the middle of a voxel; f of 0 or 1, or partly solid."""
    x = np.indices((2 * n + 6,) * 3) - (n + 2.5) - np.reshape([0.13, 0.21, 0.34], (3, 1, 1, 1))
    depth = n - np.sqrt((x**2).sum(0))
    return (depth > 0 if sharp else np.clip(depth + 0.5, 0, 1)).astype(np.float32)


@pytest.mark.parametrize("sharp", [False, True], ids=["partly solid", "binary"])
def test_a_sphere_shrinks_at_first_order(sharp: bool) -> None:
    """A18: radius r0 − kt at 25 % of r0; the volume, at first order in h."""
    sizes, errors = (6, 12, 24), []
    for n in sizes:
        ball = sphere(n, sharp)
        volume = ball.sum(dtype=np.float64)
        scaffold = receding(ball, 1e-3 / n, 0.25e-3 / DAY)
        for _ in range(60):
            scaffold.advance(DAY / 60)
        left = scaffold.fraction.sum(dtype=np.float64)
        errors.append(left / volume / 0.75**3 - 1)
    order = observed_order(f"sphere, {'0 or 1' if sharp else 'partly solid'}", sizes, errors)
    assert abs(errors[-1]) < 0.03
    if not sharp:
        assert order > 0.8


def test_counting_whole_faces_would_not_converge() -> None:
    """Why faces count by their share along the surface: the area of a ball, as dV/dr."""
    for n in (12, 24):
        ball = sphere(n, sharp=True)
        area = receding(ball, 1e-3, 1.0)._recede(ball, 1e-3, None)[1] / 1e-3
        faces = sum(float(np.abs(np.diff(ball, axis=axis)).sum()) for axis in range(3))
        true = 4 * math.pi * n**2
        assert faces / true == pytest.approx(1.5, abs=0.03)
        assert area / true == pytest.approx(1, abs=0.04)


def test_plga_loses_weight_first_and_mass_later() -> None:
    """M halves in 4 weeks, mass stays within 5 % for 11, and is half gone two weeks later."""
    foam = Degradation(Grid((4, 4, 4), 20e-6), np.ones((4, 4, 4)), PLGA.degradation, threads=1)
    mass, weight = [], []
    for _ in range(14 * 7 * 24):
        foam.advance(HOUR)
        mass.append(foam.mass)
        weight.append(foam.mean_molecular_weight)
    at = {week: week * 7 * 24 - 1 for week in (4, 11, 14)}
    assert weight[at[4]] == pytest.approx(0.5, rel=1e-3)
    assert weight[at[11]] < 0.15
    assert mass[at[4]] == 1
    assert 0.95 <= mass[at[11]] <= 1
    half = next(hour for hour, left in enumerate(mass) if left < 0.5) * HOUR
    assert half == pytest.approx(PLGA.degradation.time_to_half_mass, rel=1e-3)
    # and exponential from then on
    late = WEEK * 14 - math.log2(1 / 0.15) * 28 * DAY
    assert mass[at[14]] == pytest.approx(math.exp(-0.05 * late / DAY), rel=1e-3)


def test_polymer_becomes_product_and_reaches_the_sink() -> None:
    """Moles in the polymer that is lost = in the pores + through the faces, to 1e-6."""
    fraction = np.zeros((4, 4, 24), np.float32)
    fraction[:, :, 8:16] = 1
    faces = Faces.model_validate({"x": "periodic", "y": "periodic", "z-": "medium", "z+": "host"})
    grid = Grid(fraction.shape, 20e-6, faces.periodic)  # type: ignore[arg-type]
    types: Any = {"bmsc": read_entry("cells", "bmsc")}
    species: Any = {name: read_entry("fields", name) for name in ("lactic_acid",)}
    fields = Fields(grid, fraction, faces, species, types, threads=1)
    foam = Degradation(grid, fraction, PLGA.degradation, threads=1)
    release = Release(fields, foam, ScaffoldSection.model_construct(material=PLGA, loaded=[]))
    nobody, out = Cells(list(types), CAUSES), 0.0
    highest = 0.0
    for _ in range(40):
        if foam.advance(3 * DAY, acid=fields.value["lactic_acid"]):
            fields.update(foam.fraction)
        release.advance(3 * DAY)
        fields.advance(nobody, 3 * DAY, book=True)
        out -= fields.budget["lactic_acid"].faces
        highest = max(highest, float(fields.value["lactic_acid"].max()))
    product = PLGA.products["acid"]
    lost = (1 - (foam.mass or 0)) * 4 * 4 * 8 * grid.voxel_volume
    given = product.content * product.free * PLGA.density * lost
    held = fields.value["lactic_acid"].sum(dtype=np.float64) * grid.voxel_volume
    assert foam.mass is not None
    assert foam.mass < 0.3
    assert release.given["acid"] == pytest.approx(given, rel=1e-9)
    assert out + held == pytest.approx(given, rel=1e-6)
    assert 0 < highest < 50

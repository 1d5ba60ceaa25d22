"""Doses: how many are given and stay, where each route puts them, and what is refused."""

from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import ConfigError, load, read_entry
from scaffoldsim.model.celltypes import CellType
from scaffoldsim.model.delivery import Given, Seeding
from scaffoldsim.model.seeding import beside, seed_voxels
from scaffoldsim.scaffold.grid import Grid

GRID = Grid((20, 20, 100), 20e-6, (True, True, False))
VOLUME = GRID.voxel_volume * GRID.n_voxels
OPEN = np.ones(GRID.shape, bool)
OPEN[5] = False
NEAR = np.zeros(GRID.shape, bool)
NEAR[[4, 6]] = True
BMSC = read_entry("cells", "bmsc")


def first(**more: object) -> Given:
    return Seeding.model_validate({"number": 1000, **more}).plan[0]


def kept(dose: Given, adhesion: float = 0.8) -> int:
    assert isinstance(BMSC, CellType)
    assert BMSC.attachment is not None
    return round(dose.share(BMSC.attachment, adhesion) * dose.stromal(VOLUME))


def seed(n: int = 800, key: int = 1, flow: Any = None, index: int = 0, **more: object) -> Any:
    assert isinstance(BMSC, CellType)
    assert BMSC.attachment is not None
    dose, rule = first(**more), BMSC.attachment
    return seed_voxels(dose, n, rule, GRID, OPEN, NEAR, flow=flow, seed=key, index=index)


def depth(voxels: Any) -> Any:
    return np.unravel_index(voxels, GRID.shape)[2]


@pytest.mark.parametrize(
    ("route", "stay"),
    [("dynamic_seeding", 800), ("static_seeding", 400), ("gel_seeding", 800), ("injection", 150),
     ("core_decompression", 150), ("arterial_infusion", 30)],
)  # fmt: skip
def test_each_route_keeps_its_share(route: str, stay: int) -> None:
    assert kept(first(delivery=route)) == stay


def test_dynamic_seeding_is_even_over_surfaces() -> None:
    voxels = seed()
    assert voxels.size == len(set(voxels)) == 800
    assert np.all(np.diff(voxels) > 0)
    assert NEAR.ravel()[voxels].all()
    assert abs(depth(voxels).mean() - 49.5) < 4 * 100 / np.sqrt(12 * 800)


def test_static_seeding_falls_exponentially_from_the_loaded_face() -> None:
    voxels = seed(200, delivery="static_seeding")
    from_top = 2e-3 - (depth(voxels) + 0.5) * 20e-6
    length = 1e-3
    expected = length - 2e-3 / np.expm1(2e-3 / length)  # mean of an exponential cut at 2 mm
    assert abs(from_top.mean() - expected) < 4 * length / np.sqrt(voxels.size)
    assert seed(200, delivery="static_seeding", face="z-").mean() < voxels.mean()


@pytest.mark.parametrize("route", ["gel_seeding", "injection", "core_decompression"])
def test_gel_and_suspension_are_even_in_volume(route: str) -> None:
    voxels = seed(3800, delivery=route)
    assert OPEN.ravel()[voxels].all()
    share = NEAR.sum() / OPEN.sum()
    assert abs(NEAR.ravel()[voxels].mean() - share) < 4 * np.sqrt(share * (1 - share) / 3800)
    assert abs(depth(voxels).mean() - 49.5) < 4 * 100 / np.sqrt(12 * 3800)


def test_an_infusion_goes_where_blood_flows_by_its_flow() -> None:
    strong, weak = np.arange(0, 40_000, 80), np.arange(40, 40_000, 80)
    voxels = np.sort(np.concatenate([strong, weak])).astype(np.int32)
    flow = beside(voxels, np.where(np.isin(voxels, strong), 3.0, 1.0), GRID)
    found = seed(400, delivery="arterial_infusion", flow=flow)
    reach = flow.ravel()[found]
    assert found.size == 400
    assert (reach > 0).all()
    assert OPEN.ravel()[found].all()
    among = flow.ravel()[OPEN.ravel() & (flow.ravel() > 0)]
    share = (among == 3).sum() * 3 / among.sum()
    assert abs((reach == 3).mean() - share) < 4 * np.sqrt(share * (1 - share) / 400)
    assert seed(60, delivery="arterial_infusion").size == 0
    assert seed(10**6, delivery="arterial_infusion", flow=flow).size == among.size


def test_what_lies_beside_a_vessel_shares_a_face_with_it_also_across_the_period() -> None:
    corner = np.array([np.ravel_multi_index((0, 5, 0), GRID.shape)], np.int32)
    found = {tuple(at) for at in np.argwhere(beside(corner, np.array([2.0]), GRID) == 2)}
    assert found == {(0, 5, 0), (1, 5, 0), (19, 5, 0), (0, 4, 0), (0, 6, 0), (0, 5, 1)}


def test_what_finds_no_surface_stays_in_the_fluid() -> None:
    voxels = seed(6400)
    assert voxels.size == 6400
    assert NEAR.ravel()[voxels].sum() > 0.99 * NEAR.sum()
    assert OPEN.ravel()[voxels].all()


def test_seeding_depends_on_seed_and_dose_alone() -> None:
    assert np.array_equal(seed(), seed())
    assert not np.array_equal(seed(), seed(key=2))
    assert not np.array_equal(seed(), seed(index=1))


def test_density_counts_the_target_and_a_fraction_of_it_is_stromal() -> None:
    dose = first(number=None, density="1e6 /mL", msc_fraction=0.01)
    assert dose.count(VOLUME) == round(1e12 * 40000 * 8e-15) == 320
    assert dose.stromal(VOLUME) == 3
    assert first(number=0).stromal(VOLUME) == 0


def test_a_later_dose_is_as_the_first_but_for_what_it_says() -> None:
    plan = Seeding.model_validate(
        {"density": "1e6 /mL", "delivery": "injection", "msc_fraction": 0.5,
         "doses": [{"at": "1 d"}, {"at": "2 d", "number": 7, "delivery": "gel_seeding"}]}
    ).plan  # fmt: skip
    assert [(d.number, d.delivery) for d in plan] == [
        (None, "injection"), (None, "injection"), (7, "gel_seeding")
    ]  # fmt: skip
    assert plan[2].density is None
    assert plan[1].stromal(VOLUME) == plan[0].stromal(VOLUME) == 160


def problems(**change: Any) -> list[tuple[str, str]]:
    try:
        load("quickstart", set={key.replace("__", "."): value for key, value in change.items()})
    except ConfigError as error:
        return [(problem.key, problem.message) for problem in error.problems]
    return []


BODY = {"base": "healthy_human"}


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        ({"cells__delivery": "injection"}, "cells.delivery", "a culture is seeded"),
        ({"cells__delivery": "arterial_infusion"}, "cells.delivery", "a culture is seeded"),
        ({"cells__doses": [{"at": "1 d"}, {"at": "2 d", "delivery": "injection"}]},
         "cells.doses.1.delivery", "a culture is seeded"),
        ({"host": BODY, "cells__delivery": "core_decompression"}, "cells.delivery",
         "add host.site.track"),
        ({"host": BODY, "cells__delivery": "arterial_infusion"}, "cells.delivery",
         "set host.vessels=vessel"),
        ({"cells__delivery": "gel_seding"}, "cells.delivery", "gel_seeding"),
        ({"cells__delivery": "gel_seeding", "cell_types__bmsc__attachment__gel_share": None},
         "cells.delivery", "does not say attachment.gel_share"),
        ({"cell_types__bmsc__attachment__late_loss": None}, "cell_types.bmsc.attachment.late_loss",
         "go together"),
        ({"cells__doses": [{"at": "1 d", "number": 3, "density": "1e6 /mL"}]},
         "cells.doses.0.density", "either number or density"),
        ({"cells__doses": [{"number": 3}]}, "cells.doses.0.at", "missing"),
        ({"cells__msc_fraction": 0}, "cells.msc_fraction", "out of range"),
        ({"host": {"base": "culture", "immunity": "immune_response"}}, "host.immunity",
         "a culture has no immunity"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_where_it_stands(
    change: dict[str, Any], key: str, says: str
) -> None:
    found = problems(**change)
    assert [k for k, _ in found] == [key], found
    assert says in found[0][1]


def test_an_injection_into_a_body_is_allowed() -> None:
    assert not problems(host=BODY, cells__delivery="injection")

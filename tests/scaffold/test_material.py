"""Every material of the catalogue, and what an incomplete one is told."""

import pytest

from scaffoldsim import catalogue
from scaffoldsim.config import read_entry
from scaffoldsim.scaffold.material import Degradation
from scaffoldsim.schema import MARKS, parameters_of

SHARE = {"value": 0.5, "range": [0, 1], "mark": "assumed", "source": "for this test"}
DAYS = {"value": "30 d", "range": ["10 d", "90 d"], "mark": "assumed", "source": "for this test"}


@pytest.mark.parametrize("name", catalogue.names("materials"))
def test_every_number_of_a_material_has_a_source(name):
    material = read_entry("materials", name)
    numbers = dict(parameters_of(material, ""))
    assert len(numbers) >= 9
    assert all(n.mark in MARKS and len(n.source) > 10 for n in numbers.values())
    assert not list(material.problems())
    assert repr(material).startswith(f"Material('{name}'")


def test_values_are_si():
    bcp = read_entry("materials", "bcp")
    assert bcp.density == pytest.approx(3100)
    assert bcp.youngs_modulus == pytest.approx(80e9)
    assert bcp.degradation.half_mass == pytest.approx(364 * 86400)
    plga = read_entry("materials", "plga")
    assert plga.degradation.molecular_weight_half_life == pytest.approx(28 * 86400)
    assert plga.degradation.loss_rate == pytest.approx(0.05 / 86400)


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"mode": "none"}, set()),
        ({"mode": "none", "half_mass": DAYS}, {"half_mass"}),
        ({"mode": "dissolution"}, {"half_mass"}),
        ({"mode": "dissolution", "half_mass": DAYS}, set()),
        (
            {"mode": "hydrolysis", "half_mass": DAYS, "critical_molecular_weight": SHARE},
            {"half_mass", "molecular_weight_half_life", "loss_rate"},
        ),
    ],
)
def test_degradation_is_complete_for_its_mode(given, keys):
    found = dict(Degradation.model_validate(given).missing())
    assert set(found) == keys
    assert all(given["mode"] in message for message in found.values())

"""Species as data: units, faces, secretion, and what a configuration may say about them."""

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim import catalogue
from scaffoldsim.config import ConfigError, load, read_entry
from scaffoldsim.model.model import Model
from scaffoldsim.model.species import Species, problems
from scaffoldsim.scaffold.grid import Faces

SMALL: dict[str, Any] = {
    "schema": 1,
    "duration": "2 h",
    "scaffold": {"family": "gyroid_net", "porosity": 0.92, "pore_size": "320 um"}
    | {"material": "bcp", "size": "0.44 mm", "voxel": "20 um"},
    "faces": "periodic",
    "cells": {"number": 10},
}


def number(value: Any) -> dict[str, Any]:
    return {"value": value, "range": [value, value], "mark": "assumed", "source": "a test"}


def species(**keys: Any) -> Species:
    """A species that does nothing but what `keys` say."""
    quiet: dict[str, Any] = {"diffusivity": "1e-10 m^2/s", "medium": "0 mM", "host": "0 mM"}
    data = {key: number(value) for key, value in (quiet | keys).items() if key != "secretion"}
    if "secretion" in keys:
        data["secretion"] = keys["secretion"]
    return Species.model_validate(data)


@pytest.mark.parametrize("name", catalogue.names("fields"))
def test_every_species_of_the_catalogue_is_used_alone(name: str) -> None:
    change = {f"fields.{name}": name}
    model = Model(SMALL, set=change)
    model.step()
    assert next(iter(model.fields.species)) == "oxygen"
    value = model.fields.value[name]
    assert (value >= 0).all()
    model.check()
    unit = "ng/mL" if model.fields.species[name].molar_mass else "mM"
    column = f"{name}_mean_{unit.replace('/', '_per_')}"
    secreted = model.fields.species[name].secretion is not None
    assert (model.metrics()[column] > 0) == (secreted or name in ("oxygen", "calcium"))


def test_a_protein_is_kept_in_mass_and_amounts_are_turned_into_it() -> None:
    bmp2 = load("quickstart", set={"fields.bmp2": "bmp2"}).fields["bmp2"]
    assert bmp2.unit == "kg/m^3"
    given = species(molar_mass="26 kg/mol", medium="2 nM", host="0 ng/mL")
    assert given.amount(given.medium) == pytest.approx(2e-6 * 26)
    assert species(medium="2 nM").amount(species(medium="2 nM").medium) == pytest.approx(2e-6)
    assert species().unit == "mol/m^3"


def test_a_mass_needs_a_molar_mass() -> None:
    wrong = species(medium="1 ng/mL", source="1 ng/mL/h", secretion={"rate": number("1 fg/d")})
    assert [path for path, _ in wrong.problems()] == [
        ("medium",),
        ("source",),
        ("secretion", "rate"),
    ]


def test_faces_of_a_species_with_decay_and_of_one_without() -> None:
    faces = Faces.model_validate({"x-": "host", "x+": "medium", "y": "periodic"})
    lasting = species(medium="2 mM", host="1 mM")
    assert lasting.boundary(faces) == {"x-": 1.0, "x+": 2.0, "y": "periodic"}
    decaying = species(medium="2 mM", host="1 mM", half_life="1 h")
    value, exchange = decaying.boundary(faces)["x-"]
    assert value == 1.0
    assert exchange == pytest.approx(math.sqrt(1e-10 * math.log(2) / 3600))
    assert decaying.boundary(faces)["x+"] == 2.0


def test_a_field_starts_at_what_is_beyond_the_faces_unless_told() -> None:
    closed, host = (Faces.model_validate({"x": kind}) for kind in ("closed", "host"))
    assert species(medium="2 mM", host="1 mM").start(closed) == 2.0
    assert species(medium="2 mM", host="1 mM").start(host) == 1.0
    assert species(medium="2 mM", initial="0.5 mM").start(host) == 0.5


def test_secretion_rises_where_oxygen_lacks() -> None:
    rule = species(
        secretion={"rate": number("1 fmol/h"), "hypoxic_fold": number(3)}
        | {"hypoxic_oxygen": number("0.013 mM")}
    ).secretion
    assert rule is not None
    oxygen = np.array([0, 0.013, 0.13])
    assert rule.factor(oxygen) == pytest.approx([3, 2, 1 + 2 / 101])
    assert species(secretion={"rate": number("1 fmol/h")}).secretion.factor(0.0) == 1.0  # type: ignore[union-attr]


def wrong(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        Model(SMALL, set={key.replace("__", "."): value for key, value in changes.items()})
    return str(caught.value)


def test_what_is_wrong_with_a_field_is_said_where_it_stands() -> None:
    assert "oxygen is always there" in wrong(fields__oxygen=None)
    assert "fields.oxygen.half_saturation: is missing" in wrong(fields__oxygen="vegf")
    assert "did you mean 'vegf'" in wrong(fields__vegf="vegv")
    text = wrong(fields__vegf="vegf", fields__vegf__secretion__types=["bmcs"])
    assert "fields.vegf.secretion.types.0: 'bmcs' is none of cell_types (bmsc, " in text
    text = wrong(fields__vegf="vegf", fields__vegf__half_saturation=number("1 mM"))
    assert "fields.vegf.half_saturation: only oxygen is taken up" in text
    text = wrong(fields__vegf="vegf", fields__vegf__bath="2 mL")
    assert "fields.vegf.bath: no face is medium" in text
    text = wrong(fields__oxygen__molar_mass=number("32 kg/mol"))
    assert "oxygen is kept in mol/m^3" in text
    text = wrong(fields__vegf="vegf", fields__vegf__secretion__hypoxic_oxygen=None)
    assert "fields.vegf.secretion.hypoxic_fold: needs hypoxic_oxygen" in text


def test_the_catalogue_is_consistent() -> None:
    entries: dict[str, Any] = {n: read_entry("fields", n) for n in catalogue.names("fields")}
    assert list(problems(entries, ["bmsc"], Faces.model_validate({}))) == []
    odd = {name: entries["calcium"] for name in ("bath/oxygen", "__", "Ca", "ca2")}
    found = [path for path, _ in problems(odd, ["bmsc"], Faces.model_validate({}))]
    assert found == [("bath/oxygen",), ("__",), ("Ca",)]

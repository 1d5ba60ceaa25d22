"""Every material of the catalogue, and what an incomplete one is told."""

import math
import re
from pathlib import Path

import pytest

from scaffoldsim import catalogue, units
from scaffoldsim.config import read_entry
from scaffoldsim.scaffold.material import Carrier, Degradation
from scaffoldsim.schema import MARKS, parameters_of

NAMES = catalogue.names("materials")
NAMED_BY_THE_REVIEWS = {
    "alginate",
    "autologous_bone",
    "bcp",
    "coralline_ha",
    "cpp",
    "dbm",
    "plga",
    "plga_cpc",
    "scpp",
    "tantalum",
    "xacb",
}
CONTROLS = {
    "beta_tcp",
    "bioglass_45s5",
    "collagen",
    "ha",
    "pcl",
    "silk",
    "ti6al4v",
    "xenograft_raw",
}
WEEK = 7 * 86400.0
SCORES = ("adhesion", "osteoconductivity", "immunogenicity")

SHARE = {"value": 0.5, "range": [0, 1], "mark": "assumed", "source": "for this test"}
ACID = {"value": "15 mM", "range": ["5 mM", "60 mM"], "mark": "assumed", "source": "this test"}
DAYS = {"value": "30 d", "range": ["10 d", "90 d"], "mark": "assumed", "source": "for this test"}


DOCUMENT = Path(__file__).parents[2] / "docs" / "materials.md"


def shown(number):
    """A number as the document prints it: bold if read, italic if assumed."""
    sign = {"read": "**", "recalled": "", "assumed": "*"}[number.mark]
    return f"{sign}{number.text}{sign}"


def row_of_material(name):
    """The row of docs/materials.md."""
    m = read_entry("materials", name)
    mode, pores = m.degradation, m.published_pore_size
    usual = f", {shown(pores)} ({pores.range[0]} to {pores.range[1]})" if pores else ", a gel"
    time = f"{mode.time_to_half_mass / WEEK:.0f} wk, " if mode.mode != "none" else ""
    own = shown(m.bmp2_equivalent)
    own += f", {shown(m.bmp2_release_time)}" if m.bmp2_release_time else ""
    loaded = f"{shown(m.carrier.burst)}, {shown(m.carrier.half_life)}" if m.carrier else ""
    products = [
        f"{name} {shown(product.content)}"
        + (f" ({shown(product.free)} of it free)" if product.free is not None else "")
        for name, product in m.products.items()
    ]
    products += [f"pH +{shown(m.ph_shift)}"] if m.ph_shift else []
    cells = (
        f"`{name}`: {m.title}",
        f"{shown(m.youngs_modulus)}, {shown(m.density)}",
        f"{shown(m.published_porosity)}{usual}",
        f"{time}{mode.mode.replace('_', ' ')}",
        *(shown(getattr(m, key)) for key in SCORES),
        own,
        loaded,
        ", ".join(products),
    )
    return f"| {' | '.join(cells)} |"


def row_of_design(name):
    """The row of docs/materials.md."""
    design = read_entry("designs", name)
    pores = f"{design.pore_size.text}" if design.pore_size else ""
    options = "".join(f", {key} {value}" for key, value in design.options.items())
    verdict = "outside" if design.criteria == "report" else "kept" if pores else "does not apply"
    cells = (
        f"`{name}`",
        f"`{design.material.name}`",
        f"`{design.family}`{options}",
        f"{100 * design.porosity:.0f} %" if pores else "",
        pores,
        design.voxel.text,
        verdict,
    )
    return f"| {' | '.join(cells)} |"


def all_of(key):
    return {name: getattr(read_entry("materials", name), key) for name in NAMES}


def test_the_catalogue_holds_every_material_of_the_model():
    assert set(NAMES) == NAMED_BY_THE_REVIEWS | CONTROLS


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_material_has_a_source(name):
    material = read_entry("materials", name)
    numbers = dict(parameters_of(material, ""))
    assert len(numbers) >= 8
    for key, number in numbers.items():
        low, high = (units.parse(limit, number.unit) for limit in number.range)
        assert low < high, key
        assert low <= number <= high, key
        assert number.mark in MARKS, key
        assert len(number.source) > 10, key
        if number.mark == "read":
            assert re.search(r"\b(19|20)\d\d\b|doi 10\.", number.source), key
        if number.mark == "assumed":
            reason = r"\b(choice|chosen|taken|since|as|slower|definition|no mineral)\b"
            assert re.search(reason, number.source), key
    assert not list(material.problems())
    assert material.title
    assert repr(material).startswith(f"Material('{name}'")


def test_values_are_si():
    bcp = read_entry("materials", "bcp")
    assert bcp.density == pytest.approx(3100)
    assert bcp.youngs_modulus == pytest.approx(80e9)
    assert bcp.degradation.half_mass == pytest.approx(364 * 86400)
    assert bcp.bmp2_equivalent == pytest.approx(5e-6)
    assert bcp.carrier.half_life == pytest.approx(14 * 86400)
    assert read_entry("materials", "scpp").products["strontium"].content == pytest.approx(0.4)
    assert read_entry("materials", "alginate").youngs_modulus == pytest.approx(1e4)
    plga = read_entry("materials", "plga")
    assert plga.degradation.molecular_weight_half_life == pytest.approx(28 * 86400)
    assert plga.degradation.loss_rate == pytest.approx(0.05 / 86400)


def test_foreign_tissue_is_rejected_the_more_the_less_it_is_cleaned():
    rejected = all_of("immunogenicity")
    ladder = [rejected[name] for name in ("autologous_bone", "dbm", "xacb", "xenograft_raw")]
    assert ladder == sorted(set(ladder))
    assert ladder[0] == 0
    assert ladder[-1] == max(rejected.values())
    for name in ("bcp", "ha", "beta_tcp", "cpp", "scpp", "tantalum", "ti6al4v", "bioglass_45s5"):
        assert rejected[name] == 0


def test_a_raw_xenograft_differs_from_xacb_in_what_the_host_sees_only():
    raw, clean = (read_entry("materials", name) for name in ("xenograft_raw", "xacb"))
    differing = {key for key in type(raw).model_fields if getattr(raw, key) != getattr(clean, key)}
    assert differing == {"name", "title", "immunogenicity"}


def test_cells_settle_on_native_matrix_best_and_in_alginate_least():
    adhesion = all_of("adhesion")
    assert max(adhesion.values()) == adhesion["autologous_bone"]
    assert min(adhesion, key=adhesion.get) == "alginate"
    assert adhesion["pcl"] < adhesion["plga"] < adhesion["plga_cpc"] < adhesion["bcp"]


def test_strontium_sets_scpp_apart_from_its_control():
    scpp, cpp = (read_entry("materials", name) for name in ("scpp", "cpp"))
    assert scpp.osteoconductivity > cpp.osteoconductivity == 1
    cations = {name: product.content for name, product in scpp.products.items()}
    assert cations["calcium"] / cations["strontium"] == pytest.approx(92 / 8, rel=0.01)
    assert sum(cations.values()) == pytest.approx(1000 / 201.82, rel=0.005)
    assert "strontium" not in cpp.products
    assert cpp.products["calcium"].content == pytest.approx(1000 / 198.02, rel=0.005)
    for key in ("youngs_modulus", "published_porosity", "published_pore_size", "degradation"):
        assert getattr(scpp, key) == getattr(cpp, key)


def test_mineral_takes_up_acid():
    assert 0 < read_entry("materials", "plga_cpc").products["acid"].free < 0.5
    assert read_entry("materials", "plga").products["acid"].free == 1


def test_materials_go_in_the_order_that_is_known():
    weeks = {name: mode.time_to_half_mass / WEEK for name, mode in all_of("degradation").items()}
    order = (
        *("collagen", "alginate", "dbm", "scpp", "plga", "autologous_bone", "plga_cpc"),
        *("beta_tcp", "bcp", "pcl", "coralline_ha", "ha", "tantalum"),
    )
    assert list(order) == sorted(order, key=weeks.get)
    assert weeks["tantalum"] == weeks["ti6al4v"] == math.inf
    assert weeks["plga_cpc"] == pytest.approx(20, rel=0.05)
    assert weeks["coralline_ha"] > 2 * 52
    assert weeks["ha"] > 3 * 52
    assert weeks["pcl"] > 100


@pytest.mark.parametrize("name", ["plga", "plga_cpc", "pcl"])
def test_time_to_half_mass_of_hydrolysis_is_that_of_its_equations(name):
    mode = read_entry("materials", name).degradation
    step, time, weight, mass = 3600.0, 0.0, 1.0, 1.0
    while mass > 0.5:
        if weight < mode.critical_molecular_weight:
            mass -= step * mode.loss_rate * mass
        weight -= step * math.log(2) / mode.molecular_weight_half_life * weight
        time += step
    assert mode.time_to_half_mass == pytest.approx(time, rel=1e-3)


def test_published_porosities_break_the_criterion_for_which_there_are_designs():
    porosity, pores = all_of("published_porosity"), all_of("published_pore_size")
    for name in NAMED_BY_THE_REVIEWS - {"alginate"}:
        assert porosity[name] < 0.9
    assert pores["alginate"] is None
    assert pores["coralline_ha"] < 300e-6


def test_a_loaded_factor_leaves_alginate_first_and_bone_collagen_evenly():
    carriers = {name: c for name, c in all_of("carrier").items() if c is not None}
    assert set(carriers) >= {"alginate", "bcp", "collagen", "dbm", "plga"}
    assert max(carriers, key=lambda name: carriers[name].burst) == "alginate"
    assert min(carriers, key=lambda name: carriers[name].burst) == "dbm"
    assert max(carriers.values(), key=lambda c: c.half_life).half_life == 20 * 86400


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"mode": "none"}, set()),
        ({"mode": "none", "half_mass": DAYS}, {"half_mass"}),
        ({"mode": "dissolution"}, {"half_mass"}),
        ({"mode": "dissolution", "half_mass": DAYS}, set()),
        ({"mode": "dissolution", "half_mass": DAYS, "doubling_acid": ACID}, {"doubling_acid"}),
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


def test_contents_are_those_of_the_formulae():
    moles = {name: products for name, products in all_of("products").items() if products}
    calcium = {"beta_tcp": 3 / 310.18, "coralline_ha": 10 / 1004.6}
    calcium["bcp"] = 0.6 * calcium["coralline_ha"] + 0.4 * calcium["beta_tcp"]
    for name, share in calcium.items():
        assert moles[name]["calcium"].content == pytest.approx(1000 * share, rel=0.01)
    # a unit of lactide and one of glycolide make one acid each
    assert moles["plga"]["acid"].content == pytest.approx(2000 / (72.06 + 58.04), rel=0.03)
    polymer = 1.25 / (1.25 + 2.8)  # by mass of a half by volume
    assert moles["plga_cpc"]["acid"].content == pytest.approx(15 * polymer, rel=0.02)
    assert moles["plga_cpc"]["calcium"].content == pytest.approx(10 * (1 - polymer), rel=0.02)


def test_only_what_is_known_is_given_off():
    bcp = read_entry("materials", "bcp")
    data = bcp.model_dump(by_alias=True, exclude_none=True)
    data["products"] = {"magnesium": data["products"]["calcium"]}
    with pytest.raises(ValueError, match="'acid', 'calcium' or 'strontium'"):
        type(bcp).model_validate(data)


@pytest.mark.parametrize(
    ("kind", "row"), [("materials", row_of_material), ("designs", row_of_design)]
)
def test_the_document_has_a_row_for_each_file_and_no_other(kind, row):
    lines = DOCUMENT.read_text("utf-8").splitlines()
    expected = [row(name) for name in catalogue.names(kind)]
    start = lines.index(expected[0])
    assert lines[start : start + len(expected) + 1] == [*expected, ""]


def test_the_materials_of_the_reviews_have_designs():
    designs = catalogue.names("designs")
    published = {read_entry("designs", d).material.name for d in designs if "published" in d}
    assert published == NAMED_BY_THE_REVIEWS - {"alginate"}
    for name in NAMED_BY_THE_REVIEWS | CONTROLS - {"xenograft_raw"}:
        assert read_entry("designs", f"{name}_designed").material.name == name


def test_a_carrier_needs_both_numbers():
    with pytest.raises(ValueError, match="half_life"):
        Carrier.model_validate({"burst": SHARE})

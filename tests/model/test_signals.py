"""Host, donor, exposures and genes: each harm acts once, each drug where it can."""

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import load
from scaffoldsim.model.donor import DonorSection
from scaffoldsim.model.model import Model
from scaffoldsim.model.signals import Signals

H, D = 3600.0, 86400.0
OVX = {"condition": "ovariectomy", "severity": 0.6}


def signals(**change: Any) -> Signals:
    """What the quickstart says with changes; its keys with __ for a point."""
    config = load("quickstart", set={k.replace("__", "."): v for k, v in change.items()})
    found = Signals(
        config.host,
        config.cells.donor,
        config.exposures,
        config.cells.genes,
        autologous=config.cells.source == "autologous",
        species=config.fields,
    )
    found.advance(0, H)
    return found


def in_rat(host: str = "ovx_3_months_rat", **change: Any) -> Signals:
    return signals(host=host, cells__source="xenogeneic", cells__donor__age="20 y", **change)


def test_a_healthy_young_culture_changes_nothing() -> None:
    found = signals(cells__donor__age="20 y")
    for event in ("proliferation", "death", "osteogenic", "resorption", "vegf_secretion"):
        assert found.multiplier(event) == found.multiplier(event, "host") == 1.0


def test_ovariectomy_row() -> None:
    v = 0.6
    found, q = in_rat(), in_rat("healthy_rat")
    wound = 0.08 + 0.72 * 336 * -math.expm1(-1 / 336)
    ratio = {
        event: found.multiplier(event, "host") / q.multiplier(event, "host")
        for event in ("proliferation", "osteogenic", "adipogenic", "resorption", "vessel_growth")
    }
    assert q.multiplier("proliferation", "host") == pytest.approx(
        wound * (0.7 + 0.3 * q.host.vitality)
    )
    assert ratio["proliferation"] == pytest.approx(1 - 0.3 * v)
    assert ratio["adipogenic"] == pytest.approx(1 + 0.8 * v)
    assert ratio["vessel_growth"] == pytest.approx(1 - 0.2 * v)
    assert ratio["osteogenic"] == pytest.approx(1 - 0.4 * v)
    assert ratio["resorption"] == pytest.approx((1 + 0.75 * v) * (1 + v))


def test_a_condition_of_host_and_donor_acts_once() -> None:
    """The greater of the host's severity and of what the cells remember."""
    both = in_rat(cells__donor__conditions=[OVX])
    assert both.severity("donor", "ovariectomy") == pytest.approx(0.6)
    worse = in_rat("ovx_6_months_rat", cells__donor__conditions=[OVX])
    assert worse.severity("donor", "ovariectomy") == worse.severity("host", "ovariectomy") == 1
    healed = in_rat("healthy_rat", cells__donor__conditions=[OVX])
    assert healed.severity("donor", "ovariectomy") == pytest.approx(0.6)  # memory 1
    assert healed.severity("host", "ovariectomy") == 0
    steroid = {"condition": "glucocorticoid", "severity": 1}
    dish = signals(cells__donor__conditions=[steroid])
    assert dish.severity("donor", "glucocorticoid") == pytest.approx(0.5)  # memory .5
    assert dish.multiplier("death") == pytest.approx((1 + 3 * 0.5) * (1.3 - 0.3 * dish.q))


def test_cells_of_the_host_itself_have_its_age_and_conditions() -> None:
    change = {"host": "ovx_6_months_rat", "cells__donor": {"species": "rat", "age": None}}
    own = signals(cells__source="autologous", **change)
    assert own.q == own.host.vitality < 1
    other = signals(cells__source="allogeneic", **change)
    assert own.severity("donor", "ovariectomy") == 1
    assert other.severity("donor", "ovariectomy") == 1  # they live in that host, too
    with pytest.raises(ValueError, match="25 y is no age of a rat"):
        signals(cells__source="autologous", host="healthy_rat", cells__donor__species="rat")


def test_oestrogen_relieves_the_host_and_is_no_cue_there() -> None:
    given = [{"factor": "oestrogen", "dose": "0.1 nM"}]
    bare, treated = in_rat(), in_rat(exposures=given)
    assert treated.severity("host", "ovariectomy") == pytest.approx(0.3)  # half at K
    assert treated.multiplier("resorption", "host") < bare.multiplier("resorption", "host")
    healthy = in_rat("healthy_rat", exposures=given)
    assert healthy.multiplier("osteogenic") == in_rat("healthy_rat").multiplier("osteogenic")
    dish = signals(exposures=given, cells__donor__age="20 y")
    assert dish.multiplier("osteogenic") == pytest.approx(1.3)


def test_one_factor_given_twice_is_one_concentration() -> None:
    half = {"factor": "bmp2", "dose": "25 ng/mL"}
    assert signals(exposures=[half, half], cells__donor__age="20 y").multiplier(
        "osteogenic"
    ) == pytest.approx(2.5)


def test_a_field_and_an_exposure_add_before_the_hill_function() -> None:
    change = {"fields": {"oxygen": "oxygen", "bmp2": "bmp2"}, "cells__donor__age": "20 y"}
    found = signals(exposures=[{"factor": "bmp2", "dose": "25 ng/mL"}], **change)
    assert found.multiplier("osteogenic") == 1  # a cue that a field carries is no systemic one
    here = found.local_multiplier("osteogenic", {"bmp2": np.array([0.0, 2.5e-5])})
    assert here == pytest.approx([1 + 3 / 3, 2.5])
    off = signals(**change, fields__bmp2__factor=None)
    assert list(off.local_cues()) == []


def test_genes_act_within_and_plasmids_fade() -> None:
    change = {"gene": "mir217", "vector": "plasmid"}
    found = signals(
        cells__genes=[change, {"gene": "mir217", "vector": "lentiviral", "name": "x"}][:1]
    )
    assert found.gene_multiplier("osteogenic", 0) == 1
    assert found.gene_multiplier("osteogenic", 1) == pytest.approx(1.6)
    found.advance(14 * D, 14 * D + H)
    assert found.gene_multiplier("osteogenic", 1) == pytest.approx(1 + 0.6 / math.e)
    lasting = signals(cells__genes=["mir217"])
    lasting.advance(14 * D, 14 * D + H)
    assert lasting.gene_multiplier("osteogenic", 1) == pytest.approx(1.6)


def test_the_wound_signal_is_its_mean_over_the_step() -> None:
    found = in_rat("healthy_rat")
    assert found.host.wound_signal(0, 1) == pytest.approx(0.8, rel=1e-6)
    tau, end = 14 * D, 100 * D
    t = np.linspace(0, end, 200_001)
    exact = np.trapezoid(0.08 + 0.72 * np.exp(-t / tau), t) / end
    assert found.host.wound_signal(0, end) == pytest.approx(exact, rel=1e-8)


SMALL = {
    "duration": "4 d",
    "scaffold.pore_size": "320 um",
    "scaffold.size": ["0.44 mm", "0.44 mm", "0.9 mm"],
    "cells.number": 800,
}


def test_modified_cells_fill_the_pores_with_their_product_and_daughters_inherit() -> None:
    fields = {"fields": {"oxygen": "oxygen", "bmp2": "bmp2"}}
    plain, modified = (
        Model("quickstart", set={**SMALL, **fields, "cells.genes": genes})
        for genes in ([], ["bmp2"])
    )
    for model in (plain, modified):
        for _ in range(60):
            model.step()
        assert model.ledger.born > 50
    assert set(np.unique(plain.cells.genes)) == {0}
    assert set(np.unique(modified.cells.genes)) == {1}
    mean = [model.fields.mean("bmp2") for model in (plain, modified)]
    assert mean[1] / mean[0] == pytest.approx(1 + 30 / 0.02, rel=0.2)  # 30 fg/d on top of .02


def test_dexamethasone_lowers_the_secretion_of_vegf() -> None:
    change = {**SMALL, "fields": {"oxygen": "oxygen", "vegf": "vegf"}}
    dose = {"exposures": [{"factor": "dexamethasone", "dose": "100 uM"}]}
    plain, given = (Model("quickstart", set={**change, **more}) for more in ({}, dose))
    for model in (plain, given):
        model.step()
    assert given.fields.mean("vegf") / plain.fields.mean("vegf") == pytest.approx(0.6, rel=0.02)
    assert given.rates.tissue("vegf_secretion") == pytest.approx(0.6, rel=0.01)


def test_donors_of_a_mapping_default_to_adults() -> None:
    assert DonorSection().species.name == "human"
    assert signals(cells__donor={"species": "human", "age": None}).q == pytest.approx(
        math.exp(-5 / 60)
    )


def test_expansion_is_carried_in() -> None:
    change = {**SMALL, "cells.number": 50}
    for donor, doublings in (({"doublings": 12}, 12), ({"passage": 4}, 12), ({}, 0)):
        more = {f"cells.donor.{key}": value for key, value in donor.items()}
        model = Model("quickstart", set={**change, **more})
        assert set(model.cells.doublings) == {doublings}

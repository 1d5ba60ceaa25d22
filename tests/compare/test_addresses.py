from __future__ import annotations

from typing import Any

import pytest

from scaffoldsim.compare.addresses import UnknownAddressError, entries, locate, neutralise
from scaffoldsim.config import Config, load

DEX = {
    "exposures": [
        {"factor": "bmp2", "dose": "50 ng/mL"},
        {"factor": "dexamethasone", "dose": "10 nM"},
    ]
}


@pytest.fixture(scope="module")
def config() -> Config:
    return load("quickstart", set=DEX)


def test_an_entry_is_found_wherever_the_config_uses_it(config: Config) -> None:
    found = entries(config)
    assert found["factors", "dexamethasone"] == [("exposures", 1, "factor")]
    assert found["cells", "bmsc"] == [("cell_types", "bmsc")]
    assert found["materials", "bcp"] == [("scaffold", "material")]
    twice = load("quickstart", set={"exposures": [{"factor": "bmp2", "dose": "1 ng/mL"}] * 2})
    # the material's own factors act as BMP-2 on cells that touch it
    assert entries(twice)["factors", "bmp2"][0] == ("bone", "factor")
    assert len(entries(twice)["factors", "bmp2"]) == 3
    cues = twice.exposures[0].factor.cues
    assert len(locate(twice, "factors/bmp2.cues.*.fold")) == 3 * len(cues) > 3


def test_a_word_picks_the_items_that_hold_it(config: Config) -> None:
    cues: tuple[Any, ...] = ("exposures", 1, "factor", "cues")
    assert locate(config, "factors/dexamethasone.cues.osteogenic.fold") == [
        (*cues, 0, "fold"), (*cues, 2, "fold"),
    ]  # fmt: skip
    assert locate(config, "factors/dexamethasone.cues.2.fold") == [(*cues, 2, "fold")]
    assert locate(config, "exposures.dexamethasone.dose") == [("exposures", 1, "dose")]
    assert locate(config, "cells.donor.spread") == [("cells", "donor", "spread")]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("factors/bmp2.cues.osteogenc.fold", "did you mean 'osteogenic'?"),
        ("factors/bmp2.cues.osteogenic.flod", "did you mean 'fold'?"),
        ("factors/bmp2.cues.osteogenic.event.fold", "is 'osteogenic' and holds no 'fold'"),
        ("factor/bmp2.cues.osteogenic.fold", "no kind 'factor'; did you mean 'factors'?"),
        ("factors/bmp2", "names no number"),
        ("cells..spread", "names no number"),
        ("host.multiplier.death", "did you mean 'multipliers'?"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(config: Config, address: str, message: str) -> None:
    with pytest.raises(UnknownAddressError) as caught:
        locate(config, address)
    assert message in str(caught.value)
    _, missed = neutralise(config, {address: 1}, why="test")
    assert message in missed[address]


def test_only_what_is_named_becomes_neutral(config: Config) -> None:
    own = {
        "factors/dexamethasone.cues.osteogenic.fold": 1,
        "cells/bmsc.fates.adipocyte.rate": "0 /d",
    }
    data, missed = neutralise(config, own, why="taken out")
    assert missed == {}
    there = load(data)
    before, after = (c.exposures[1].factor.cues for c in (config, there))
    for old, new in zip(before, after, strict=True):
        assert new.fold == (1 if old.event == "osteogenic" else old.fold)
    assert after[0].fold.data() == {
        "value": 1, "range": [1, 1], "mark": "assumed", "source": "taken out",
    }  # fmt: skip
    assert there.cell_types["bmsc"].fates["adipocyte"].rate == 0
    assert there.exposures[0] == config.exposures[0]
    assert config.exposures[1].factor.cues[0].fold == 3  # the arm itself stays as it was
    # Nothing else: with the old values put back it is the same config.
    unchanged, missed = neutralise(config, {"factors/vegf.cues.*.fold": 1}, why="taken out")
    assert missed == {"factors/vegf.cues.*.fold": "'factors/vegf.cues.*.fold' is not used"}
    assert load(unchanged).hash == config.hash != there.hash

"""What does not agree between sections is a located error, all of it at once."""

from typing import Any

import pytest

from scaffoldsim.config import ConfigError, load

DEX = [{"factor": "dexamethasone", "dose": "10 nM"}]
STEROID = {"condition": "glucocorticoid", "severity": 0.5}
OVX = {"condition": "ovariectomy", "severity": 0.5}
RAT = {"host": "ovx_6_months_rat", "cells.source": "xenogeneic"}


def problems(**change: Any) -> list[tuple[str, str]]:
    try:
        load("quickstart", set={key.replace("__", "."): value for key, value in change.items()})
    except ConfigError as error:
        return [(problem.key, problem.message) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        ({"host": "gc_human", "exposures": DEX}, "exposures.0.factor",
         "dexamethasone is the harm that glucocorticoid of host.conditions holds"),
        ({"cells.donor.conditions": [STEROID], "exposures": DEX}, "exposures.0.factor",
         "the harm that glucocorticoid of cells.donor.conditions holds"),
        ({"host": "healthy_human", "exposures": DEX}, "exposures.0.factor",
         "in vivo take a host with the condition glucocorticoid"),
        ({"host": {"base": "healthy_human", "conditions": [OVX, OVX]}}, "host.conditions.1",
         "ovariectomy is there twice"),
        ({"cells.donor.conditions": [
            OVX, {"condition": "ovariectomy_proliferative", "severity": 0.5}]},
         "cells.donor.conditions.0", "ovariectomy and ovariectomy_proliferative are the same harm"),
        ({"cells.donor.conditions": [{"condition": "ageing", "severity": 0.5}]},
         "cells.donor.conditions.0", "ageing acts through the age"),
        ({"host": "healthy_rat"}, "cells.source", "donor is a human and the host a rat"),
        ({"host": "healthy_human", "cells.source": "xenogeneic"}, "cells.source",
         "set cells.source to autologous or allogeneic"),
        ({"cells.genes": ["bmp2"]}, "cells.genes.0", "bmp2 makes bmp2, which is not among the"),
        ({"cells.genes": ["mir217", "mir217"]}, "cells.genes.1", "mir217 is given twice"),
        ({"cells.genes": ["bmp3"]}, "cells.genes.0.gene", "did you mean 'bmp2'"),
        ({"cells.type": "adipocyte"}, "cells.type", "'adipocyte' cannot be seeded"),
        ({"cells.type": "bmcs"}, "cells.type", "did you mean 'bmsc'"),
        ({"cell_types.bmsc.senescence.type": "senescnt"}, "cell_types.bmsc.senescence.type",
         "did you mean 'senescent'"),
        ({"cell_types.bmsc.fates.osteocite.rate": {
            "value": "1 /d", "range": ["0 /d", "2 /d"], "mark": "assumed", "source": "a test"}},
         "cell_types.bmsc.fates.osteocite", "did you mean 'osteocyte'"),
        ({"cells.donor.passage": 3, "cells.donor.doublings": 3}, "cells.donor.passage",
         "either doublings or passage"),
        ({"fields.vegf": {"base": "vegf", "factor": "acid"}}, "fields.vegf.factor",
         "acid is measured as an amount per volume, but this species is kept as a mass"),
        ({"fields.vegf": {"base": "vegf", "factor": "vgef"}}, "fields.vegf.factor",
         "did you mean 'vegf'"),
        ({"fields.bmp2": {"base": "bmp2", "factor": {"base": "bmp2", "title": "mine"}},
          "exposures": [{"factor": "bmp2", "dose": "1 ng/mL"}]}, "fields.bmp2.factor",
         "bmp2 has other numbers here than under exposures.0.factor"),
        ({"host": {"base": "culture", "age": "25 y"}}, "host.age", "a culture has no age"),
        ({"host": {"setting": "in_vivo", "organism": "human"}}, "host.wound", "wound is missing"),
        ({"host": {"base": "healthy_rat", "age": "5 y"}, "cells.source": "xenogeneic"},
         "host.age", "5 y is no age of a rat here (allowed 3 wk to 36 months)"),
        ({"cells.donor.conditions": [{"condition": "ovariectomy", "severity": 1.5}]},
         "cells.donor.conditions.0.severity", "1.5 is out of range"),
        ({"cells.genes": [{"gene": {"base": "mir217", "cues": [
            {"event": "vegf_secretion", "fold": {"value": 2, "range": [1, 3], "mark": "assumed",
                                                 "source": "a test"}}]}}]},
         "cells.genes.0.gene.cues.0.event", "'vegf_secretion' is not one of proliferation"),
        ({"step": "6 h", "exposures": [
            {"factor": "pth", "dose": 1, "every": "1 d", "lasts": "1 h"},
            {"factor": "pth", "dose": 1, "every": "2 s", "lasts": "1 s"}]}, "exposures.1.every",
         "every 2 s puts more than 10000 pulses of pth into a step of 6 h"),
        ({"mechanics.stimulus": -1}, "mechanics.stimulus", "greater than or equal to 0"),
    ],
)  # fmt: skip
def test_a_disagreement_is_located(change: dict[str, Any], key: str, says: str) -> None:
    found = dict(problems(**change))
    assert key in found, found
    assert says in found[key]


def test_all_are_found_at_once() -> None:
    found = problems(**{"host": "healthy_rat", "exposures": DEX, "cells.genes": ["bmp2"]})
    assert {key for key, _ in found} == {"cells.genes.0", "cells.source", "exposures.0.factor"}
    assert len(found) == 3


def test_cycles_of_two_lengths_are_refused() -> None:
    stages = {"value": 4, "range": [1, 10], "mark": "assumed", "source": "a test"}
    found = problems(
        **{
            "cell_types.bmsc.proliferation.cycle": "erlang",
            "cell_types.endothelial.proliferation": {
                "doubling_time": {**stages, "value": "30 h", "range": ["1 h", "99 h"]},
                "scaffold_factor": {**stages, "value": 1},
                "half_maximal_oxygen": {**stages, "value": "1 mM", "range": ["1 mM", "9 mM"]},
                "lag": {**stages, "value": "0 h", "range": ["0 h", "9 h"]},
                "slowing": {**stages, "value": 1},
                "cycle": "erlang",
                "stages": stages,
            },
        }
    )
    assert [key for key, _ in found] == ["cell_types.endothelial.proliferation.cycle"]
    assert "a cycle of 4 stages, but bmsc has 8" in found[0][1]


def test_what_agrees_is_let_pass() -> None:
    assert problems(exposures=DEX) == []
    assert problems(**RAT, exposures=[{"factor": "oestrogen", "dose": "1 nM"}]) == []
    assert problems(**{"fields.bmp2": "bmp2", "cells.genes": ["bmp2"]}) == []

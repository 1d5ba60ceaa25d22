"""Scores lie between 0 and 1 and move the way their criterion says; flags come from data."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffoldsim import catalogue
from scaffoldsim.config import read_entry
from scaffoldsim.model import scores
from scaffoldsim.model.delivery import SOURCES
from scaffoldsim.model.exposures import Exposure
from scaffoldsim.scaffold.criteria import MIN_POROSITY, PORE_RANGE, judge

DAY = 86400.0
share = st.floats(0, 1)
positive = st.floats(1e-3, 1e12)


@given(share, st.sampled_from(SOURCES), positive, share, positive, st.floats(0, 5))
def test_every_score_is_between_nothing_and_one(part, source, half, bone, time, oc):
    found = [
        scores.compatibility(part, source),
        scores.pace(half, bone, time),
        scores.interface(part, oc),
        scores.pores(part, half * 1e-6),
        scores.strength(half, time, oc),
    ]
    assert all(0 <= value <= 1 for value in found)


def test_every_source_of_cells_has_an_immunogenicity_and_strangers_a_higher_one():
    assert set(SOURCES) <= set(scores.SOURCE_IMMUNOGENICITY)
    own, other, animal = (scores.compatibility(0.0, source) for source in SOURCES[:3])
    assert own == 1 > other > animal
    assert scores.compatibility(None, None) is None
    assert scores.compatibility(0.5, "allogeneic") == 0.5  # the worse of the two


def test_pace_is_best_where_scaffold_goes_as_bone_comes():
    def at(weeks):
        return scores.pace(weeks * 7 * DAY, 0.25, 28 * DAY)

    assert at(8) == 1
    assert at(4) == pytest.approx(at(16)) == 0.5
    assert scores.pace(math.inf, 0.3, DAY) == 0 == scores.pace(7 * DAY, 0.0, DAY)
    assert scores.pace(math.inf, 0.0, DAY) is None
    assert scores.pace(7 * DAY, 0.3, 0.0) is None


def test_interface_rises_with_adhesion_and_with_osteoconductivity():
    rising = [scores.interface(a, 1.0) for a in (0, 0.2, 0.5, 0.9)]
    assert all(a < b for a, b in pairwise(rising))
    assert scores.interface(0.5, 1.2) > scores.interface(0.5, 1.0)


@given(st.floats(0.3, 0.99), st.floats(20e-6, 3e-3))
def test_pores_score_one_exactly_where_the_criterion_passes(porosity, size):
    passes = all(each.verdict == "pass" for each in judge(porosity, size))
    low, high = PORE_RANGE
    near = min(abs(porosity - MIN_POROSITY), abs(size / low - 1), abs(size / high - 1)) < 1e-6
    assert near or (scores.pores(porosity, size) == 1) == passes


def test_pores_lose_steadily_beyond_the_limits():
    worse = [scores.pores(0.9, size) for size in (300e-6, 200e-6, 100e-6, 50e-6)]
    assert all(a > b for a, b in pairwise(worse))
    worse = [scores.pores(porosity, 600e-6) for porosity in (0.9, 0.8, 0.6)]
    assert all(a > b for a, b in pairwise(worse))
    assert scores.pores(0.9, 150e-6) == pytest.approx(scores.pores(0.9, 2400e-6))


def test_strength_is_against_need():
    assert scores.strength(1.0, 2.0, 0.5) == 1.0  # just enough at its weakest
    assert scores.strength(0.5, 2.0, 0.5) == 0.5
    assert scores.strength(1.0, 1.0, 2.0) == 0.5  # collapsed
    assert scores.strength(1.0, 1.0, 0.0) == 1.0  # a load of zero
    assert scores.strength(1.0, 1.0, None) is None


def test_cells_near_their_last_division_are_those_of_types_that_have_one():
    bmsc, adipocyte = read_entry("cells", "bmsc"), read_entry("cells", "adipocyte")
    limit = bmsc.senescence.limit(0.5) - 2 * float(bmsc.senescence.width)
    doublings = np.float32([limit - 1, limit + 0.01, limit + 9, limit + 9])
    types = np.uint8([0, 0, 0, 1])
    assert scores.near_limit(doublings, types, [bmsc, adipocyte], 0.5) == pytest.approx(2 / 3)
    assert scores.near_limit(doublings, types, [bmsc, adipocyte], 0.0) == 1  # an old donor
    assert scores.near_limit(doublings[3:], types[3:], [bmsc, adipocyte], 0.5) is None


def test_risks_are_those_of_what_was_given_so_far():
    def of(name, time, **how):
        return scores.given_risks([Exposure(factor=read_entry("factors", name), **how)], time)

    assert of("oestrogen", DAY, dose="0.1 nM") == {"breast_cancer"}
    assert of("bisphosphonate", DAY, dose=1) == {"jaw_necrosis"}
    assert of("bisphosphonate", DAY, dose=0) == set()
    late = {"doses": [{"at": "3 d", "dose": 1, "lasts": "1 h"}]}
    assert of("bisphosphonate", 3 * DAY, **late) == set()
    assert of("bisphosphonate", 4 * DAY, **late) == {"jaw_necrosis"}
    assert of("pth", DAY, dose=1, every="1 d", lasts="1 h") == set()


def test_a_gene_is_mitogenic_if_it_or_its_product_drives_division():
    """One rule for the flag, so that no gene is flagged or spared by taste."""
    for name in catalogue.names("genes"):
        gene = read_entry("genes", name)
        cues = list(gene.cues)
        if gene.secretion is not None:
            factor = read_entry("fields", gene.secretion.species).factor
            cues += factor.cues if factor is not None else []
        drives = any(cue.event == "proliferation" and cue.fold > 1 for cue in cues)
        assert gene.mitogenic == drives, name

"""Each site run in full: what the head of its config says."""

from __future__ import annotations

import pytest

from tests.evidence.conftest import Whole

pytestmark = pytest.mark.evidence


def test_an_untreated_core_stays_without_vessels_and_its_collapse_index_rises(whole: Whole) -> None:
    table = whole("onfh_untreated").metrics
    assert (table["roi_vessel_density_mm_per_mm3"] == 0).all()
    index, bone = table["collapse_index"], table["host_bone_fraction"]
    print(f"collapse index {index.iloc[0]:.2f} to {index.iloc[-1]:.2f}, "
          f"bone of the host {bone.iloc[0]:.4f} to {bone.iloc[-1]:.4f}")  # fmt: skip
    # before bone that grows again makes up for it: hardly any does
    assert (index.diff().dropna() > 0).all()
    assert index.iloc[-1] > 1.2 * index.iloc[0]
    assert bone.iloc[-1] < 0.95 * bone.iloc[0]
    assert table["roi_bone_fraction"].iloc[-1] < 0.002
    assert table["lesion_fraction"].dropna().iloc[-1] > 0.7


def test_a_smaller_lesion_is_weakened_less(whole: Whole) -> None:
    large = whole("onfh_untreated").metrics["collapse_index"]
    small = whole("onfh_untreated", {"host": "onfh_small"}).metrics["collapse_index"]
    print(f"collapse index after half a year: small {small.iloc[-1]:.3f}, "
          f"medium {large.iloc[-1]:.3f}")  # fmt: skip
    assert small.iloc[-1] < large.iloc[-1]


def test_a_track_brings_vessels_and_calls_cells(whole: Whole) -> None:
    track = whole("onfh_core_decompression").metrics
    none = whole("onfh_core_decompression", {"host.site.track": None}).metrics
    for name in ("vessel_density_mm_per_mm3", "vegf_mean_ng_per_mL", "sdf1_mean_ng_per_mL"):
        print(f"{name}: {track[name].max():.3f} with a track, {none[name].max():.3f} without")
        assert track[name].max() > none[name].max()

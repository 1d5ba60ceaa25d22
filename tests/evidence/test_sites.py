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


def test_a_small_lesion_fails_later(whole: Whole) -> None:
    """By the share of load that bone around it takes; the loss of bone alone does not do it."""
    table = whole("onfh_untreated").metrics
    small = whole("onfh_untreated", {"host": "onfh_small"}).metrics
    last, less = table["collapse_index"].iloc[-1], small["collapse_index"].iloc[-1]
    print(f"collapse index after half a year: small {less:.2f}, medium {last:.2f}")
    assert less < last


def test_a_track_brings_vessels_and_calls_cells(whole: Whole) -> None:
    track = whole("onfh_core_decompression").metrics
    none = whole("onfh_core_decompression", {"host.site.track": None}).metrics
    for name in ("vessel_density_mm_per_mm3", "vegf_mean_ng_per_mL", "sdf1_mean_ng_per_mL"):
        print(f"{name}: {track[name].max():.3f} with a track, {none[name].max():.3f} without")
        assert track[name].max() > none[name].max()

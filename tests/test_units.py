"""Quantities: what is read, and what is refused in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.units import UnitError, format_si, parse


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("600 um", "m", 6e-4),
        ("20 µm", "m", 2e-5),
        ("28 d", "s", 28 * 86400.0),
        ("10 nM", "mol/m^3", 1e-5),
        ("50 ng/mL", "kg/m^3", 5e-5),
        ("1e6 /mL", "1/m^3", 1e12),
        ("98 fmol/h", "mol/s", 98e-15 / 3600),
        ("3.1 g/cm^3", "kg/m^3", 3100.0),
        ("67 um2/h", "m^2/s", 67e-12 / 3600),
        ("30 %", "", 0.3),
        (0.5, "m", 0.5),
    ],
)
def test_reads(text: str, unit: str, value: float) -> None:
    assert parse(text, unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["600", "6 kg", "forever", "ninety", "1e999 m", "nan m", True, None, [1], "9**9**9 m",
     "1 m^9^9^9", "5 __import__", "1 m" * 500, "5 um**99999999"],
)  # fmt: skip
def test_refuses(text: object) -> None:
    with pytest.raises(UnitError):
        parse(text, "m")  # type: ignore[arg-type]


def test_says_what_unit_is_wanted() -> None:
    with pytest.raises(UnitError, match=r"'kg' is a quantity of \[mass\].*\[length\]"):
        parse("6 kg", "m")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 10**6), st.sampled_from(["um", "mm", "nm"]))
def test_round_figures_stay_round(number: int, unit: str) -> None:
    scale = {"um": 10**6, "mm": 10**3, "nm": 10**9}[unit]
    assert parse(f"{number} {unit}", "m") == number / scale


def test_formats_with_a_prefix() -> None:
    assert format_si(6e-4, "m") == "600 um"
    assert format_si(86400.0 * 28, "s") == "28 d"
    assert format_si(0.0, "m") == "0 um"

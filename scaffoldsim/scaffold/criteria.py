"""Criterion C4: what porosity and pore size a scaffold for stem cells should have."""

from __future__ import annotations

from dataclasses import dataclass

#: Criterion C4 of the review on stem cells and osteoporosis, section 4.1 [its reference 38]:
#: porosity of at least 90 %, pores of 300 to 1200 µm; read.
MIN_POROSITY = 0.90
PORE_RANGE = (300e-6, 1200e-6)

_CRITERION = "C4"


@dataclass(frozen=True)
class Criterion:
    """One verdict: the value measured, the limit, and whether it is kept."""

    name: str
    value: float
    limit: str
    verdict: str  # "pass" or "fail"

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.4g} (limit {self.limit}) {self.verdict}"


def judge(porosity: float, pore_size: float) -> list[Criterion]:
    r"""Verdicts of C4 on a porosity and a mean pore size (m).

    Examples
    --------
    >>> print(*judge(0.92, 250e-6), sep="\n")
    C4 porosity: 0.92 (limit >= 0.90) pass
    C4 mean pore size (um): 250 (limit 300 to 1200) fail
    """
    low, high = PORE_RANGE
    return [
        Criterion(
            f"{_CRITERION} porosity",
            porosity,
            f">= {MIN_POROSITY:.2f}",
            "pass" if porosity >= MIN_POROSITY else "fail",
        ),
        Criterion(
            f"{_CRITERION} mean pore size (um)",
            pore_size * 1e6,
            f"{low * 1e6:.0f} to {high * 1e6:.0f}",
            "pass" if low <= pore_size <= high else "fail",
        ),
    ]

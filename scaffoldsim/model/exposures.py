"""What is given over time: a line of the configuration that names a factor and a schedule."""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from scaffoldsim.config import Section, Unit
from scaffoldsim.model.factors import Dose, Factor, kind_in_words
from scaffoldsim.schema import Quantity
from scaffoldsim.tree import Path_

_Moment = Annotated[float, Unit("s", ge=0, le=1e10, show="d")]
_Span = Annotated[float, Unit("s", ge=1, le=1e10, show="h")]
#: more pulses of one factor than this in a step are a mistaken schedule (assumed)
MOST_PULSES = 10_000


class OneDose(Section):
    """A dose of a list: the concentration `dose` from `at` on, for the time `lasts`."""

    at: _Moment
    dose: Annotated[float, Dose]
    lasts: _Span


class Exposure(Section):
    """A factor given to all cells, and to the host: systemically, or in the medium of a culture.

    Either `dose` with a window, in pulses if `every` and `lasts` are given, or a list of `doses`.

    Attributes
    ----------
    factor : Factor
    dose : mol/m³, kg/m³ or plain number
        Concentration while it is given; 0 is a defined result, that nothing is changed.
    from_, until : s
        The window; until the end of the run if `until` is missing.
    every, lasts : s
        A pulse of `lasts` begins at `from_` and again after each `every`.
    doses : list of OneDose
    """

    factor: Factor
    dose: Annotated[float, Dose] | None = None
    from_: _Moment = Field("0 d", alias="from")  # type: ignore[assignment]
    until: _Moment | None = None
    every: _Span | None = None
    lasts: _Span | None = None
    doses: list[OneDose] = Field([])

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a schedule that cannot be, and a dose of another kind than the factor's cues."""
        if self.until is not None and self.until < self.from_:
            yield ("until",), f"{text(self.until)} is before the start at {text(self.from_)}"
        if (self.every is None) != (self.lasts is None):
            given, missing = ("every", "lasts") if self.lasts is None else ("lasts", "every")
            yield (given,), f"pulses need {missing} too, for example every: 1 d, lasts: 1 h"
        if self.every is not None and self.lasts is not None and self.lasts > self.every:
            yield ("lasts",), f"{text(self.lasts)} is longer than every {text(self.every)}"
        if (self.dose is None) == (not self.doses):
            yield (), "give either a dose or a list of doses, [{at: 3 d, dose: 10 nM, lasts: 2 h}]"
        elif self.doses and (self.every, self.lasts, self.until) != (None, None, None):
            yield ("doses",), "a list of doses has its own times: leave until, every, lasts out"
        elif self.doses and self.from_ > 0:
            yield ("doses",), "a list of doses has its own times: leave from out"
        places: list[tuple[Path_, float | None]] = [(("dose",), self.dose)]
        places += [(("doses", i, "dose"), each.dose) for i, each in enumerate(self.doses)]
        for path, dose in places:
            if dose is None:
                continue
            kind, wanted = Dose.kind_of(text(dose)), self.factor.unit
            if kind != wanted:
                yield (
                    path,
                    f"{text(dose)} is {kind_in_words(kind)}, but {self.factor.name} is measured as "
                    f"{kind_in_words(wanted)}",
                )

    def given(self, start: float, end: float) -> Iterator[tuple[float, float, float]]:
        """Yield (from, until, concentration) for all that is given between `start` and `end`, s."""
        if self.dose is None:
            spans: Iterable[tuple[float, float, float]] = (
                (each.at, each.at + each.lasts, each.dose) for each in self.doses
            )
        elif self.every is None or self.lasts is None:
            spans = [(self.from_, math.inf, self.dose)]
        else:
            first = max(0, math.floor((start - self.from_ - self.lasts) / self.every))
            last = math.ceil((end - self.from_) / self.every)
            spans = (
                (self.from_ + k * self.every, self.from_ + k * self.every + self.lasts, self.dose)
                for k in range(first, last)
            )
        limit = math.inf if self.until is None else self.until
        for begins, ends, dose in spans:
            low, high = max(begins, start), min(ends, end, limit)
            if low < high:
                yield low, high, float(dose)

    def mean(self, start: float, end: float) -> float:
        """Return the mean concentration between `start` and `end` (s after the start of the run).

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> pth = read_entry("factors", "pth")
        >>> daily = Exposure(factor=pth, dose=1, every="1 d", lasts="1 h")
        >>> daily.mean(0, 3600), daily.mean(3600, 86400), round(daily.mean(0, 86400) * 24, 12)
        (1.0, 0.0, 1.0)
        """
        return sum(d * (high - low) for low, high, d in self.given(start, end)) / (end - start)


def pieces(exposures: Iterable[Exposure], start: float, end: float) -> list[tuple[float, float]]:
    """Return (duration, total concentration) between all changes from `start` to `end`.

    Raises
    ------
    ValueError
        If there are more than `MOST_PULSES`; a configuration is refused before.
    """
    spans = [span for exposure in exposures for span in exposure.given(start, end)]
    if len(spans) > MOST_PULSES:
        raise ValueError(f"{len(spans)} pulses in one step of {end - start:g} s are too many")
    edges = sorted({start, end, *(t for low, high, _ in spans for t in (low, high))})
    return [
        (high - low, sum(dose for begins, ends, dose in spans if begins <= low and high <= ends))
        for low, high in pairwise(edges)
    ]


def text(value: float | None) -> str:
    """Return a quantity as it was written."""
    return str(value.text) if isinstance(value, Quantity) else f"{value}"

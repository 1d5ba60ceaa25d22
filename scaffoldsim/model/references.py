"""Numbers in a text, each with the place of its source."""

from collections import Counter
from collections.abc import Iterator

from scaffoldsim.schema import MARKS, Parameter


class References:
    """Sources in the order in which they are cited, and how each number is known."""

    def __init__(self) -> None:
        self.sources: dict[str, int] = {}
        self.marks: Counter[str] = Counter()

    def __call__(self, number: Parameter) -> str:
        """Return a number as it was written, with the place of its source."""
        self.marks[number.mark] += 1
        place = self.sources.setdefault(number.source, len(self.sources) + 1)
        return f"{number.text} [{place}]"

    def lines(self) -> Iterator[str]:
        """Yield what is known how, and the list of sources."""
        counts = ", ".join(f"{self.marks[mark]} {mark}" for mark in MARKS)
        yield f"Of {self.marks.total()} numbers above: {counts}."
        for source, place in self.sources.items():
            yield f"[{place}] {source}"

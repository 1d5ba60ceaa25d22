"""Tips of vessels as ordinary Mesa agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mesa
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scaffoldsim.model.vessels import Vessels

__all__ = ["Tip", "rebuild", "sync"]


class Tip(mesa.Agent):  # type: ignore[misc]
    """The tip of a growing vessel, a view of a row of `Vessels.tips`.

    `direction` can be set: the vessel then turns there in its next hour, as from any direction.

    Attributes
    ----------
    number : int
        Of the tip among all that there ever were.
    """

    def __init__(self, model: Any, vessels: Vessels, number: int) -> None:
        super().__init__(model)
        self.vessels, self.number = vessels, number

    def __repr__(self) -> str:
        return f"Tip({self.unique_id})"

    @property
    def alive(self) -> bool:
        """Whether it still grows."""
        return bool((self.vessels.tips["number"] == self.number).any())

    @property
    def row(self) -> int:
        """The row of the tip now.

        Raises
        ------
        LookupError
            If it joined another vessel, stopped or regressed.
        """
        rows = np.flatnonzero(self.vessels.tips["number"] == self.number)
        if not rows.size:
            raise LookupError(f"tip {self.unique_id} grows no more: ask .alive first")
        return int(rows[0])

    @property
    def position(self) -> NDArray[np.float64]:
        """Where it is, m."""
        found: NDArray[np.float64] = self.vessels.tip_positions()[self.row]
        return found

    @property
    def node(self) -> int:
        """Row of the last node that it left behind."""
        return int(self.vessels.tips["node"][self.row])

    @property
    def direction(self) -> NDArray[np.float64]:
        """Where it goes, of length 1."""
        found: NDArray[np.float64] = self.vessels.tips["direction"][self.row].copy()
        return found

    @direction.setter
    def direction(self, value: Any) -> None:
        new = np.asarray(value, np.float64)
        length = float(np.sqrt((new * new).sum())) if new.shape == (3,) else 0.0
        if not (np.isfinite(length) and length > 0):
            raise ValueError(f"direction is {value!r}, must be three numbers, not all 0")
        self.vessels.tips["direction"][self.row] = new / length


def sync(model: Any, vessels: Vessels, agents: dict[int, Tip]) -> None:
    """Register agents for new tips, remove those whose tip is gone."""
    numbers = vessels.tips["number"].tolist()
    there = set(numbers)
    for number in [number for number in agents if number not in there]:
        agents.pop(number).remove()
    for number in numbers:
        if number not in agents:
            agents[number] = Tip(model, vessels, number)


def rebuild(model: Any, vessels: Vessels, agents: dict[int, Tip], ids: dict[int, int]) -> None:
    """Register agents anew for stored tips, by their stored ids; `model` goes on counting after."""
    for agent in list(agents.values()):
        agent.remove()
    agents.clear()
    following = getattr(model, "next_ordinary_id", None)
    for number in vessels.tips["number"].tolist():
        agents[number] = Tip(model, vessels, number)
        if number in ids:
            agents[number].unique_id = ids[number]
    if following is not None:
        model.next_ordinary_id = min([following, *(unique - 1 for unique in ids.values())])

"""What became of all cells; the books close at every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model.events import Events

__all__ = ["LEFT", "InvariantError", "Ledger"]

#: the cause of a cell that goes away alive: no death
LEFT = "left"


class InvariantError(RuntimeError):
    """The state broke a rule that must hold at every step; the run stops."""


class Ledger:
    r"""Cells delivered, born, dead, gone and changed, by where they or their founders are from.

    For every origin and type, from the start on,

    .. math:: living = delivered + born - died - left + became - ceased,

    the last two over all changes to and from the type. Both sides are whole numbers and must be
    equal.

    Parameters
    ----------
    causes
        Causes of death, as of `Cells`; `LEFT` among them is none.
    types
        Cell types.
    origins
        Where cells come from, in the order of `Cells.origin`.

    Attributes
    ----------
    entries : dict of str to ndarray of int64
        ``delivered``, ``born`` and ``left`` by (origin, type), ``died`` by (origin, cause, type),
        ``became`` by (origin, type before, type after); ``not_stromal`` by (origin,): cells of
        other kinds that were given beside them, which are in no other entry.

    Examples
    --------
    >>> ledger = Ledger(["basal", "left"], ["bmsc", "osteoblast"], ["autologous", "allogeneic"])
    >>> ledger.deliver(type=0, origin=1, given=100, stayed=80)
    >>> ledger
    Ledger(80 living: 100 delivered, 0 born, 0 died, 20 left)
    >>> ledger.close([[0, 0], [79, 0]])
    Traceback (most recent call last):
    scaffoldsim.model.ledger.InvariantError: cell ledger does not close: 79 allogeneic bmsc live,
    but the books say 80 (100 delivered, 0 born, 0 died, 20 left, 0 became bmsc, 0 ceased to be)
    """

    def __init__(self, causes: Sequence[str], types: Sequence[str], origins: Sequence[str]) -> None:
        self.types, self.origins = tuple(types), tuple(origins)
        self.causes = tuple(cause for cause in causes if cause != LEFT)
        # the rows of `causes` as given, and where each goes
        self._row = [self.causes.index(cause) if cause != LEFT else -1 for cause in causes]
        o, t = len(self.origins), len(self.types)
        shapes = {
            "delivered": (o, t),
            "born": (o, t),
            "died": (o, len(self.causes), t),
            "left": (o, t),
            "became": (o, t, t),
            "not_stromal": (o,),
        }
        self.entries = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}

    def __repr__(self) -> str:
        return (
            f"Ledger({self.living.sum()} living: {self.delivered} delivered, {self.born} born, "
            f"{sum(self.died.values())} died, {self.left} left)"
        )

    # totals -----------------------------------------------------------------------------------

    @property
    def delivered(self) -> int:
        """Cells given, those that did not stay included."""
        return int(self.entries["delivered"].sum())

    @property
    def born(self) -> int:
        """Daughters."""
        return int(self.entries["born"].sum())

    @property
    def died(self) -> dict[str, int]:
        """Deaths by cause."""
        counts = self.entries["died"].sum(axis=(0, 2)).tolist()
        return dict(zip(self.causes, counts, strict=True))

    @property
    def left(self) -> int:
        """Cells that did not stay, or went away alive."""
        return int(self.entries["left"].sum())

    @property
    def not_stromal(self) -> int:
        """Cells of other kinds that were given beside those of the model, and counted only."""
        return int(self.entries["not_stromal"].sum())

    @property
    def living(self) -> NDArray[np.int64]:
        """Cells that must be there by the books, shape (n_origins, n_types)."""
        e = self.entries
        gone: NDArray[np.int64] = e["died"].sum(axis=1) + e["left"]
        changed: NDArray[np.int64] = e["became"].sum(axis=1) - e["became"].sum(axis=2)
        return e["delivered"] + e["born"] - gone + changed

    def by_origin(self) -> dict[str, dict[str, Any]]:
        """All entries in words, those that are 0 left out of the changes of type."""
        e = self.entries
        return {
            origin: {
                "delivered": int(e["delivered"][o].sum()),
                "born": int(e["born"][o].sum()),
                "died": dict(zip(self.causes, e["died"][o].sum(axis=1).tolist(), strict=True)),
                "left": int(e["left"][o].sum()),
                "not_stromal": int(e["not_stromal"][o]),
                "became": {
                    f"{self.types[i]} to {self.types[j]}": int(e["became"][o, i, j])
                    for i, j in np.argwhere(e["became"][o])
                },
            }
            for o, origin in enumerate(self.origins)
        }

    # bookings ---------------------------------------------------------------------------------

    def deliver(
        self, *, type: int, origin: int, given: int, stayed: int, not_stromal: int = 0
    ) -> None:
        """Enter a delivery: all `given` cells are delivered, those that did not stay have left.

        Cells of other kinds that came with them, `not_stromal`, are only counted.

        Raises
        ------
        ValueError
            If more stay than are given.
        """
        if not 0 <= stayed <= given:
            raise ValueError(f"{stayed} cells stayed of {given} given, must be 0 to {given}.")
        self.entries["delivered"][origin, type] += given
        self.entries["left"][origin, type] += given - stayed
        self.entries["not_stromal"][origin] += not_stromal

    def book(self, events: Events, census: ArrayLike) -> None:
        """Enter the events of a step and see that the books close on the `census` after it.

        Raises
        ------
        InvariantError
            If they do not. The events are entered then.
        """
        e, births, deaths, fates = self.entries, events.births, events.deaths, events.fates
        np.add.at(e["born"], (births["origin"], births["type"]), 1)
        for row, index in enumerate(self._row):
            of = deaths[deaths["cause"] == row]
            entry = e["left"] if index < 0 else e["died"][:, index]
            np.add.at(entry, (of["origin"], of["type"]), 1)
        np.add.at(e["became"], (fates["origin"], fates["before"], fates["after"]), 1)
        self.close(census)

    def close(self, census: ArrayLike) -> None:
        """See that the books equal the living cells, by origin and type.

        Raises
        ------
        InvariantError
            Naming each number that does not agree, and what the books say of it.
        """
        found, living, e = np.asarray(census), self.living, self.entries
        if np.array_equal(found, living):
            return
        if found.shape != living.shape:
            raise InvariantError(
                f"cell ledger does not close: the census has shape {found.shape}, the books "
                f"{living.shape}"
            )
        words = []
        for o, t in np.argwhere(found != living):
            words.append(
                f"{found[o, t]} {self.origins[o]} {self.types[t]} live, but the books say "
                f"{living[o, t]} ({e['delivered'][o, t]} delivered, {e['born'][o, t]} born, "
                f"{e['died'][o, :, t].sum()} died, {e['left'][o, t]} left, "
                f"{e['became'][o, :, t].sum()} became {self.types[t]}, "
                f"{e['became'][o, t].sum()} ceased to be)"
            )
        raise InvariantError(f"cell ledger does not close: {'; '.join(words)}")

    # checkpoints ------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[np.int64]]:
        """Copies of all entries."""
        return {name: entry.copy() for name, entry in self.entries.items()}

    def load(self, state: Mapping[str, ArrayLike]) -> None:
        """Go to a stored `state`.

        Raises
        ------
        ValueError
            If an entry is missing or of other causes, types or origins. Nothing has changed then.
        """
        new = {}
        for name, entry in self.entries.items():
            if name not in state:
                raise ValueError(f"the state of the ledger lacks {name}.")
            new[name] = np.array(state[name], dtype=np.int64)
            if new[name].shape != entry.shape:
                raise ValueError(
                    f"the ledger's {name} has shape {new[name].shape}, must be {entry.shape}: it "
                    "is of other causes, types or origins."
                )
        self.entries = new

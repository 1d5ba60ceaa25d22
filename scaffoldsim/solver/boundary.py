"""What happens on the six faces of the box: held, exchanging, periodic or closed.

`parse` turns the user's mapping into a `Boundary`; `Boundary.conductances` gives each face its
conductance per voxel in units of D h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FACES = ("x-", "x+", "y-", "y+", "z-", "z+")
AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Boundary:
    """Faces in the order x-, x+, y-, y+, z-, z+.

    `value` is in mol/m3. `exchange` is in m/s: 0 on a closed face, infinite on a held one.
    """

    periodic: tuple[bool, bool, bool]
    value: tuple[float, ...]
    exchange: tuple[float, ...]

    def conductances(
        self, layers: list[NDArray[Any]], voxel: float, diffusivity: float
    ) -> list[NDArray[np.float64] | None]:
        """Half a voxel of pore in series with the exchange film, per face, in units of D h.

        1 / k = 1 / (2 p) + D / (k_e h), with p the relative diffusivity of the face voxel; the
        `layers` hold it for the six faces.
        """
        out: list[NDArray[np.float64] | None] = []
        for face, exchange in enumerate(self.exchange):
            if exchange == 0 or diffusivity == 0:
                out.append(None)
                continue
            half = 2.0 * layers[face].astype(np.float64)
            film = exchange * voxel / diffusivity
            k = half if np.isinf(exchange) else half / (1.0 + half / film)
            out.append(np.ascontiguousarray(k))
        return out


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, str) or not (np.isfinite(number) and number >= 0):
        raise ValueError(f"{what} is {value!r}; it must be a finite number >= 0.")
    return number


def parse(boundary: Mapping[str, Any]) -> Boundary:
    """Read {"x-": 0.2, "x+": (0.0, 2e-7), "y": "periodic"}; a missing face is closed.

    Raises
    ------
    ValueError
        Unknown key, a value that is no concentration, an exchange coefficient below zero, or a
        periodic axis together with one of its faces.
    """
    if not isinstance(boundary, Mapping):
        raise ValueError(
            f"boundary is {boundary!r}; it must be a mapping such as "
            '{"x-": 0.2, "z": "periodic"}; {} closes every face.'
        )
    periodic = [False, False, False]
    value, exchange = [0.0] * 6, [0.0] * 6
    for key, entry in boundary.items():
        if key in AXES:
            if not (isinstance(entry, str) and entry == "periodic"):
                raise ValueError(
                    f"boundary[{key!r}] is {entry!r}; a whole axis can only be 'periodic'. "
                    f"Give its faces as {key + '-'!r} and {key + '+'!r}."
                )
            periodic[AXES.index(key)] = True
        elif key in FACES:
            face = FACES.index(key)
            if isinstance(entry, tuple | list):
                if len(entry) != 2:
                    raise ValueError(
                        f"boundary[{key!r}] is {entry!r}; an exchanging face takes two numbers, "
                        "(value in mol/m3, exchange coefficient in m/s)."
                    )
                value[face] = _number(entry[0], f"boundary[{key!r}][0] (mol/m3)")
                exchange[face] = _number(entry[1], f"boundary[{key!r}][1] (m/s)")
            else:
                value[face] = _number(entry, f"boundary[{key!r}] (mol/m3)")
                exchange[face] = float("inf")
        else:
            raise ValueError(
                f"boundary has the unknown key {key!r}; allowed are {', '.join(FACES)} and, "
                "for a periodic axis, x, y, z."
            )
    for axis, wrapped in enumerate(periodic):
        for name in FACES[2 * axis : 2 * axis + 2]:
            if wrapped and name in boundary:
                raise ValueError(
                    f"boundary has both {AXES[axis]!r}: 'periodic' and {name!r}; "
                    "a periodic axis has no faces. Drop one of them."
                )
    return Boundary((periodic[0], periodic[1], periodic[2]), tuple(value), tuple(exchange))

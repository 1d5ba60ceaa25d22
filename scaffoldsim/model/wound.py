"""The wound: what it does to division, and the factors that it gives off."""

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scaffoldsim import catalogue
from scaffoldsim.config import Config, Parameter, Section, Unit
from scaffoldsim.model.factors import Concentration
from scaffoldsim.model.fields import Supply
from scaffoldsim.scaffold.grid import layer
from scaffoldsim.tree import Path_

if TYPE_CHECKING:
    from scaffoldsim.model.fields import Fields
    from scaffoldsim.model.site import Place

#: share of what a fresh wound gives below which it gives nothing, after nine times its fade: far
#: below the half-maximum of any cue (assumed)
_FAINT = 1e-4

#: an hour, so that a step can follow it, to decades, which stand still
_Fade = Unit("s", ge=3600, le=1e9, show="d")


class Wound(Section):
    r"""The signal of a fresh wound, which lets cells divide: :math:`f_w = r + o\,e^{-t/\tau}`.

    It also gives off factors, so much that each would stay at :math:`c_w e^{-t/\tau_s}` if none
    diffused away.

    Attributes
    ----------
    resting
        r, what is left in tissue at rest.
    opened
        o, what the wound adds at first.
    fade
        τ, s.
    rim : m, optional
        How deep the tissue around is wounded.
    signals : mol/m³ or kg/m³
        :math:`c_w` of each factor, by the name of its field; does nothing without that field.
    signals_fade : s, optional
        :math:`\tau_s`.
    """

    resting: Annotated[Parameter, Unit("", ge=0, le=2)]
    opened: Annotated[Parameter, Unit("", ge=0, le=2)]
    fade: Annotated[Parameter, _Fade]
    rim: Annotated[Parameter, Unit("m", ge=0, le=0.01, show="um")] | None = None
    signals: dict[str, Annotated[Parameter, Concentration]] = Field({})
    signals_fade: Annotated[Parameter, _Fade] | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield what signals need and lack."""
        if self.signals:
            for key in ("rim", "signals_fade"):
                if getattr(self, key) is None:
                    yield (key,), "is missing; a wound with signals needs it"

    def mean(self, start: float, end: float) -> float:
        """Return the mean of f_w between `start` and `end`, s since the wound."""
        return float(self.resting) + float(self.opened) * _mean(start, end, float(self.fade))

    def given(self, start: float, end: float) -> float:
        r"""Return the mean of :math:`e^{-t/\tau_s}` between two times, s since the wound.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> wound = read_entry("hosts", "healthy_rat").wound
        >>> round(wound.given(0, 3600), 3), round(wound.given(7 * 86400, 7 * 86400 + 1), 3)
        (0.997, 0.368)
        """
        assert self.signals_fade is not None
        return _mean(start, end, float(self.signals_fade))


class WoundSource:
    r"""What a wound gives to the fields: :math:`k\,c_w e^{-t/\tau}` in tissue that was opened.

    k is the decay of the factor, so that tissue that is opened everywhere holds
    :math:`c_w e^{-t/\tau}`. So does the tissue behind a face of the host whose first voxels are
    opened; through each of those the box gains, beside what the face exchanges anyhow,

    .. math:: j = \frac{K}{1 + K h/2D}\,c_w e^{-t/\tau}, \qquad K = \sqrt{D k}

    K is the exchange with a half-space (see `Species.boundary`), and h/2D the way to the centre of
    the voxel. Both hold while the wound fades slowly against the decay.

    Parameters
    ----------
    wound
        None: nothing is given.
    place
        What is opened.
    fields
        To which it is given; what has no field is left out.
    """

    def __init__(self, wound: Wound | None, place: "Place", fields: "Fields") -> None:
        self.wound, self.place, self.fields = wound, place, fields
        self._share = 0.0
        self._within: NDArray[np.float32] | None = None
        if wound is None or not place.opened.any():
            return
        for name in wound.signals:
            if name in fields.species and fields.species[name].decay > 0:
                fields.add_supply(name, partial(self._supply, name))

    def advance(self, start: float, dt: float) -> None:
        """Say that the step from `start` of `dt` seconds comes, s since the wound."""
        if self.wound is not None and self.wound.signals:
            self._share = self.wound.given(start, start + dt)

    def _supply(self, name: str) -> Supply:
        if self._share < _FAINT:
            return Supply()
        assert self.wound is not None
        species = self.fields.species[name]
        level = species.amount(self.wound.signals[name]) * self._share
        if self._within is None:
            self._within = self.place.opened.astype(np.float32)
        source = self._within * np.float32(species.decay * level)
        grid, diffusivity = self.place.grid, float(species.diffusivity)
        film = math.sqrt(diffusivity * species.decay)
        for face in self.place.faces.of_kind("host"):
            at = layer(face)
            half = 2 * diffusivity / grid.voxel * self.fields.pore[at].astype(np.float64)
            flux = half * film / (half + film) * level
            source[at] += (flux / grid.voxel * self._within[at]).astype(np.float32)
        return Supply(source=source)


def problems(config: Config) -> Iterator[tuple[Path_, str]]:
    """Yield (path, message) for signals of the wound that no field can hold."""
    wound: Wound | None = config.host.wound
    for name, level in wound.signals.items() if wound is not None else ():
        path: Path_ = ("host", "wound", "signals", name)
        entry = config.fields.get(name)
        if entry is None:
            known = catalogue.names("fields")
            if name not in known:
                hint = catalogue.did_you_mean(name, known)
                yield path, f"{name!r} is no field{hint} (known: {', '.join(known)})"
        elif entry.half_life is None:
            yield path, f"{name} does not decay, so that a wound would fill all with it"
        elif level.unit.startswith("kg") and entry.molar_mass is None:
            yield path, f"{level.text} is a mass; {name} needs a molar_mass"


def _mean(start: float, end: float, tau: float) -> float:
    """Return the mean of e^(−t/τ)."""
    return tau * math.exp(-start / tau) * -math.expm1(-(end - start) / tau) / (end - start)

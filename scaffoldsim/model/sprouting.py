"""How blood vessels grow, as data: ``configs/vessels/``."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.config import Entry, Parameter, Unit
from scaffoldsim.tree import Path_

Array = NDArray[np.float64]

#: steepness of sprouting in VEGF
_HILL = 4

_Level = Annotated[Parameter, Unit("kg/m^3", ge=1e-12, le=1, show="ng/mL")]
_Rate = Annotated[Parameter, Unit("1/s", ge=0, le=1e-3, show="1/h")]
_Time = Annotated[Parameter, Unit("s", ge=60, le=1e9, show="h")]
_Length = Annotated[Parameter, Unit("m", ge=1e-6, le=1e-2, show="um")]
_Speed = Annotated[Parameter, Unit("m/s", ge=0, le=1e-7, show="um/h")]
_Weight = Annotated[Parameter, Unit("", ge=0, le=10)]
_Pressure = Annotated[Parameter, Unit("Pa", ge=0, le=1e5, show="mmHg")]


class VesselTissue(Entry):
    r"""Where vessels come from, how they sprout, grow, join, carry blood and disappear.

    With the concentration V of VEGF, a site sprouts at :math:`k\,V^4/(V^4 + V_s^4)`, and a tip
    moves at :math:`v_0 + (v_1 - v_0)\,V/(V + V_v)`. In one hour the direction d of a tip becomes
    that of :math:`p\,d + a\,g + s\,t + w\,u`: g along the gradient of VEGF and of length r/(1 + r),
    :math:`r = \ell|\nabla V|/(V + V_v)`; t along the surface that the tip touches; u of length 1
    to anywhere.

    Attributes
    ----------
    root_density : 1/m²
        Vessels that cross a face of healthy host tissue.
    radius : m
        Of a vessel.
    spacing : m
        Between two sites of a vessel, and between a new sprout and other tips.
    refractory : s
        Between two sprouts of a site.
    sprouting, sprouting_vegf : 1/s, kg/m³
        k, :math:`V_s`.
    slow, fast, speed_vegf : m/s, m/s, kg/m³
        :math:`v_0, v_1, V_v`.
    persistence, attraction, guidance, wandering
        p, a, s, w.
    sensing : m
        ℓ.
    branching : 1/s
        Of a tip.
    narrowest : m
        Width of a throat through which a tip still goes.
    opening : s
        From joining to flow.
    regression, survival_vegf : s, kg/m³
        A vessel without flow in less VEGF than this is lost after that time.
    incorporation : 1/s
        Of an endothelial cell next to a vessel, as a tip.
    recruitment : 1/m/s
        Stromal cells of the host that come out of perfused vessels, per length and time.
    recruitment_resting, recruitment_sdf1 : share, kg/m³
        Of that without SDF-1, and its half-maximum.
    resting_density : 1/m²
        Length of vessels with blood per volume of living tissue that is in the box at the start.
    crowded : 1/m²
        Length per volume around a place at which nothing sprouts or branches any more; at a length
        ρ the share 1 - ρ/crowded of both is left (`Crowding`).
    arterial_pressure, venous_pressure : Pa
        At the roots that are joined to each other, in turn.
    viscosity : Pa s
        Of blood.
    oxygen_binding : optional
        Oxygen that blood gives off over what is dissolved in it and goes. With it blood loses
        oxygen on its way (`oxygen_in_blood`); without, it holds that of the host everywhere.

    References
    ----------
    Qutub and Popel 2009, BMC Syst Biol 3:13 (speed and threshold); other values as marked.
    """

    kind: ClassVar[str] = "vessels"

    root_density: Annotated[Parameter, Unit("1/m^2", ge=0, le=1e10, show="1/mm^2")]
    radius: _Length
    spacing: _Length
    refractory: _Time
    sprouting: _Rate
    sprouting_vegf: _Level
    slow: _Speed
    fast: _Speed
    speed_vegf: _Level
    persistence: _Weight
    attraction: _Weight
    guidance: _Weight
    wandering: _Weight
    sensing: _Length
    branching: _Rate
    narrowest: Annotated[Parameter, Unit("m", ge=0, le=1e-2, show="um")]
    opening: _Time
    regression: _Time
    survival_vegf: Annotated[Parameter, Unit("kg/m^3", ge=0, le=1, show="ng/mL")]
    incorporation: _Rate
    recruitment: Annotated[Parameter, Unit("1/m/s", ge=0, le=10, show="1/mm/d")]
    recruitment_resting: Annotated[Parameter, Unit("", ge=0, le=1)]
    recruitment_sdf1: _Level
    resting_density: Annotated[Parameter, Unit("1/m^2", ge=0, le=1e12, show="mm/mm^3")]
    crowded: Annotated[Parameter, Unit("1/m^2", ge=1, le=1e12, show="mm/mm^3")]
    arterial_pressure: _Pressure
    venous_pressure: _Pressure
    viscosity: Annotated[Parameter, Unit("Pa s", ge=1e-4, le=1, show="mPa s")]
    oxygen_binding: Annotated[Parameter, Unit("", ge=1, le=1e4)] | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield what cannot be true together."""
        if self.fast < self.slow:
            yield (
                ("fast",),
                f"{self.fast.text} is below slow, {self.slow.text}; VEGF makes tips faster",
            )
        if self.venous_pressure >= self.arterial_pressure:
            yield (
                ("venous_pressure",),
                f"{self.venous_pressure.text} is not below arterial_pressure, "
                f"{self.arterial_pressure.text}; blood would not flow",
            )

    def sprouts(self, vegf: Any) -> Array:
        """Return the rate at which a site sprouts, 1/s, at a concentration of VEGF, kg/m³."""
        power = (np.asarray(vegf, np.float64) / float(self.sprouting_vegf)) ** _HILL
        rate: Array = float(self.sprouting) * power / (1 + power)
        return rate

    def speed(self, vegf: Any) -> Array:
        """Return the speed of a tip, m/s, at a concentration of VEGF, kg/m³."""
        level = np.asarray(vegf, np.float64)
        gain = float(self.fast) - float(self.slow)
        speed: Array = float(self.slow) + gain * level / (level + float(self.speed_vegf))
        return speed

"""What dissolves in the pores, as data: one file in ``configs/fields/`` per species."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from numpy.typing import NDArray
from pydantic import Field, model_validator

from scaffoldsim.config import Entry, Parameter, Section, Unit
from scaffoldsim.model.factors import Concentration, Factor, kind_in_words
from scaffoldsim.tree import Path_

if TYPE_CHECKING:
    from scaffoldsim.scaffold.grid import Faces

#: unit inside → (unit in which a field is written and read by people, how many of it make one)
SHOWN = {"mol/m^3": ("mM", 1.0), "kg/m^3": ("ng/mL", 1e6)}

_Rate = Unit("mol/s", ge=0, le=1e-9, show="fmol/h", other="kg/s")
_Source = Unit("mol/m^3/s", ge=0, le=1e6, show="mM/h", other="kg/m^3/s")


class Secretion(Section):
    r"""What one cell gives off, more of it where oxygen lacks.

    .. math:: q(C) = q_0 \left[1 + \frac{F - 1}{1 + (C/C_h)^2}\right]

    with the rate :math:`q_0` in mol/s or kg/s per cell, the fold change F at no oxygen, the oxygen
    concentration C and the one of half effect :math:`C_h`, both in mol/m³.

    Attributes
    ----------
    types
        The cell types that secrete; all of them if empty.
    """

    rate: Annotated[Parameter, _Rate]
    hypoxic_fold: Annotated[Parameter, Unit("", ge=0, le=100)] | None = None
    hypoxic_oxygen: Annotated[Parameter, Unit("mol/m^3", ge=1e-9, le=10, show="mM")] | None = None
    types: list[str] = Field([])

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a rise in hypoxia that is only half given."""
        if (self.hypoxic_fold is None) != (self.hypoxic_oxygen is None):
            yield ("hypoxic_fold",), "needs hypoxic_oxygen, and the other way round"

    def factor(self, oxygen: NDArray[Any] | float) -> Any:
        """Return q/q₀ at `oxygen` in mol/m³.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> vegf = read_entry("fields", "vegf")
        >>> vegf.secretion.factor(0.0), vegf.secretion.factor(vegf.secretion.hypoxic_oxygen)
        (3.0, 2.0)
        """
        if self.hypoxic_fold is None or self.hypoxic_oxygen is None:
            return 1.0
        lack = 1.0 / (1.0 + (oxygen / float(self.hypoxic_oxygen)) ** 2)
        return 1.0 + (float(self.hypoxic_fold) - 1.0) * lack


class Binding(Section):
    r"""How bone matrix takes a factor up, and gives it back.

    .. math:: dR/dt = k\,(o + m)\,c - R/\tau

    Attributes
    ----------
    rate
        k, at which a voxel full of matrix binds it, 1/s.
    residence
        τ, mean time for which it is held, s.
    """

    rate: Annotated[Parameter, Unit("1/s", ge=0, le=1, show="1/h")]
    residence: Annotated[Parameter, Unit("s", ge=60, le=1e9, show="d")]


class Species(Entry):
    r"""A dissolved substance: how it spreads and decays, and where it comes from and goes to.

    .. math:: \frac{\partial c}{\partial t} = \nabla\cdot(D \nabla c) + S + \sum_\text{cells} q
              - k c - \sum_\text{cells} \frac{V c}{K_m + c}

    Small molecules and ions are kept in mol/m³. A species with a `molar_mass` is a protein and is
    kept in kg/m³; what its file gives as an amount is turned into a mass.

    Attributes
    ----------
    diffusivity : m²/s
        D in the fluid of an open pore; a voxel that is partly solid lets through D (1 − s).
    medium : mol/m³ or kg/m³
        Concentration held at the faces that are ``medium``; 0 for what a daily change removes.
    host : mol/m³ or kg/m³
        Concentration of the living tissue beyond ``host`` faces, far away from them.
    half_life : s, optional
        k = ln 2 / half_life; a species without one does not decay.
    half_saturation : mol/m³, optional
        K_m of the uptake by cells; oxygen alone is taken up, at V of `CellType.oxygen_uptake`.
    secretion : Secretion, optional
        q, given off by cells.
    source : mol/m³/s or kg/m³/s, optional
        S, everywhere in the pore.
    initial : mol/m³ or kg/m³, optional
        Concentration at the start; by default the greatest beyond a face, or that of the medium.
    molar_mass : kg/mol, optional
    bath : m³, optional
        Volume of medium that belongs to the box: it is well mixed, begins at `medium` and changes
        by what the pores give and take. Without it the medium stays as it is.
    factor : Factor, optional
        What the species does to cells; null switches it off.
    binding : Binding, optional
        To bone matrix, where it does nothing to cells.
    """

    kind: ClassVar[str] = "fields"

    diffusivity: Annotated[Parameter, Unit("m^2/s", ge=0, le=1e-6)]
    medium: Annotated[Parameter, Concentration]
    host: Annotated[Parameter, Concentration]
    half_life: Annotated[Parameter, Unit("s", ge=1, le=1e12, show="h")] | None = None
    half_saturation: Annotated[Parameter, Unit("mol/m^3", ge=1e-9, le=10, show="mM")] | None = None
    secretion: Secretion | None = None
    source: Annotated[Parameter, _Source] | None = None
    initial: Annotated[Parameter, Concentration] | None = None
    molar_mass: Annotated[Parameter, Unit("kg/mol", ge=1e-3, le=1e6)] | None = None
    bath: Annotated[float, Unit("m^3", ge=1e-15, le=1.0, show="mL")] | None = None
    factor: Factor | None = None
    binding: Binding | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_null(cls, data: Any) -> Any:
        if data is None:
            raise ValueError(
                "names no species; oxygen is always there, since the rates of cells depend on it, "
                "and any other is left out together with its line"
            )
        return data

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a mass where there is no molar mass: such a species is kept in mol/m³."""
        if self.factor is not None and self.factor.unit != self.unit:
            yield (
                ("factor",),
                f"{self.factor.name} is measured as {kind_in_words(self.factor.unit)}, but this "
                f"species is kept as {kind_in_words(self.unit)}",
            )
        if self.molar_mass is not None:
            return
        given: dict[Path_, Parameter | None] = {
            (key,): getattr(self, key) for key in ("medium", "host", "source", "initial")
        }
        if self.secretion is not None:
            given["secretion", "rate"] = self.secretion.rate
        for path, parameter in given.items():
            if parameter is not None and parameter.unit.startswith("kg"):
                yield path, f"{parameter.text} is a mass; a species in mass needs a molar_mass"

    @property
    def unit(self) -> str:
        """The unit its concentrations are kept in, ``mol/m^3`` or ``kg/m^3``."""
        return "mol/m^3" if self.molar_mass is None else "kg/m^3"

    @property
    def decay(self) -> float:
        """The rate k = ln 2 / half_life, 1/s; 0 if it does not decay."""
        return math.log(2) / float(self.half_life) if self.half_life is not None else 0.0

    def amount(self, parameter: Parameter | None) -> float:
        """Return a number of this file in the unit that is kept (see `unit`); 0 for None.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> bmp2 = read_entry("fields", "bmp2")
        >>> bmp2.unit, round(bmp2.amount(bmp2.secretion.rate) * 86400e18, 6)  # 0.02 fg/d, in kg
        ('kg/m^3', 0.02)
        """
        if parameter is None:
            return 0.0
        if self.molar_mass is not None and parameter.unit.startswith("mol"):
            return float(parameter) * float(self.molar_mass)
        return float(parameter)

    def boundary(self, faces: "Faces") -> dict[str, Any]:
        r"""Return the boundary of `scaffoldsim.solver.diffusion` for the faces of a box.

        A ``medium`` face is held. Beyond a ``host`` face the species diffuses into a half-space of
        tissue and decays there, so that

        .. math:: D \frac{\partial c}{\partial n} = -\sqrt{D k}\,(c - c_\text{host})

        which is an exchange coefficient √(Dk) in m/s; without decay (oxygen) the face is held at
        the host's value. Closed faces are not named.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> from scaffoldsim.scaffold.grid import Faces
        >>> faces = Faces.model_validate({"x": "periodic", "z-": "host", "z+": "medium"})
        >>> read_entry("fields", "oxygen").boundary(faces)
        {'x': 'periodic', 'z-': 0.052, 'z+': 0.2}
        >>> read_entry("fields", "bmp2").boundary(faces)["z-"]
        (0.0, 4.0...e-08)
        """
        host: Any = self.amount(self.host)
        if self.half_life is not None:
            host = (host, math.sqrt(float(self.diffusivity) * self.decay))
        beyond = {"medium": self.amount(self.medium), "host": host}
        boundary: dict[str, Any] = {}
        for axis, wraps in zip("xyz", faces.periodic, strict=True):
            if wraps:
                boundary[axis] = "periodic"
                continue
            for face in (f"{axis}-", f"{axis}+"):
                if faces.kind(face) in beyond:
                    boundary[face] = beyond[faces.kind(face)]
        return boundary

    def bathed(self, faces: "Faces") -> tuple[str, ...]:
        """Return the faces that are ``medium``, if it is a bath of stated volume; else none."""
        names = (f"{axis}{side}" for axis in "xyz" for side in "-+")
        return tuple(f for f in names if self.bath is not None and faces.kind(f) == "medium")

    def start(self, faces: "Faces") -> float:
        """Return the concentration at the start, see `initial`."""
        if self.initial is not None:
            return self.amount(self.initial)
        values = {"medium": self.amount(self.medium), "host": self.amount(self.host)}
        kinds = {faces.kind(f"{axis}{side}") for axis in "xyz" for side in "-+"}
        return max((values[k] for k in kinds & set(values)), default=values["medium"])


def problems(
    species: Mapping[str, Species], types: Sequence[str], faces: "Faces"
) -> Iterator[tuple[Path_, str]]:
    """Yield (key, message) for what is wrong across species, cell types (by name) and faces."""
    for name, entry in species.items():
        if not re.fullmatch("[a-z][a-z0-9_]*", name):
            yield (name,), "a species is named with small letters, digits and _ (as in my_factor)"
        if entry.bath is not None and not entry.bathed(faces):
            yield (name, "bath"), "no face is medium; leave the bath out, or set a face to medium"
        breathed = name == "oxygen"
        if breathed and entry.half_saturation is None:
            yield (name, "half_saturation"), "is missing; cells take up oxygen"
        if breathed and entry.molar_mass is not None:
            yield (name, "molar_mass"), "oxygen is kept in mol/m^3; leave the molar mass out"
        if not breathed and entry.half_saturation is not None:
            yield (name, "half_saturation"), "only oxygen is taken up by cells; leave it out"
        for index, wanted in enumerate(entry.secretion.types if entry.secretion else ()):
            if wanted not in types:
                yield (
                    (name, "secretion", "types", index),
                    f"{wanted!r} is none of cell_types ({', '.join(types)})",
                )

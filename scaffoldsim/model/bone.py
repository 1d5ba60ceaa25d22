"""Bone as a tissue, as data: ``configs/tissues/``, and what differs between organisms."""

import math
from typing import Annotated, ClassVar

from scaffoldsim.config import Entry, Parameter, Section, Unit
from scaffoldsim.model.factors import Factor

#: share of scaffold, osteoid and bone in a voxel from which on no cell enters it
ENTER = 0.5
#: and above which an osteoblast in it is buried
BURY = 0.8

_Modulus = Annotated[Parameter, Unit("Pa", ge=1, le=1e12, show="GPa")]
_Time = Annotated[Parameter, Unit("s", ge=3600, le=1e9, show="d")]
_Share = Annotated[Parameter, Unit("", ge=0, le=1)]


class BoneTissue(Entry):
    r"""What osteoid and bone are to load, to fluxes and to cells, and how bone is taken away.

    Mineral of age a has the modulus :math:`E_\infty - (E_\infty - E_0) e^{-a/\tau}`.

    Attributes
    ----------
    osteoid_modulus, fresh_modulus, mature_modulus, host_modulus : Pa
        Of osteoid, of mineral at once (E_0) and in the end (E_∞), and of the host's bone.
    soft_modulus : Pa
        Of what fills the pores.
    maturation_time : s
        τ.
    osteoid_diffusivity, mineral_diffusivity
        Of a solute, relative to that in the pores.
    osteoconductivity
        Factor on the osteogenic fate of cells that touch bone.
    resorption_speed : m/s
        At which a surface of bone recedes near a supply.
    far_resorption
        Share of it that is left beyond `supply_distance` (m) from any.
    reversal_time : s
        From resorption to the cells that answer it.
    buried_survival
        Share of buried osteoblasts that live on as osteocytes.
    mineral_density : kg/m³
        Of mineral in fully mineralised bone: volumetric BMD per bone volume.
    collapse_strain
        At which a layer under load fails.
    factor
        What the factors of a material itself (`Material.bmp2_equivalent`) are counted as.
    """

    kind: ClassVar[str] = "tissues"

    osteoid_modulus: _Modulus
    fresh_modulus: _Modulus
    mature_modulus: _Modulus
    host_modulus: _Modulus
    soft_modulus: _Modulus
    maturation_time: _Time
    osteoid_diffusivity: _Share
    mineral_diffusivity: _Share
    osteoconductivity: Annotated[Parameter, Unit("", ge=0, le=5)]
    resorption_speed: Annotated[Parameter, Unit("m/s", ge=0, le=1e-9, show="um/d")]
    far_resorption: _Share
    supply_distance: Annotated[Parameter, Unit("m", ge=0, le=0.01, show="um")]
    reversal_time: _Time
    buried_survival: _Share
    mineral_density: Annotated[Parameter, Unit("kg/m^3", ge=100, le=3000, show="g/cm^3")]
    collapse_strain: Annotated[Parameter, Unit("", ge=1e-4, le=1)]
    factor: Factor

    def modulus(self, age: float) -> float:
        """Return Young's modulus of new mineral of an age in s, Pa.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> bone = read_entry("tissues", "bone")
        >>> round(bone.modulus(0) / 1e9, 6), round(bone.modulus(28 * 86400) / 1e9, 2)
        (1.0, 4.16)
        """
        gap = float(self.mature_modulus) - float(self.fresh_modulus)
        return float(self.mature_modulus) - gap * math.exp(-age / float(self.maturation_time))


class OrganismBone(Section):
    """How an organism makes bone, and how much of it the young adult has.

    Attributes
    ----------
    deposition : m³/s
        Osteoid that one osteoblast lays.
    mineralisation_time : s
        Mean time from osteoid to mineral.
    young_bv_tv, young_bv_tv_cv
        Bone volume fraction of cancellous bone in young healthy adults, and its coefficient of
        variation between them: the reference of the T-score.
    """

    deposition: Annotated[Parameter, Unit("m^3/s", ge=0, le=1e-18, show="um^3/d")]
    mineralisation_time: _Time
    young_bv_tv: Annotated[Parameter, Unit("", ge=0.01, le=0.9)]
    young_bv_tv_cv: Annotated[Parameter, Unit("", ge=0.01, le=0.9)]

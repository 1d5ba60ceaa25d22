"""What a scaffold is made of."""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from scaffoldsim.schema import Entry, Parameter, Section, Unit

Share = Annotated[Parameter, Unit("", ge=0, le=1)]
_Amount = Unit("kg", ge=0, le=1e-3, show="ug", other="mol")
_Average = Unit("kg/m^3", ge=0, le=1e3, show="ug/mL", other="mol/m^3")
Days = Annotated[Parameter, Unit("s", ge=3600, le=50 * 31557600.0, show="d")]


class Degradation(Section):
    r"""How solid is lost.

    ``dissolution`` (also by cells or ion exchange) takes the surface away, at a rate calibrated on
    the scaffold as built so that half the mass is left after `half_mass`. ``hydrolysis`` is in two
    stages: the molecular weight M falls everywhere, and mass follows once M is low,

    .. math:: dM/dt = -k_M M (1 + a/a_2), \qquad ds/dt = -k_s s \text{ when } M < m_c M_0

    with the concentration a of acid. ``cell_mediated`` takes the same share everywhere near
    vessels.

    Attributes
    ----------
    mode
    half_mass
        Time until half the mass is gone, s; not for ``none`` and ``hydrolysis``.
    molecular_weight_half_life
        ln 2 / k_M, s; for ``hydrolysis``.
    critical_molecular_weight
        m_c, share of the start; for ``hydrolysis``.
    loss_rate
        k_s, 1/s; for ``hydrolysis``.
    doubling_acid
        a₂, at which M falls twice as fast, mol/m³; for ``hydrolysis``, and absent where acid does
        not hasten it.
    """

    mode: Literal["none", "dissolution", "hydrolysis", "cell_mediated", "ion_exchange"]
    half_mass: Annotated[Parameter, Unit("s", ge=3600, le=50 * 31557600.0, show="d")] | None = None
    molecular_weight_half_life: (
        Annotated[Parameter, Unit("s", ge=86400, le=20 * 31557600.0, show="d")] | None
    ) = None
    critical_molecular_weight: Share | None = None
    loss_rate: Annotated[Parameter, Unit("1/s", ge=0, le=1e-4, show="1/d")] | None = None
    doubling_acid: Annotated[Parameter, Unit("mol/m^3", ge=0.1, le=1e4, show="mM")] | None = None

    def missing(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for the keys the mode needs and lacks, or has no use for."""
        staged = ("molecular_weight_half_life", "critical_molecular_weight", "loss_rate")
        wanted = {"none": (), "hydrolysis": staged}.get(self.mode, ("half_mass",))
        for key in ("half_mass", *staged):
            given = getattr(self, key) is not None
            if given != (key in wanted):
                needs = ", ".join(wanted) or "no other key"
                yield key, f"degradation of mode {self.mode} takes {needs}"
        if self.doubling_acid is not None and self.mode != "hydrolysis":
            yield "doubling_acid", f"degradation of mode {self.mode} is not hastened by acid"

    @property
    def time_to_half_mass(self) -> float:
        r"""Time until half the mass is gone with no acid to hasten it, s; inf for ``none``.

        Given for most modes; for ``hydrolysis`` the time until M falls to :math:`m_c M_0`, and then
        until half is lost:

        .. math:: t = -\ln m_c / k_M + \ln 2 / k_s

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> round(read_entry("materials", "plga").degradation.time_to_half_mass / (7 * 86400), 1)
        12.9
        """
        if self.half_mass is not None:
            return float(self.half_mass)
        half_life, left, rate = (
            self.molecular_weight_half_life,
            self.critical_molecular_weight,
            self.loss_rate,
        )
        if half_life is None or not left or not rate:
            return math.inf
        return -math.log2(left) * half_life + math.log(2) / rate


class Carrier(Section):
    r"""How a growth factor that was loaded onto the material leaves it.

    .. math:: M(t) / M_\infty = \beta + (1 - \beta) (1 - e^{-k t}), \qquad k = \ln 2 / t_{1/2}

    Attributes
    ----------
    burst
        β, share that leaves at once.
    half_life
        t½ of the rest, s.
    """

    burst: Share
    half_life: Days


class LoadedFactor(Section):
    """A growth factor that is put onto the scaffold before it is implanted.

    Attributes
    ----------
    species
        Its name among the fields.
    amount
        In the whole box, kg or mol.
    concentration
        The same as an average over the whole box, kg/m³ or mol/m³.
    carrier
        How it leaves, if not as the material says.
    """

    species: str
    amount: Annotated[float, _Amount] | None = None
    concentration: Annotated[float, _Average] | None = None
    carrier: Carrier | None = None

    @property
    def unit(self) -> str:
        """What it is counted in, ``kg`` or ``mol``."""
        given = self.amount if self.amount is not None else self.concentration
        text = getattr(given, "text", "")
        kinds = _Amount if self.amount is not None else _Average
        return kinds.kind_of(text).removesuffix("/m^3")

    def total(self, volume: float) -> float:
        """Return how much of it there is in a box of `volume`, m³; kg or mol.

        Examples
        --------
        >>> factor = LoadedFactor(species="bmp2", concentration="10 ug/mL")
        >>> f"{factor.total(2e-9) * 1e12:.1f} ng"
        '20.0 ng'
        """
        if self.amount is not None:
            return float(self.amount)
        return float(self.concentration or 0.0) * volume

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """How much of it there is has to be given once."""
        if (self.amount is None) == (self.concentration is None):
            yield (), 'give either an amount ("5 ug") or a concentration ("10 ug/mL" of the box)'


class Product(Section):
    """What a material gives off as it is lost.

    Attributes
    ----------
    content
        Amount in the solid, mol/kg.
    free
        Share that gets into the pores, the rest being taken up by mineral of the material; 1 if
        absent.
    """

    content: Annotated[Parameter, Unit("mol/kg", ge=0, le=100)]
    free: Share | None = None


class Material(Entry):
    """The solid of a scaffold; every number with unit, range, mark and source.

    Attributes
    ----------
    density
        Of the solid without pores, kg/m³.
    youngs_modulus
        Of the solid without pores, Pa.
    adhesion
        Share of the cells that settle, 0 to 1 (criterion C3).
    osteoconductivity
        Factor on the rate of osteogenic fate of cells that touch it.
    immunogenicity
        0 (inert) to 1 (criterion C1).
    bmp2_equivalent
        What its own factors are worth, as a concentration of BMP-2, kg/m³.
    bmp2_release_time
        τ in dR/dt = −R/τ of factors that the matrix holds, s; absent where the material only
        gathers those of the host, which do not run out.
    carrier
        Release of factors loaded onto it; absent for a material that is not used as a carrier.
    products
        What its loss gives off.
    ph_shift
        Of the fluid in the pores while it dissolves; absent where there is none but by acid.
    degradation
        Criterion C2.
    published_porosity, published_pore_size
        As usually made (m for the pores, absent for a gel, which has none on the scale of a cell);
        not what a design has.
    """

    kind: ClassVar[str] = "materials"

    density: Annotated[Parameter, Unit("kg/m^3", ge=10, le=25000, show="g/cm^3")]
    youngs_modulus: Annotated[Parameter, Unit("Pa", ge=100, le=1e12, show="GPa")]
    adhesion: Share
    osteoconductivity: Annotated[Parameter, Unit("", ge=0, le=5)]
    immunogenicity: Share
    bmp2_equivalent: Annotated[Parameter, Unit("kg/m^3", ge=0, le=1e-2, show="ng/mL")]
    bmp2_release_time: Days | None = None
    carrier: Carrier | None = None
    products: dict[Literal["acid", "calcium", "strontium"], Product] = Field(default_factory=dict)
    ph_shift: Annotated[Parameter, Unit("", ge=-3, le=3)] | None = None
    degradation: Degradation
    published_porosity: Share
    published_pore_size: Annotated[Parameter, Unit("m", ge=1e-6, le=1e-2, show="um")] | None = None

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Degradation must be complete for its mode (criterion C2)."""
        for key, message in self.degradation.missing():
            yield ("degradation", key), message

    def __repr__(self) -> str:
        return f"Material({self.name or self.title!r}, degradation {self.degradation.mode})"

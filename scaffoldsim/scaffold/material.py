"""What a scaffold is made of."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from scaffoldsim.schema import Entry, Parameter, Section, Unit

Share = Annotated[Parameter, Unit("", ge=0, le=1)]


class Degradation(Section):
    r"""How solid is lost.

    ``dissolution`` (also by cells or ion exchange) takes the surface away, at a rate calibrated on
    the scaffold as built so that half the mass is left after `half_mass`. ``hydrolysis`` is in two
    stages: the molecular weight M falls everywhere, and mass follows once M is low,

    .. math:: dM/dt = -k_M M, \qquad ds/dt = -k_s s \text{ when } M < m_c M_0

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
    """

    mode: Literal["none", "dissolution", "hydrolysis", "cell_mediated", "ion_exchange"]
    half_mass: Annotated[Parameter, Unit("s", ge=86400, le=50 * 31557600.0, show="d")] | None = None
    molecular_weight_half_life: (
        Annotated[Parameter, Unit("s", ge=86400, le=20 * 31557600.0, show="d")] | None
    ) = None
    critical_molecular_weight: Share | None = None
    loss_rate: Annotated[Parameter, Unit("1/s", ge=0, le=1e-4, show="1/d")] | None = None

    def missing(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for the keys the mode needs and lacks, or has no use for."""
        staged = ("molecular_weight_half_life", "critical_molecular_weight", "loss_rate")
        wanted = {"none": (), "hydrolysis": staged}.get(self.mode, ("half_mass",))
        for key in ("half_mass", *staged):
            given = getattr(self, key) is not None
            if given != (key in wanted):
                needs = ", ".join(wanted) or "no other key"
                yield key, f"degradation of mode {self.mode} takes {needs}"


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
    releases
        What its loss sets free.
    degradation
        Criterion C2.
    published_porosity, published_pore_size
        As usually made (m for the pores); not what a design has.
    """

    kind: ClassVar[str] = "materials"

    density: Annotated[Parameter, Unit("kg/m^3", ge=10, le=25000, show="g/cm^3")]
    youngs_modulus: Annotated[Parameter, Unit("Pa", ge=100, le=1e12, show="GPa")]
    adhesion: Share
    osteoconductivity: Annotated[Parameter, Unit("", ge=0, le=5)]
    immunogenicity: Share
    bmp2_equivalent: Annotated[Parameter, Unit("kg/m^3", ge=0, le=1e-2, show="ng/mL")]
    releases: list[Literal["acid", "calcium", "strontium"]] = Field(default_factory=list)
    degradation: Degradation
    published_porosity: Share
    published_pore_size: Annotated[Parameter, Unit("m", ge=1e-6, le=1e-2, show="um")]

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Degradation must be complete for its mode (criterion C2)."""
        for key, message in self.degradation.missing():
            yield ("degradation", key), message

    def __repr__(self) -> str:
        return f"Material({self.name or self.title!r}, degradation {self.degradation.mode})"

"""Triply periodic minimal surfaces: a net is one side of the surface, a sheet both sides of it.

Each surface is the zero level of a short trigonometric sum g, with x = 2π u, y = 2π v, z = 2π w.
They approximate the minimal surfaces by their leading Fourier terms (von Schnering and Nesper 1991,
Z. Phys. B 83: "Nodal surfaces of Fourier series").
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from scaffoldsim.scaffold.families.base import Family, Floats, Vector, register
from scaffoldsim.scaffold.families.waves import (
    COS_2X,
    COS_2Y,
    COS_2Z,
    COS_X,
    COS_Y,
    COS_Z,
    SIN_2X,
    SIN_2Y,
    SIN_2Z,
    SIN_X,
    SIN_Y,
    SIN_Z,
    Waves,
)

_FLOOR = 0.12  # of the mean slope of g

GYROID = SIN_X * COS_Y + SIN_Y * COS_Z + SIN_Z * COS_X
DIAMOND = (
    SIN_X * SIN_Y * SIN_Z
    + SIN_X * COS_Y * COS_Z
    + COS_X * SIN_Y * COS_Z
    + COS_X * COS_Y * SIN_Z
)  # fmt: skip
PRIMITIVE = COS_X + COS_Y + COS_Z
IWP = 2.0 * (COS_X * COS_Y + COS_Y * COS_Z + COS_Z * COS_X) - (COS_2X + COS_2Y + COS_2Z)
NEOVIUS = 3.0 * (COS_X + COS_Y + COS_Z) + 4.0 * COS_X * COS_Y * COS_Z
FRD = 4.0 * COS_X * COS_Y * COS_Z - (COS_2X * COS_2Y + COS_2Y * COS_2Z + COS_2Z * COS_2X)
FISCHER_KOCH_S = COS_2X * SIN_Y * COS_Z + COS_X * COS_2Y * SIN_Z + SIN_X * COS_Y * COS_2Z
LIDINOID = (
    0.5 * (SIN_2X * COS_Y * SIN_Z + SIN_X * SIN_2Y * COS_Z + COS_X * SIN_Y * SIN_2Z)
    - 0.5 * (COS_2X * COS_2Y + COS_2Y * COS_2Z + COS_2Z * COS_2X)
    + 0.15
)
SPLIT_P = (
    1.1 * (SIN_2X * COS_Y * SIN_Z + SIN_X * SIN_2Y * COS_Z + COS_X * SIN_Y * SIN_2Z)
    - 0.2 * (COS_2X * COS_2Y + COS_2Y * COS_2Z + COS_2Z * COS_2X)
    - 0.4 * (COS_2X + COS_2Y + COS_2Z)
)


class Net(Family):
    r"""One labyrinth of a surface is solid, the other is pore: φ = ± g.

    One pore network. Which side is solid is chosen so that the solid stays in one piece at the
    highest porosity.
    """

    @property
    @abstractmethod
    def surface(self) -> Waves:
        """The sum g."""

    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ, low in the solid labyrinth."""
        return self.surface.value(u, v, w)

    def gradient(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """∇φ in closed form."""
        return self.surface.value_and_gradient(u, v, w)[1]


class Sheet(Family):
    r"""A wall along a surface g = 0 parts two pore networks that never meet.

    .. math:: φ = |g| / |∇g|

    Dividing by the gradient makes φ a distance in unit cells near the surface, so that the wall
    is even and 2 t thick. Cells cannot cross from one network to the other: seed both.
    """

    one_piece = True
    sheet = True

    @property
    @abstractmethod
    def surface(self) -> Waves:
        """The sum g."""

    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ, 0 on the surface."""
        value, gradient = self.surface.value_and_gradient(u, v, w)
        slope, _ = self._slope(gradient)
        phi: Floats = np.abs(value) / slope
        return phi

    def gradient(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """∇φ in closed form; from ∇|∇g| = H ∇g / |∇g|, with H the second derivatives of g."""
        value, gradient = self.surface.value_and_gradient(u, v, w)
        slope, floored = self._slope(gradient)
        turn = np.where(floored, 0, np.abs(value) / slope**3)
        side = np.sign(value) / slope
        bend = self.surface.bend(u, v, w, gradient)
        x, y, z = (
            side * first - turn * second for first, second in zip(gradient, bend, strict=True)
        )
        return x, y, z

    def wall(self, level: float) -> float:
        """Twice the level."""
        return 2 * level

    def _slope(self, gradient: Vector) -> tuple[Floats, Floats]:
        """|∇g|, and where it was raised to the floor.

        It vanishes on the axes of the labyrinths, far from any wall; the floor keeps φ finite.
        """
        gu, gv, gw = gradient
        slope = np.sqrt(gu * gu + gv * gv + gw * gw)
        least = slope.dtype.type(_FLOOR * self.surface.rms_slope)
        return np.maximum(slope, least), slope < least


@register("gyroid_net")
class GyroidNet(Net):
    r"""Schoen's gyroid (1970), :math:`g = \sin x \cos y + \sin y \cos z + \sin z \cos x`.

    In one piece up to 98 % porosity.
    """

    title = "gyroid net"
    surface = GYROID


@register("gyroid_sheet")
class GyroidSheet(Sheet):
    r"""Schoen's gyroid (1970), :math:`g = \sin x \cos y + \sin y \cos z + \sin z \cos x`."""

    title = "gyroid sheet"
    surface = GYROID


@register("diamond_net")
class DiamondNet(Net):
    r"""Schwarz' D surface, a skeleton of diamond bonds.

    :math:`g = \sin x \sin y \sin z + \sin x \cos y \cos z + \cos x \sin y \cos z
    + \cos x \cos y \sin z`. In one piece up to 91 % porosity.
    """

    title = "diamond net"
    surface = DIAMOND


@register("diamond_sheet")
class DiamondSheet(Sheet):
    """Schwarz' D surface; the sum is that of `DiamondNet`."""

    title = "diamond sheet"
    surface = DIAMOND


@register("primitive_net")
class PrimitiveNet(Net):
    r"""Schwarz' P surface, :math:`g = \cos x + \cos y + \cos z`: struts of a cubic grid.

    In pieces at high porosity.
    """

    title = "primitive net"
    surface = PRIMITIVE


@register("primitive_sheet")
class PrimitiveSheet(Sheet):
    r"""Schwarz' P surface, :math:`g = \cos x + \cos y + \cos z`."""

    title = "primitive sheet"
    surface = PRIMITIVE


@register("iwp_net")
class IWPNet(Net):
    r"""Schoen's I-WP surface; struts along the diagonals of a body-centred lattice.

    :math:`g = 2(\cos x \cos y + \cos y \cos z + \cos z \cos x) - \cos 2x - \cos 2y - \cos 2z`;
    solid is where g is high, in one piece up to 98 % porosity.
    """

    title = "I-WP net"
    surface = -IWP


@register("iwp_sheet")
class IWPSheet(Sheet):
    """Schoen's I-WP surface; the sum is that of `IWPNet`."""

    title = "I-WP sheet"
    surface = IWP


@register("neovius_net")
class NeoviusNet(Net):
    r"""Neovius' surface, :math:`g = 3(\cos x + \cos y + \cos z) + 4 \cos x \cos y \cos z`.

    In pieces at high porosity.
    """

    title = "Neovius net"
    surface = NEOVIUS


@register("neovius_sheet")
class NeoviusSheet(Sheet):
    r"""Neovius' surface, :math:`g = 3(\cos x + \cos y + \cos z) + 4 \cos x \cos y \cos z`."""

    title = "Neovius sheet"
    surface = NEOVIUS


@register("lidinoid_net")
class LidinoidNet(Net):
    r"""Lidin's surface (Lidin and Larsson 1990).

    :math:`g = ½(\sin 2x \cos y \sin z + …) - ½(\cos 2x \cos 2y + …) + 0.15`, sums over the cyclic
    exchanges of x, y, z. In pieces at high porosity.
    """

    title = "Lidinoid net"
    surface = LIDINOID


@register("lidinoid_sheet")
class LidinoidSheet(Sheet):
    """Lidin's surface; the sum is that of `LidinoidNet`."""

    title = "Lidinoid sheet"
    surface = LIDINOID


@register("split_p_net")
class SplitPNet(Net):
    r"""The split P surface, the P surface with a second tunnel system.

    :math:`g = 1.1(\sin 2x \cos y \sin z + …) - 0.2(\cos 2x \cos 2y + …) - 0.4(\cos 2x + …)`, sums
    over the cyclic exchanges of x, y, z. In pieces at high porosity.
    """

    title = "split-P net"
    surface = SPLIT_P


@register("split_p_sheet")
class SplitPSheet(Sheet):
    """The split P surface; the sum is that of `SplitPNet`."""

    title = "split-P sheet"
    surface = SPLIT_P


@register("fischer_koch_s_net")
class FischerKochSNet(Net):
    r"""Fischer and Koch's S surface (1989).

    :math:`g = \cos 2x \sin y \cos z + \cos x \cos 2y \sin z + \sin x \cos y \cos 2z`. In pieces at
    high porosity.
    """

    title = "Fischer-Koch S net"
    surface = FISCHER_KOCH_S


@register("fischer_koch_s_sheet")
class FischerKochSSheet(Sheet):
    """Fischer and Koch's S surface; the sum is that of `FischerKochSNet`."""

    title = "Fischer-Koch S sheet"
    surface = FISCHER_KOCH_S


@register("frd_net")
class FRDNet(Net):
    r"""Schoen's F-RD surface.

    :math:`g = 4 \cos x \cos y \cos z - \cos 2x \cos 2y - \cos 2y \cos 2z - \cos 2z \cos 2x`. In
    pieces at high porosity.
    """

    title = "F-RD net"
    surface = FRD


@register("frd_sheet")
class FRDSheet(Sheet):
    """Schoen's F-RD surface; the sum is that of `FRDNet`."""

    title = "F-RD sheet"
    surface = FRD

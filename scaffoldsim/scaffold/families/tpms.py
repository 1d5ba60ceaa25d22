"""Triply periodic minimal surfaces: a net is one side of the surface, a sheet both sides of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.families.base import Family, Floats, Vector, register

_TAU = 2 * np.pi


class _Gyroid:
    """The sum g = sin x cos y + sin y cos z + sin z cos x, with x = 2π u, … (Schoen 1970)."""

    def __init__(self, u: Floats, v: Floats, w: Floats) -> None:
        self.sin = [np.sin(_TAU * a) for a in (u, v, w)]
        self.cos = [np.cos(_TAU * a) for a in (u, v, w)]

    def value(self) -> Floats:
        """The sum."""
        (sx, sy, sz), (cx, cy, cz) = self.sin, self.cos
        g: Floats = sx * cy + sy * cz + sz * cx
        return g

    def gradient(self) -> Vector:
        """∇g, by u, v, w."""
        (sx, sy, sz), (cx, cy, cz) = self.sin, self.cos
        return (
            _TAU * (cx * cy - sz * sx),
            _TAU * (cy * cz - sx * sy),
            _TAU * (cz * cx - sy * sz),
        )

    def bend(self, a: Vector) -> Vector:
        """The matrix of second derivatives of g, times the vector a."""
        (sx, sy, sz), (cx, cy, cz) = self.sin, self.cos
        x, y, z = a
        xy, yz, zx = cx * sy, cy * sz, cz * sx
        return (
            -(_TAU**2) * ((sx * cy + sz * cx) * x + xy * y + zx * z),
            -(_TAU**2) * (xy * x + (sy * cz + sx * cy) * y + yz * z),
            -(_TAU**2) * (zx * x + yz * y + (sz * cx + sy * cz) * z),
        )


@register("gyroid_net")
class GyroidNet(Family):
    r"""One labyrinth of the gyroid is solid, the other and the middle are pore.

    .. math:: φ = \sin x \cos y + \sin y \cos z + \sin z \cos x

    One pore network. At 90 % porosity pores are .73 and walls .17 of the unit cell; the solid
    stays in one piece up to 98 % porosity.
    """

    title = "gyroid net"

    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ, −1.5 to 1.5."""
        return _Gyroid(u, v, w).value()

    def gradient(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """∇φ in closed form."""
        return _Gyroid(u, v, w).gradient()


@register("gyroid_sheet")
class GyroidSheet(Family):
    r"""A wall along the gyroid surface parts two pore networks that never meet.

    .. math:: φ = |g| / |∇g|, \qquad g = \sin x \cos y + \sin y \cos z + \sin z \cos x

    Dividing by the gradient makes φ a distance in unit cells near the surface, so that the wall
    is even. Cells cannot cross from one network to the other: seed both.
    """

    title = "gyroid sheet"
    sheet = True

    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ, 0 on the surface."""
        g = _Gyroid(u, v, w)
        slope, _ = self._slope(g.gradient())
        phi: Floats = np.abs(g.value()) / slope
        return phi

    def gradient(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """∇φ in closed form; from ∇|∇g| = H ∇g / |∇g|, with H the second derivatives of g."""
        g = _Gyroid(u, v, w)
        value, gradient = g.value(), g.gradient()
        slope, floored = self._slope(gradient)
        turn = np.where(floored, 0, np.abs(value) / slope**3)
        side = np.sign(value) / slope
        x, y, z = (
            side * first - turn * second
            for first, second in zip(gradient, g.bend(gradient), strict=True)
        )
        return x, y, z

    @staticmethod
    def _slope(gradient: Vector) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """|∇g|, and where it was raised to the floor.

        It vanishes on the axes of the labyrinths, far from any wall; the floor keeps φ finite there
        and touches nothing below φ = .2.
        """
        gu, gv, gw = gradient
        slope = np.sqrt(gu * gu + gv * gv + gw * gw)
        least = slope.dtype.type(0.15 * _TAU)
        return np.maximum(slope, least), slope < least

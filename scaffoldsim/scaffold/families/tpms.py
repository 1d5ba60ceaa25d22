"""Triply periodic minimal surfaces: a net is one side of the surface, a sheet both sides of it."""

from __future__ import annotations

import numpy as np

from scaffoldsim.scaffold.families.base import Family, Floats, register

_TAU = 2 * np.pi


def _gyroid(u: Floats, v: Floats, w: Floats) -> Floats:
    """The sum sin x cos y + sin y cos z + sin z cos x, with x = 2π u and so on (Schoen 1970)."""
    x, y, z = _TAU * u, _TAU * v, _TAU * w
    g: Floats = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    return g


def _gyroid_gradient(u: Floats, v: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    x, y, z = _TAU * u, _TAU * v, _TAU * w
    return (
        _TAU * (np.cos(x) * np.cos(y) - np.sin(z) * np.sin(x)),
        _TAU * (np.cos(y) * np.cos(z) - np.sin(x) * np.sin(y)),
        _TAU * (np.cos(z) * np.cos(x) - np.sin(y) * np.sin(z)),
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
        return _gyroid(u, v, w)

    def gradient(self, u: Floats, v: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
        """∇φ in closed form."""
        return _gyroid_gradient(u, v, w)


@register("gyroid_sheet")
class GyroidSheet(Family):
    r"""A wall along the gyroid surface parts two pore networks that never meet.

    .. math:: φ = |g| / |∇g|, \qquad g = \sin x \cos y + \sin y \cos z + \sin z \cos x

    Dividing by the gradient makes φ a distance in unit cells near the surface, so that the wall
    is even. Cells cannot cross from one network to the other: seed both.
    """

    title = "gyroid sheet"
    sheet = True
    metric = True

    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ, 0 on the surface."""
        gu, gv, gw = _gyroid_gradient(u, v, w)
        # The gradient vanishes on the axes of the labyrinths, far from any wall; the floor keeps
        # φ finite there and touches nothing below φ = .2.
        slope = np.maximum(np.sqrt(gu * gu + gv * gv + gw * gw), u.dtype.type(0.15 * _TAU))
        return np.abs(_gyroid(u, v, w)) / slope

"""Fourier series of period 1 along each axis: the fields of minimal surfaces and spinodoids."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scaffoldsim.scaffold.families.base import Floats, Vector

_TAU = 2 * math.pi
Wave = tuple[int, int, int]


@dataclass(frozen=True)
class Waves:
    r"""A real periodic field as a finite Fourier series.

    .. math:: φ(x) = \sum_k c_k e^{2π i k·x}, \qquad c_{-k} = \overline{c_k}

    Series are added, and multiplied with numbers and with each other, so that a formula stands in
    the code as it does in a paper: ``SIN_X * COS_Y + SIN_Y * COS_Z + SIN_Z * COS_X``.

    Attributes
    ----------
    terms : tuple of (k, c_k)

    Examples
    --------
    >>> import numpy as np
    >>> u = np.array([0.0, 0.25])
    >>> (SIN_X * SIN_X + COS_X * COS_X).value(u, u, u).tolist()
    [1.0, 1.0]
    """

    terms: tuple[tuple[Wave, complex], ...]

    @classmethod
    def of(cls, coefficients: dict[Wave, complex]) -> Waves:
        """The series with these coefficients, in a fixed order, zeros left out."""
        return cls(tuple(sorted((k, c) for k, c in coefficients.items() if abs(c) > 1e-14)))

    def __add__(self, other: Waves | float) -> Waves:
        total = dict(self.terms)
        for k, c in _series(other).terms:
            total[k] = total.get(k, 0) + c
        return Waves.of(total)

    def __mul__(self, other: Waves | float) -> Waves:
        total: dict[Wave, complex] = {}
        for (a, b, c), left in self.terms:
            for (p, q, r), right in _series(other).terms:
                k = (a + p, b + q, c + r)
                total[k] = total.get(k, 0) + left * right
        return Waves.of(total)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Waves:
        return self * -1.0

    def __sub__(self, other: Waves | float) -> Waves:
        return self + -1.0 * _series(other)

    @cached_property
    def rms_slope(self) -> float:
        """Root mean square of |∇φ| over the unit cell."""
        return _TAU * math.sqrt(sum(abs(c) ** 2 * (k[0] ** 2 + k[1] ** 2 + k[2] ** 2)
                                    for k, c in self.terms))  # fmt: skip

    def value(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ at (u, v, w), arrays that broadcast."""
        return self._sum(u, v, w, slope=False)[0]

    def value_and_gradient(self, u: Floats, v: Floats, w: Floats) -> tuple[Floats, Vector]:
        """φ and ∇φ at (u, v, w)."""
        value, x, y, z = self._sum(u, v, w, slope=True)
        return value, (x, y, z)

    def bend(self, u: Floats, v: Floats, w: Floats, along: Vector) -> Vector:
        """The matrix of second derivatives of φ, times the vector `along`."""
        total: list[Any] = [0.0, 0.0, 0.0]
        for k, real, _ in self._parts(u, v, w):
            onto = sum(n * a for n, a in zip(k, along, strict=True) if n)
            for axis in range(3):
                if k[axis]:
                    total[axis] = total[axis] - _TAU**2 * k[axis] * (onto * real)
        zero = np.zeros(np.broadcast_shapes(u.shape, v.shape, w.shape), u.dtype)
        x, y, z = (zero + component for component in total)
        return x, y, z

    def _sum(self, u: Floats, v: Floats, w: Floats, *, slope: bool) -> list[Floats]:
        """φ, and with `slope` its three derivatives."""
        shape = np.broadcast_shapes(u.shape, v.shape, w.shape)
        total = [np.zeros(shape, u.dtype) for _ in range(4 if slope else 1)]
        for k, real, imaginary in self._parts(u, v, w, with_imaginary=slope):
            total[0] += real
            if slope:
                for axis in range(3):
                    if k[axis]:
                        total[axis + 1] -= u.dtype.type(_TAU * k[axis]) * imaginary
        return total

    def _parts(self, u: Floats, v: Floats, w: Floats, *, with_imaginary: bool = False) -> Any:
        """Yield k, and the real and imaginary part of 2 c_k e^(2πi k·x), for one of each ±k."""
        tables: list[dict[int, Any]] = [{}, {}, {}]
        for k, c in self.terms:
            if k < (0, 0, 0):
                continue  # its opposite counts twice
            for axis, position in enumerate((u, v, w)):
                if k[axis] not in tables[axis]:
                    angle = u.dtype.type(_TAU * k[axis]) * position
                    tables[axis][k[axis]] = np.cos(angle), np.sin(angle)
            (cx, sx), (cy, sy), (cz, sz) = (tables[axis][k[axis]] for axis in range(3))
            factor = c if k == (0, 0, 0) else 2 * c
            a, b = u.dtype.type(factor.real), u.dtype.type(factor.imag)
            # along z and y together first: on a grid that is a plane, not a volume
            cosine, sine = cy * cz - sy * sz, sy * cz + cy * sz
            plane_real, plane_imaginary = a * cosine - b * sine, a * sine + b * cosine
            real = cx * plane_real - sx * plane_imaginary
            imaginary = sx * plane_real + cx * plane_imaginary if with_imaginary else None
            yield k, real, imaginary


def _series(value: Waves | float) -> Waves:
    return value if isinstance(value, Waves) else Waves.of({(0, 0, 0): complex(value)})


def _axis(axis: int, times: int, sine: bool) -> Waves:
    k = [0, 0, 0]
    k[axis] = times
    up: Wave = (k[0], k[1], k[2])
    down: Wave = (-k[0], -k[1], -k[2])
    c = -0.5j if sine else 0.5
    return Waves.of({up: c, down: complex(c).conjugate()})


SIN_X, SIN_Y, SIN_Z = (_axis(axis, 1, True) for axis in range(3))
COS_X, COS_Y, COS_Z = (_axis(axis, 1, False) for axis in range(3))
SIN_2X, SIN_2Y, SIN_2Z = (_axis(axis, 2, True) for axis in range(3))
COS_2X, COS_2Y, COS_2Z = (_axis(axis, 2, False) for axis in range(3))

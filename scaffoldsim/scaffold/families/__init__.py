"""Families: each turns a unit cell into a periodic scalar field. Importing a module enters its."""

from scaffoldsim.scaffold.families import tpms as _tpms  # noqa: F401
from scaffoldsim.scaffold.families.base import Family, family_names, get_family, register

__all__ = ["Family", "family_names", "get_family", "register"]

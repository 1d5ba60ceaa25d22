"""Families: each turns a unit cell into a periodic scalar field. Importing a module enters its."""

from scaffoldsim.scaffold.families import fibres as _fibres  # noqa: F401
from scaffoldsim.scaffold.families import foam as _foam  # noqa: F401
from scaffoldsim.scaffold.families import gel as _gel  # noqa: F401
from scaffoldsim.scaffold.families import logpile as _logpile  # noqa: F401
from scaffoldsim.scaffold.families import packing as _packing  # noqa: F401
from scaffoldsim.scaffold.families import spinodoid as _spinodoid  # noqa: F401
from scaffoldsim.scaffold.families import struts as _struts  # noqa: F401
from scaffoldsim.scaffold.families import tpms as _tpms  # noqa: F401
from scaffoldsim.scaffold.families.base import (
    Family,
    family_names,
    get_family,
    option_problems,
    register,
)

__all__ = ["Family", "family_names", "get_family", "option_problems", "register"]

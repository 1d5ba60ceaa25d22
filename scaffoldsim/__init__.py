"""Agent-based simulation of tissue-engineering scaffolds.

>>> import scaffoldsim as ss
>>> model = ss.Model(config="quickstart", set={"duration": "2 h"}, rng=1)
>>> model.step()
"""

import os
from importlib import import_module
from typing import Any

# A waiting OpenMP thread must sleep, not spin: on a busy machine spinning slows a solve twentyfold.
# A few microseconds of it before that save most wake-ups (a cycle at 100³ takes 5 instead of 8 ms
# on two cores) and cost nothing measurable beside a busy neighbour. Both are read when the first
# kernel is loaded, so they are set here, before any.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

__version__ = "0.1.0"

#: public name → module that holds it; imported when first used, so that `--help` stays quick
_PUBLIC = {
    "Scaffold": "scaffoldsim.scaffold.scaffold",
    "Model": "scaffoldsim.model.model",
    "Simulation": "scaffoldsim.run.simulation",
    "Run": "scaffoldsim.run.record",
    "ConfigError": "scaffoldsim.config",
    "Behaviour": "scaffoldsim.model.behaviours",
    "option": "scaffoldsim.model.behaviours",
    "check_contract": "scaffoldsim.model.contract",
}
#: public class of cells → its type in the catalogue
_CELLS = {
    "BMSC": "bmsc",
    "PreOsteoblast": "preosteoblast",
    "Osteoblast": "osteoblast",
    "Osteocyte": "osteocyte",
    "Adipocyte": "adipocyte",
    "Chondrocyte": "chondrocyte",
    "Endothelial": "endothelial",
    "Senescent": "senescent",
}

__all__ = [*_PUBLIC, *_CELLS, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name in _CELLS:
        return import_module("scaffoldsim.model.agents").cell_class(_CELLS[name])
    raise AttributeError(f"module 'scaffoldsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""A small box between two faces of a host, for tests of what is given and what is rejected."""

from typing import Any

import numpy as np

from scaffoldsim.model.model import Model

HOUR, DAY = 3600.0, 86400.0
#: 13 × 13 × 30 voxels
BODY: dict[str, Any] = {
    "schema": 1,
    "seed": 3,
    "duration": "12 h",
    "scaffold": {
        "family": "gyroid_net",
        "material": "bcp",
        "porosity": 0.92,
        "pore_size": "200 um",
        "size": ["0.26 mm", "0.26 mm", "0.6 mm"],
        "voxel": "20 um",
        "criteria": "report",
    },
    "faces": {"x": "periodic", "y": "periodic", "z": "host"},
    "host": "healthy_rat",
    "cells": {"number": 1000, "source": "autologous", "donor": {"species": "rat"}},
}


def number(value: Any) -> dict[str, Any]:
    """A number with its source."""
    return {"value": value, "range": [value, value], "mark": "assumed", "source": "of a test"}


def closes(model: Model) -> bool:
    book = model.ledger
    alive = book.delivered + book.born - sum(book.died.values()) - book.left
    return bool(alive == model.cells.n)


def kept(model: Model) -> dict[str, Any]:
    return {name: np.array(value) for name, value in model.state().items()}


#: vessels that carry blood within a day
VESSELS: dict[str, Any] = {
    "host": {"base": "healthy_rat", "vessels": "vessel", "marrow": None},
    "fields": {"oxygen": "oxygen", "vegf": "vegf"},
    "fields.vegf.host": number("5 ng/mL"),
    "host.vessels.root_density": number("150 1/mm^2"),
    "host.vessels.sprouting": number("0.05 1/h"),
    "host.vessels.opening": number("4 h"),
    "host.vessels.crowded": number("1000 mm/mm^3"),
    "cells.delivery": "arterial_infusion",
}

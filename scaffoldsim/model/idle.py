"""What a model was given and cannot use, in words, so that nobody wonders at a zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaffoldsim.model.circulation import GROWTH
from scaffoldsim.scaffold.grid import layer

if TYPE_CHECKING:
    from scaffoldsim.model.circulation import Circulation
    from scaffoldsim.model.model import Model


def idle(model: Model) -> list[str]:
    """Return a line for each reason why a part of a model at its start will do nothing.

    Examples
    --------
    >>> from scaffoldsim.model.model import Model
    >>> idle(Model("healing_8_weeks", set={"host.vessels": "vessel"}))
    ['host.vessels: no vessel sprouts, since fields have no vegf; set fields.vegf=vegf, or ...']
    """
    if model.circulation is None:
        return []
    said = []
    if model.circulation.vessels.n_roots == 0:
        said.append(f"no vessel can ever grow, since {_why_no_root(model, model.circulation)}")
    if GROWTH not in model.fields.species:
        said.append(
            f"no vessel sprouts, since fields have no {GROWTH}; set fields.{GROWTH}={GROWTH}"
        )
    return [f"host.vessels: {reason}, or leave out host.vessels" for reason in said]


def _why_no_root(model: Model, circulation: Circulation) -> str:
    """Say why no vessel begins at a face, and what to change."""
    rules, faces = circulation.rules, model.config.faces.of_kind("host")
    if not faces:
        return "no face is host; set faces"
    if float(rules.root_density) == 0:
        return f"root_density is {rules.root_density.text}; take more"
    expected = 0.0
    for face in faces:
        at = layer(face)
        open_ = np.sum(model.place.roots[at], where=~circulation.blocked[at], dtype=np.float64)
        expected += float(open_ * rules.root_density) * model.grid.voxel**2
    if expected == 0:
        return (
            "all of the host faces is scaffold, bone or narrower than narrowest; take larger pores"
        )
    return (
        f"seed {model.seed} drew none on the host faces, where {expected:.2g} are expected; take "
        "a larger box, a greater root_density or site.residual, another seed"
    )

"""Boxes into which vessels grow, and the rules by which they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scaffoldsim.model.sprouting import VesselTissue
from scaffoldsim.model.vessels import Vessels
from scaffoldsim.scaffold.grid import Faces, Grid
from scaffoldsim.tree import read

HOUR, DAY, UM, NG_ML = 3600.0, 86400.0, 1e-6, 1e-6
FILE = Path(__file__).resolve().parent.parent.parent / "configs/vessels/vessel.yaml"
Z_HOST = {"x": "periodic", "y": "periodic", "z-": "host"}


def rules(**changes: str | float) -> VesselTissue:
    """The rules of the catalogue, with other values."""
    data = read(FILE).data
    for name, value in changes.items():
        data[name] = {"value": value, "range": [value, value], "mark": "assumed", "source": "test"}
    return VesselTissue.model_validate(data)


RULES = rules()


class Box:
    """A box of voxels of 20 um, and vessels in it, hour by hour."""

    def __init__(
        self,
        shape: tuple[int, int, int] = (20, 20, 20),
        *,
        faces: dict[str, str] = Z_HOST,
        law: VesselTissue = RULES,
        vegf: Any = 5 * NG_ML,
        blocked: Any = False,
        seed: int = 1,
        **options: Any,
    ) -> None:
        faces_ = Faces.model_validate(faces)
        self.grid = Grid(shape, 20 * UM, faces_.periodic)
        self.vegf = np.broadcast_to(np.asarray(vegf, np.float32), shape).copy()
        self.blocked = np.broadcast_to(np.asarray(blocked, bool), shape).copy()
        self.seed, self.step = seed, 0
        self.vessels = Vessels(self.grid, faces_, law, blocked=self.blocked, seed=seed, **options)

    def run(self, hours: int, *, dt: float = HOUR, **more: Any) -> Box:
        for _ in range(hours):
            self.vessels.advance(
                dt,
                time=self.step * dt,
                vegf=self.vegf,
                blocked=self.blocked,
                seed=self.seed,
                step=self.step,
                **more,
            )
            self.step += 1
        return self

    def chain(self, *points: Any, radius: float = 5 * UM, time: float = 0.0) -> Any:
        """Lay a vessel by hand through points, in voxels; the nodes that it has."""
        graph = self.vessels.graph
        nodes = graph.add_nodes(np.array(points, float) * self.grid.voxel)
        position = graph.nodes["position"]
        way = graph.between(position[nodes[:-1]], position[nodes[1:]])
        graph.add_edges(nodes[:-1], nodes[1:], way, radius=radius, time=time)
        graph.nodes["parent"][nodes[1:]] = nodes[:-1]
        self.vessels.growth.joined = True
        self.vessels._take_stock()
        return nodes

    def root(self, *nodes: Any) -> None:
        """Make roots of nodes."""
        self.vessels.graph.nodes["root"][list(nodes)] = True

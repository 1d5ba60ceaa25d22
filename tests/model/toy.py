"""Random cells as rows and the same as plain Mesa agents, to be compared.

`Plain` holds one Mesa object per cell with the same data, in the same order and with the same
seed; `Toy` holds the same cells as rows.
"""

import math
import types

import mesa
import numpy as np

from scaffoldsim.model.agents import Cell, ColumnAgents, cell_class
from scaffoldsim.model.cells import Cells

TYPES = ("bmsc", "preosteoblast", "osteoblast")
CAUSES = ("basal", "ischaemic")
SHAPE = (6, 7, 8)
BMSC, OSTEOBLAST = cell_class("bmsc"), cell_class("osteoblast")


class Occupants:
    """The part of the lattice that agents use: it is told when cells have gone."""

    placed: int | None = None

    def place(self, cells):
        self.placed = cells.n


class Tip(mesa.Agent):
    """An ordinary agent with some attributes of a cell."""

    type = "tip"

    def __init__(self, model, age=0.0):
        super().__init__(model)
        self.age = age
        self.steps = 0

    def step(self):
        self.steps += 1


class Toy(ColumnAgents, mesa.Model):
    """Random cells and some tips."""

    def __init__(self, n=20, tips=0, collect=False, rng=None):
        super().__init__(rng=rng)
        self.seed, self.step_index = 5, 0
        self.grid = types.SimpleNamespace(shape=SHAPE, voxel=20e-6)
        self.lattice = Occupants()
        self.cells = Cells(TYPES, CAUSES, capacity=max(n, 1))
        draw = np.random.default_rng(3)
        self.cells.append(
            n,
            voxel=draw.permutation(math.prod(SHAPE))[:n],
            type=draw.integers(0, 2, n),  # no osteoblast
            age=draw.integers(0, 5, n) * np.float32(0.1),
            genes=draw.integers(0, 256, n),
        )
        for i in range(tips):
            Tip(self, age=0.25 * i)
        self.datacollector = mesa.DataCollector(
            model_reporters={
                "cells": lambda m: len(m.agents),
                "types": lambda m: m.agents.groupby("type").count(),
            },
            agent_reporters={"age": "age"} if collect else None,
            agenttype_reporters={BMSC: {"where": "pos"}, OSTEOBLAST: {"where": "pos"}}
            if collect
            else None,
        )

    def step(self):
        self.step_index += 1
        self.cells.age += 1.0
        self.datacollector.collect(self)


class Plain(mesa.Model):
    """The same agents as one Mesa object each."""

    def __init__(self, toy, rng=None):
        super().__init__(rng=rng)
        for agent in toy.agents:
            one = mesa.Agent(self)
            one.unique_id = agent.unique_id
            for name in ("type", "age"):
                setattr(one, name, getattr(agent, name))
            if isinstance(agent, Cell):
                for name in ("genes", "voxel", "hop", "pos", "xyz"):
                    setattr(one, name, getattr(agent, name))


def ids(agents):
    return [agent.unique_id for agent in agents]


def pair(n=20, tips=0):
    toy = Toy(n, tips, rng=7)
    return toy, Plain(toy, rng=7)

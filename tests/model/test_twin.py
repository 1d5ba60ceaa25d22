"""The lattice against the same rules as plain Mesa agents, in distribution."""

import math

import numpy as np
import pytest

from benchmarks.benchmark_mesa import HOUR, PureMesa, Rows, Rules, main

N, STEPS = 2500, 6
RULES = Rules(hop=1 / HOUR, divide=0.03 / HOUR, death=0.02 / HOUR, fate=0.015 / HOUR)


def squared_displacements(before, after, edge):
    moved = np.array([np.subtract(after[i], before[i]) for i in before if i in after])
    moved -= edge * np.rint(moved / edge).astype(int)
    return (moved**2).sum(axis=1)


def grow(model):
    for _ in range(STEPS):
        model.step()
    return model.count()


def walk(model, edge):
    before = model.positions()
    for _ in range(STEPS):
        model.step()
    return squared_displacements(before, model.positions(), edge)


def test_growth_deaths_and_fates_are_those_of_mesa_objects():
    rows, objects = grow(Rows(N, RULES)), grow(PureMesa(N, RULES, rng=2))

    for rates in ({"divide": 0.0}, {"death": 0.0}):
        only = Rules(**{**vars(RULES), **rates})
        assert_close(grow(Rows(N, only)), grow(PureMesa(N, only, rng=3)), only)
    assert_close(rows, objects, RULES)


def assert_close(one, other, rules):
    """Within 4 standard errors of the number of events that made the difference."""
    events = N * STEPS * HOUR * 1.2  # cells and seconds
    assert sum(one.values()) == pytest.approx(
        sum(other.values()), abs=4 * math.sqrt(2 * events * (rules.divide + rules.death))
    )
    assert one["osteoblast"] == pytest.approx(
        other["osteoblast"], abs=4 * math.sqrt(2 * events * rules.fate)
    )


def test_cells_spread_as_mesa_objects_do():
    still = Rules(divide=0.0, death=0.0, fate=0.0)
    rows, objects = Rows(N, still), PureMesa(N, still)

    ours, theirs = walk(rows, rows.grid.shape[0]), walk(objects, rows.grid.shape[0])

    error = 4 * math.hypot(ours.std(), theirs.std()) / math.sqrt(N)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=error)
    assert error < 0.12 * ours.mean()


def test_the_benchmark_prints_both(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmark_mesa.py", "--cells", "100", "--seconds", "0"])
    main()
    head, *_, row = capsys.readouterr().out.splitlines()
    n, theirs, ours, ratio, objects, rows = (float(word) for word in row.split())
    assert "Mesa 3." in head
    assert n == 100
    assert min(theirs, ours, ratio) > 0
    assert 40 < rows < 200 < objects < 2000

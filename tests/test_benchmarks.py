"""The benchmarks run, and what they measure against is right."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import benchmark_permedcoe as permedcoe
from benchmarks import stream

ROOT = Path(__file__).resolve().parent.parent
compiled = pytest.mark.skipif(
    shutil.which(os.environ.get("CC", "cc").split()[0]) is None, reason="no C compiler"
)

PER_MINUTE = permedcoe.MICROMOLAR / permedcoe.MINUTE
ONE_SINK = permedcoe.Case("one sink", 3, faces=False, uptake=20 * PER_MINUTE)
LINK = 5.0  # 1/min: 2000 um2/min over a voxel of 20 um
ENDS = (2.0, 10.0)  # min


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@compiled
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("shape", "far"), [((9, 6, 8), 64e6), ((5, 4, 150), 0)])
def test_sweep_is_an_explicit_step(threads, shape, far, monkeypatch):
    monkeypatch.setattr(stream, "FAR", far)
    rng = np.random.default_rng(5)
    dt, decay = 0.07, 0.3
    c, *conductance = (rng.random(shape, np.float32) for _ in range(4))
    found = np.full(shape, np.nan, np.float32)
    stream.Stream(1.0).step(found, c, conductance, dt, decay, threads)

    change = -decay * c.astype(float)
    for axis, k in enumerate(conductance):
        flux = k * (np.roll(c, 1, axis) - c)  # in through the face before a voxel
        change += flux - np.roll(flux, -1, axis)
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(found[inner], (c + dt * change)[inner], rtol=1e-5)
    found[inner] = np.nan
    assert np.isnan(found).all()


@pytest.mark.parametrize("first_order", [False, True])
def test_one_sink_in_closed_form(first_order):
    """The middle of 27 voxels, the others held: one equation, dc/dt = 6 k (10 - c) - uptake."""
    case = replace(ONE_SINK, first_order=first_order)
    rate, inflow = 6 * LINK, 60 * LINK  # 1/min, uM/min
    steady = inflow / (rate + 2) if first_order else (inflow - 20) / rate
    rate += 2 * first_order
    times = np.array([0.1, 0.5, 2.0])
    # Half of the constant rate is left at Km, 1e-3 uM, which is passed within 1e-5 min.
    found = permedcoe.exact(case, tuple(times))
    np.testing.assert_allclose(found.middle, steady * (1 - np.exp(-rate * times)), atol=2e-4)
    step = 0.01
    found = permedcoe.ours(case, step, tuple(times))
    euler = steady * (1 - (1 + rate * step) ** -np.round(times / step))
    np.testing.assert_allclose(found.middle, euler, atol=2e-4)
    np.testing.assert_allclose(found.mean, (260 + euler) / 27, atol=1e-5)


@pytest.mark.parametrize("faces", [False, True])
@pytest.mark.parametrize("edge", [3, 6])
@pytest.mark.parametrize("first_order", [False, True])
def test_ours_and_the_exact_end_alike(faces, edge, first_order):
    case = replace(ONE_SINK, edge=edge, faces=faces, first_order=first_order)
    ours, exact = permedcoe.ours(case, 1.0, ENDS), permedcoe.exact(case, ENDS)
    for key in ("middle", "mean"):
        assert getattr(ours, key)[-1] == pytest.approx(getattr(exact, key)[-1], abs=1e-5)
    # What a step of 1 min loses at first is left behind: from 2 min on both take up the same.
    taken, expected = np.diff(ours.consumed)[0], np.diff(exact.consumed)[0]
    assert taken == pytest.approx(expected, rel=0.01)


def test_ours_is_of_first_order_in_the_step():
    case = replace(ONE_SINK, edge=6, faces=True, first_order=True)
    exact = permedcoe.exact(case, (0.2,))
    for key in ("middle", "mean", "consumed"):
        coarse, fine = (
            getattr(permedcoe.ours(case, step, (0.2,)), key)[0] - getattr(exact, key)[0]
            for step in (0.002, 0.001)
        )
        assert coarse / fine == pytest.approx(2, abs=0.1)


@compiled
def test_benchmark_of_diffusion_runs():
    printed = run("benchmark_diffusion.py", "--sizes", "20", "--megabytes", "1", "--large")
    for row in (
        "memory, 5 fields, 20³",
        "explicit sweep / triad, 20³, 2 threads",
        "oxygen, warm, 20³, 1 thread",
        "marched at PhysiCell's dt = 0.01 min",
        "geometry update, 20³",
        "linear field, step of 1 h, 1e-06, 20³",
        "two-thread speed-up, warm solve, 20³",
        "foam, walls of 1e-4, cold, 20³",
        "2 busy neighbours",
        "must missed by",
    ):
        assert row in printed


def test_benchmark_of_lattice_runs():
    printed = run("benchmark_lattice.py", "--cells", "20000", "--cycles", "1")
    for row in ("memory of a cell", "cell updates, 2e+04 cells, 2 threads", "two-thread speed-up"):
        assert row in printed
    assert "must 100 met" in printed, "bytes do not depend on the machine's load"


def test_benchmark_of_tissue_runs():
    cases = ("culture, hydrolysis", "host, dissolution")
    printed = run(
        "benchmark_tissue.py", "--sizes", "20", "--threads", "2", "--days", "1", "--cases", *cases
    )
    assert "oxygen, step of a run, 20³, 2 threads" in printed
    for case in cases:
        for part in ("release", "matrix", "burial", "degradation", "ground", "mechanics"):
            assert f"{part}, {case}, 20³, 2 threads" in printed
        assert f"matrix + degradation, {case}, 20³, 2 threads" in printed
    assert printed.count(" B/voxel, ") == len(cases)


def test_benchmark_of_vessels_runs():
    printed = run("benchmark_vessels.py", "--sizes", "30", "--threads", "2", "--days", "1")
    for part in ("tips", "paths, blood", "reach of blood", "cells", "vessels, all"):
        assert re.search(rf"^{part}, 30³, 2 threads +\d", printed, re.MULTILINE), printed
    began, ended = (int(n) for n in re.search(r"(\d+) to (\d+) mm/mm³", printed).groups())
    assert 60 <= began <= ended


def test_benchmark_of_permedcoe_runs(monkeypatch, capsys):
    readings = permedcoe.cases()
    assert {(case.name, case.edge, int(case.sink.sum())) for case in readings} == {
        ("one sink", 3, 1),
        ("1000 sinks", 12, 1000),
    }
    monkeypatch.setattr(permedcoe, "cases", lambda: [readings[0], readings[-1]])
    monkeypatch.setattr(sys, "argv", ["benchmark_permedcoe.py", "--steps", "1"])
    permedcoe.main()
    printed = capsys.readouterr().out
    for row in ("held on the outer faces, uptake 20 uM/min", "uptake 2/min x c", "ours, dt 1 min"):
        assert row in printed

"""`export.write`: what may be written, where, and what is left when it fails."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from scaffoldsim import export
from scaffoldsim.export import placing
from scaffoldsim.export.formats import FORMATS
from scaffoldsim.export.frames import packed_bytes
from scaffoldsim.run.estimate import ResourceError
from scaffoldsim.run.record import Run
from scaffoldsim.run.simulation import _require_replaceable
from scaffoldsim.run.state import StateWriter
from tests.export.box import TIMES

EVERY = pytest.mark.parametrize("to", list(FORMATS))


def require(to: str) -> None:
    for library in FORMATS[to].needs:
        pytest.importorskip(library)


def contents(place: Path) -> dict[str, bytes]:
    files = [place] if place.is_file() else place.rglob("*")
    return {str(path): path.read_bytes() for path in files if path.is_file()}


@EVERY
def test_it_goes_into_the_run_and_is_the_same_again(to: str, run: Run, tmp_path: Path) -> None:
    require(to)
    before = contents(run.path)
    told: list[tuple[int, int, object]] = []

    path = export.write(
        run.path, to, progress=lambda done, of, news: told.append((done, of, news["day"]))
    )

    assert path == run.path / "export" / FORMATS[to].target
    assert told == [(k + 1, 3, time / 24) for k, time in enumerate(TIMES)]
    first = contents(path)
    assert contents(run.path) == before | first
    assert not [name for name in first if "partial" in name]
    with pytest.raises(ValueError, match="exists; replace it with --force"):
        export.write(run, to)
    assert contents(path) == first
    assert export.write(run, to, force=True) == path
    assert contents(run.path) == before | first
    _require_replaceable(run.path, force=True)  # run --force replaces it with what it holds


@EVERY
def test_what_fails_leaves_nothing_and_keeps_what_was_there(
    to: str, run: Run, tmp_path: Path
) -> None:
    require(to)
    export.write(run, to)
    before = contents(run.path)
    shutil.rmtree(run.path / "state.zarr" / "cells" / "2")
    damaged = contents(run.path)

    with pytest.raises(ValueError, match="truncated"):
        export.write(run.path, to, force=True)
    with pytest.raises(ValueError, match="truncated"):
        export.write(run.path, to, tmp_path / FORMATS[to].target)

    assert contents(run.path) == damaged
    assert {name for name in before if "export" in name} <= set(damaged)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize("to", ["csv", "ome-tiff"])
def test_what_was_there_comes_back_if_the_last_step_fails(
    to: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.write(run, to)
    before = contents(run.path)
    replace = os.replace

    def fail(source: Path, target: Path) -> None:
        if str(source).endswith(".partial"):
            raise OSError(errno.EIO, "no luck")
        replace(source, target)

    monkeypatch.setattr(placing.os, "replace", fail)
    with pytest.raises(OSError, match="no luck"):
        export.write(run, to, force=True)

    assert contents(run.path) == before


@EVERY
def test_only_committed_frames_are_written(to: str, run: Run) -> None:
    require(to)
    StateWriter.reopen(run.path / "state.zarr", frames=2)
    cells = run.path / "state.zarr" / "cells"
    shutil.copytree(cells / "1", cells / "2")
    told: list[int] = []

    export.write(run.path, to, progress=lambda done, of, news: told.append(of))

    assert told == [2, 2]


@EVERY
def test_a_run_without_frames_is_said_to_be_one(to: str, unborn: Run) -> None:
    require(to)

    with pytest.raises(ValueError, match=r"has no stored frame yet \(status running\)"):
        export.write(unborn, to)

    assert not (unborn.path / "export").exists()


def test_some_frames(box: Run, tmp_path: Path) -> None:
    import pandas as pd

    folder = export.write(box, "csv", tmp_path / "csv", frames=[2])

    table = pd.read_csv(folder / "cells.csv")
    assert set(table["frame"]) == {2}
    np.testing.assert_array_equal(np.sort(table["id"]), np.arange(200, 216))
    for wrong in ([3], [-1], []):
        with pytest.raises(ValueError, match="has the frames 0 to 2; asked for"):
            export.write(box, "csv", tmp_path / "other", frames=wrong)


def test_an_unknown_format_is_named_with_the_nearest(box: Run) -> None:
    with pytest.raises(ValueError, match=r"'vtkdhf' is no format; did you mean 'vtkhdf'\?"):
        export.write(box, "vtkdhf")


@pytest.mark.parametrize(
    ("to", "library"), [(to, each) for to, kind in FORMATS.items() for each in kind.needs]
)
def test_a_missing_library_is_named_with_its_extra(
    box: Run, tmp_path: Path, monkeypatch, to: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(ValueError, match=rf'{library}, .*pip install "scaffoldsim\[export\]"'):
        export.write(box, to, tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["ome-tiff", "csv", "simularium"])
def test_no_library_of_the_extra_is_needed(box: Run, tmp_path: Path, monkeypatch, to: str) -> None:
    for library in ("h5py", "pyarrow", "simulariumio"):
        monkeypatch.setitem(sys.modules, library, None)

    export.write(box, to, tmp_path / FORMATS[to].target)


def test_only_an_export_is_replaced(box: Run, tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file.ome.tif"
    (tmp_path / "other").mkdir()
    folder.mkdir()
    (folder / "thesis.docx").write_text("mine")
    file.write_text("an older one")

    with pytest.raises(ValueError, match=r"holds 'thesis\.docx', which no such export writes"):
        export.write(box, "csv", folder, force=True)
    with pytest.raises(ValueError, match="is a file; name a folder"):
        export.write(box, "csv", file, force=True)
    with pytest.raises(ValueError, match=r"a file of ome-tiff ends in \.ome\.tif or \.ome\.tiff"):
        export.write(box, "ome-tiff", tmp_path / "a.tif")
    (tmp_path / "b.ome.tif").mkdir()
    with pytest.raises(ValueError, match="is a folder; name a file"):
        export.write(box, "ome-tiff", tmp_path / "b.ome.tif", force=True)
    assert (folder / "thesis.docx").read_text() == "mine"
    assert file.read_text() == "an older one"
    export.write(box, "ome-tiff", file, force=True)
    assert file.read_bytes()[:2] in (b"II", b"MM")
    export.write(box, "csv", tmp_path / "other", force=True)  # an empty folder is nobody's


def test_a_disk_that_is_too_small_is_said_at_once(box: Run, tmp_path: Path, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(placing.shutil, "disk_usage", lambda place: usage)

    for to in FORMATS:
        require(to)
        with pytest.raises(ResourceError, match=r"would write up to .* MB to .*; 0\.0 MB are free"):
            export.write(box, to, tmp_path / "new" / FORMATS[to].target)

    assert not (tmp_path / "new").exists()


@EVERY
def test_about_as_much_is_written_as_was_said_at_most(to: str, box: Run, tmp_path: Path) -> None:
    from importlib import import_module

    said = import_module(FORMATS[to].module).bytes_of(box, range(3))

    assert 0 < said < 1e5  # of a box of 140 voxels and 24 cells


def test_a_large_run_is_measured_by_its_store(box: Run) -> None:
    stored = sum(
        path.stat().st_size for path in (box.path / "state.zarr").rglob("*") if path.is_file()
    )

    assert packed_bytes(box, 2, 10**9) == 2 * stored * 2 // 3 + 1_000_000
    assert packed_bytes(box, 2, 100) == 100


def test_leftovers_of_a_kill_are_cleared_and_those_of_others_kept(
    box: Run, tmp_path: Path, monkeypatch
) -> None:
    dead, alive = (tmp_path / f".csv.{number}.partial" for number in (4194305, os.getppid()))
    old, other = tmp_path / ".csv.4194305.old", tmp_path / ".csv.4194305.mine"
    for path in (dead, old, alive, other):
        path.mkdir()

    export.write(box, "csv", tmp_path / "csv")

    there = [path.exists() for path in (dead, old, alive, other)]
    assert there == [False, False, True, True]


FULL = """
import resource, sys
from scaffoldsim.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
run, *formats = sys.argv[1:]
print([main(["export", run, "--to", to]) for to in formats])
"""


def test_what_cannot_be_written_ends_in_plain_words(run: Run) -> None:
    formats = [to for to, kind in FORMATS.items() if all(map(find_spec, kind.needs))]
    place = os.pathsep.join(
        [str(Path(export.__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    )

    done = subprocess.run(
        [sys.executable, "-c", FULL, str(run.path), *formats],
        env={**os.environ, "PYTHONPATH": place},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr  # HDF5 could take Python down at its end
    assert done.stdout.strip() == str([2] * len(formats))
    assert done.stderr.count("cannot be written: ") == len(formats)
    assert "Traceback" not in done.stderr
    assert list((run.path / "export").iterdir()) == []

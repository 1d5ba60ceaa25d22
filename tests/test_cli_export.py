"""``scaffoldsim export`` as a user meets it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from scaffoldsim.cli import main
from tests.export.box import write_box


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two run folders, of which the second has no frame yet."""
    home = tmp_path_factory.mktemp("runs")
    write_box(home / "run")
    write_box(home / "empty", times=(), status="running")
    return home


@pytest.fixture(autouse=True)
def folder(runs, tmp_path, monkeypatch):
    """Stand in a folder with copies of them."""
    shutil.copytree(runs, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_path_is_on_stdout_and_progress_on_stderr(capsys):
    assert main(["export", "run", "--to", "csv"]) == 0

    output = capsys.readouterr()
    assert output.out == f"{Path('run', 'export', 'csv')}\n"
    assert "3 of 3 frames  day  1.02" in output.err
    assert main(["export", "run", "--to", "simularium", "--out", "new/a.simularium"]) == 0
    output = capsys.readouterr()
    assert output.out == "new/a.simularium\n"
    assert json.loads(Path("new/a.simularium").read_text())["trajectoryInfo"]["totalSteps"] == 3
    assert main(["export", "run", "--to", "csv", "--force"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--to", "vtkdhf"], "'vtkdhf' is no format; did you mean 'vtkhdf'?"),
        (["run"], "--to needs a value"),
        (["run", "--to"], "--to needs a value"),
        (["nowhere", "--to", "csv"], "there is no run folder nowhere"),
        ([".", "--to", "csv"], "manifest.json"),
        (["empty", "--to", "csv"], "empty has no stored frame yet (status running)"),
        (["run", "--to", "csv", "--out", "note"], "note is a file; name a folder with --out"),
        (["run", "--to", "csv", "--out", "note/a"], "note is a file"),
        (["run", "--to", "ome-tiff", "--out", "note"], "ends in .ome.tif"),
        (["run", "--to", "ome-tiff", "--out", "a.ome.tif"], "a.ome.tif exists; replace it with"),
        (["run", "--to", "simularium", "--out", "note/a.simularium"], "note is a file"),
        (["run", "--to", "csv", "--out", "run", "--force"], "'config.yaml', which no such export"),
    ],
)
def test_misuse_is_exit_code_2_in_plain_words(folder, capsys, words, said):
    (folder / "note").write_text("")
    (folder / "a.ome.tif").write_text("")
    before = sorted(folder.rglob("*"))

    assert main(["export", *words]) == 2

    output = capsys.readouterr()
    assert said in output.err
    assert "Traceback" not in output.err
    assert output.out == ""
    assert sorted(folder.rglob("*")) == before


def test_where_nothing_may_be_written_is_said(monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # also true for root

    for words in ([], ["--out", "csv"]):
        assert main(["export", "run", "--to", "csv", *words]) == 2
        assert "may not be written into" in capsys.readouterr().err


def test_a_full_disk_is_exit_code_3(folder, monkeypatch, capsys):
    from scaffoldsim.export import placing

    free = placing.shutil.disk_usage(folder)._replace(free=0)
    monkeypatch.setattr(placing.shutil, "disk_usage", lambda place: free)

    assert main(["export", "run", "--to", "csv"]) == 3
    assert "0.0 MB are free" in capsys.readouterr().err

"""The command line as a user meets it: words on stdout and stderr, files, exit codes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import scaffoldsim
from scaffoldsim.cli import main
from scaffoldsim.render import gl
from scaffoldsim.run.record import Run
from tests.compare.studies import TINY


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Stand in an empty folder, from where other processes find the package too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(scaffoldsim.__file__).parents[1]))
    monkeypatch.setattr(gl, "window_class", lambda: None)  # slices: tests/render draws in 3-D
    return tmp_path


@pytest.fixture
def tiny(folder):
    (folder / "tiny.yaml").write_text(TINY)
    return "tiny.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the small net once; its folder."""
    home = tmp_path_factory.mktemp("finished")
    (home / "tiny.yaml").write_text(TINY)
    out = home / "a"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gl, "window_class", lambda: None)
        assert main(["run", str(home / "tiny.yaml"), "--out", str(out)]) == 0
    return out


def ball(path, edge=24, **tags):
    """A bright ball in the middle of a dark cube, as TIFF."""
    far = np.linalg.norm(np.indices((edge,) * 3) - (edge - 1) / 2, axis=0)
    tifffile.imwrite(path, np.where(far < edge / 4, 200, 10).astype(np.uint8), **tags)


# ------------------------------------------------------------------------------ bad input


BAD = {
    "a missing file": ("nothing.yaml", None, [r"^nothing\.yaml: .*no such file"]),
    "an unknown name": ("quickstrat", None, [r"did you mean 'quickstart'"]),
    "a wrong unit": (
        "c.yaml",
        TINY.replace("duration: 12 h", "duration: 12 kg"),
        [r"^c\.yaml:3:1: duration: .*'kg'.*mass"],
    ),
    "no unit": (
        "c.yaml",
        TINY.replace("voxel: 20 um", "voxel: 20"),
        [r"^c\.yaml:11:3: scaffold\.voxel: .*20 has no unit; write for example '20 "],
    ),
    "an unknown key": (
        "c.yaml",
        TINY.replace("porosity:", "porosty:"),
        [
            r"^c\.yaml:5:1: scaffold\.porosity: is missing",
            r"^c\.yaml:8:3: scaffold\.porosty: .*did you mean 'porosity'",
        ],
    ),
    "a value out of range": (
        "c.yaml",
        TINY.replace("porosity: 0.92", "porosity: 1.2"),
        [r"^c\.yaml:8:3: scaffold\.porosity: .*1\.2.*allowed"],
    ),
    "an unknown material": (
        "c.yaml",
        TINY.replace("material: bcp", "material: bpc"),
        [r"^c\.yaml:7:3: scaffold\.material: .*'bpc'.*did you mean 'bcp'"],
    ),
    "an impossible scaffold: criteria": (
        "c.yaml",
        TINY.replace("porosity: 0.92", "porosity: 0.75"),
        [r"^c\.yaml:8:3: scaffold\.porosity: 0\.75.*criteria: report"],
    ),
    "an impossible scaffold: walls": (
        "c.yaml",
        TINY.replace("gyroid_net", "gyroid_sheet")
        .replace("0.92", "0.95")
        .replace("[0.43 mm, 0.43 mm, 0.88 mm]", "1.6 mm"),
        [r"^c\.yaml:5:1: scaffold: .*walls are .* = 0\.\d voxels.*Use solid: fraction"],
    ),
    "a box without room for a period": (
        "c.yaml",
        TINY.replace("0.43 mm, 0.43 mm,", "0.1 mm, 0.1 mm,"),
        [r"^c\.yaml:5:1: scaffold: .*Make x at least", r"^c\.yaml:5:1: scaffold: .*Make y"],
    ),
    "an unreadable image": (
        "c.yaml",
        re.sub(r"scaffold:\n(  .*\n)+", "scaffold: {image: scan.tif, voxel: 20 um}\n", TINY),
        [r"^c\.yaml:5:12: scaffold\.image: scan\.tif: holds no image"],
    ),
    "too many cells": (
        "c.yaml",
        TINY.replace("number: 500", "number: 500000"),
        [r"^c\.yaml:13:9: cells\.number: .*at most \d+ cells"],
    ),
    "not YAML": ("c.yaml", "scaffold: [1, 2\n", [r"^c\.yaml:\d+:\d+: is not valid YAML"]),
    "several at once, in the order of the file": (
        "c.yaml",
        TINY.replace("duration: 12 h", "duration: 12 kg")
        .replace("material: bcp", "material: bpc")
        .replace("number: 500", "number: -5")
        .replace("metrics_every", "metric_every"),
        [
            r"^c\.yaml:3:1: duration: ",
            r"^c\.yaml:7:3: scaffold\.material: ",
            r"^c\.yaml:13:9: cells\.number: ",
            r"^c\.yaml:14:10: output\.metric_every: ",
        ],
    ),
}


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_nothing_is_written(case, verb, folder, capsys):
    name, text, patterns = BAD[case]
    (folder / "scan.tif").write_bytes(b"II*\0 not an image")
    if text is not None:
        (folder / name).write_text(text)
    before = sorted(folder.rglob("*"))

    code = main([verb, name])

    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert code == 2, said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    wrong = [line for line in lines if not line.endswith(": starting")]
    assert len(wrong) == len(patterns), said.err
    for pattern, line in zip(patterns, wrong, strict=True):
        assert re.search(pattern, line), line
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ("scaffold.porosity=2", r"^--set scaffold\.porosity=2: scaffold\.porosity: .*allowed"),
        ("scafold.porosity=.95", r"scafold: .*did you mean 'scaffold'"),
        ("porosity", r"write KEY=VALUE"),
    ],
)
def test_a_wrong_change_is_named(tiny, capsys, change, pattern):
    assert main(["check", tiny, "--set", change]) == 2

    assert re.search(pattern, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "'rnu' is not a verb; did you mean 'run'?"),
        (["run"], "CONFIG is missing"),
        (["run", "a", "b"], "too many words: b"),
        (["run", "a", "--sed", "2"], "--sed"),
        (["run", "a", "--seed", "two"], '"two"'),
        (["run", "a", "--set"], "--set needs a value"),
        (["list", "material"], "did you mean 'materials'?"),
        (["describe", "quickstrat"], "did you mean 'quickstart'?"),
        (["describe", "materials/bpc"], "did you mean 'bcp'?"),
        (["measure", "none.tif", "--voxel", "20 um"], "none.tif"),
        (["measure", "ball.tif"], "voxel"),
        (["measure", "ball.tif", "--voxel", "20 kg"], "'kg'"),
        (["measure", "ball.tif", "--voxel", "20"], "--voxel 20: '20' has no unit; write for"),
        (["measure", "ball.tif", "--voxel", "20"], "example '20 um'"),
        (["measure", "ball.tif", "--voxel", "20 s"], "--voxel 20 s: 's' is a quantity of [time]"),
        (["measure", "ball.tif", "--voxel", "-20 um"], "--voxel -20 um: must be positive"),
        (["measure", "ball.tif", "--voxel", "0 um"], "--voxel 0 um: must be positive"),
        (["measure", "ball.tif", "--voxel", "20 um", "--out", "."], ". is a folder"),
        (["measure", "ball.tif", "--voxel", "20 um", "--out", "noise.tif/m.json"], "is a file"),
        (["run", "quickstart", "--out", "noise.tif", "--force"], "noise.tif is a file"),
        (["run", "quickstart", "--out", "noise.tif/x"], "noise.tif is a file"),
        (["run", "quickstart", "--out", "a" * 300], "cannot be written: file name too long"),
        (["build", "bcp_designed", "--out", "noise.tif/x"], "noise.tif is a file"),
        (["compare", "bcp", "plga", "--out", "noise.tif"], "noise.tif is a file"),
        (["build", "quickstart"], "'quickstart' is a config, and build takes a design"),
        (["build", "bcp_designed", "--set", "size=1 mm"], "bcp_designed --set size=1 mm: gyroid"),
        (["build", "bcp_designed", "--set", "porosity=2"], "--set porosity=2: porosity: "),
        (["build", "bcp_designed", "--set", "size"], "--set size: write KEY=VALUE"),
        (["measure", "ball.tif", "--voxel", "20 um", "--threshold", "high"], "otsu"),
        (["measure", "noise.tif", "--voxel", "20 um"], "noise.tif"),
        (["build", "no_such_design"], "no_such_design"),
        (["run", "quickstart", "--threads", "0"], "--threads 0: at least 1"),
        (["compare", "bcp", "plga", "--seeds", "0"], "--seeds 0: at least 1"),
        (["resume", "nowhere"], "nowhere"),
        (["render", "nowhere"], "nowhere"),
        (["view", "nowhere"], "nowhere"),
        (["view", "."], "is not a run folder"),
        (["compare", "bcp"], "two"),
        (["compare", "bcp", "bpc"], "did you mean 'bcp'?"),
        (["compare", "bcp", "bcp", "plga"], "bcp and bcp would both be the arm 'bcp'"),
        (["describe", "bcp_designed.yaml", "--yaml"], "no such file"),
        (["describe", "comparison", "--yaml"], "is no YAML file"),
    ],
)
def test_misuse_is_exit_code_2_in_plain_words(words, said, folder, capsys):
    ball(folder / "ball.tif")
    (folder / "noise.tif").write_bytes(os.urandom(64))
    before = sorted(folder.rglob("*"))

    assert main(words) == 2

    output = capsys.readouterr()
    assert said in output.err
    assert "Traceback" not in output.err
    assert output.out == ""
    assert sorted(folder.rglob("*")) == before


def test_where_nothing_may_be_written_is_said_before_the_work(tiny, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # also true for root

    for words in (["run", tiny], ["build", "bcp_designed"], ["compare", "bcp", "plga"]):
        assert main(words) == 2
        assert "may not be written into" in capsys.readouterr().err


def test_what_the_system_says_names_the_place_that_was_meant(folder, monkeypatch, capsys):
    from scaffoldsim.run import atomic

    ball(folder / "ball.tif")

    def full(*_):
        raise OSError(28, "No space left on device", ".m.json.123.partial")

    monkeypatch.setattr(atomic.os, "replace", full)

    words = ["measure", "ball.tif", "--voxel", "20 um", "--out", "m.json"]
    assert main(words) == 3
    assert capsys.readouterr().err.splitlines()[-1] == (
        "m.json cannot be written: no space left on device"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["build", "bcp_designed", "--set", "size=50 mm", "--set", "voxel=2 um"],
        ["check", "huge.yaml"],
        ["measure", "huge.tif", "--voxel", "20 um"],
    ],
)
def test_more_voxels_than_there_can_be_are_refused(words, folder, monkeypatch, capsys):
    from scaffoldsim.scaffold import grid

    ball(folder / "huge.tif", edge=14)
    image = "scaffold: {image: huge.tif, voxel: 20 um, threshold: 100, material: bcp}\n"
    (folder / "huge.yaml").write_text(re.sub(r"scaffold:\n(  .*\n)+", image, TINY))
    monkeypatch.setattr(grid, "_MOST_VOXELS", 1000)

    assert main(words) == 3
    assert "voxels; at most 1000 are possible" in capsys.readouterr().err


# ------------------------------------------------------------------------------ help


HEAVY = "numpy pandas pint pydantic ruamel mesa zarr scipy skimage dask matplotlib pyvista vtk k3d"


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"], ["rnu"]])
def test_nothing_heavy_is_imported_to_answer_at_once(words):
    code = f"""
import sys
from scaffoldsim.cli import main
main({words!r})
print([name for name in {HEAVY.split()} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_every_verb_shows_one_example(capsys):
    assert main(["--help"]) == 0
    verbs = re.findall(r"^  (\w+): ", capsys.readouterr().out, re.M)
    assert " ".join(verbs) == (
        "list describe check build measure run resume study compare render view export"
    )
    for verb in verbs:
        assert main([verb, "--help"]) == 0
        assert capsys.readouterr().out.count(f"Example: scaffoldsim {verb} ") == 1


def test_version(capsys):
    assert main(["--version"]) == 0

    assert capsys.readouterr().out.strip() == scaffoldsim.__version__


# ------------------------------------------------------------------------------ catalogue


def test_list_gives_one_line_per_entry(capsys):
    assert main(["list", "materials"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert {"bcp", "plga"} <= {line.split()[1] for line in lines}
    assert all(line.startswith("materials ") for line in lines)


def test_a_file_beside_the_user_is_in_the_catalogue(folder, capsys):
    (folder / "configs").mkdir()
    (folder / "configs" / "mine.yaml").write_text(TINY)

    assert main(["list", "experiments"]) == 0

    assert re.search(r"^experiments +mine +a small net$", capsys.readouterr().out, re.M)


def test_describe_shows_value_unit_range_mark_and_source(capsys):
    assert main(["describe", "cells/bmsc"]) == 0

    line = next(x for x in capsys.readouterr().out.splitlines() if "oxygen_uptake" in x)
    assert re.search(r"98 fmol/h +20 fmol/h to 200 fmol/h +read +Pattappa 2011", line)


def test_describe_rules_tells_a_configuration_in_words(capsys):
    assert main(["describe", "quickstart", "--rules", "--set", "seed=3"]) == 0
    told = capsys.readouterr().out
    words = " ".join(told.split())
    assert "It divides with doubling time 33 h [" in words
    assert "seed 3 has them" in words
    assert max(map(len, told.splitlines())) <= 96
    assert main(["describe", "bcp", "--rules"]) == 2
    assert main(["describe", "quickstart", "--set", "seed=3"]) == 2
    assert main(["describe", "quickstart", "--rules", "--yaml"]) == 2
    assert "either --rules or --yaml" in capsys.readouterr().err


def test_describe_prints_the_file_that_a_material_can_be_made_from(folder, capsys):
    assert main(["describe", "bcp", "--yaml"]) == 0

    (folder / "scaffolds" / "materials").mkdir(parents=True)
    (folder / "scaffolds" / "materials" / "mine.yaml").write_text(capsys.readouterr().out)
    assert main(["describe", "materials/bcp"]) == 0
    bcp = capsys.readouterr().out.splitlines()[1:]
    assert main(["describe", "materials/mine"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == bcp


# ------------------------------------------------------------------------------ runs


def test_check_tells_what_a_run_needs_and_writes_nothing(tiny, folder, capsys):
    assert main(["check", tiny]) == 0

    said = capsys.readouterr().out
    for word in ("voxels", "cells", "memory", "disk", "time", "parameters", "run folder"):
        assert re.search(rf"^{word} +\S", said, re.M), said
    assert [path.name for path in folder.iterdir()] == [tiny]


def test_a_warning_is_one_line_without_a_place_in_the_code(tiny, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        late = '[{"at": "9 d", "number": 5}]'
        assert main(["run", tiny, "--set", f"cells.doses={late}"]) == 0
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "would come at" in line]
    assert told.startswith("warning: the dose at 9 d")
    assert "RuntimeWarning" not in told


def test_a_run_prints_its_folder_and_says_how_far_it_is(tiny, folder, capsys):
    assert main(["run", tiny, "--seed", "3"]) == 0

    said = capsys.readouterr()
    run = Path(said.out.strip())
    assert re.fullmatch(r"tiny-[0-9a-f]{8}-s3", run.name)
    assert json.loads((run / "manifest.json").read_text())["status"] == "finished"
    assert (run / "report.html").is_file()
    assert (run / "picture.png").is_file()
    assert "slices instead of a 3-D picture" in said.err
    assert re.search(r"^100%  day +0\.50 +\d+ cells  O2 0\.\d+ mM", said.err, re.M), said.err


def test_an_existing_run_is_refused_shown_or_replaced(tiny, finished, capsys):
    report = finished / "report.html"
    written = report.stat().st_mtime_ns

    assert main(["run", tiny, "--out", str(finished)]) == 2
    said = capsys.readouterr()
    assert "scaffoldsim resume" in said.err
    assert "--force" in said.err

    for words in (["run", tiny, "--out", str(finished), "--reuse"], ["resume", str(finished)]):
        assert main(words) == 0
        said = capsys.readouterr()
        assert said.out.strip() == str(finished)
        assert str(report) in said.err
        assert report.stat().st_mtime_ns == written


@pytest.mark.parametrize("change", [["--set", "duration=6 h"], ["--seed", "9"]])
def test_reuse_does_not_pass_another_run_off_as_the_one_asked_for(tiny, finished, change, capsys):
    assert main(["run", tiny, "--out", str(finished), "--reuse", *change]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert f"{finished} holds another run" in said.err
    assert "--out" in said.err
    assert "--force" in said.err


@pytest.mark.parametrize("status", ["finished", "interrupted"])
@pytest.mark.parametrize("lost", ["manifest.json", "config.yaml", "state.zarr"])
def test_a_damaged_run_folder_is_one_line(finished, lost, status, folder, capsys):
    copy = folder / "copy"
    shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("report.html", "picture.png"))
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "status": status}))
    if lost == "state.zarr":
        shutil.rmtree(copy / lost)
    else:
        (copy / lost).write_text("[: what")

    code = main(["resume", str(copy)])

    said = capsys.readouterr().err.splitlines()
    if (lost, status) == ("state.zarr", "interrupted"):
        assert code == 0  # no checkpoint fits: the run is begun again
    else:
        assert code == 2, said
        progress = (f"{copy}: finished", "slices instead")
        assert len([line for line in said if not line.startswith(progress)]) == 1, said


def test_an_edited_run_is_not_gone_on_with(finished, folder, capsys):
    copy = folder / "copy"
    shutil.copytree(finished, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    config = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(config.replace("number: 500", "number: 400"))

    assert main(["resume", str(copy)]) == 2

    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "not the configuration the run began with" in said[0]


def test_force_replaces_a_run(tiny, capsys):
    assert main(["run", tiny, "--out", "a", "--set", "duration=1 h"]) == 0
    assert main(["run", tiny, "--out", "a", "--set", "duration=2 h", "--force"]) == 0

    assert Path("a/metrics.csv").read_text().splitlines()[-1].startswith("2.0,")


def test_an_interrupted_run_exits_130_and_resumes_to_the_same_bytes(tiny):
    words = ["run", tiny, "--set", "duration=3 d", "--out", "b"]
    command = [sys.executable, "-m", "scaffoldsim.cli", *words]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    for line in run.stderr:
        if "day" in line:
            run.send_signal(signal.SIGINT)
            break
    rest = run.stderr.read()
    assert run.wait(60) == 130, rest
    assert "scaffoldsim resume b" in rest
    assert json.loads(Path("b/manifest.json").read_text())["status"] == "interrupted"

    assert main([*words, "--reuse"]) == 0

    whole = scaffoldsim.Simulation.from_config(tiny, set={"duration": "3 d"}).run("whole")
    assert Path("b/metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()


def test_too_little_memory_is_refused_with_the_numbers(tiny, folder, monkeypatch, capsys):
    from scaffoldsim.run import estimate

    monkeypatch.setattr(estimate, "free_memory", lambda: 1_000_000)

    for verb in ("check", "run"):
        assert main([verb, tiny]) == 3
        assert "GB" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == [tiny]


def test_an_error_nobody_foresaw_is_one_line_and_a_log(tiny, monkeypatch, capsys):
    from scaffoldsim.model.model import Model

    def explode(self):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Model, "step", explode)

    assert main(["run", tiny, "--out", "a"]) == 1

    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("ZeroDivisionError: planted (traceback in a/error.log")
    assert "in explode" in Path("a/error.log").read_text()
    assert json.loads(Path("a/manifest.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("verb", ["run", "check"])
def test_code_that_exits_does_not_end_a_command_silently(verb, tiny, monkeypatch, capsys):
    from scaffoldsim.model.model import Model

    def leave(self, *_, **__):
        raise SystemExit(0)

    monkeypatch.setattr(Model, {"run": "step", "check": "__init__"}[verb], leave)

    assert main([verb, tiny]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("SystemExit: 0 (traceback in ")


def test_debug_shows_the_traceback(capsys):
    assert main(["run", "nothing.yaml", "--debug"]) == 2

    assert "Traceback" in capsys.readouterr().err


def test_render_draws_the_day_asked_for(finished, folder, capsys):
    assert main(["render", str(finished), "--at", "0 d", "--out", "start.png"]) == 0

    assert capsys.readouterr().out.strip() == "start.png"
    assert (folder / "start.png").read_bytes().startswith(b"\x89PNG")
    for words, said in (
        (["--out", "start.mpg"], "a still is a .png, a movie a .webp, .gif or .mp4"),
        (["--out", "start.wbep"], "did you mean '.webp'?"),
        (["--scene", "heeling"], "did you mean 'healing'?"),
        (["--at", "0 d", "--out", "start.gif"], "cutaway shows every stored frame"),
        (["--out", "start.png/a.png"], "start.png is a file"),
        (["--at", "xx"], "--at xx: 'xx' is not a quantity; write for example '1 d'"),
        (["--at", "-1 d"], "--at -1 d: must be positive"),
    ):
        assert main(["render", str(finished), *words]) == 2
        assert said in capsys.readouterr().err


def test_render_makes_a_movie(finished, folder, capsys):
    """The suffix decides; without --out a scene of a movie makes one, into the run."""
    assert main(["render", str(finished), "--out", "all.GIF"]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == "all.GIF"
    assert "libegl1" in said.err
    with Image.open(folder / "all.GIF") as movie:
        count = movie.n_frames
    assert f"{count} of {count} pictures" in said.err
    assert count == len(Run(finished).frames) > 1

    assert main(["render", str(finished), "--scene", "turntable", "--at", "0 d"]) == 0
    assert capsys.readouterr().out.strip() == str(finished / "turntable.webp")
    assert (finished / "turntable.webp").read_bytes().startswith(b"RIFF")
    (finished / "turntable.webp").unlink()


def test_an_mp4_that_cannot_be_made_is_one_line(finished, folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)

    assert main(["render", str(finished), "--out", "a.mp4"]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'scaffoldsim[movie]'" in line
    assert not (folder / "a.mp4").exists()


# ------------------------------------------------------------------------------ scaffolds


def test_measure_prints_json(folder, capsys):
    ball(folder / "ball.tif")

    assert main(["measure", "ball.tif", "--voxel", "20 um", "--threshold", "100"]) == 0

    measured = json.loads(capsys.readouterr().out)
    assert measured["schema"] == 1
    assert measured["porosity"] == pytest.approx(1 - 4 / 3 * np.pi / 4**3, abs=0.01)
    assert [criterion["name"] for criterion in measured["criteria"]]


def test_measure_inverts_and_writes_a_file(folder, capsys):
    ball(folder / "ball.tif")

    words = ["measure", "ball.tif", "--voxel", "20 um", "--invert", "--out", "m.json"]
    assert main(words) == 0

    assert capsys.readouterr().out.strip() == "m.json"
    measured = json.loads((folder / "m.json").read_text())
    assert measured["porosity"] == pytest.approx(4 / 3 * np.pi / 4**3, abs=0.01)


def test_build_writes_a_scaffold_and_refuses_to_overwrite_it(tmp_path, capsys):
    words = ["build", "bcp_designed", "--set", "voxel=40 um", "--out", "net"]
    assert main(words) == 0

    assert capsys.readouterr().out.strip() == "net"
    written = {path.name for path in (tmp_path / "net").iterdir()}
    assert {"scaffold.tif", "scaffold.stl", "morphometry.json", "scaffold.png"} <= written
    measured = json.loads((tmp_path / "net" / "morphometry.json").read_text())
    assert measured["pore_size_mean_um"] == pytest.approx(600, rel=0.02)
    assert main(words) == 2
    assert "--out" in capsys.readouterr().err


# ------------------------------------------------------------------------------ compare


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Compare two materials over two seeds; the folder, and the command again."""
    home = tmp_path_factory.mktemp("compared")
    (home / "tiny.yaml").write_text(TINY)
    words = ["compare", "bcp", "materials/plga", "--config", str(home / "tiny.yaml")]
    words += ["--set", "duration=6 h", "--seeds", "2", "--out", str(home / "c")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gl, "window_class", lambda: None)
        assert main(words) == 0
    return home / "c", words


def test_compare_puts_materials_side_by_side(compared):
    folder, _ = compared

    table = (folder / "compare.csv").read_text()
    assert "bcp" in table
    assert "plga" in table
    assert (folder / "report.html").is_file()
    materials = {
        arm: scaffoldsim.Run(folder / arm / "s2").config["scaffold"]["material"]["name"]
        for arm in ("bcp", "plga")
    }
    assert materials == {"bcp": "bcp", "plga": "plga"}


def test_compare_uses_the_runs_that_are_there(compared, capsys):
    folder, words = compared
    written = {path: path.stat().st_mtime_ns for path in folder.glob("*/s*/metrics.csv")}

    assert main(words) == 0

    said = capsys.readouterr()
    assert said.out.strip() == str(folder)
    assert said.err.count("kept") == 4
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_compare_takes_run_folders(compared, folder, capsys):
    runs, _ = compared

    words = [str(runs / arm / f"s{seed}") for arm in ("bcp", "plga") for seed in (1, 2)]
    assert main(["compare", *words, "--out", "again"]) == 0

    assert (folder / "again" / "report.html").is_file()
    rows = (folder / "again" / "runs.csv").read_text().splitlines()
    assert len(rows) == 1 + 4
    assert main(["compare", words[0], *words]) == 2


def test_compare_refuses_a_folder_with_runs_of_another_config(compared, capfd):
    folder, words = compared
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    assert main([*words, "--set", "duration=9 h"]) == 2

    assert "holds a run of another config" in capfd.readouterr().err.splitlines()[-1]
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_files_of_one_name_are_told_apart_by_their_folders(folder):
    from scaffoldsim.cli import comparison

    for name, hours in (("X", 6), ("Y", 12)):
        (folder / name).mkdir()
        text = TINY.replace("duration: 12 h", f"duration: {hours} h")
        (folder / name / "w.yaml").write_text(text)

    named = comparison._named(["X/w.yaml", "Y/w.yaml", "quickstart"], [])
    assert named == {"X-w": "X/w.yaml", "Y-w": "Y/w.yaml", "quickstart": "quickstart"}
    for things in (["X/w.yaml", "X/w.yaml"], ["X/w.yaml", "./X/w.yaml"]):
        assert main(["compare", *things, "quickstart"]) == 2


def test_the_folder_of_a_comparison_names_what_is_compared(tiny):
    from scaffoldsim.cli import comparison
    from scaffoldsim.config import load

    arms = {name: load(tiny) for name in ("a", "b")}
    longer = arms | {"b": load(tiny, set=["duration=1 d"])}
    names = [comparison._folder_name({}, planned) for planned in (arms, dict(arms), longer)]
    assert names[0] == names[1] != names[2]
    assert all(re.fullmatch(r"compare-a-b-[0-9a-f]{8}", name) for name in names)


def test_a_reader_that_leaves_early_is_no_error():
    reader = subprocess.run(
        f"{sys.executable} -m scaffoldsim.cli list | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )

    assert reader.returncode == 0
    assert "Traceback" not in reader.stderr


def test_arms_in_unlike_boxes_are_pointed_out():
    from scaffoldsim.cli.comparison import _unlike
    from scaffoldsim.config import load

    def arm(**change):
        return load("quickstart", set={f"scaffold.{key}": value for key, value in change.items()})

    assert list(_unlike([arm(), arm(material="plga")])) == []
    (note,) = _unlike([arm(), arm(size="2.4 mm")])
    assert "20000 cells in boxes of 4.1 to 13.8 mm3" in note
    (note,) = _unlike([arm(), arm(voxel="25 um")])
    assert "voxels of 20 to 25 um" in note


def test_compare_refuses_an_arm_that_cannot_be_built_before_it_runs_any(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "scaffolds").mkdir()
    text = "schema: 1\ntitle: t\nfamily: kelvin\nmaterial: bcp\nporosity: 0.92\n"
    text += "pore_size: 900 um\nsize: 1 mm\nvoxel: 20 um\n"
    (tmp_path / "scaffolds" / "small.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "bcp_designed", "small", "--out", "both"]) == 2
    assert "Kelvin cells: pores of 900 um need a unit cell of" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "familys"], "did you mean 'families'?"),
        (["list", "families", "--porosity", "ninety"], "'ninety' is not a number"),
        (["list", "families", "--porosity", "2"], "between 0.02 and 0.995"),
        (["list", "families", "--voxel", "20 um"], "--porosity and --voxel go with families"),
        (["list", "materials", "--porosity", "0.9"], "go with families"),
        (["describe", "kelvin", "--yaml"], "is a family, written in Python"),
        (["build", "kelvin"], "change the family of one: scaffoldsim build bcp_designed --set"),
        (["build", "bcp_designed", "--format", "xyz"], "--format xyz is not one of tif"),
        (["build", "bcp_designed", "--set", "threshold=3"], "threshold: is for images"),
        (["measure", "scan.tif", "--crop", "x"], "write AXIS=FROM:TO"),
        (["measure", "scan.tif", "--crop", "x=1 mm:2 mm", "--crop", "x=1 mm:2 mm"], "twice"),
        (["measure", "scan.tif", "--resample", "0 um"], "--resample 0 um: must be positive"),
    ],
)
def test_wrong_words_about_scaffolds_are_refused(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_families_are_listed_and_described(capsys):
    assert main(["list", "families"]) == 0
    assert "families  voronoi_foam" in capsys.readouterr().out
    assert main(["describe", "families/voronoi_foam"]) == 0
    assert "cells = 27  (8 to 1000)" in capsys.readouterr().out


def test_build_writes_what_was_asked_and_measure_reads_it_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    changes = ["--set", "size=1 mm", "--set", "pore_size=350 um", "--set", "voxel=25 um"]
    assert main(["build", "bcp_designed", *changes, "--out", "b", "--format", "nrrd"]) == 0
    assert sorted(path.name for path in Path("b").iterdir()) == [
        "morphometry.json", "scaffold.nrrd", "scaffold.png", "scaffold.stl", "scaffold.tif",
    ]  # fmt: skip
    built = json.loads(Path("b/morphometry.json").read_text())
    assert built["tortuosity_factor"]["x"] > 1
    capsys.readouterr()
    assert main(["measure", "b/scaffold.nrrd", "--crop", "x=0 mm:0.5 mm"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["shape"] == [20, 40, 40]
    assert any("crop" in note.lower() for note in measured["notes"])
    assert main(["measure", "b/scaffold.stl", "--voxel", "25 um", "--out", "m.json"]) == 0
    again = json.loads(Path("m.json").read_text())
    assert again["porosity"] == pytest.approx(built["porosity"], abs=0.005)

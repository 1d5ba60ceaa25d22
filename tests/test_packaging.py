"""What is installed, what is asked of the machine, and that the documents do not drift."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scaffoldsim

ROOT = Path(__file__).resolve().parent.parent


def probe(*arguments, **environment):
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "probe.py", *arguments],
        env={**os.environ, "PYTHON": sys.executable, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def fake_python(tmp_path):
    """Make a command that answers the probe's question like a Python with these features."""

    def make(**changes):
        answer = {
            "executable": str(tmp_path / "python3"),
            "version": [3, 11, 2],
            "venv": True,
            "header": True,
            "cc": "cc",
            "debian": True,
        }
        path = tmp_path / "python3"
        path.write_text(f"#!/bin/sh\necho '{json.dumps(answer | changes)}'\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_a_complete_python_is_taken(fake_python):
    command = fake_python()

    done = probe("--python", PYTHON=command)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == command


@pytest.mark.parametrize(
    ("changes", "said", "package"),
    [
        ({"venv": False}, "ensurepip", "python3.11-venv"),
        ({"header": False}, "Python.h", "python3.11-dev"),
        ({"version": [3, 10, 4]}, "Python >= 3.11", "python3"),
        ({"cc": "no-such-compiler"}, "a C compiler (no-such-compiler)", "gcc libc6-dev"),
        ({"cc": "false"}, "builds OpenMP programs", "gcc libc6-dev"),
    ],
)
def test_what_is_missing_is_named_with_its_package(fake_python, changes, said, package):
    command = fake_python(**changes)

    done = probe("--python", PYTHON=command)

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"missing: {said}" in done.stderr or said in done.stderr.splitlines()[0]
    assert package in next(line for line in done.stderr.splitlines() if "apt-get install" in line)
    assert package in probe("--packages", PYTHON=command).stdout


def test_several_missing_things_are_named_at_once(fake_python):
    done = probe(PYTHON=fake_python(venv=False, header=False, cc="no-such-compiler"))

    assert len([line for line in done.stderr.splitlines() if line.startswith("missing: ")]) == 3


def test_a_python_that_does_not_run_is_named():
    done = probe("--python", PYTHON="/nonexistent/python3")

    assert done.returncode == 1
    assert "/nonexistent/python3, which does not run" in done.stderr


def test_a_wheel_carries_the_catalogue_and_nothing_else_of_it(tmp_path):
    pytest.importorskip("Cython", reason="building needs Cython; make installs it")
    pytest.importorskip("setuptools", minversion="77", reason="pyproject.toml asks for it")
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("scaffoldsim", "scaffolds", "configs", "viz"):
        shutil.copytree(
            ROOT / name, tree / name, ignore=shutil.ignore_patterns("*.pyx", "*.so", "*.c")
        )
    (tree / "viz" / "scenes" / "script.py").write_text("")

    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", "out"],
        cwd=tree,
        check=True,
        capture_output=True,
    )

    out = tree / "out"
    assert [path.name for path in out.iterdir()] == ["scaffoldsim"]
    assert (out / "scaffoldsim" / "py.typed").is_file()
    inside = out / "scaffoldsim" / "_catalogue"
    carried = {path.relative_to(inside).as_posix() for path in inside.rglob("*") if path.is_file()}
    beside = {
        path.relative_to(ROOT).as_posix()
        for folder in ("scaffolds", "configs", "viz")
        for path in (ROOT / folder).rglob("*.yaml")
    }
    assert "configs/quickstart.yaml" in carried
    assert beside <= carried
    assert {"viz/reports/viewer.html", "viz/reports/viewer.js"} <= carried
    assert not [name for name in carried if name.endswith(".py")]


@pytest.mark.skipif(shutil.which("git") is None, reason="asks git what is tracked")
def test_nothing_generated_is_tracked():
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")

    generated = (".c", ".so", ".pyc", ".o", ".egg-info")
    assert [name for name in done.stdout.splitlines() if name.endswith(generated)] == []


def test_one_version_everywhere():
    version = scaffoldsim.__version__

    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^## \[({re.escape(version)}|Unreleased)\]", changelog(), re.M)


def changelog():
    return (ROOT / "CHANGELOG.md").read_text()


def documents():
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def written_commands():
    """Every ``scaffoldsim …`` line in a code block of the documents."""
    for path in documents():
        for block in re.findall(r"```(?:bash|console|sh)\n(.*?)```", path.read_text(), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.strip().removeprefix("$ "), comments=True)
                if words and words[0] == "scaffoldsim":
                    # what the shell takes for itself, "> file", is not the command's
                    end = words.index(">") if ">" in words else len(words)
                    yield pytest.param(words[1:end], id=f"{path.name}: {' '.join(words)}")


@pytest.mark.parametrize("words", list(written_commands()))
def test_every_written_command_is_understood(words):
    from scaffoldsim.cli.app import make_app

    make_app().parse_args(words, print_error=False, exit_on_error=False)


def test_every_link_between_documents_leads_somewhere():
    broken = [
        f"{path.name}: {target}"
        for path in documents()
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text())
        if not (path.parent / target).exists()
    ]

    assert broken == []


def test_every_column_of_the_metrics_is_explained_in_its_place():
    from scaffoldsim.model.indicators import COLUMNS

    explained = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.M)

    assert tuple(explained) == COLUMNS

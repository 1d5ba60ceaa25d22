"""Look for what building scaffoldsim needs, before anything can crash for the lack of it.

    python3 tools/probe.py               # what is there, what is missing, and its Debian package
    python3 tools/probe.py --python      # the path of the Python to build with, alone on stdout
    python3 tools/probe.py --packages    # the Debian packages that are missing, alone on stdout

Standard library only and any Python from 3.8 on, since this runs before there is anything else.
``PYTHON`` in the environment names the interpreter to use; otherwise the first complete one of
``python3``, ``python3.x`` on the PATH, pyenv's and the usual prefixes is taken. ``CC`` names the
compiler. Exit status: 0 all there (no EGL is only a warning), 1 something is missing.
"""

from __future__ import annotations

import argparse
import ctypes
import glob
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

OLDEST = (3, 11)
# Newer ones may well work, but the compiled dependencies are not known to have wheels for them.
NEWEST_KNOWN = (3, 14)
DISK_BYTES = 2.0e9  # measured: .venv with everything in it is 1.4 GB

ASK = """
import importlib.util, json, os, sys, sysconfig
have = lambda name: importlib.util.find_spec(name) is not None
header = os.path.join(sysconfig.get_path("include"), "Python.h")
print(json.dumps({
    "executable": sys.executable, "version": sys.version_info[:3],
    "venv": have("venv") and have("ensurepip"), "header": os.path.exists(header),
    "cc": sysconfig.get_config_var("CC") or "cc", "debian": sys.base_prefix == "/usr",
}))
"""

OPENMP = """
#include <omp.h>
#include <math.h>
int main(void) { return omp_get_max_threads() > 0 && sqrt(4.0) > 1.0 ? 0 : 1; }
"""


class Missing(NamedTuple):
    """One thing that is not there, why it is needed, and the Debian packages that bring it."""

    what: str
    packages: list[str]


def ask(command: str) -> dict[str, Any] | None:
    """What the interpreter ``command`` says about itself; None if it does not run."""
    try:
        # -E -s: a PYTHONPATH or user site made for another Python must not be asked.
        done = subprocess.run(
            [command, "-E", "-s", "-c", ASK],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout.decode())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    answer["version"] = tuple(answer["version"])
    answer["command"] = command
    return answer


def candidates() -> list[str]:
    """Names and paths under which a Python may be found, the likeliest first."""
    numbered = [f"python3.{minor}" for minor in range(NEWEST_KNOWN[1], OLDEST[1] - 1, -1)]
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    prefixes = ["/usr/bin", "/usr/local/bin", "/opt/*/bin"]
    prefixes += [os.path.join(pyenv, "versions", "*", "bin")]
    prefixes += [os.path.expanduser(p) for p in ("~/.local/bin", "~/miniconda3/bin", "~/conda/bin")]
    found = [path for path in map(shutil.which, ["python3", *numbered, "python"]) if path]
    for prefix in prefixes:
        for name in ["python3", *numbered]:
            found += sorted(glob.glob(os.path.join(prefix, name)), reverse=True)
    return list(dict.fromkeys(found))


def lacks(python: dict[str, Any]) -> list[Missing]:
    """What is missing from this interpreter to build with it."""
    major, minor = python["version"][:2]
    # Debian packages serve Debian's own Python; any other prefix has to bring its own.
    default = os.path.realpath("/usr/bin/python3") == os.path.realpath(python["executable"])
    own = ("python3" if default else f"python{major}.{minor}") if python["debian"] else ""
    where = "" if python["debian"] else " (not Debian's Python: reinstall it with headers)"
    missing = []
    if (major, minor) < OLDEST:
        version = ".".join(map(str, python["version"]))
        return [Missing(f"Python >= 3.11 ({python['command']} is {version})", ["python3"])]
    if not python["venv"]:
        packages = [own + "-venv"] if own else []
        missing.append(Missing("the modules venv and ensurepip of " + python["command"], packages))
    if not python["header"]:
        packages = [own + "-dev"] if own else []
        missing.append(Missing("Python.h of " + python["command"] + where, packages))
    return missing


def choose() -> tuple[dict[str, Any] | None, list[Missing]]:
    """Return the interpreter to build with (None if there is none) and what it lacks."""
    given = os.environ.get("PYTHON", "")
    if given:
        python = ask(given)
        if python is None:
            return None, [Missing(f"PYTHON={given}, which does not run", [])]
        return python, lacks(python)
    best = None
    for command in candidates():
        python = ask(command)
        if python is None or python["version"][:2] < OLDEST:
            continue
        missing = lacks(python)
        rank = (bool(missing), python["version"][:2] > NEWEST_KNOWN, len(missing))
        if best is None or rank < best[0]:
            best = (rank, python, missing)
        if rank == (False, False, 0):
            break
    if best is None:
        return None, [Missing("Python >= 3.11", ["python3", "python3-venv", "python3-dev"])]
    return best[1], best[2]


def compiler(python: dict[str, Any] | None) -> list[Missing]:
    """Compile and link one OpenMP program the way the build will."""
    command = os.environ.get("CC") or (python["cc"] if python else "cc")
    words = shlex.split(command)
    if shutil.which(words[0]) is None:
        return [Missing(f"a C compiler ({words[0]})", ["gcc", "libc6-dev"])]
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "probe.c")
        with open(source, "w") as file:
            file.write(OPENMP)
        done = subprocess.run(
            [*words, "-fopenmp", source, "-o", os.path.join(folder, "probe"), "-lm"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        return []
    lines = done.stdout.decode(errors="replace").strip().splitlines() or ["no message"]
    what = f"a C compiler that builds OpenMP programs ({words[0]} says: {lines[0]})"
    return [Missing(what, ["gcc", "libc6-dev"])]


def graphics() -> list[Missing]:
    """Look for a software or hardware way to draw without a display."""
    for names in (["libEGL.so.1", "libGL.so.1"], ["libOSMesa.so.8"], ["libOSMesa.so.6"]):
        try:
            for name in names:
                ctypes.CDLL(name)
        except OSError:
            continue
        return []
    what = "EGL: runs succeed, with slices in place of the 3-D picture"
    return [Missing(what, ["libegl1", "libgl1", "libgl1-mesa-dri"])]


def disk() -> list[Missing]:
    """Room for the virtual environment."""
    free = shutil.disk_usage(os.getcwd()).free
    if free >= DISK_BYTES:
        return []
    what = f"{DISK_BYTES / 1e9:.1f} GB of free disk here ({free / 1e9:.1f} GB are)"
    return [Missing(what, [])]


def say(line: str) -> None:
    """Print on stderr: stdout is for the answer."""
    print(line, file=sys.stderr)


def main() -> int:
    """Probe, report, and answer."""
    parser = argparse.ArgumentParser(description="Look for what building scaffoldsim needs.")
    parser.add_argument("--python", action="store_true", help="print the Python to build with")
    parser.add_argument("--packages", action="store_true", help="print the missing packages")
    wanted = parser.parse_args()

    python, missing = choose()
    missing = missing + compiler(python)
    warnings = graphics()
    if wanted.packages:
        names = [name for lack in missing + warnings for name in lack.packages]
        print(" ".join(dict.fromkeys(names)))
        return 0
    missing = missing + disk()

    for lack in missing:
        say("missing: " + lack.what)
    for lack in warnings:
        say("warning: no " + lack.what)
    packages = list(dict.fromkeys(name for lack in missing for name in lack.packages))
    wished = list(dict.fromkeys(name for lack in warnings for name in lack.packages))
    if packages:
        say("on Debian or Ubuntu:  sudo apt-get install " + " ".join(packages + wished))
        say("or name another Python:  make PYTHON=/path/to/python3.11")
    elif wished:
        say("on Debian or Ubuntu:  sudo apt-get install " + " ".join(wished))
    if missing or python is None:
        return 1
    if wanted.python:
        print(python["executable"])
    else:
        say(f"all there: {python['executable']} ({'.'.join(map(str, python['version']))})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

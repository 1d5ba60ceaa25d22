from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from scaffoldsim.run.record import Run

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "viz").glob("plot_*.py"))
#: What a script takes between the run and the file it writes.
ARGUMENTS = {"plot_cutaway": ["14 d"]}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_gallery_script_runs(script: Path, run: Run, tmp_path: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 50
    out = tmp_path / "out.png"
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), known] if known else [str(ROOT)]),
        "MPLBACKEND": "agg",
    }
    command = [
        sys.executable,
        str(script),
        str(run.path),
        *ARGUMENTS.get(script.stem, []),
        str(out),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(out))
    assert min(Image.open(out).size) > 400

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
#: What a script takes before and after the file it writes; most begin with a run.
ARGUMENTS = {
    "plot_cutaway": (["RUN", "14 d"], []),
    "plot_inside_pore": (["RUN", "14 d"], []),
    "plot_movie": (["RUN", "healing"], []),
    "plot_families": ([], ["--only", "gyroid_net", "--voxels", "24"]),
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_gallery_script_runs(script: Path, run: Run, tmp_path: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 50
    out = tmp_path / ("out.webp" if script.stem == "plot_movie" else "out.png")
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), known] if known else [str(ROOT)]),
        "MPLBACKEND": "agg",
    }
    before, after = ARGUMENTS.get(script.stem, (["RUN"], []))
    before = [str(run.path) if word == "RUN" else word for word in before]
    command = [sys.executable, str(script), *before, str(out), *after]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(out))
    assert min(Image.open(out).size) > 300

"""Whether this machine can draw in 3-D, found out without risking the process that asks.

With neither EGL nor OSMesa, VTK ends the process by a segmentation fault that no exception handler
sees. So the libraries are looked for first, and drawing happens in a process of its own: whatever
the driver does to that process, the run that wanted a picture goes on.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

#: Said to the user wherever slices take the place of the 3-D picture.
PACKAGES = "libegl1 and libgl1-mesa-dri (or libosmesa6)"
_EGL = ("libEGL.so.1", "libEGL.so")
_OSMESA = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")
_TIMEOUT_S = 600.0


class NoGraphicsError(RuntimeError):
    """3-D drawing is not possible here; the message says why and what to install."""


def _loads(names: tuple[str, ...]) -> bool:
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def window_class() -> str | None:
    """Return the VTK window that draws off screen here, "" for VTK's own choice, None for no way.

    Notes
    -----
    Only Linux is probed; elsewhere the system brings OpenGL along. A
    ``VTK_DEFAULT_OPENGL_WINDOW`` in the environment is respected.
    """
    chosen = os.environ.get("VTK_DEFAULT_OPENGL_WINDOW")
    if chosen:
        return chosen
    if not sys.platform.startswith("linux"):
        return ""
    if _loads(_EGL):
        return "vtkEGLRenderWindow"
    if _loads(_OSMESA):
        return "vtkOSOpenGLRenderWindow"
    return None


def draw(
    arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]
) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    """Draw a picture in a process of its own (`scaffoldsim.render.layers`).

    Parameters
    ----------
    arrays : mapping
        Arrays by name, see `layers.draw`.
    settings : mapping
        JSON values, see `layers.draw`.

    Returns
    -------
    image : (height, width, 3) uint8
        The raster.
    facts : dict
        What the typography needs, such as ``pixels_per_m``.

    Raises
    ------
    NoGraphicsError
        If the machine lacks a library, or drawing crashed.
    """
    window = window_class()
    if window is None:
        raise NoGraphicsError(f"no EGL and no OSMesa library is installed; install {PACKAGES}")
    environment = dict(os.environ)
    if window:
        environment["VTK_DEFAULT_OPENGL_WINDOW"] = window
    # The child must find this very package, wherever it was imported from.
    root = str(Path(__file__).resolve().parents[2])
    known = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([root, known] if known else [root])
    with tempfile.TemporaryDirectory(prefix="scaffoldsim-render-") as name:
        folder = Path(name)
        for key, array in arrays.items():
            np.save(folder / f"{key}.npy", array, allow_pickle=False)
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        command = [sys.executable, "-m", "scaffoldsim.render.layers", name]
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NoGraphicsError(f"drawing took more than {_TIMEOUT_S:.0f} s") from error
        # The facts are written last: a driver that crashes while it is put away has drawn.
        if not (folder / "facts.json").is_file():
            lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
            why = lines[-1].strip() if lines else f"exit code {done.returncode}"
            raise NoGraphicsError(f"the graphics driver failed ({why[:200]}); install {PACKAGES}")
        image = np.load(folder / "image.npy", allow_pickle=False)
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return image, facts

"""Whether this machine can draw in 3-D, found out without risking the process that asks.

With neither EGL nor OSMesa, VTK ends the process by a segmentation fault that no exception handler
sees. So the libraries are looked for first, and drawing happens in a process of its own: whatever
the driver does to that process, the run that wanted a picture goes on.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

#: Said to the user wherever slices take the place of the 3-D picture.
PACKAGES = "libegl1 and libgl1-mesa-dri (or libosmesa6)"
_EGL = ("libEGL.so.1", "libEGL.so")
_OSMESA = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")
_COMMAND = (sys.executable, "-m", "scaffoldsim.render.layers")
#: The longest that one picture may take.
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


class Painter:
    """A process that draws, alive for as many pictures as are needed; a context manager.

    Raises
    ------
    NoGraphicsError
        From any method, if the machine lacks a library, or drawing crashed.

    Examples
    --------
    >>> with Painter() as painter:  # doctest: +SKIP
    ...     image, facts = painter.draw(arrays, settings)
    ...     turned, facts = painter.draw(None, settings | {"turn": 90.0})
    """

    def __init__(self) -> None:
        self._count = 0

    def __enter__(self) -> Painter:
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
        self._folder = tempfile.TemporaryDirectory(prefix="scaffoldsim-render-")
        with open(Path(self._folder.name, "stderr"), "wb") as said:
            self._process = subprocess.Popen(
                [*_COMMAND, self._folder.name],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # All pictures are here: nothing is lost with it, whatever a driver does as it is put away.
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def draw(
        self, arrays: Mapping[str, npt.NDArray[Any]] | None, settings: Mapping[str, Any]
    ) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Draw a picture.

        Parameters
        ----------
        arrays : mapping or None
            Arrays by name, see `layers.Stage.show`; None for those of the picture before.
        settings : mapping
            JSON values, see `layers.Stage`.

        Returns
        -------
        image : (height, width, 3) uint8
            The raster.
        facts : dict
            What the typography needs, such as ``pixels_per_m``.
        """
        self._count += 1
        place = Path(self._folder.name, str(self._count))
        place.mkdir()
        for key, array in (arrays or {}).items():
            np.save(place / f"{key}.npy", array, allow_pickle=False)
        (place / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        began = time.monotonic()
        late = threading.Timer(_TIMEOUT_S, self._process.kill)
        late.start()
        try:
            self._await(str(self._count))
        finally:
            late.cancel()
        # The facts are written last: a driver that crashes after them has drawn.
        if not (place / "facts.json").is_file():
            if time.monotonic() - began >= _TIMEOUT_S:
                raise NoGraphicsError(f"drawing took more than {_TIMEOUT_S:.0f} s")
            raise NoGraphicsError(self._why())
        image = np.load(place / "image.npy", allow_pickle=False)
        facts = json.loads((place / "facts.json").read_text(encoding="utf-8"))
        shutil.rmtree(place)
        return image, facts

    def _await(self, number: str) -> None:
        """Ask for a picture, and wait until it is there or the process has ended."""
        asks, answers = self._process.stdin, self._process.stdout
        assert asks is not None
        assert answers is not None
        try:
            asks.write(f"{number}\n")
            asks.flush()
        except BrokenPipeError:
            return
        for line in answers:
            if line.strip() == number:
                return

    def _why(self) -> str:
        """Say why the process has ended."""
        code = self._process.wait()
        said = Path(self._folder.name, "stderr").read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        why = lines[-1] if lines else f"exit code {code}"
        return f"the graphics driver failed ({why[:200]}); install {PACKAGES}"


def draw(
    arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]
) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    """Draw one picture in a process of its own, see `Painter.draw`."""
    with Painter() as painter:
        return painter.draw(arrays, settings)

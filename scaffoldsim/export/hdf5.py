"""HDF5 files that end well: on a full disk, and when the user interrupts.

HDF5 cannot close a file that it could not write, and then takes the process down when Python ends;
so it writes to an object that keeps the error to itself until the file is closed. An exception that
is raised while HDF5 calls that object may be dropped, and a piece of the file with it; so an
interruption waits until HDF5 is not at work.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any


class _Patient(FileIO):
    """A file that keeps what the system says against writing, and takes all that comes then."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        try:
            while len(rest) and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        return super().truncate(size) if self.error is None else 0


class Hdf5File:
    """A new HDF5 file, `root` its groups; a context, which closes it.

    Raises
    ------
    OSError
        By `require_written` and `close`: what the system said against writing.
    """

    def __init__(self, path: Path) -> None:
        import h5py

        self._stream = _Patient(path, "w+b")
        self.root: Any = h5py.File(self._stream, "w")

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shut()

    def _shut(self) -> None:
        self.root.close()
        self._stream.close()

    def require_written(self) -> None:
        """Raise what the system said against writing, if it did."""
        if self._stream.error is not None:
            raise self._stream.error

    def close(self) -> None:
        """Write the rest and close it; closing twice is harmless."""
        self._shut()
        self.require_written()


@contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back; the function given raises the KeyboardInterrupt that was held."""
    held: list[int] = []

    def check() -> None:
        if held:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield check  # only the main thread is interrupted
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)

"""How a command can end badly, and how an exception becomes words and an exit code."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaffoldsim.tree import Problem

FAILED, BAD_INPUT, REFUSED, INTERRUPTED = 1, 2, 3, 130


class Failure(Exception):  # noqa: N818 - an interruption is no error
    """A command that ends with `code` and says `lines` on stderr."""

    def __init__(self, code: int, *lines: str) -> None:
        self.code, self.lines = code, lines
        super().__init__("\n".join(lines))


@contextmanager
def reading_input(name: str = "") -> Iterator[None]:
    """Turn what goes wrong while input is read into exit code 2, one line per problem.

    Parameters
    ----------
    name : str
        The file or argument that is read, put before messages that do not name one.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise bad_input(error, name) from error


def bad_input(error: Exception, name: str = "") -> Failure:
    """Return the failure that says what was wrong with the input.

    Its exit code is 2; or 3, if the input asks for more voxels than there can be.
    """
    code = REFUSED if _is_too_large(error) else BAD_INPUT
    problems = getattr(error, "problems", None)
    if problems:
        return Failure(code, *(line for problem in problems for line in _lines(problem)))
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename or name}: {error.strerror.lower()}"
    else:
        message = " ".join(str(error).split()) or type(error).__name__
    if name and name not in message:
        message = f"{name}: {message}"
    return Failure(code, message)


def _is_too_large(error: BaseException | None) -> bool:
    """Whether `error`, or what it was made from, is the TooLarge of `scaffold.grid`."""
    while error is not None:
        if type(error).__name__ == "TooLarge":  # by name: its module is heavy to import
            return True
        error = error.__cause__
    return False


def _lines(problem: Problem) -> list[str]:
    """Return a problem as lines, each of which says where."""
    return [str(problem._replace(message=line)) for line in problem.message.splitlines()]


def unexpected(error: BaseException, folder: Path | None = None) -> Failure:
    """Return the failure, exit code 1, for an error nobody foresaw; its traceback goes to a log.

    Parameters
    ----------
    error : exception
        What was raised.
    folder : path, optional
        Where to write ``error.log``; without one, a file among the temporary ones.
    """
    text = "".join(traceback.format_exception(error))
    try:
        if folder is not None and folder.is_dir():
            log = folder / "error.log"
            log.write_text(text, encoding="utf-8")
        else:
            handle, name = tempfile.mkstemp(prefix="scaffoldsim-", suffix=".log", text=True)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            log = Path(name)
    except OSError:
        where = "no log could be written; --debug shows the traceback"
    else:
        where = f"traceback in {log}"
    summary = " ".join(str(error).split()) or "no message"
    return Failure(FAILED, f"{type(error).__name__}: {summary} ({where})")

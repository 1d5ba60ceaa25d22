"""The verbs, and `main`, which turns every way they can end into an exit code."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from cyclopts import (
    App,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnusedCliTokensError,
)

from scaffoldsim import __version__
from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.cli import comparison, entries, exports, runs, scaffolds, study
from scaffoldsim.cli.failures import BAD_INPUT, INTERRUPTED, Failure, unexpected

_HELP = """Stem cells and bone healing in designed or scanned 3-D scaffolds.

Quantities take units: "600 um", "28 d", "10 nM". Names are looked for in ./scaffolds, ./configs \
and ./viz, in $SCAFFOLDSIM_PATH and in the installed catalogue. Any verb takes --debug, which \
shows the traceback of an error.
"""

_EXIT_CODES = """\
Exit codes: 0 done; 1 the run failed, its checkpoint is kept; 2 bad input, every problem is named \
and nothing is written; 3 refused for lack of memory or disk; 130 interrupted, a checkpoint is \
written and `scaffoldsim resume RUN` goes on.
"""

#: the verbs, in the order of the help, each with the one example its help shows
_VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "list": (entries.list_entries, "scaffoldsim list materials"),
    "describe": (entries.describe, "scaffoldsim describe materials/bcp"),
    "check": (runs.check, "scaffoldsim check quickstart --set scaffold.porosity=0.95"),
    "build": (scaffolds.build, 'scaffoldsim build bcp_designed --set pore_size="500 um"'),
    "measure": (
        scaffolds.measure,
        'scaffoldsim measure scan.tif --voxel "19.5 um" --threshold otsu',
    ),
    "run": (runs.run, 'scaffoldsim run quickstart --set duration="14 d" --seed 2'),
    "resume": (runs.resume, "scaffoldsim resume runs/quickstart-0a1b2c3d-s1"),
    "study": (study.study, "scaffoldsim study dexamethasone --seeds 16"),
    "compare": (
        comparison.compare,
        'scaffoldsim compare bcp plga --seeds 4 --set duration="7 d"',
    ),
    "render": (
        runs.render,
        'scaffoldsim render runs/quickstart-0a1b2c3d-s1 --at "14 d" --out day14.png',
    ),
    "view": (runs.view, "scaffoldsim view runs/quickstart-0a1b2c3d-s1 --out look.html"),
    "export": (exports.export, "scaffoldsim export runs/quickstart-0a1b2c3d-s1 --to vtkhdf"),
}


def make_app() -> App:
    """Return the application: every verb with its example."""
    app = App(
        name="scaffoldsim",
        help=_HELP,
        help_epilogue=_EXIT_CODES,
        version=__version__,
        # Markdown help and boxes cost 100 ms of imports.
        help_format="plaintext",
        help_formatter="plain",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for order, (verb, (command, example)) in enumerate(_VERBS.items()):
        app.command(command, name=verb, help_epilogue=f"Example: {example}", sort_key=order)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``scaffoldsim``; by default those of the command line.

    Examples
    --------
    >>> main(["run", "no-such-config"])
    2
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        with nullcontext() if debug else _warnings_in_words():
            make_app()(words)
        sys.stdout.flush()
    except Failure as failure:
        return _say(failure, debug)
    except CycloptsError as error:
        return _say(_misuse(error), debug)
    except KeyboardInterrupt:
        return _say(Failure(INTERRUPTED, "interrupted"), debug)
    except BrokenPipeError:
        # The reader, such as `head`, has what it wants; nothing may be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, SystemExit) as error:
        # No verb exits by itself: a SystemExit here comes from code of the user's.
        if debug:
            traceback.print_exc()
        return _say(unexpected(error), debug=False)
    return 0


@contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Say what the package warns of in one line, without the place in its code; others as ever."""
    package = Path(__file__).parent.parent
    with warnings.catch_warnings():
        as_ever = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: Any = None,
            line: str | None = None,
        ) -> None:
            if category is RuntimeWarning and Path(filename).is_relative_to(package):
                print(f"warning: {message}", file=sys.stderr)
            else:
                as_ever(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def _say(failure: Failure, debug: bool) -> int:
    if debug and failure.__cause__ is not None:
        traceback.print_exception(failure.__cause__)
    for line in failure.lines:
        print(line, file=sys.stderr)
    return failure.code


def _misuse(error: CycloptsError) -> Failure:
    """Return the failure, exit code 2, for words that no verb understands."""
    chain = " ".join(["scaffoldsim", *(error.command_chain or ())])
    unused = error.unused_tokens or []
    if isinstance(error, UnknownCommandError):
        hint = did_you_mean(unused[0], _VERBS)
        message = f"{unused[0]!r} is not a verb{hint} (verbs: {', '.join(_VERBS)})"
    elif isinstance(error, UnusedCliTokensError):
        message = f"too many words: {' '.join(unused)}"
    elif isinstance(error, MissingArgumentError) and error.argument is not None:
        given = error.keyword or error.argument.name
        message = f"{given} needs a value" if given.startswith("-") else f"{given} is missing"
    else:
        message = " ".join(str(error).split()).rstrip(".")
    return Failure(BAD_INPUT, f"{chain}: {message}", f"see {chain} --help")

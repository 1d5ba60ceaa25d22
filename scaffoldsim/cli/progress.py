"""What a run says on stderr while it goes on: a bar on a terminal, a line every 5 % elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

_EVERY = 0.05


class Progress:
    """Shows day, cells and mean oxygen of a run; call it as the run goes on.

    Parameters
    ----------
    title : str
        What is running.

    Examples
    --------
    >>> with Progress("a run") as progress:  # doctest: +SKIP
    ...     progress(1, 24, {"day": 0.042, "cells": 16000, "oxygen_mM": 0.19})
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None
        self._task: Any = None
        self._said = -1.0
        self._began: tuple[float, float] | None = None  # time and share at the first call

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(self._title, total=None, state="starting")
            self._bar.start()
        else:
            self.say(f"{self._title}: starting")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, step: int, steps: int, news: Mapping[str, Any]) -> None:
        """Say that `step` of `steps` are done, and the `news`.

        Those of a run are day, cells and oxygen_mM; those of a study arm, seed and outcome;
        those of an export frame and day; that of a movie is picture, the day that is drawn.
        """
        if "arm" in news:
            state = f"{step} of {steps} runs  {news['arm']}, seed {news['seed']}: {news['outcome']}"
        elif "frame" in news:
            state = f"{step} of {steps} frames  day {news['day']:5.2f}"
        elif "picture" in news:
            state = f"{step} of {steps} pictures  day {news['picture']:.4g}"
        else:
            state = f"day {news['day']:5.2f}  {news['cells']:>9,.0f} cells"
            state += f"  O2 {news['oxygen_mM']:.3f} mM"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, total=steps, state=state)
            return
        share = step / steps
        if self._began is None:
            self._began = time.monotonic(), share  # a resumed run does not begin at zero
        if share >= min(self._said + _EVERY, 1.0):
            self._said = share
            passed, done = time.monotonic() - self._began[0], share - self._began[1]
            left = f"  {passed * (1 - share) / done:4.0f} s left" if done > 0 else ""
            self.say(f"{share:4.0%}  {state}{left}")

    def say(self, line: str) -> None:
        """Print a line on stderr, above the bar if there is one."""
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

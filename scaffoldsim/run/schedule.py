"""When something is written."""

from typing import Annotated

from scaffoldsim.config import Section, Unit


class Output(Section):
    """How often metrics, frames (cells and fields) and checkpoints are written.

    Metrics and frames are due in simulated time, at the first step at or after each multiple, and
    at the start and the end. Checkpoints are due in wall-clock time and change no result.
    """

    metrics_every: Annotated[float, Unit("s", ge=60, le=1e9, show="h")] = "6 h"  # type: ignore[assignment]
    frames_every: Annotated[float, Unit("s", ge=60, le=1e9, show="d")] = "2 d"  # type: ignore[assignment]
    checkpoint_every: Annotated[float, Unit("s", ge=0, le=86400, show="min")] = "10 min"  # type: ignore[assignment]


def due(step: int, dt: float, every: float, last: int) -> bool:
    """Return whether something that happens `every` s is due after `step` steps of `dt` s.

    Examples
    --------
    >>> [step for step in range(8) if due(step, 3600.0, 9000.0, last=7)]
    [0, 3, 5, 7]
    """
    if step == 0 or step == last:
        return True
    # half a microstep of slack keeps 6 h due at step 6 whatever the rounding of step * dt
    slack = 1e-6 * dt
    return int((step * dt + slack) // every) > int(((step - 1) * dt + slack) // every)

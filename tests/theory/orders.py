"""Observed order of accuracy, printed as a table (pytest -s, make evidence)."""

from __future__ import annotations

import numpy as np


def observed_order(title, sizes, errors):
    """Slope of log error over log size, by least squares; `sizes` grow as the mesh gets finer."""
    sizes, errors = np.asarray(sizes, float), np.abs(np.asarray(errors, float))
    order = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    told = "  ".join(f"{n:g}: {e:.2e}" for n, e in zip(sizes, errors, strict=True))
    print(f"\n  {title:58s} order {order:.2f}   {told}")
    return order

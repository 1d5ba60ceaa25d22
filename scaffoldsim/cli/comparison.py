"""``compare``: designs, materials, configs or runs, side by side."""

from __future__ import annotations


def compare(*things: str) -> None:
    """Compare."""

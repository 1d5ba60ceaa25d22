"""What the behaviours in a user's Python file do, and what options they take."""

from __future__ import annotations

import inspect
from dataclasses import MISSING
from pathlib import Path


def text(name: str) -> str | None:
    """Return what there is to say of ``file.py``, or of one class in it as ``file.py:Class``.

    None if `name` is no Python file.

    Raises
    ------
    ValueError
        If the file cannot be imported, or the class is not there.
    """
    file, _, chosen = name.partition(".py:")
    path = Path(f"{file}.py" if chosen else name)
    if path.suffix != ".py" or not path.is_file():
        return None
    from scaffoldsim.model.plugins import behaviours_in, find_class

    kinds = [find_class(path, chosen)] if chosen else behaviours_in(path)
    if not kinds:
        raise ValueError(f"{path.name} defines no ss.Behaviour; name a class: {path.name}:Class")
    return "\n\n".join(_block(path, kind) for kind in kinds)


def _block(path: Path, kind: type) -> str:
    from scaffoldsim.model.behaviours import fields_of
    from scaffoldsim.schema import Parameter

    words = inspect.getdoc(kind) or ""
    if words.startswith(f"{kind.__name__}("):
        words = ""  # what dataclasses put where there is no docstring
    lines = [f"{path}:{kind.__name__}", *words.splitlines()]
    for key in ("reads", "writes"):
        lines.append(f"  {key}: {', '.join(getattr(kind, key, ())) or 'nothing is declared'}")
    for name, spec in fields_of(kind).items():
        default = spec.default
        if isinstance(default, Parameter):
            low, high = default.range
            lines.append(
                f"  {name} = {default.text}  ({low} to {high}; {default.mark}: {default.source})"
            )
        else:
            needed = default is MISSING and spec.default_factory is MISSING
            lines.append(f"  {name}  (needed)" if needed else f"  {name} = {default!r}")
    return "\n".join(lines)

"""The user's own rules: a class in a Python file, named in the configuration as ``file.py:Class``.

A behaviour changes rates (``inf`` = now), never the cells themselves; the lattice then does what
the rates say. It has either ``apply(model, dt)``, which works on columns, or ``step(cell)``, which
is called for every cell (small runs)::

    class Quiescence:
        def apply(self, model, dt):
            model.cells.divide[model.cells.doublings > 20] = 0
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from scaffoldsim.config import Section
from scaffoldsim.schema import InputFile
from scaffoldsim.tree import Path_, digest

if TYPE_CHECKING:
    from scaffoldsim.model.model import Model


class Behaviour(Section):
    """A class in a Python file; in a configuration ``file.py:Class``, or both keys."""

    file: Annotated[str, InputFile()]
    name: str

    @classmethod
    def shorthand(cls, text: str) -> dict[str, Any]:
        """Return the two keys that ``file.py:Class`` stands for."""
        file, colon, name = text.rpartition(":")
        return {"file": file, "name": name} if colon else {"file": text, "name": ""}

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a file without a class."""
        if not self.name.isidentifier():
            yield (), f"{self.name!r} is not the name of a class; write file.py:Class"

    @property
    def sha256(self) -> str:
        """Hash of the file, for the manifest."""
        return digest(Path(self.file))

    def make(self) -> "Rule":
        """Import the file and make the behaviour.

        Raises
        ------
        ValueError
            If the file cannot be imported, or the class is missing or has neither method.
        """
        path = Path(self.file)
        spec = importlib.util.spec_from_file_location(f"_behaviour_{self.sha256[:12]}", path)
        if spec is None or spec.loader is None:
            raise ValueError(f"{path.name} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            behaviour = getattr(module, self.name)()
        except (Exception, SystemExit) as error:  # a user's file may raise anything
            raise ValueError(f"{path.name}:{self.name}: {type(error).__name__}: {error}") from error
        if not (hasattr(behaviour, "apply") or hasattr(behaviour, "step")):
            raise ValueError(f"{path.name}:{self.name} has neither apply(model, dt) nor step(cell)")
        return Rule(f"{path.name}:{self.name}", behaviour)


class Rule:
    """A user's behaviour in a model, with the name to use when it fails."""

    def __init__(self, name: str, behaviour: Any) -> None:
        self.name, self._behaviour = name, behaviour

    def __repr__(self) -> str:
        return f"Rule({self.name})"

    def apply(self, model: "Model", dt: float) -> None:
        """Let the behaviour set rates; refuse a rate that is negative or not a number."""
        try:
            if hasattr(self._behaviour, "apply"):
                self._behaviour.apply(model, dt)
            else:
                for cell in model.agents:
                    self._behaviour.step(cell)
        except (Exception, SystemExit) as error:  # a user's file may raise anything
            raise ValueError(f"behaviour {self.name}: {type(error).__name__}: {error}") from error
        cells = model.cells
        for column in ("hop", "divide", "death", "fate"):
            rate = getattr(cells, column)
            bad = np.argwhere(~(rate >= 0))
            if bad.size:
                row = bad[0][-1]
                raise ValueError(
                    f"behaviour {self.name} set {column} of cell {cells.id[row]} to "
                    f"{rate[tuple(bad[0])]}; a rate is 0 or more (inf = now)"
                )

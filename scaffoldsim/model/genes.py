"""Gene modification of the cells that are given: one file in ``configs/genes/`` per gene."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from scaffoldsim.config import Entry, Parameter, Section, Unit
from scaffoldsim.model.factors import CellEvent
from scaffoldsim.tree import Path_

#: a mask of genes is one byte
MOST_GENES = 8


class GeneSecretion(Section):
    """What a modified cell gives off on top of its own: species and rate, mol/s or kg/s a cell."""

    species: str
    rate: Annotated[Parameter, Unit("mol/s", ge=0, le=1e-9, show="fmol/h", other="kg/s")]


class GeneCue(Section):
    """What the gene does inside its cell to the rate of one of the cell's events: times `fold`."""

    event: CellEvent
    fold: Annotated[Parameter, Unit("", ge=0, le=100)]


class Gene(Entry):
    """A gene that is brought into cells.

    Attributes
    ----------
    secretion
        A product that leaves the cell.
    cues
        What it does within.
    plasmid_lifetime
        τ of its expression e^(−t/τ) from a plasmid, s; from a lentiviral vector it lasts.
    mitogenic
        Whether it drives division: a flag of risk.
    """

    kind: ClassVar[str] = "genes"

    secretion: GeneSecretion | None = None
    cues: list[GeneCue] = Field([])
    plasmid_lifetime: Annotated[Parameter, Unit("s", ge=3600, le=1e10, show="d")]
    mitogenic: bool = False

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a gene that does nothing."""
        if self.secretion is None and not self.cues:
            yield (), "a gene needs secretion or cues; it has neither"


class Modification(Section):
    """A gene and the vector that carries it; in a configuration the gene's name is enough.

    ``lentiviral``: in the genome, for good. ``plasmid``: fades. Daughters inherit either.
    """

    gene: Gene
    vector: Literal["lentiviral", "plasmid"] = "lentiviral"

    @classmethod
    def shorthand(cls, text: str) -> dict[str, Any] | None:
        """Return the keys that the name of a gene stands for."""
        return {"gene": text}

    def expression(self, time: float) -> float:
        """Return the share of full expression at `time` (s since delivery).

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> change = Modification(gene=read_entry("genes", "bmp2"), vector="plasmid")
        >>> change.expression(0.0), round(change.expression(14 * 86400.0), 3)
        (1.0, 0.368)
        """
        if self.vector == "lentiviral":
            return 1.0
        return math.exp(-time / self.gene.plasmid_lifetime)

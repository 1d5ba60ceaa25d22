"""What the construct is to cells as a whole: a gel or not, and under load or not."""

from typing import TYPE_CHECKING

from pydantic import Field

from scaffoldsim.config import Section

if TYPE_CHECKING:
    from scaffoldsim.scaffold.scaffold import Scaffold

#: a solid of no named material is taken as rigid, Pa (assumed: above every gate's half-maximum)
RIGID = 1e9


class Mechanics(Section):
    """Load on the construct.

    Attributes
    ----------
    stimulus
        Mechanical stimulus S, the same everywhere: octahedral shear strain/3.75 % + fluid
        speed/(3 µm/s) (Prendergast 1997, recalled). Without it there is no load, and no fate asks
        for it.
    """

    stimulus: float | None = Field(None, ge=0, le=1000)


def is_gel(scaffold: "Scaffold") -> bool:
    """Whether the box is filled with a gel: a material, and no walls."""
    return scaffold.material is not None and not bool(scaffold.solid.any())

"""What is measured of a scaffold, each with its definition: the record in morphometry.json."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from scaffoldsim.scaffold.criteria import Criterion

_DEFINITION = (
    "Volume-weighted mean local thickness of the pore phase (as Tb.Sp): each pore voxel counts "
    "with the diameter of the largest ball that fits in the pores and covers it, found exactly on "
    "voxels."
)


@dataclass(frozen=True)
class Accessible:
    """Share of the pore volume that a sphere of this diameter reaches from outside."""

    probe_um: float
    fraction: float


@dataclass(frozen=True)
class Morphometry:
    """Measured geometry of a scaffold; lengths in µm, as written to ``morphometry.json``.

    Every attribute is declared with its definition in words; `definitions` lists them, and the file
    carries them. What was not measured, or does not exist, is None.
    """

    porosity: Annotated[float, "Pore voxels over all voxels of the box."]
    porosity_accessible: Annotated[
        float,
        "The part of the porosity in pores open to the outside: joined, through faces of voxels, "
        "to a face that is not periodic or, where all are, in a network that goes on for ever.",
    ]
    pore_size_mean_um: Annotated[float | None, _DEFINITION]
    pore_size_sd_um: Annotated[
        float | None, "Standard deviation of the local thickness, by volume."
    ]
    pore_size_d10_um: Annotated[
        float | None, "A tenth of the pore volume has a local thickness of at most this."
    ]
    pore_size_d50_um: Annotated[
        float | None, "Half of the pore volume has a local thickness of at most this."
    ]
    pore_size_d90_um: Annotated[
        float | None, "Nine tenths of the pore volume have a local thickness of at most this."
    ]
    pore_fraction_in_range: Annotated[
        float | None, "Share of the pore volume with a local thickness of 300 to 1200 um."
    ]
    throat_um: Annotated[
        dict[str, float | None],
        "Per axis, diameter of the largest sphere that can travel through from face to face, or "
        "for ever where the axis is periodic; 0 where none can.",
    ]
    pore_networks: Annotated[
        int,
        "Networks of pores with no way between them, each at least 1 % of the pore volume.",
    ]
    percolates: Annotated[
        dict[str, bool],
        "Per axis, whether such a network joins both faces, or goes on for ever where the axis is "
        "periodic.",
    ]
    solid_pieces: Annotated[
        int, "Pieces of solid, each at least 1 % of the solid volume; one is sound."
    ]
    wall_thickness_mean_um: Annotated[
        float | None, "Volume-weighted mean local thickness of the solid phase (as Tb.Th)."
    ]
    specific_surface_per_mm: Annotated[
        float,
        "Area of the wall over the volume of the box, mm2/mm3, of the smooth surface, not of voxel "
        "faces.",
    ]
    chord_length_mean_um: Annotated[
        dict[str, float | None],
        "Per axis, length in pores of the lines along it over half the number of walls on them; "
        "null where no wall stands across. In isotropic pores 4 porosity / specific surface.",
    ]
    voxel_um: Annotated[float, "Edge of a voxel."]
    uncertainty_um: Annotated[
        float, "What the grid does to a diameter, a throat or a wall: about one voxel."
    ]
    uncertainty: Annotated[
        dict[str, float | dict[str, float | None]],
        "Plus or minus, in the unit of the field it is named after. porosity: if every wall of an "
        "image were half a voxel off. tortuosity_factor: difference of the fluxes through the two "
        "faces, which the solver left.",
    ]
    shape: Annotated[tuple[int, int, int], "Voxels of the box along x, y, z."]
    periodic: Annotated[tuple[bool, bool, bool], "Which axes wrap round."]
    pore_size_faces: Annotated[str, "How pores cut by a face of the box were measured."]
    curvature_mean_per_mm: Annotated[
        float | None,
        "Area-weighted mean of the mean curvature H of the wall: H > 0 where the solid bulges into "
        "the pore (1/R on a solid ball), H < 0 where the wall is hollow seen from the pore (-1/R "
        "in a spherical pore).",
    ] = None
    curvature_mean_sd_per_mm: Annotated[
        float | None, "Area-weighted standard deviation of the mean curvature H."
    ] = None
    curvature_gaussian_per_mm2: Annotated[
        float | None,
        "Area-weighted mean of the Gaussian curvature K; K < 0 on saddles. K times the area is 2 "
        "pi times the Euler number of the wall.",
    ] = None
    concave_fraction: Annotated[
        float | None, "Share of the area of the wall that is hollow seen from the pore (H < 0)."
    ] = None
    accessible_fraction: Annotated[
        list[Accessible] | None,
        "Share of the pore volume that a sphere of the probe's diameter covers when it enters "
        "through the faces that are not periodic (where all are: in pores that go on for ever); "
        "the faces of the box are the openings, and its centre stays in the box. Probes are those "
        "of more than two voxels that find a place. A diameter is uncertain by a voxel.",
    ] = None
    diffusivity_relative: Annotated[
        dict[str, float | None] | None,
        "Per axis, effective over free diffusivity, from the steady flux between two faces of the "
        "box held at different concentrations; other faces are closed, or joined where their axis "
        "is periodic. 0 where no pore joins the two faces; null where the solver gave up.",
    ] = None
    tortuosity_factor: Annotated[
        dict[str, float | None] | None,
        "Per axis, porosity over relative diffusivity (Cooper 2016, TauFactor); null where no "
        "pore joins the two faces. Stairs of voxels on walls inclined to the axes make it too "
        "large, less the finer the voxel.",
    ] = None
    permeability_estimate_um2: Annotated[
        dict[str, float | None] | None,
        "Per axis, an estimate, flow is not solved: relative diffusivity times the square of "
        "pore_size_mean_um over 32. Exact in straight tubes of one size, 2.7 times too low in "
        "slits; take a factor 2.",
    ] = None
    pore_size_definition: str = _DEFINITION
    criteria: Annotated[
        list[Criterion], "Verdicts on criterion C4: porosity and mean pore size."
    ] = field(default_factory=list)
    notes: Annotated[list[str], "What the reader should know."] = field(default_factory=list)
    schema: int = 1

    @classmethod
    def definitions(cls) -> dict[str, str]:
        """Name of each attribute and what it means, in words."""
        hints = get_type_hints(cls, include_extras=True)
        return {
            entry.name: str(hints[entry.name].__metadata__[0])
            for entry in fields(cls)
            if hasattr(hints[entry.name], "__metadata__")
        }

    def check(self) -> list[Criterion]:
        """Verdicts on criterion C4."""
        return list(self.criteria)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and mappings: `schema` first, `definitions` last."""
        values = asdict(self)
        values["shape"], values["periodic"] = list(self.shape), list(self.periodic)
        return {"schema": values.pop("schema"), **values, "definitions": self.definitions()}

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write as JSON: all of it or nothing."""
        target = Path(path)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def __repr__(self) -> str:
        kept = sum(criterion.verdict == "pass" for criterion in self.criteria)
        size = "no walls"
        if self.pore_size_mean_um is not None:
            size = f"pores {self.pore_size_mean_um:.0f} um"
        return (
            f"Morphometry(porosity {self.porosity:.3f}, {size}, "
            f"{self.pore_networks} network{'s' * (self.pore_networks != 1)}, "
            f"criteria {kept}/{len(self.criteria)} passed)"
        )

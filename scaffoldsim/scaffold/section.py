"""The ``scaffold:`` section of a configuration, which is also a design of the catalogue."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from scaffoldsim import units
from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.scaffold.families import family_names, get_family, option_problems
from scaffoldsim.scaffold.grading import Grading
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.material import LoadedFactor, Material
from scaffoldsim.scaffold.morphometry import MIN_POROSITY, PORE_RANGE
from scaffoldsim.schema import Entry, InputFile, Section, Unit

SolidKind = Literal["binary", "fraction"]
Criteria = Literal["enforce", "report"]
Problem = tuple[tuple[str | int, ...], str]

_Edge = Annotated[float, Unit("m", ge=1e-5, le=0.1, show="mm")]
_Span = list[Annotated[float, Unit("m", ge=0, le=1, show="mm")]]
_OF_DESIGNS = ("options", "porosity", "pore_size", "size", "grading")
_OF_IMAGES = (
    "threshold", "invert", "unit", "crop", "resample", "largest_pore_network", "smallest_island",
)  # fmt: skip


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class Crop(Section):
    """The part of an image to keep: from and to along x, y, z; an axis left out is kept whole."""

    x: _Span | None = None
    y: _Span | None = None
    z: _Span | None = None

    def problems(self) -> Iterator[Problem]:
        """Two positions each, in order."""
        for axis, span in self.spans().items():
            if len(span) != 2 or not span[0] < span[1]:
                yield (axis,), "give two positions, from and to, for example [1 mm, 3 mm]"

    def spans(self) -> dict[str, list[float]]:
        """The axes that are cropped."""
        given = {axis: getattr(self, axis) for axis in "xyz"}
        return {axis: [float(at) for at in span] for axis, span in given.items() if span}


class ScaffoldSection(Entry):
    """What the scaffold is: designed from a `family`, or read from an `image`.

    A design needs `porosity`, `pore_size` (each a number, or a profile in `grading`), `size` and
    `voxel`; an image has `threshold`, `invert`, `crop` and so on, and `voxel` where the file does
    not say. See `Scaffold.design` and `Scaffold.from_image`.
    """

    kind: ClassVar[str] = "designs"
    base_key: ClassVar[str] = "design"

    family: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    image: Annotated[str, InputFile] | None = None
    threshold: Literal["otsu"] | float = "otsu"
    invert: bool = False
    unit: Literal["um", "mm", "cm", "m", "inch"] = "mm"
    crop: Crop | None = None
    resample: Annotated[float, Unit("m", ge=1e-7, le=1e-3, show="um")] | None = None
    largest_pore_network: bool = False
    smallest_island: Annotated[int, Field(ge=0)] = 0
    material: Material | None = None
    loaded: list[LoadedFactor] = Field(default_factory=list)
    porosity: Annotated[float, Unit("", ge=0.02, le=0.995)] | None = None
    pore_size: Annotated[float, Unit("m", ge=1e-6, le=1e-2, show="um")] | None = None
    grading: Grading | None = None
    size: Annotated[list[_Edge], BeforeValidator(_as_list)] | None = None
    voxel: Annotated[float, Unit("m", ge=1e-7, le=1e-3, show="um")] | None = None
    solid: SolidKind = "binary"
    criteria: Criteria

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Options have to be those of the family; each wrong one is a problem of its own."""
        family = info.data.get("family")
        found = option_problems(family, options) if family in family_names() else []
        if found:
            details = [
                InitErrorDetails(
                    type=PydanticCustomError("value_error", "{what}", {"what": what}),
                    loc=(key,),
                    input=options.get(key),
                )
                for key, what in found
            ]
            raise ValidationError.from_exception_data("options", details)
        return options

    @model_validator(mode="before")
    @classmethod
    def _choose_criteria(cls, data: Any) -> Any:
        """A design has to keep criterion C4, an image is judged by it, unless said otherwise."""
        if isinstance(data, dict) and data.get("criteria") is None:
            return {**data, "criteria": "enforce" if data.get("image") is None else "report"}
        return data

    def _changed(self, key: str) -> bool:
        """Whether a key has another value than its default."""
        return bool(getattr(self, key) != type(self).model_fields[key].default)

    def image_options(self) -> dict[str, Any]:
        """How the image is read, beside its path; for `images.image_grid` and `read_image`."""
        return {
            "voxel": None if self.voxel is None else float(self.voxel),
            "unit": self.unit,
            "resample": None if self.resample is None else float(self.resample),
            "crop": None if self.crop is None else self.crop.spans(),
        }

    def grid(self) -> Grid:
        """The grid asked for, before any rounding to whole periods; of an image, from its header.

        Raises
        ------
        ValueError
            If the image cannot be read.
        """
        if self.image is not None:
            from scaffoldsim.scaffold.images import image_grid

            return image_grid(self.image, **self.image_options())
        x, y, z = ([float(edge) for edge in self.size or []] * 3)[:3]
        return Grid.of_size((x, y, z), float(self.voxel or 0))

    def problems(self) -> Iterator[Problem]:
        """Keys that need each other, and criterion C4."""
        for index, factor in enumerate(self.loaded):
            if factor.carrier is None and (self.material is None or self.material.carrier is None):
                of = f"the material {self.material.name}" if self.material else "a missing material"
                yield (
                    ("loaded", index, "carrier"),
                    f"is missing, and {of} says nothing of it; give its burst and half_life",
                )
        if (self.family is None) == (self.image is None):
            yield (), "a scaffold is either a family, to be designed, or an image; give one of them"
        elif self.image is not None:
            for key in _OF_DESIGNS:
                if getattr(self, key):
                    yield (key,), "an image has its own; remove this key, or give family for image"
            if self.solid != "binary":
                yield ("solid",), "is for designs: the voxels of an image are solid or pore"
            from scaffoldsim.scaffold.images.mesh import MESHES

            mesh = self.image.lower().endswith(MESHES)
            for key in ("threshold", "invert") if mesh else ("unit",):
                if self._changed(key):
                    what = "has no grey values" if mesh else "has its own spacing"
                    yield (key,), f"{'a mesh' if mesh else 'an image'} {what}; remove this key"
            if self.image.lower().endswith(".nhdr"):
                yield ("image",), "keeps its voxels in another file; save it as one .nrrd"
        else:
            yield from self._design_problems(str(self.family))

    def _design_problems(self, family: str) -> Iterator[Problem]:
        for key in _OF_IMAGES:
            if self._changed(key):
                yield (key,), "is for images; remove it, or give image for family"
        for key in ("size", "voxel"):
            if getattr(self, key) is None:
                yield (key,), "is missing: a designed scaffold needs it"
        if self.size is not None and len(self.size) not in (1, 3):
            yield ("size",), f"{len(self.size)} edges; one is needed, or three"
        if family in family_names():
            yield from self._pore_problems(family)
        else:
            hint = did_you_mean(family, family_names())
            yield ("family",), f"{family!r} is not known{hint} ({', '.join(family_names())})"
        if self.criteria == "enforce":
            yield from self._criteria_problems()

    def _pore_problems(self, family: str) -> Iterator[Problem]:
        """Porosity and pore size, each given once; or not at all, where there are no walls."""
        walls = get_family(family).walls
        graded = {key for key in ("porosity", "pore_size") if getattr(self.grading, key, None)}
        for key in ("porosity", "pore_size"):
            given = getattr(self, key) is not None
            if not walls and (given or key in graded):
                yield (key,), f"a {family} has no walls and no pores on the grid; remove this key"
            elif walls and given and key in graded:
                yield (key,), "is given by the grading as well; keep one of them"
            elif walls and not given and key not in graded:
                yield (key,), "is missing: a designed scaffold needs it"

    def _criteria_problems(self) -> Iterator[Problem]:
        low, high = PORE_RANGE
        graded = self.grading or Grading.model_construct()
        porosities: list[tuple[tuple[str | int, ...], float]] = []
        sizes: list[tuple[tuple[str | int, ...], float]] = []
        if self.porosity is not None:
            porosities.append((("porosity",), self.porosity))
        if self.pore_size is not None:
            sizes.append((("pore_size",), self.pore_size))
        porosities += [
            (("grading", "porosity", i), p) for i, p in enumerate(graded.porosity or [])
        ]  # fmt: skip
        sizes += [(("grading", "pore_size", i), d) for i, d in enumerate(graded.pore_size or [])]
        for path, porosity in porosities:
            if porosity < MIN_POROSITY:
                yield (
                    path,
                    f"{float(porosity):g} is below {MIN_POROSITY:.2f}, the least that criterion C4 "
                    "allows; set criteria: report to build it all the same",
                )
        for path, size in sizes:
            if not low <= size <= high:
                yield (
                    path,
                    f"{units.format_si(float(size), 'm')} is outside {low * 1e6:.0f} to "
                    f"{high * 1e6:.0f} um, what criterion C4 allows; set criteria: report to build "
                    "it all the same",
                )

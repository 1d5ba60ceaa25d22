"""The rules of a site in words: what is dead, cleared and opened, and what the wound gives off."""

from scaffoldsim.config import Config
from scaffoldsim.model.exposures import text
from scaffoldsim.model.references import References
from scaffoldsim.model.site import Hole, Site
from scaffoldsim.model.wound import Wound


def wound_of(wound: Wound, cite: References) -> str:
    """Return what a wound does to division and gives to the fields."""
    words = (
        f"Division is multiplied by the wound signal {cite(wound.resting)} + {cite(wound.opened)} "
        f"exp(−t/{cite(wound.fade)})."
    )
    if wound.signals and wound.rim is not None and wound.signals_fade is not None:
        each = " and ".join(f"{cite(level)} of {name}" for name, level in wound.signals.items())
        words += (
            f" Tissue that was opened, {cite(wound.rim)} deep, gives off as much as would hold "
            f"{each}, × exp(−t/{cite(wound.signals_fade)}), if none diffused away; so does the "
            "tissue behind it; only where those fields are modelled."
        )
    return words


def site_of(config: Config, cite: References) -> str:
    """Return what the box holds of the host's living and dead tissue, and what was cleared."""
    host = config.host
    words = []
    if host.site is not None:
        words += ["Site.", *_parts(host.site, cite)]
    if host.marrow is not None:
        marrow = host.marrow
        words.append(
            ("" if words else "Marrow. ")
            + f"Marrow of the host holds {cite(marrow.stromal)} stromal cells × the number of stem "
            "cells, in its living tissue in the box and at its faces, where those that left come "
            f"again at {cite(marrow.turnover)}; only where vessels of the host are modelled."
        )
    return " ".join(words)


def _parts(site: Site, cite: References) -> list[str]:
    words = []
    if site.lesion is not None:
        assert site.rim is not None
        deep, rim = site.lesion.depth, f"{cite(site.rim)} below the faces of the host"
        told = "All beyond" if deep is None else f"The {text(deep)} farthest from the host, beyond"
        words.append(
            f"{told} a rim of at least {rim}, is dead: it holds no cells, and nobody answers its "
            "resorption but where blood comes."
        )
    for name, hole in (("Core decompression", site.track), ("A hole", site.defect)):
        if hole is not None:
            words.append(f"{name} took bone of the host out {_hole(hole)}.")
    if site.residual is not None:
        opened = ", all of them around the track." if site.track else "."
        words.append(
            f"{cite(site.residual)} of the vessels of health cross the faces of the host{opened}"
        )
    if site.oxygen is not None:
        words.append(f"Oxygen there is {cite(site.oxygen)}.")
    return words


def _hole(hole: Hole) -> str:
    wide = "as wide as the box" if hole.diameter is None else f"{text(hole.diameter)} wide"
    deep = "through it" if hole.depth is None else f"{text(hole.depth)} deep"
    return f"through {hole.face}, {wide} and {deep}; the scaffold fills that alone"

"""The rule set of a configuration as a methods paragraph: sentences with values, units, sources.

Every number is the one the model computes with; after each stand the number of its reference, and
at the end the list of references, with how many numbers were read, recalled or assumed.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from scaffoldsim.config import Config
from scaffoldsim.model.celltypes import CellType, Fate
from scaffoldsim.model.delivery import SHARES, SUSPENDED
from scaffoldsim.model.exposures import Exposure, text
from scaffoldsim.model.factors import Cue, Factor
from scaffoldsim.model.methods_site import site_of, wound_of
from scaffoldsim.model.methods_tissue import (
    bone_of,
    host_bone_of,
    load_of,
    scaffold_of,
    touched_factor,
    vessels_of,
)
from scaffoldsim.model.rates import Donor
from scaffoldsim.model.references import References
from scaffoldsim.model.scores import SOURCE_IMMUNOGENICITY
from scaffoldsim.model.signals import Signals
from scaffoldsim.schema import Parameter
from scaffoldsim.units import format_si

_NOUNS = {
    "osteogenic": "osteogenic fate",
    "adipogenic": "adipogenic fate",
    "chondrogenic": "chondrogenic fate",
    "endothelial": "endothelial fate",
    "vessel_growth": "growth of vessels",
    "msc_count": "number of stem cells",
    "stimulus": "mechanical stimulus",
}

#: route of a dose → what becomes of the share that stays
_STAYS = {
    "dynamic_seeding": "stays, even over surfaces",
    "static_seeding": "times the adhesion of the material stays",
    "gel_seeding": "stays, even in volume",
    "injection": "of a suspension is there after its first day, even in volume",
    "core_decompression": "of a suspension is there after its first day, even in the track",
    "arterial_infusion": "comes out beside vessels that carry blood, by their flow",
}


def paragraphs(config: Config) -> list[str]:
    """Return the rules of `config`: a paragraph each for surroundings, cell types, tissue, cues.

    Examples
    --------
    >>> from scaffoldsim.config import load
    >>> text = paragraphs(load("quickstart"))
    >>> text[0][:60]
    'Time and space. Rates are evaluated every 1 h for 28 d on vo'
    """
    cite = References()
    found = [_space(config), _host(config, cite), _donor(config, cite)]
    seeded = config.cells.type
    for name, cell_type in sorted(config.cell_types.items(), key=lambda item: item[0] != seeded):
        found.append(_cell_type(name, cell_type, config, cite))
    found += [scaffold_of(config, cite), bone_of(config, cite), host_bone_of(config, cite)]
    found += [site_of(config, cite), vessels_of(config, cite)]
    found += _fields(config, cite)
    found += _factors(config, cite)
    found += _genes(config, cite)
    found += _signals(config)
    return [*(each for each in found if each), "\n".join(cite.lines())]


def _space(config: Config) -> str:
    scaffold = config.scaffold
    voxel = getattr(scaffold, "voxel", None)
    size = f" of {text(voxel)}" if voxel is not None else " of the image's size"
    material = scaffold.material
    of = f", in a scaffold of {material.title or material.name}" if material else ""
    ended = (
        f"Time and space. Rates are evaluated every {text(config.step)} for "
        f"{text(config.duration)} on voxels{size}, each of which holds one cell at most{of}."
    )
    load = config.mechanics.stimulus
    if load is not None:
        ended += f" The mechanical stimulus is {load:g} everywhere."
    rules = ", ".join(each.name for each in config.behaviours)
    return ended + (f" The user's own rules {rules} then change the rates." if rules else "")


def _host(config: Config, cite: References) -> str:
    host = config.host
    if host.setting == "culture":
        words = [f"Surroundings. The cells are in culture ({host.title or host.name})."]
    else:
        age = f" of {text(host.age)}" if host.age is not None else ""
        words = [f"Host. {host.title or host.name}: a {host.organism.name}{age}, vitality q = "
                 f"{host.vitality:.3g}."]  # fmt: skip
    words += list(_afflictions(host.conditions, cite))
    if host.wound is not None:
        words.append(wound_of(host.wound, cite))
    for event, factor in host.multipliers.items():
        words.append(f"{_noun(event).capitalize()} is multiplied by {cite(factor)}.")
    if host.load is not None:
        words.append(load_of(host.load, config.bone, cite, felt=config.mechanics.stimulus is None))
    return " ".join(words)


def _donor(config: Config, cite: References) -> str:
    seeding, donor = config.cells, config.cells.donor
    drawn = Donor(config.seed, donor.spread)
    given = seeding.number if seeding.number is not None else text(seeding.density)
    kind = config.cell_types[seeding.type]
    carried = seeding.doublings(kind)
    age = text(donor.age) if donor.age is not None else "the host's or an adult's age"
    words = [
        f"Donor. {given} cells ({kind.title or seeding.type}, {seeding.source}) are given by "
        f"{seeding.delivery.replace('_', ' ')}; the donor is a {donor.species.name} of {age}"
        + (f", after {carried:g} population doublings." if carried else "."),
        *_attachment(config, kind, cite),
        f"Doubling time and osteogenic rate differ between donors (lognormal, coefficient of "
        f"variation {donor.spread:g}); seed {config.seed} has them × {drawn.doubling_time:.3g} and "
        f"× {drawn.osteogenic:.3g}.",
    ]  # fmt: skip
    ageing = donor.species.ageing
    effects = _effects(ageing, cite)
    decline = donor.species.decline
    q = (
        f"q = exp(−(age − {cite(decline.reference)})/{cite(decline.scale)}), at most 1"
        if decline is not None
        else "q = "
        + ", ".join(f"{cite(row.q)} at {cite(row.age)}" for row in donor.species.vitality)
        + ", linear between"
    )
    words.append(f"Age acts through the vitality {q}: with v = 1 − q, {effects}.")
    words += list(_afflictions(donor.conditions or [], cite, memory=True))
    return " ".join(words)


def _attachment(config: Config, kind: CellType, cite: References) -> Iterator[str]:
    """What stays of each dose, and what becomes of it."""
    seeding, rule, immune = config.cells, kind.attachment, config.host.immunity
    if rule is None:
        return
    if seeding.msc_fraction < 1:
        share = float(seeding.msc_fraction)
        yield f"The share {share:g} of them is stromal; the others do nothing."
    for dose in seeding.doses:
        own = dose.number if dose.number is not None else dose.density
        amount = "as many" if own is None else own if isinstance(own, int) else text(own)
        route = (dose.delivery or seeding.delivery).replace("_", " ")
        yield f"At {text(dose.at)} {amount} are given by {route}."
    routes = dict.fromkeys(dose.delivery for dose in seeding.plan)
    for route in routes:
        kept = cite(getattr(rule, SHARES[route]))
        way = _STAYS[route]
        if route == "static_seeding":
            way += (
                f", at depth d below {seeding.face} with weight exp(−d/{cite(rule.static_depth)})"
            )
        yield f"Of {route.replace('_', ' ')} the share {kept} {way}."
    late, fade = rule.late_loss, rule.late_loss_fade
    if late is not None and fade is not None and any(route in SUSPENDED for route in routes):
        yield (
            f"Of a suspension, cells that can crawl leave at {cite(late)} × "
            f"exp(−(t − 1 d)/{cite(fade)}) from a day on."
        )
    if immune is not None:
        material = config.scaffold.material
        foreign = 0.0 if material is None else float(material.immunogenicity)
        yield (
            f"From {cite(immune.onset)} after the first dose foreign cells are rejected at "
            f"{cite(immune.rejection)} × {SOURCE_IMMUNOGENICITY[seeding.source]:g}, the "
            f"immunogenicity of their source; from as long after the start on all cells within "
            f"{cite(immune.reach)} of the material at that rate × its own, {foreign:g}, where that "
            f"is greater; vessels there go at {cite(immune.regression)} × {foreign:g}."
        )


def _afflictions(
    conditions: Iterable[Any], cite: References, *, memory: bool = False
) -> Iterator[str]:
    for each in conditions:
        condition = each.condition
        kept = f", of which cells keep {cite(condition.memory)}" if memory else ""
        severity = f"with severity v = {cite(each.severity)}{kept}"
        name = _capital(condition.title or condition.name)
        yield f"{name}: {severity}, {_effects(condition, cite)}."


def _effects(condition: Any, cite: References) -> str:
    words = []
    for each in condition.effects:
        sign = "−" if each.slope < 0 else "+"
        words.append(f"{_noun(each.event)} × (1 {sign} {cite(each.slope).lstrip('-')} v)")
    return ", ".join(words)


def _cell_type(name: str, cell_type: CellType, config: Config, cite: References) -> str:
    words = [f"{_capital(cell_type.title or name)}."]
    if cell_type.migration is None:
        words.append("It does not move.")
    else:
        m = cell_type.migration
        slow = f" ({cite(m.gel_speed)} of it in gel)" if m.gel_speed is not None else ""
        words.append(
            f"It crawls at S = {cite(m.speed)}{slow} with persistence P = {cite(m.persistence)}, "
            "so that it hops at 6 D/h² with D = S²P/3."
        )
    if cell_type.proliferation is None:
        words.append("It does not divide.")
    else:
        p = cell_type.proliferation
        clock = f" in {p.shape} equal stages" if p.shape > 1 else ""
        words.append(
            f"It divides{clock} with doubling time {cite(p.doubling_time)}, slowed by the factor "
            f"{cite(p.scaffold_factor)} in three dimensions, by oxygen as C/(C + "
            f"{cite(p.half_maximal_oxygen)}) and by population doublings as 1/(1 + "
            f"{cite(p.slowing)} (PD/10)²), not before {cite(p.lag)} after delivery."
        )
    if cell_type.senescence is not None:
        s = cell_type.senescence
        words.append(
            f"At a division mother and daughter each become {s.type} with chance 1/(1 + "
            f"exp(−(PD − PD_max)/{cite(s.width)})), PD_max = {cite(s.doublings)} + "
            f"{cite(s.vitality)} q."
        )
    d = cell_type.death
    words.append(
        f"It dies at {cite(d.basal)} and, for lack of oxygen, at {cite(d.ischaemic)}/(1 + "
        f"(C/{cite(d.ischaemic_oxygen)})²)"
        + (f", and lives {cite(d.lifespan)}." if d.lifespan is not None else ".")
    )
    for target, fate in cell_type.fates.items():
        kind = config.cell_types[target]
        words.append(f"It becomes {_a(kind.title or target)} at {_fate(fate, cite)}.")
    words.append(f"It takes up oxygen at {cite(cell_type.oxygen_uptake)} at most.")
    return " ".join(words)


def _fate(fate: Fate, cite: References) -> str:
    words = [cite(fate.rate)]
    if fate.oxygen is not None:
        half = cite(fate.oxygen.half_maximal)
        share = f"C/(C + {half})" if fate.oxygen.form == "rising" else f"1/(1 + (C/{half})²)"
        at = fate.oxygen.reference
        words.append(f"× {share}" + (f", 1 at {cite(at)}," if at is not None else ""))
    if fate.osteoconductive:
        words.append("× the osteoconductivity of the material it touches")
    if fate.stiffness is not None:
        g = fate.stiffness
        top = "E²" if g.form == "rising" else "K²"
        words.append(f"× (1 + {cite(g.gain)} {top}/(K² + E²)) at stiffness E, K = "
                     f"{cite(g.half_maximal)},")  # fmt: skip
    if fate.mechanics:
        rows = ", ".join(f"{cite(r.factor)} at {cite(r.stimulus)}" for r in fate.mechanics)
        words.append(f"× a factor of the mechanical stimulus under load ({rows}; linear between)")
    if fate.event is not None:
        words.append(f"(event: {fate.event})")
    return " ".join(words).rstrip(",")


def _fields(config: Config, cite: References) -> Iterator[str]:
    for name, entry in config.fields.items():
        words = [f"Field {name}: {entry.title}. D = {cite(entry.diffusivity)}"]
        if entry.half_life is not None:
            words.append(f"half-life {cite(entry.half_life)}")
        if entry.half_saturation is not None:
            words.append(f"half-saturation of uptake {cite(entry.half_saturation)}")
        words.append(f"{cite(entry.medium)} in medium and {cite(entry.host)} in the host")
        sentence = ", ".join(words) + "."
        if entry.secretion is not None:
            s = entry.secretion
            sentence += f" {'Cells give' if not s.types else _join(s.types) + ' give'} off "
            sentence += f"{cite(s.rate)} each"
            if s.hypoxic_fold is not None and s.hypoxic_oxygen is not None:
                sentence += (
                    f", up to {cite(s.hypoxic_fold)} times that below {cite(s.hypoxic_oxygen)} of "
                    "oxygen"
                )
            sentence += "."
        if entry.binding is not None:
            sentence += (
                f" Osteoid and new mineral bind it at {cite(entry.binding.rate)} times their share "
                f"of the voxel, and hold it for {cite(entry.binding.residence)} on average."
            )
        if entry.factor is not None:
            sentence += f" It acts on cells as the factor {entry.factor.name}."
        yield sentence


def _factors(config: Config, cite: References) -> Iterator[str]:
    factors: dict[str, Factor] = {e.factor.name: e.factor for e in config.exposures}
    factors |= {f.factor.name: f.factor for f in config.fields.values() if f.factor is not None}
    touched = touched_factor(config)
    if touched is not None:
        factors.setdefault(touched.name, touched)
    for name, factor in factors.items():
        words = [f"Factor {name}: {factor.title or name}."]
        words += [
            f"It is given {_schedule(exposure)}."
            for exposure in config.exposures
            if exposure.factor.name == name
        ]
        if factor.cues and not factor.acts(config.host.setting):
            words.append("Its cues act in culture only, so not here.")
        elif factor.cues:
            cues = "; ".join(_cue(cue, cite) for cue in factor.cues)
            words.append(f"With x its concentration: {cues}.")
        if factor.chemotaxis is not None:
            c = factor.chemotaxis
            words.append(
                f"Its gradient draws crawling cells: a target weighs exp(½ β ΔΘ), Θ = c/(c + "
                f"{cite(c.half_maximal)}), β = {cite(c.strength)}."
            )
        if factor.relieves is not None:
            r = factor.relieves
            words.append(
                f"In vivo it lowers the severity of {r.condition} by {cite(r.share)} "
                f"{_hill(r.half_maximal, r.hill, cite)}."
            )
        if factor.pulse is not None:
            p = factor.pulse
            fast = _hill(p.activation.half_maximal, p.activation.hill, cite, "A")
            slow = _hill(p.inhibition.half_maximal, p.inhibition.hill, cite, "I")
            words.append(
                f"A and I follow the dose with time constants {cite(p.activation_time)} and "
                f"{cite(p.inhibition_time)}; osteogenic fate × (1 + {cite(p.activation.gain)} a)/("
                f"1 + {cite(p.inhibition.gain)} i), resorption × (1 + {cite(p.resorption)} i), "
                f"with a = {fast} and i = {slow}."
            )
        yield " ".join(words)


def _cue(cue: Cue, cite: References) -> str:
    return (
        f"{_noun(cue.event)} × (1 + ({cite(cue.fold)} − 1) "
        f"{_hill(cue.half_maximal, cue.hill, cite)})"
    )


def _hill(half: Parameter, n: Parameter, cite: References, x: str = "x") -> str:
    if float(n) == 1.0:
        return f"{x}/({x} + {cite(half)})"
    return f"{x}ⁿ/({x}ⁿ + Kⁿ), K = {cite(half)}, n = {cite(n)}"


def _schedule(exposure: Exposure) -> str:
    if exposure.dose is None:
        doses = (f"{text(d.dose)} from {text(d.at)} for {text(d.lasts)}" for d in exposure.doses)
        return "as " + ", ".join(doses)
    words = f"at {text(exposure.dose)}"
    if exposure.every is not None:
        words += f" for {text(exposure.lasts)} every {text(exposure.every)}"
    words += f" from {text(exposure.from_)}"
    return words + (f" until {text(exposure.until)}" if exposure.until is not None else " on")


def _genes(config: Config, cite: References) -> Iterator[str]:
    for change in config.cells.genes:
        gene = change.gene
        words = [f"Gene {gene.name}: {gene.title}, by a {change.vector} vector"]
        fades = f" (× exp(−t/{cite(gene.plasmid_lifetime)}))" if change.vector == "plasmid" else ""
        words[0] += f"{fades}; daughters inherit it."
        if gene.secretion is not None:
            words.append(
                f"A modified cell gives off {cite(gene.secretion.rate)} of "
                f"{gene.secretion.species} on top."
            )
        if gene.cues:
            folds = ", ".join(f"{_noun(cue.event)} × {cite(cue.fold)}" for cue in gene.cues)
            words.append(f"Within the cell {folds}.")
        yield " ".join(words)


def _signals(config: Config) -> Iterator[str]:
    """Yield what all of that comes to in the first step."""
    signals = Signals(
        config.host,
        config.cells.donor,
        config.exposures,
        config.cells.genes,
        autologous=config.cells.source == "autologous",
        species=config.fields,
        touched=touched_factor(config),
    )
    signals.advance(0.0, float(config.step))
    events = ["proliferation", "death", "osteogenic", "adipogenic", "chondrogenic"]
    tissue = ["deposition", "mineralisation", "resorption", "vessel_growth", "msc_count"]

    def row(names: list[str], who: str) -> str:
        return ", ".join(f"{_noun(e)} × {signals.multiplier(e, who):.3g}" for e in names)

    found = (
        f"Together, in the first step and before local cues: of the cells, {row(events, 'donor')}"
    )
    if config.host.setting == "in_vivo":
        found += f"; of the host's tissue, {row(tissue, 'host')}"
    step = format_si(float(config.step), "s")
    yield f"{found} (means over {step})."


def _noun(event: str) -> str:
    return _NOUNS.get(event, event.replace("_", " "))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _join(names: list[str]) -> str:
    return " and ".join(names)

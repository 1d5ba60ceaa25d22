"""What must agree between the sections of a configuration; found before anything is built.

Above all, each harm acts once: a glucocorticoid condition *is* the steroid, so dexamethasone on top
of it is refused, and likewise whatever a condition `excludes`.
"""

from collections.abc import Iterator
from typing import Any

from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.config import Config
from scaffoldsim.model import hostbone, release, site, species, wound
from scaffoldsim.model.delivery import IN_BODY, SHARES
from scaffoldsim.model.exposures import MOST_PULSES, text
from scaffoldsim.model.factors import Factor
from scaffoldsim.tree import Path_

Problem = tuple[Path_, str]


def problems(config: Config) -> Iterator[Problem]:
    """Yield (path, message) for everything that does not agree."""
    for path, message in species.problems(config.fields, list(config.cell_types), config.faces):
        yield ("fields", *path), message
    for path, message in release.problems(config.scaffold, config.fields):
        yield ("scaffold", *path), message
    yield from hostbone.problems(config)
    yield from site.problems(config)
    yield from wound.problems(config)
    yield from _types(config)
    yield from _cells(config)
    yield from _genes(config)
    yield from _factors(config)
    yield from _pulses(config)
    yield from _harms(config)


def _types(config: Config) -> Iterator[Problem]:
    """Types that are named have to exist, and all that divide share a clock."""
    types = config.cell_types
    known = f"(known: {', '.join(types)})"
    for name, entry in types.items():
        for fate in entry.fates:
            if fate not in types:
                yield (
                    ("cell_types", name, "fates", fate),
                    f"{fate!r} is none of cell_types{did_you_mean(fate, types)} {known}",
                )
        rule = entry.senescence
        if rule is not None and rule.type not in types:
            yield (
                ("cell_types", name, "senescence", "type"),
                f"{rule.type!r} is none of cell_types{did_you_mean(rule.type, types)} {known}",
            )
    shapes = {n: t.proliferation.shape for n, t in types.items() if t.proliferation is not None}
    first = next(iter(shapes.items()), None)
    for name, shape in shapes.items():
        if first is not None and shape != first[1]:
            yield (
                ("cell_types", name, "proliferation", "cycle"),
                f"a cycle of {shape} stages, but {first[0]} has {first[1]}; all types that divide "
                "share one",
            )
    becomes = {n: t.senescence.type for n, t in types.items() if t.senescence is not None}
    for name, target in becomes.items():
        if target != next(iter(becomes.values())):
            yield (
                ("cell_types", name, "senescence", "type"),
                f"{target!r}, but another type becomes {next(iter(becomes.values()))!r}; there is "
                "one type for arrested cells",
            )


def _cells(config: Config) -> Iterator[Problem]:
    """The seeded type has to exist and to attach; its donor has to fit host and expansion."""
    seeding, types = config.cells, config.cell_types
    cell_type = types.get(seeding.type)
    if cell_type is None:
        yield (
            ("cells", "type"),
            f"{seeding.type!r} is none of cell_types{did_you_mean(seeding.type, types)} "
            f"({', '.join(types)})",
        )
        return
    if cell_type.attachment is None:
        able = [name for name, entry in types.items() if entry.attachment is not None]
        yield ("cells", "type"), f"{seeding.type!r} cannot be seeded (can be: {', '.join(able)})"
    rule = cell_type.proliferation
    if seeding.donor.passage is not None and (rule is None or rule.doublings_per_passage is None):
        yield (
            ("cells", "donor", "passage"),
            f"{seeding.type!r} does not say doublings_per_passage; give donor.doublings instead",
        )
    yield from _routes(config)
    organism = config.host.organism
    if organism is None:
        return
    same = organism.name == seeding.donor.species.name
    if same == (seeding.source == "xenogeneic"):
        meant = "autologous or allogeneic" if same else "xenogeneic"
        yield (
            ("cells", "source"),
            f"{seeding.source!r}, but the donor is a {seeding.donor.species.name} and the host a "
            f"{organism.name}: set cells.source to {meant}, or another cells.donor.species",
        )


def _routes(config: Config) -> Iterator[Problem]:
    """A route needs a body that it leads through, and a cell type that says what stays."""
    host, seeding = config.host, config.cells
    rule = config.cell_types[seeding.type].attachment
    for index, dose in enumerate(seeding.plan):
        if index and dose.place == ():
            continue  # as the first
        route, key = dose.delivery, SHARES[dose.delivery]
        path: Path_ = ("cells", *dose.place, "delivery")
        if route in IN_BODY and host.setting == "culture":
            yield path, f"{route} is a way into a body; a culture is seeded, or takes another host"
        elif route == "core_decompression" and (host.site is None or host.site.track is None):
            yield (
                path,
                "core_decompression goes into a track, and the host has none; add host.site.track, "
                "or take injection",
            )
        elif route == "arterial_infusion" and host.vessels is None:
            yield (
                path,
                "arterial_infusion needs vessels, and the host has none; set host.vessels=vessel",
            )
        if rule is not None and getattr(rule, key) is None:
            yield path, f"{seeding.type!r} does not say attachment.{key}, what stays of {route}"


def _genes(config: Config) -> Iterator[Problem]:
    """A product has to have a field, and one that is kept in its unit."""
    for index, change in enumerate(config.cells.genes):
        product = change.gene.secretion
        if product is None:
            continue
        path: Path_ = ("cells", "genes", index)
        entry = config.fields.get(product.species)
        if entry is None:
            yield (
                path,
                f"{change.gene.name} makes {product.species}, which is not among the fields; add "
                f"fields.{product.species} (there are: {', '.join(config.fields)})",
            )
        elif product.rate.unit.startswith("kg") and entry.molar_mass is None:
            yield path, f"{product.rate.text} is a mass; {product.species} needs a molar_mass"


def _factors(config: Config) -> Iterator[Problem]:
    """A factor that is given in several ways is one factor: its numbers have to be the same."""
    seen: dict[str, tuple[Path_, Factor]] = {}
    for path, factor in _given(config):
        place, first = seen.setdefault(factor.name, (path, factor))
        if factor.model_dump() != first.model_dump():
            yield (
                path,
                f"{factor.name} has other numbers here than under {'.'.join(map(str, place))}; a "
                "factor is one, or two of different names",
            )


def _pulses(config: Config) -> Iterator[Problem]:
    """A step has to hold the pulses of a factor: each is followed exactly."""
    pulses: dict[str, float] = {}
    for index, each in enumerate(config.exposures):
        if each.every is None or each.factor.pulse is None:
            continue
        name = each.factor.name
        # of a pulse at either end of the step a part lies in it
        pulses[name] = pulses.get(name, 0.0) + config.step / each.every + 2
        if pulses[name] > MOST_PULSES:
            yield (
                ("exposures", index, "every"),
                f"every {text(each.every)} puts more than {MOST_PULSES} pulses of {name} into a "
                f"step of {text(config.step)}; give it all the time, or in longer intervals",
            )


def _harms(config: Config) -> Iterator[Problem]:
    """No harm acts twice, and nothing acts where it cannot."""
    host, donor = config.host, config.cells.donor
    lists: dict[Path_, Any] = {
        ("host", "conditions"): host.conditions,
        ("cells", "donor", "conditions"): donor.conditions or [],
    }
    for place, conditions in lists.items():
        names = [each.condition.name for each in conditions]
        for index, each in enumerate(conditions):
            name, condition = names[index], each.condition
            where: Path_ = (*place, index)
            if name in names[:index]:
                yield where, f"{name} is there twice; a harm acts once, give one severity"
            if name == donor.species.ageing.name:
                yield where, f"{name} acts through the age: set the age instead"
            for other in names[:index] + names[index + 1 :]:
                if other in condition.excludes:
                    yield where, f"{name} and {other} are the same harm; leave one out"
    every = {e.condition.name: (e.condition, p) for p, found in lists.items() for e in found}
    told = set()
    for path, factor in _given(config):
        for name, (condition, place) in every.items():
            if factor.name in condition.excludes and path not in told:
                told.add(path)
                yield (
                    path,
                    f"{factor.name} is the harm that {name} of {'.'.join(map(str, place))} holds "
                    "already; leave one out",
                )
    if host.setting != "in_vivo":
        return
    for path, factor in _given(config):
        if factor.instead is not None and path not in told:
            yield (
                path,
                f"{factor.name} is of a culture; in vivo take a host with the condition "
                f"{factor.instead}, or host: culture",
            )


def _given(config: Config) -> Iterator[tuple[Path_, Factor]]:
    """Yield (path, factor) of all that a configuration gives, by exposures and by fields."""
    for index, exposure in enumerate(config.exposures):
        yield ("exposures", index, "factor"), exposure.factor
    for name, entry in config.fields.items():
        if entry.factor is not None:
            yield ("fields", name, "factor"), entry.factor

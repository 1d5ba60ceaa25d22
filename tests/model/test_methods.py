"""The rules in words: nothing that acts is left out, every number has its source."""

import re
from typing import Any

import pytest

from scaffoldsim import catalogue
from scaffoldsim.config import Config, load
from scaffoldsim.model.methods import paragraphs

#: what bears no rule: ages an organism can have, and what another key switches off
SILENT = re.compile(
    r"youngest|oldest|adult|static_|(dynamic|gel|injected|infused)_share|late_loss|donor.*raises|doublings_per_passage|stages|plasmid_lifetime"
    r"|species\.ageing\.memory|organism\.ageing|organism\.vitality|organism\.decline"
    r"|host\.conditions\.\d+\.condition\.memory|molar_mass"
    r"|published|ph_shift|^scaffold\.material\.carrier"  # carriers: see below
)
#: of bone: what is only done in a body, what needs bone of the host, what needs a load
IN_VIVO = re.compile(r"^bone\.(resorption_speed|far_resorption|supply_distance|reversal_time)")
OF_HOST_BONE = re.compile(r"^bone\.(host_modulus|mineral_density)|\.bone\.young_bv_tv")
OF_LOAD = re.compile(r"^bone\.collapse_strain")


def acting(config: Config) -> dict[str, Any]:
    """Numbers that have to be told, by key."""
    in_vivo, material = config.host.setting == "in_vivo", config.scaffold.material
    silent = [SILENT]
    silent += [] if in_vivo else [IN_VIVO]
    silent += [] if config.host.bone else [OF_HOST_BONE]
    silent += [] if config.host.load else [OF_LOAD]
    if in_vivo:  # bone is made as the host makes it
        silent.append(re.compile(r"^cells\.donor\.species\.bone"))
    if material is None or not material.bmp2_equivalent:
        silent.append(re.compile(r"^bone\.factor"))
    return {
        key: number
        for key, number in config.parameters().items()
        if not any(pattern.search(key) for pattern in silent)
        and not (key.endswith("hill") and number == 1)
        and not (".cues." in key and in_vivo and "oestrogen" in key)
        and not key.endswith(("vitality.0.age",))
    }


@pytest.mark.parametrize("name", catalogue.names("experiments"))
def test_every_number_of_every_experiment_is_told_with_its_source(name: str) -> None:
    config = load(name)
    told = paragraphs(config)
    body, last = " ".join(told[:-1]), told[-1].splitlines()
    sources = {}
    for line in last[1:]:
        place, _, source = line.partition(" ")
        sources[int(place.strip("[]"))] = source
    assert list(sources) == list(range(1, len(sources) + 1))
    cited = re.findall(r"\[(\d+)\]", body)
    assert {int(place) for place in cited} == set(sources)
    assert last[0].startswith(f"Of {len(cited)} numbers above: ")
    assert sum(map(int, re.findall(r"(\d+) (?:read|recalled|assumed)", last[0]))) == len(cited)
    places = {source: place for place, source in sources.items()}
    culture_only = {
        each.factor.name
        for each in config.exposures
        if each.factor.cues and not each.factor.acts(config.host.setting)
    }
    for key, number in acting(config).items():
        factor = re.match(r"exposures\.(\d+)\.factor\.cues", key)
        if factor and config.exposures[int(factor[1])].factor.name in culture_only:
            continue
        assert f"{str(number.text).lstrip('-')} [{places[number.source]}]" in body, key


def test_schedules_donors_and_genes_are_told() -> None:
    told = " ".join(
        paragraphs(
            load(
                "quickstart",
                set={
                    "exposures": [
                        {"factor": "pth", "dose": 1, "every": "1 d", "lasts": "1 h"},
                        {
                            "factor": "dexamethasone",
                            "doses": [{"at": "3 d", "dose": "10 nM", "lasts": "2 h"}],
                        },
                    ],
                    "cells.genes": [{"gene": "mir217", "vector": "plasmid"}],
                    "cells.donor.passage": 4,
                    "cells.donor.conditions": [{"condition": "ovariectomy", "severity": 0.3}],
                    "mechanics.stimulus": 0.1,
                    "cell_types.bmsc.proliferation.cycle": "erlang",
                },
            )
        )
    )
    for words in (
        "at 1 for 1 h every 1 d from 0 d on",
        "as 10 nM from 3 d for 2 h",
        "by a plasmid vector (× exp(−t/14 d",
        "after 12 population doublings",
        "with severity v = 0.3 ",
        "of which cells keep 1 ",
        "The mechanical stimulus is 0.1 everywhere",
        "It divides in 8 equal stages",
    ):
        assert words in told, words


def test_routes_of_doses_and_rejection_are_told() -> None:
    told = " ".join(
        paragraphs(
            load(
                "quickstart",
                set={
                    "host": "healthy_human",
                    "cells.delivery": "injection",
                    "cells.msc_fraction": 0.001,
                    "cells.doses": [
                        {"at": "3 d"},
                        {"at": "7 d", "number": 90, "delivery": "static_seeding"},
                    ],
                },
            )
        )
    )
    for words in (
        "are given by injection",
        "The share 0.001 of them is stromal; the others do nothing.",
        "At 3 d as many are given by injection. At 7 d 90 are given by static seeding.",
        "Of injection the share 0.15 [",
        "of a suspension is there after its first day",
        "cells that can crawl leave at 0.1 /d [",
        "Of static seeding the share 0.5 [",
        "below z+ with weight exp(−d/1 mm [",
        "From 7 d [",
        "foreign cells are rejected at 0.15 /d [",
        "× 0.3, the immunogenicity of their source",
        "of the material at that rate × its own, 0, where that is greater",
    ):
        assert words in told, words
    assert "arterial" not in told


def test_scaffold_bone_and_load_are_told() -> None:
    config = load(
        "quickstart",
        set={
            "host": {
                "base": "human_femoral_head",
                "load": "femoral_head",
                "bone": {
                    "family": "gyroid_net",
                    "pore_size": "300 um",
                    "porosity": 0.8,
                    "dead": True,
                },
            },
            "scaffold.material": "dbm",
            "scaffold.loaded": [{"species": "bmp2", "amount": "5 ug"}],
            "fields.bmp2": "bmp2",
        },
    )
    told = " ".join(paragraphs(config))
    carrier, load_ = config.scaffold.material.carrier, config.host.load
    for words in (
        "An osteoblast lays 300 um^3/d [",
        "recedes at 0.08 um/d [",
        "Cells that touch it feel 60 ng/mL [",
        "× exp(−t/7 d [",
        "5 ug of bmp2 was loaded; the share " + str(carrier.burst.text),
        "half-life " + str(carrier.half_life.text),
        "bind it at 1 /h [",
        "hold it for 7 d [",
        "(the mean host has the porosity 0.8 [",
        "it is dead, and nobody answers its resorption",
        "T-scores refer to young adults of BV/TV 0.25 [",
        f"carries {load_.stress.text} [",
        "one that is strained by 0.8 % [",
        "Factor bmp2:",
    ):
        assert words in told, words
    culture = " ".join(paragraphs(load("quickstart", set={"scaffold.material": "ti6al4v"})))
    for words in ("recedes at 0.08", "T-scores", "has failed", "It is lost", "was loaded"):
        assert words not in culture, words
    assert "It does not degrade." in culture


def test_how_a_gel_and_a_xenograft_are_lost_is_told_as_it_is_computed() -> None:
    for name, words in (
        ("degradation_ion_exchange", "By ion exchange it is lost evenly, half of it in 6 wk ["),
        ("degradation_dissolution", "By dissolution its surface recedes"),
        ("degradation_cell_mediated", "Within 100 µm of the host it is lost evenly, half of it in"),
    ):
        told = " ".join(paragraphs(load(name)))
        assert words in told, name


def test_a_stimulus_that_is_set_is_told_to_go_before_the_load() -> None:
    told = " ".join(paragraphs(load("load_bearing", set={"mechanics.stimulus": 0.1})))
    assert "The mechanical stimulus is 0.1 everywhere" in told
    assert "Cells feel the stimulus that is set instead" in told
    assert "The mechanical stimulus of a cell" not in told

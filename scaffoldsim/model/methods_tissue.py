"""What is told of scaffold, bone and load in a methods paragraph; see `scaffoldsim.model.methods`.

Numbers that do nothing in a configuration are not told: those of resorption in culture, those of
the host's bone where there is none.
"""

from scaffoldsim.config import Config
from scaffoldsim.model.bone import BURY, ENTER, BoneTissue
from scaffoldsim.model.degradation import REACH_OF_CELLS
from scaffoldsim.model.exposures import text
from scaffoldsim.model.factors import Factor
from scaffoldsim.model.hostbone import virtual_bv_tv
from scaffoldsim.model.matrix import STAGES
from scaffoldsim.model.mechanics import SHEAR, SPEED, Load
from scaffoldsim.model.references import References
from scaffoldsim.scaffold.material import Carrier, Degradation, Material


def touched_factor(config: Config) -> Factor | None:
    """Return the factor as which a material's own factors act on cells that touch it, if any do."""
    material = config.scaffold.material
    if material is None or float(material.bmp2_equivalent) == 0:
        return None
    factor: Factor = config.bone.factor
    return factor


def scaffold_of(config: Config, cite: References) -> str:
    """Return what the material does, what it gives off, and what was loaded onto it."""
    words, material = [], config.scaffold.material
    if material is not None:
        words += [
            f"Scaffold. {material.title or material.name}: density {cite(material.density)}, "
            f"Young's modulus {cite(material.youngs_modulus)}, adhesion {cite(material.adhesion)}. "
            f"Its osteoconductivity is {cite(material.osteoconductivity)}, its immunogenicity "
            f"(criterion C1) {cite(material.immunogenicity)}.",
            _own_factors(material, config.bone.factor.name, cite),
            _degradation(material.degradation, cite, gel=config.scaffold.family == "gel"),
        ]
        for product, entry in material.products.items():
            free = f", of which the share {cite(entry.free)} gets free" if entry.free else ""
            words.append(f"What is lost gives off {product}, {cite(entry.content)}{free}.")
    for factor in config.scaffold.loaded:
        given = factor.amount if factor.amount is not None else factor.concentration
        carrier = factor.carrier or (material.carrier if material is not None else None)
        words.append(f"{text(given)} of {factor.species} was loaded{_leaving(carrier, cite)}.")
    return " ".join(words)


def _own_factors(material: Material, name: str, cite: References) -> str:
    fades = ""
    if material.bmp2_release_time is not None:
        fades = f" × exp(−t/{cite(material.bmp2_release_time)})"
    return (
        f"Cells that touch it feel {cite(material.bmp2_equivalent)}{fades} of {name} beside what "
        "is in the fluid, for its own factors."
    )


def _degradation(law: Degradation, cite: References, *, gel: bool) -> str:
    if law.half_mass is not None:
        half = cite(law.half_mass)
        if law.mode == "cell_mediated":
            reach = f"{REACH_OF_CELLS * 1e6:g} µm"
            return f"Within {reach} of the host it is lost evenly, half of it in {half}."
        how = law.mode.replace("_", " ")
        if gel:
            return f"By {how} it is lost evenly, half of it in {half}."
        return (
            f"By {how} its surface recedes at the one speed at which the scaffold as built, left "
            f"alone, would have lost half its mass in {half}."
        )
    if (
        law.molecular_weight_half_life is None
        or law.critical_molecular_weight is None
        or law.loss_rate is None
    ):
        return "It does not degrade."
    acid = f", faster by 1 + a/{cite(law.doubling_acid)} in acid a" if law.doubling_acid else ""
    return (
        "By hydrolysis its molecular weight falls with the half-life "
        f"{cite(law.molecular_weight_half_life)}{acid}; below "
        f"{cite(law.critical_molecular_weight)} of the start a voxel loses mass at "
        f"{cite(law.loss_rate)}."
    )


def _leaving(carrier: Carrier | None, cite: References) -> str:
    if carrier is None:
        return ""
    return (
        f"; the share {cite(carrier.burst)} leaves at once, the rest with the half-life "
        f"{cite(carrier.half_life)}"
    )


def bone_of(config: Config, cite: References) -> str:
    """Return how bone is laid, what it is to cells, fluxes and load, and how it is taken away."""
    bone, host = config.bone, config.host
    in_vivo = host.setting == "in_vivo" and host.organism is not None
    organism = host.organism if in_vivo else config.cells.donor.species
    assert organism is not None
    words = [
        f"Bone. An osteoblast lays {cite(organism.bone.deposition)} of osteoid into its voxel and "
        "the six beside it, with weights c (1 − f), where f is the share that is filled and c one "
        f"more than the faces that touch f ≥ {ENTER:g}. Osteoid becomes mineral in {STAGES} equal "
        f"stages of {cite(organism.bone.mineralisation_time)} together. An osteoblast where f > "
        f"{BURY:g} is buried; the share {cite(bone.buried_survival)} lives on as osteocytes.",
        f"Solutes diffuse {cite(bone.osteoid_diffusivity)} times as fast in osteoid, and "
        f"{cite(bone.mineral_diffusivity)} times in mineral. Bone has the osteoconductivity "
        f"{cite(bone.osteoconductivity)}; Young's modulus is {cite(bone.osteoid_modulus)} in "
        f"osteoid, from {cite(bone.fresh_modulus)} to {cite(bone.mature_modulus)} in new mineral, "
        f"with the time constant {cite(bone.maturation_time)}, and {cite(bone.soft_modulus)} in "
        "what fills the pores.",
    ]
    if in_vivo:
        words.append(
            f"The surface of bone recedes at {cite(bone.resorption_speed)} within "
            f"{cite(bone.supply_distance)} of the host, and at {cite(bone.far_resorption)} of that "
            f"beyond. After {cite(bone.reversal_time)} on average pre-osteoblasts of the host come "
            "to where bone was resorbed: c times as many as lay that volume in a healthy adult, c "
            "being the product of what osteogenic fate, division and number of stem cells are "
            "multiplied by in the host, and of what load does to osteogenic fate, over the same in "
            "health."
        )
    return " ".join(words)


def host_bone_of(config: Config, cite: References) -> str:
    """Return the bone of the host in the box, and what its mineral is compared with."""
    host, bone = config.host, config.bone
    section, organism = host.bone, host.organism
    if section is None or organism is None:
        return ""
    young = organism.bone
    where = "The box" if section.depth is None else f"What is within {text(section.depth)} of it"
    words = [f"Bone of the host. {where} holds, beside the scaffold,"]
    if section.image is not None:
        words.append("the bone of a scan")
    else:
        mean = float(young.young_bv_tv) if section.porosity is None else 1 - float(section.porosity)
        share = virtual_bv_tv(mean, float(young.young_bv_tv_cv), config.seed)
        words.append(f"bone of the shape {section.family}, {share:.3g} of it in this host of seed "
                     f"{config.seed}")  # fmt: skip
        if section.porosity is not None:
            words.append(f"(the mean host has the porosity {cite(section.porosity)})")
        if section.pore_size is not None:
            words.append(f"with pores of {cite(section.pore_size)}")
    told = " ".join(words)
    return (
        f"{told}, of Young's modulus {cite(bone.host_modulus)} and "
        f"{cite(bone.mineral_density)} of mineral"
        + ("; it is dead, and nobody answers its resorption." if section.dead else ".")
        + f" T-scores refer to young adults of BV/TV {cite(young.young_bv_tv)}, lognormal with "
        f"the coefficient of variation {cite(young.young_bv_tv_cv)}, as hosts are."
    )


def load_of(load: Load, bone: BoneTissue, cite: References, *, felt: bool) -> str:
    """Return the load of the site, when a layer fails, and what cells feel of it, if they do."""
    given = "bears no load"
    if load.strain is not None:
        given = f"is compressed by {cite(load.strain)}"
    elif load.stress is not None:
        given = f"carries {cite(load.stress)}"
    if load.rim_share is not None:
        given += f", less the share {cite(load.rim_share)} that bone around it takes"
    sensed = " Cells feel the stimulus that is set instead."
    if felt:
        flow = f" Fluid passes cells at {cite(load.fluid_speed)}." if load.fluid_speed else ""
        sensed = (
            f"{flow} The mechanical stimulus of a cell is octahedral shear strain/"
            f"{SHEAR * 100:g} % + fluid speed/({SPEED * 1e6:g} µm/s)."
        )
    return (
        f"Along {load.axis} the construct {given}. Layers across it are in series, each of modulus "
        "f² E_t + (1 − f) E_p, where f is the share of scaffold and bone, E_t their mean modulus "
        f"and E_p that of the pores; one that is strained by {cite(bone.collapse_strain)} has "
        f"failed.{sensed}"
    )


def vessels_of(config: Config, cite: References) -> str:
    """Return how the host's vessels grow and disappear, and what they bring."""
    v = config.host.vessels
    if v is None:
        return ""
    carries = ""
    if v.oxygen_binding is not None:
        carries = (
            " where blood enters, and lose on its way what the tissue takes over "
            f"{cite(v.oxygen_binding)}"
        )
    return (
        f"Vessels of the host. {cite(v.root_density)} begin at each face of the host, of radius "
        f"{cite(v.radius)}. In VEGF of concentration V a site sprouts at {cite(v.sprouting)} "
        f"V⁴/(V⁴ + Vₛ⁴), Vₛ = {cite(v.sprouting_vegf)}; sites are {cite(v.spacing)} apart, as is a "
        f"sprout from other tips, and rest for {cite(v.refractory)}. A tip moves at {cite(v.slow)} "
        f"to {cite(v.fast)}, half-way at {cite(v.speed_vegf)}, times the growth of vessels below; "
        f"in an hour it turns to the sum of its direction × {cite(v.persistence)}, the gradient "
        f"over {cite(v.sensing)} × {cite(v.attraction)}, the surface × {cite(v.guidance)} and "
        f"chance × {cite(v.wandering)}. It branches at {cite(v.branching)}, goes through no throat "
        f"below {cite(v.narrowest)}, and joins vessels that it meets, within the box and "
        "behind a face of the host to which it comes back, by the share of roots there. Blood "
        f"flows {cite(v.opening)} "
        f"after a path between two roots has closed, at {cite(v.viscosity)} from "
        f"{cite(v.arterial_pressure)} to {cite(v.venous_pressure)}, which roots have in turn. What "
        f"has no flow and less than {cite(v.survival_vegf)} of VEGF for {cite(v.regression)} "
        f"disappears. At a length ρ per volume around, sprouting and branching go with "
        f"1 − ρ/{cite(v.crowded)}, and end there. Living "
        "tissue of the host in the box has vessels with blood at the start, "
        f"{cite(v.resting_density)} times the share of roots, as far as these reach in two weeks. "
        f"Vessels with blood hold the oxygen of healthy tissue{carries}, count as the host for "
        "resorption and for what cells take away, and let out stromal cells at "
        f"{cite(v.recruitment)} × the osteoconductivity of the scaffold × the number of stem cells "
        "× (r + (1 − r) c/(c + K)), c being SDF-1, "
        f"r = {cite(v.recruitment_resting)}, K = {cite(v.recruitment_sdf1)}. An endothelial-like "
        f"cell beside a vessel becomes a tip at {cite(v.incorporation)}."
    )

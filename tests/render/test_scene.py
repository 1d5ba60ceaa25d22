from __future__ import annotations

from pathlib import Path

import pytest

from scaffoldsim import catalogue
from scaffoldsim.render.scene import Scene


def test_cutaway_is_complete() -> None:
    scene = Scene.load("cutaway")
    assert scene.limits == (0.0, 0.2)
    assert scene.cell_diameter == pytest.approx(18e-6)
    assert len({paint.color for paint in scene.types.values()}) == len(scene.types)
    assert scene.paint("no such type") == scene.other


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share: 0.5", "share: 2", r"cut.share: 2 is not allowed \(0 to 0.9\)"),
        ("corner: [1, -1, 1]", "corner: [1, 0, 1]", "cut.corner"),
        ('color: "#EFE7DA"', "color: ivory", "scaffold.color"),
        ("limits: [0.0, 0.2]", "limits: [0.2, 0.0]", "low < high"),
        ("occlusion: 0.08", "oclusion: 0.08", "unknown key 'oclusion'"),
        ("supersampling: 2", "", "'supersampling' is missing"),
        ("diameter: 18 um", "diameter: 18 kg", "cells.diameter: '18 kg'"),
        ("schema: 1", "schema: 2", "schema"),
        ("direction: [1.55, -2.05, 1.45]", "direction: [0, 0, 2]", "not 0, and not along up"),
        ("direction: [1.55, -2.05, 1.45]", "direction: [0, 0, 0]", "not 0, and not along up"),
        ("up: [0, 0, 1]", "up: [0, 0, 0]", "camera.up"),
        ("colormap: viridis", "colormap: virids", "did you mean 'viridis'"),
        ("scaffold: bare", "scaffold: keep", "cut, kept, bare"),
        ('bone: {color: "#CB8F7C"', "bone: {color: pink", "bone.color"),
        ("label: New bone}", "name: New bone}", "bone: unknown key 'name'"),
    ],
)
def test_bad_scene_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = catalogue.find("scenes", "cutaway").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Scene.load(file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("angle: 64", "angle: 5", r"camera.angle: 5 is not allowed \(10 to 120\)"),
        ("width: 1.2", "width: 0", "vessels.width"),
        ("  tip: {", "  top: {", "vessels: unknown key 'top'"),
        ('  growing: {color: "#F29AA3", label: "Vessel, not yet"}', "", "'growing' is missing"),
        ("reach: 700 um", "reach: 700 s", "lamp.reach"),
        ("lamp: {intensity: 0.45", "lamp: {intensity: -1", "lamp.intensity"),
    ],
)
def test_what_is_wrong_with_vessels_and_eye_is_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = catalogue.find("scenes", "inside_pore").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Scene.load(file)


def test_a_scene_of_before_there_were_vessels_draws_none(tmp_path: Path) -> None:
    text = catalogue.find("scenes", "cutaway").read_text(encoding="utf-8")
    start = text.index("vessels:")
    file = tmp_path / "mine.yaml"
    file.write_text(text[:start] + text[text.index("cells:", start) :], encoding="utf-8")
    scene = Scene.load(file)
    assert scene.vessels is scene.angle is scene.lamp is None
    assert not scene.dark
    assert Scene.load("inside_pore").angle == 64


def test_a_scene_of_the_user_is_found(tmp_path: Path) -> None:
    text = catalogue.find("scenes", "cutaway").read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("share: 0.5", "share: 0"), encoding="utf-8")
    assert Scene.load(file).cut_share == 0
    for word, cuts in (("bare", (False, True)), ("cut", (True, True)), ("kept", (False, False))):
        file.write_text(text.replace("scaffold: bare", f"scaffold: {word}"), encoding="utf-8")
        assert (Scene.load(file).cut_scaffold, Scene.load(file).cut_bone) == cuts
    # A scene written before there was bone has no paint for it, and draws none.
    old = [line for line in text.splitlines() if "bone" not in line.split(":")[0]]
    file.write_text("\n".join(old), encoding="utf-8")
    assert Scene.load(file).bone is Scene.load(file).host_bone is None

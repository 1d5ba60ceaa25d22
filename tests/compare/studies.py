"""A small experiment and a study of it, for what reads study files."""

from __future__ import annotations

from pathlib import Path

TINY = """\
schema: 1
title: a small net
duration: 12 h
step: 1 h
scaffold:
  family: gyroid_net
  material: bcp
  porosity: 0.92
  pore_size: 320 um
  size: [0.43 mm, 0.43 mm, 0.88 mm]
  voxel: 20 um
faces: {x: periodic, y: periodic, z: medium}
cells: {number: 500, donor: {age: 25 y}}
output: {metrics_every: 6 h, frames_every: 12 h}
"""
STUDY = """\
schema: 1
title: two doses
rows: [N7]
config: tiny.yaml
arms:
  none: {}
  low: {exposures: [{factor: dexamethasone, dose: 10 nM}]}
  high:
    exposures:
      - {factor: dexamethasone, dose: 1000 nM}
seeds: 2
own:
  factors/dexamethasone.cues.osteogenic.fold: 1
at: 12 h
outcomes: [cells, osteogenic_share]
expect:
  - {outcome: osteogenic_share, at: [6 h, 12 h], order: [low, none]}
  - outcome: adipocyte_share / osteogenic_share
    at: 12 h
    greatest: high
    among: [none]
    own: {factors/dexamethasone.cues.*.fold: 1}
"""


def write_files(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write experiment and study, with texts of the study replaced; return the study's file."""
    (folder / "tiny.yaml").write_text(TINY)
    text = STUDY
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "doses.yaml").write_text(text)
    return folder / "doses.yaml"

"""OME-TIFF, read by tifffile: axes, sizes, names, times and values."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import tifffile

from scaffoldsim import export
from scaffoldsim.export import ome_tiff
from scaffoldsim.run.record import Run
from tests.export.box import SHAPE, TIMES, cells_at, write_box

CHANNELS = ["oxygen_mM", "vegf_ng_per_mL", "scaffold", "osteoid", "mineral", "cell"]


def test_values_and_what_they_are(box: Run, tmp_path: Path) -> None:
    path = export.write(box, "ome-tiff", tmp_path / "box.ome.tif")

    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        assert tiff.is_bigtiff
        (series,) = tiff.series
        assert series.axes == "TCZYX"
        assert series.dtype == np.float32
        values = series.asarray()
        text = tiff.ome_metadata
    assert values.shape == (len(TIMES), len(CHANNELS), *SHAPE[::-1])
    for frame in range(len(TIMES)):
        expected = [
            box.field("oxygen", frame),
            box.field("vegf", frame),
            *(box.matrix(name, frame) for name in box.matrix_names),
        ]
        for image, stored in zip(values[frame], expected, strict=False):
            np.testing.assert_array_equal(image.T, stored)
        cells, codes = cells_at(frame), np.zeros(np.prod(SHAPE))
        codes[cells["voxel"]] = cells["type"] + 1.0
        np.testing.assert_array_equal(values[frame, -1].T, codes.reshape(SHAPE))
    (image,) = (tifffile.xml2dict(text)["OME"]["Image"],)
    pixels = image["Pixels"]
    assert image["Name"] == "a <box> & all in it"
    assert "cell: 0 none, else 1 + type. type: 0 bmsc, 1 osteoblast" in image["Description"]
    assert [pixels[f"Size{axis}"] for axis in "XYZCT"] == [*SHAPE, len(CHANNELS), len(TIMES)]
    assert [channel["Name"] for channel in pixels["Channel"]] == CHANNELS
    for axis in "XYZ":
        assert pixels[f"PhysicalSize{axis}"] == 20
        assert pixels[f"PhysicalSize{axis}Unit"] == "µm"
    assert len(pixels["Plane"]) == len(TIMES) * len(CHANNELS) * SHAPE[2]
    for plane in pixels["Plane"]:
        assert (plane["DeltaT"], plane["DeltaTUnit"]) == (TIMES[plane["TheT"]], "h")
    assert "TimeIncrement" not in pixels  # the frames are not as far apart


def test_equal_steps_are_a_time_increment(tmp_path: Path) -> None:
    run = write_box(tmp_path / "run", times=(0.0, 6.0, 12.0))

    path = export.write(run, "ome-tiff", tmp_path / "box.ome.tiff")

    with tifffile.TiffFile(path) as tiff:
        assert 'TimeIncrement="6.0" TimeIncrementUnit="h"' in tiff.ome_metadata


def test_one_channel_is_in_memory_at_a_time(box: Run, tmp_path: Path, monkeypatch) -> None:
    said: list[str] = []
    real = ome_tiff._pages

    def pages(channels, frames, done):
        told = [
            channel._replace(
                read=lambda frame, c=channel: said.append(f"read {c.name}") or c.read(frame)
            )
            for channel in channels
        ]
        for page in real(told, frames, done):
            said.append("page")
            yield page

    monkeypatch.setattr(ome_tiff, "_pages", pages)
    export.write(box, "ome-tiff", tmp_path / "box.ome.tif")

    once = [word for name in CHANNELS for word in (f"read {name}", *["page"] * SHAPE[2])]
    assert said == once * len(TIMES)


def test_without_anything_there_is_the_scaffold(bare: Run, tmp_path: Path) -> None:
    path = export.write(bare, "ome-tiff", tmp_path / "bare.ome.tif")

    with tifffile.TiffFile(path) as tiff:
        assert re.findall('Channel [^>]*Name="([^"]*)"', tiff.ome_metadata) == ["scaffold", "cell"]
        scaffold, cells = tiff.asarray().reshape(2, *SHAPE[::-1])
    np.testing.assert_array_equal(scaffold.T, bare.fraction)
    assert not cells.any()

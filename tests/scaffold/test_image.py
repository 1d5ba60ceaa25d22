"""TIFF stacks: what is read, and what a broken or unsuitable file is told."""

import json
import os
import struct

import numpy as np
import pytest
import tifffile

from scaffoldsim.config import ConfigError, load
from scaffoldsim.scaffold.grid import TooLarge
from scaffoldsim.scaffold.images import image_grid, read_image
from scaffoldsim.scaffold.scaffold import Scaffold

SHAPE = (7, 9, 11)  # z, y, x


def grey(dtype=np.uint8, seed=0):
    """Bright solid in x < 4, dark pore elsewhere, with noise."""
    rng = np.random.default_rng(seed)
    stack = rng.uniform(40, 80, SHAPE)
    stack[:, :, :4] += 100
    return stack.clip(0, 255).astype(dtype)


def write(path, stack, **options):
    tifffile.imwrite(path, stack, photometric="minisblack", **options)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("threshold", ["otsu", 110])
def test_every_kind_of_grey_value_is_told_apart(tmp_path, dtype, threshold):
    image = read_image(write(tmp_path / "a.tif", grey(dtype)), voxel=1e-5, threshold=threshold)
    assert image.solid.shape == SHAPE[::-1]
    assert image.solid[:4].all()
    assert image.solid[4:].mean() < 0.01


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"contiguous": False, "rowsperstrip": 4},
        {"tile": (16, 16)},
    ],
)
def test_every_way_of_storing_gives_the_same(tmp_path, options):
    path = tmp_path / "a.tif"
    stack = grey(np.uint16)
    if options.pop("contiguous", True):
        write(path, stack, **options)
    else:
        with tifffile.TiffWriter(path) as writer:
            for plane in stack:
                writer.write(plane, photometric="minisblack", contiguous=False, **options)
    image = read_image(path, voxel=1e-5, threshold=110)
    np.testing.assert_array_equal(image.solid, (stack > 110).transpose(2, 1, 0))


def test_axes_go_from_zyx_to_xyz(tmp_path):
    stack = np.zeros(SHAPE, np.uint8)
    stack[6, 1, 2] = 255
    image = read_image(write(tmp_path / "a.tif", stack), voxel=1e-5, threshold=0)
    assert np.argwhere(image.solid).tolist() == [[2, 1, 6]]


def test_solid_is_above_the_threshold_and_invert_is_its_complement(tmp_path):
    stack = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.uint16)
    path = write(tmp_path / "a.tif", stack)
    image = read_image(path, voxel=1e-5, threshold=300)
    assert image.solid.sum() == (stack > 300).sum()
    inverted = read_image(path, voxel=1e-5, threshold=300, invert=True)
    np.testing.assert_array_equal(inverted.solid, ~image.solid)


def test_otsu_is_that_of_scikit_image(tmp_path):
    from skimage.filters import threshold_otsu

    for dtype in (np.uint8, np.uint16, np.float32):
        stack = grey(dtype, seed=3)
        image = read_image(write(tmp_path / "a.tif", stack), voxel=1e-5)
        assert image.threshold == pytest.approx(threshold_otsu(stack), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "voxel"),
    [
        (
            {
                "imagej": True,
                "resolution": (1 / 19.5, 1 / 19.5),
                "metadata": {"spacing": 19.5, "unit": "um", "axes": "ZYX"},
            },
            19.5e-6,
        ),
        (
            {
                "imagej": True,
                "resolution": (50.0, 50.0),
                "metadata": {"spacing": 0.02, "unit": "mm", "axes": "ZYX"},
            },
            20e-6,
        ),
        (
            {
                "ome": True,
                "metadata": {
                    "axes": "ZYX",
                    "PhysicalSizeX": 12.0,
                    "PhysicalSizeXUnit": "µm",
                    "PhysicalSizeY": 12.0,
                    "PhysicalSizeYUnit": "µm",
                    "PhysicalSizeZ": 12.0,
                    "PhysicalSizeZUnit": "µm",
                },
            },
            12e-6,
        ),
        ({"resolution": (500.0, 500.0), "resolutionunit": "CENTIMETER"}, 20e-6),
    ],
)
def test_voxel_is_what_the_file_says(tmp_path, options, voxel):
    path = tmp_path / ("a.ome.tif" if options.get("ome") else "a.tif")
    tifffile.imwrite(path, grey(), photometric="minisblack", **options)
    image = read_image(path)
    assert image.voxel == pytest.approx(voxel, rel=1e-4)
    assert any("from the file" in note for note in image.notes)
    assert image_grid(path).shape == SHAPE[::-1]
    assert read_image(path, voxel=3e-5).voxel == 3e-5


@pytest.mark.parametrize("options", [{}, {"resolution": (72, 72), "resolutionunit": "INCH"}])
def test_a_voxel_the_file_does_not_say_must_be_given(tmp_path, options):
    path = write(tmp_path / "a.tif", grey(), **options)
    with pytest.raises(ValueError, match="does not say how large a voxel is"):
        read_image(path)


def test_voxels_that_are_no_cubes_are_resampled(tmp_path):
    path = tmp_path / "a.tif"
    metadata = {"spacing": 40.0, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(path, grey(), imagej=True, resolution=(0.1, 0.1), metadata=metadata)
    image = read_image(path)
    assert image.voxel == pytest.approx(10e-6, rel=1e-6)
    assert image.solid.shape == (11, 9, 28)
    assert image_grid(path).shape == image.solid.shape
    assert any("10 x 10 x 40 um are not cubes" in note for note in image.notes)
    assert any("interpolated" in note and "11 x 9 x 28" in note for note in image.notes)


def with_nan(dtype):
    stack = grey(dtype)
    stack[3, 4, 5] = np.nan
    return stack


@pytest.mark.parametrize(
    ("stack", "options", "message"),
    [
        (np.zeros((5, 6, 7, 3), np.uint8), {"photometric": "rgb"}, "in colour"),
        (grey()[0], {}, "is one plane, 9 x 11"),
        (np.zeros((2, 4, 5, 6), np.uint8), {}, "single volume"),
        (grey(), {"imagej": True}, "has 7 channels; .* Image > Properties, swap channels and sl"),
        (np.full(SHAPE, 255, np.uint8), {}, "every voxel has the value 255"),
        (np.zeros(SHAPE, np.uint8), {}, "every voxel has the value 0"),
        (with_nan(np.float32), {}, "page 3 holds values that are not finite"),
        (np.full(SHAPE, np.inf, np.float32), {}, "not finite"),
        (grey().astype(np.complex64), {}, "grey values are needed"),
    ],
)
def test_unsuitable_images_are_refused_in_words(tmp_path, stack, options, message):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, **{"photometric": "minisblack", **options})
    with pytest.raises(ValueError, match=message) as caught:
        read_image(path, voxel=1e-5)
    assert "a.tif" in str(caught.value)


@pytest.mark.parametrize(
    ("threshold", "phase"), [(300, "pore"), (-1, "solid"), (float("nan"), None), ("otzu", None)]
)
def test_thresholds_that_tell_nothing_apart_are_refused(tmp_path, threshold, phase):
    path = write(tmp_path / "a.tif", grey())
    message = f"every voxel is {phase}; the values go from" if phase else "threshold:"
    with pytest.raises(ValueError, match=message):
        read_image(path, voxel=1e-5, threshold=threshold)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.9])
def test_truncated_files_are_refused(tmp_path, compression, keep):
    path = write(tmp_path / "a.tif", grey(), compression=compression)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    if keep == 0.9 and compression is None:  # only the directory of the last pages is cut off
        assert read_image(path, voxel=1e-5, threshold=110).solid[:4].all()
        return
    with pytest.raises(ValueError, match=r"a\.tif"):
        read_image(path, voxel=1e-5, threshold=110)


def test_files_damaged_anywhere_never_crash(tmp_path):
    data = bytearray(write(tmp_path / "a.tif", grey(), compression="zlib").read_bytes())
    path = tmp_path / "b.tif"
    rng = np.random.default_rng(0)
    for _ in range(120):
        broken = data.copy()
        for place in rng.integers(0, len(data), 6):
            broken[place] = rng.integers(256)
        path.write_bytes(broken)
        try:
            image = read_image(path, voxel=1e-5, threshold=110)
        except ValueError as error:
            assert "b.tif" in str(error) or isinstance(error, TooLarge)  # noqa: PT017
        else:
            assert image.solid.ndim == 3


def test_a_stack_of_one_page_as_imagej_writes_large_ones(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, grey(), imagej=True, byteorder="<", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages.first
        after = first.offset + 2 + 12 * len(first.tags)
    data = bytearray(path.read_bytes())
    data[after : after + 4] = bytes(4)  # no second page: the other planes lie behind the first
    path.write_bytes(data)
    image = read_image(path, voxel=1e-5, threshold=110)
    np.testing.assert_array_equal(image.solid, (grey() > 110).transpose(2, 1, 0))


def test_a_header_that_claims_more_than_the_file_holds_is_refused_before_allocating(tmp_path):
    path = write(tmp_path / "a.tif", grey(), metadata=None)
    with tifffile.TiffFile(path) as tiff:
        names = ("ImageWidth", "ImageLength", "RowsPerStrip")
        tags = [(page.tags[name], name) for page in tiff.pages for name in names]
        places = [(tag.valueoffset, "<H" if tag.dtype == 3 else "<I") for tag, _ in tags]
    data = bytearray(path.read_bytes())
    for place, kind in places:
        data[place : place + struct.calcsize(kind)] = struct.pack(kind, 17_000)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="truncated: its header claims 2023000000 bytes"):
        read_image(path, voxel=1e-5, threshold=110)


def test_a_compressed_image_that_unfolds_beyond_belief_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.tif"
    plane = np.zeros((4000, 4000), np.uint8)
    with tifffile.TiffWriter(path) as writer:
        for _ in range(3):
            writer.write(
                plane,
                photometric="minisblack",
                compression="zlib",
                rowsperstrip=4000,
                contiguous=False,
            )
    from scaffoldsim.scaffold.images import stack

    monkeypatch.setattr(stack, "MOST_COMPRESSED", 300)
    with pytest.raises(ValueError, match="not believable"):
        read_image(path, voxel=1e-5, threshold=1)


@pytest.mark.parametrize("content", [b"", b"not an image", b"II*\0" + b"\xff" * 40, b"\x89PNG\r\n"])
def test_what_is_no_tiff_is_refused(tmp_path, content):
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.tif"):
        read_image(path, voxel=1e-5)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is not there"):
        read_image(tmp_path / "none.tif", voxel=1e-5)
    with pytest.raises(ValueError, match="is a folder"):
        read_image(tmp_path, voxel=1e-5)
    for read in (read_image, image_grid):
        with pytest.raises(ValueError, match="image: is an empty name"):
            read("", voxel=1e-5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_what_is_neither_a_file_nor_a_folder_is_not_opened(tmp_path):
    """Opening a pipe that nobody writes to would wait for ever."""
    pipe = tmp_path / "pipe.tif"
    os.mkfifo(pipe)
    for read in (read_image, image_grid):
        for path in (pipe, tmp_path, os.devnull):  # alone, among slices, a device
            with pytest.raises(ValueError, match="is neither a file nor a folder"):
                read(path, voxel=1e-5)


def test_an_image_section_reports_by_default_and_can_enforce(tmp_path):
    path = write(tmp_path / "a.tif", grey())
    config = {
        "schema": 1,
        "duration": "1 h",
        "scaffold": {"image": str(path), "voxel": "20 um", "threshold": 110, "material": "bcp"},
        "cells": {"number": 0},
    }
    section = load(config).scaffold
    assert section.criteria == "report"
    assert section.grid().n_voxels == np.prod(SHAPE)
    scaffold = Scaffold.from_section(section, (True, False, False))
    assert scaffold.grid.periodic == (True, False, False)
    assert scaffold.material.name == "bcp"
    assert scaffold.solid.sum() == 4 * 9 * 7
    enforced = load(config, set={"scaffold.criteria": "enforce"}).scaffold
    with pytest.raises(ValueError, match=r"C4 porosity.*Set criteria: report"):
        Scaffold.from_section(enforced, False)
    with pytest.raises(ConfigError, match=r"scaffold.porosity: an image has its own"):
        load(config, set={"scaffold.porosity": 0.9})


def test_measuring_what_was_exported_gives_the_same(tmp_path):
    stack = np.where(np.random.default_rng(1).random((20, 24, 28)) < 0.2, 200, 20).astype(np.uint8)
    first = Scaffold.from_image(write(tmp_path / "a.tif", stack), voxel="19.5 um", threshold=63)
    folder = first.write(tmp_path / "out")
    second = Scaffold.from_image(folder / "scaffold.tif")
    np.testing.assert_array_equal(first.solid, second.solid)
    np.testing.assert_array_equal(first.distance, second.distance)
    one, two = (each.measure(transport=True).to_dict() for each in (first, second))
    written, said = json.loads((folder / "morphometry.json").read_text()), dict(one)
    assert {*said.pop("notes")} <= {*written.pop("notes")}  # those of the files come after
    assert written == json.loads(json.dumps(said))
    assert one.keys() == two.keys()
    for key, value in one.items():
        if isinstance(value, float) or key in (
            "throat_um",
            "percolates",
            "shape",
            "periodic",
        ):
            assert two[key] == pytest.approx(value, rel=1e-6), key


def test_a_broken_chain_of_pages_is_damage_not_one_plane(tmp_path):
    path = tmp_path / "a.tif"
    for metadata in ({}, None):  # with and without a description that counts the pages
        whole = write(path, grey(), compression="zlib", metadata=metadata).read_bytes()
        said = []
        for share in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
            path.write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(ValueError, match=r"a\.tif: ") as caught:
                read_image(path, voxel=1e-5, threshold=110)
            said.append(str(caught.value))
        assert not any("one plane" in each for each in said), said
        assert any("is damaged or cut off: pages that can be found" in each for each in said), said
    with pytest.raises(ValueError, match="is one plane"):
        read_image(write(path, grey()[0]), voxel=1e-5, threshold=110)


@pytest.mark.parametrize("shape", [SHAPE, (*SHAPE, 3), (7, 9, 3)])
def test_complex_values_are_no_colours(tmp_path, shape):
    photometric = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", np.ones(shape, np.complex64), photometric=photometric)
    with pytest.raises(ValueError, match="values of type complex64; grey values are needed"):
        read_image(tmp_path / "a.tif", voxel=1e-5, threshold=110)

"""What headers say of axes, spacings and other files: used, noted or refused."""

import os

import nibabel
import numpy as np
import pytest

from scaffoldsim.scaffold.images import BadImage, image_grid, read_image
from tests.scaffold import image_files
from tests.scaffold.image_files import VOXEL

SHAPE = (7, 9, 11)
RAW = "NRRD0004\ntype: uint16\ndimension: 3\nendian: little\nencoding: raw\n"


def grey():
    return np.random.default_rng(0).integers(0, 3000, SHAPE).astype(np.uint16)


def raw_nrrd(path, *lines, values=True):
    """An NRRD of `grey`, its header with these lines."""
    if not any(line.startswith("sizes") for line in lines):
        lines = ("sizes: 7 9 11", *lines)
    data = grey().tobytes(order="F") if values else b""
    path.write_bytes((RAW + "".join(f"{line}\n" for line in lines) + "\n").encode() + data)
    return path


def turned(degrees):
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0],
                     [0, 0, 1]])  # fmt: skip


def axes_nrrd(folder, axes):
    """Rows of `axes` are where x, y, z of the voxels point."""
    rows = " ".join(f"({','.join(f'{part * 0.02!s}' for part in row)})" for row in axes)
    return raw_nrrd(
        folder / "a.nrrd", "space: LPS", f"space directions: {rows}", 'space units: "mm" "mm" "mm"'
    )


def axes_nifti(folder, axes):
    affine = np.eye(4)
    affine[:3, :3] = axes.T * 0.02
    image = nibabel.Nifti1Image(grey(), None)
    image.header.set_zooms([0.02 * np.linalg.norm(row) for row in axes])
    image.set_sform(affine, 1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, folder / "a.nii")
    return folder / "a.nii"


def axes_dicom(folder, axes):
    normal = np.cross(axes[0], axes[1])
    normal /= np.linalg.norm(normal)

    def change(data, z):
        data.ImageOrientationPatient = [round(float(part), 9) for part in axes[:2].ravel()]
        data.ImagePositionPatient = [round(float(part), 9) for part in z * 0.02 * normal]

    return image_files.dicom(folder, grey(), change=change)


AXES = {"nrrd": axes_nrrd, "nifti": axes_nifti, "dicom": axes_dicom}


@pytest.mark.parametrize("kind", AXES)
@pytest.mark.parametrize("shear", [1.0, 0.002])
def test_sheared_axes_are_refused(tmp_path, kind, shear):
    axes = np.eye(3)
    axes[1, 0] = shear
    path = AXES[kind](tmp_path, axes)
    for read in (read_image, image_grid):
        with pytest.raises(BadImage, match=r"is sheared: axes \(.*, 0, 0\) and .* 3D Slicer"):
            read(path)


@pytest.mark.parametrize("kind", AXES)
@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_turned_axes_are_as_good(tmp_path, kind, degrees):
    image = read_image(AXES[kind](tmp_path, turned(degrees)), threshold=1500)
    np.testing.assert_array_equal(image.solid, grey() > 1500)
    assert image.voxel == pytest.approx(VOXEL, rel=1e-6)
    noted = any("of the scanner" in note for note in image.notes)
    assert noted == (degrees != 0 and kind != "dicom")


def test_cosines_of_another_length_leave_the_distance_of_slices(tmp_path):
    """Direction cosines that are not of length 1, such as rounded ones, are made so."""
    image = read_image(axes_dicom(tmp_path, 1.01 * turned(30)), threshold=1500)
    assert image.voxel == pytest.approx(VOXEL, rel=1e-6)
    np.testing.assert_array_equal(image.solid, grey() > 1500)


def test_a_float32_spacing_is_the_number_that_was_meant(tmp_path):
    for voxel in (20e-6, 19.5e-6, 7.3e-6):
        path = image_files.nifti(tmp_path, grey(), (voxel,) * 3)
        assert read_image(path, threshold=1500).voxel == voxel
        assert image_grid(path).voxel == voxel
    assert image_grid(image_files.nifti(tmp_path, grey(), (20e-6, 20e-6, 10e-6))).voxel == 10e-6


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ("0 20 20", "The file says a voxel is 0 x 20 x 20 um, which cannot be; the one given, 20"),
        ("nan 20 20", "The file says a voxel is nan x 20 x 20 um, which cannot be; the one given"),
        ("20 20 21", "The file says a voxel is 20 x 20 x 21 um; the one given, 20 um"),
        ("20 20 20.1", None),
    ],
)
def test_a_voxel_given_overrides_the_file_and_says_so(tmp_path, said, note):
    path = raw_nrrd(tmp_path / "a.nrrd", f"spacings: {said}", 'units: "um" "um" "um"')
    image = read_image(path, voxel=VOXEL, threshold=1500)
    assert image.voxel == VOXEL
    told = [each for each in image.notes if "The file says" in each]
    assert len(told) == (note is not None)
    assert not told or told[0].startswith(note)
    if note and "cannot be" in note:
        with pytest.raises(BadImage, match=r"which cannot be; give its edge .*\(--voxel\)"):
            read_image(path, threshold=1500)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("spacings: 20 20", "a.nrrd: has 2 spacings for 3 axes; correct the header"),
        ("space directions: (1,0,0) (0,1,0)", "has 2 space directions for 3 axes"),
        ("sizes: a b c", "a.nrrd: line 6 of its header is wrong: 'sizes: a b c'"),
        ("once upon a time", "line 7 of its header is wrong: 'once upon a time'"),
    ],
)
def test_a_wrong_line_of_a_header_is_named(tmp_path, line, message):
    with pytest.raises(BadImage, match=message):
        read_image(raw_nrrd(tmp_path / "a.nrrd", line), voxel=VOXEL)


@pytest.mark.parametrize("header", ["(" * 90, "{'descr': " + "[" * 300, "{'a': 1}", "\0\0"])
def test_a_damaged_npy_header_is_said_to_be_so(tmp_path, header):
    text = header.encode() + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(BadImage, match=r"a\.npy: cannot be read .*: its header is damaged; save"):
        read_image(tmp_path / "a.npy", voxel=VOXEL)


def test_a_detached_header_reads_the_file_beside_it_and_says_so(tmp_path):
    (tmp_path / "b.raw").write_bytes(grey().tobytes(order="F"))
    path = raw_nrrd(tmp_path / "a.nhdr", "data file: b.raw", values=False)
    image = read_image(path, voxel=VOXEL, threshold=1500)
    np.testing.assert_array_equal(image.solid, grey() > 1500)
    assert "Values read from b.raw, as the header says." in image.notes


def test_a_detached_header_reads_no_other_file(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    for folder in (tmp_path, inside):
        (folder / "b.raw").write_bytes(grey().tobytes(order="F"))
    outside = ["../b.raw", str(tmp_path / "b.raw"), "./b.raw", "..\\b.raw", "..", ".", "C:b.raw"]
    for named in outside:
        path = raw_nrrd(inside / "a.nhdr", f"data file: {named}", values=False)
        with pytest.raises(BadImage, match="only the plain name of a file in the header's own"):
            read_image(path, voxel=VOXEL)
    names = ["none.raw", "folder.raw"]
    (inside / "folder.raw").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(inside / "pipe.raw")
        names.append("pipe.raw")
    for named in names:
        path = raw_nrrd(inside / "a.nhdr", f"data file: {named}", values=False)
        with pytest.raises(BadImage, match="there is no such file beside the header"):
            read_image(path, voxel=VOXEL)

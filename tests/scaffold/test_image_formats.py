"""Every format an image may have: the same volume in each, and what a broken file is told."""

import gzip
import json
import struct
import sys
import zlib

import nibabel
import nrrd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from scaffoldsim.scaffold.export import write_scaffold
from scaffoldsim.scaffold.images import BadImage, image_grid, read_image
from scaffoldsim.scaffold.morphometry import measure
from tests.scaffold import image_files
from tests.scaffold.image_files import NO_SPACING, VOXEL, WRITERS

SHAPE = (7, 9, 11)


def grey(dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 3000, SHAPE).astype(dtype)


def voxel_of(kind):
    return VOXEL if kind in NO_SPACING else None


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_volume(tmp_path, kind):
    values = grey()
    path = WRITERS[kind](tmp_path, values)
    image = read_image(path, voxel=voxel_of(kind), threshold=1500)
    np.testing.assert_array_equal(image.solid, values > 1500)
    assert image.solid.flags.c_contiguous
    assert image.voxel == pytest.approx(VOXEL, rel=1e-6)
    grid = image_grid(path, voxel=voxel_of(kind))
    assert (grid.shape, grid.voxel) == (SHAPE, image.voxel)
    assert image.threshold == 1500
    assert kind in NO_SPACING or any("from the file" in note for note in image.notes)


@pytest.mark.parametrize("kind", sorted(NO_SPACING))
def test_a_format_without_spacing_asks_for_the_voxel(tmp_path, kind):
    with pytest.raises(BadImage, match="does not say how large a voxel is"):
        read_image(WRITERS[kind](tmp_path, grey()), threshold=1500)


@pytest.mark.parametrize("kind", sorted(set(WRITERS) - NO_SPACING))
def test_spacing_along_each_axis_is_read(tmp_path, kind):
    """10 × 20 × 40 µm: the least edge stays, the others become more voxels."""
    path = WRITERS[kind](tmp_path, grey(), (10e-6, 20e-6, 40e-6))
    grid = image_grid(path)
    assert grid.shape == (7, 18, 44)
    assert grid.voxel == pytest.approx(10e-6, rel=1e-6)
    image = read_image(path, voxel=30e-6, threshold=1500)
    assert image.voxel == 30e-6
    assert any("10 x 20 x 40 um; the one given, 30 um" in note for note in image.notes)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (kind, dtype)
        for kind in ("nii", "nrrd", "npy")
        for dtype in ("i1", "u1", ">i2", ">u4", "<i8", ">f4", "<f8")
    ],
)
def test_types_and_byte_orders(tmp_path, kind, dtype):
    values = (grey(np.int64) % 100 - 50 * (np.dtype(dtype).kind != "u")).astype(dtype)
    if kind == "nii":
        header = nibabel.Nifti1Header(endianness=">" if dtype[0] == ">" else "<")
        path = image_files.nifti(tmp_path, values, header=header)
    else:
        path = WRITERS[kind](tmp_path, values)
    limit = 40 if np.dtype(dtype).kind == "u" else -3
    image = read_image(path, voxel=VOXEL, threshold=limit)
    np.testing.assert_array_equal(image.solid, values > limit)


def test_bools_and_a_cut_axis_of_one(tmp_path):
    solid = grey() > 1500
    image = read_image(image_files.npy(tmp_path, solid), voxel=VOXEL)
    np.testing.assert_array_equal(image.solid, solid)
    image = read_image(image_files.nifti(tmp_path, grey()[..., None]), threshold=1500)
    np.testing.assert_array_equal(image.solid, solid)


def test_nifti_slope_unit_and_axes(tmp_path):
    values = grey(np.int16)
    image = nibabel.Nifti1Image(values, np.diag([-20.0, 20.0, 20.0, 1]))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "a.nii")
    data = bytearray((tmp_path / "a.nii").read_bytes())
    data[112:120] = struct.pack("<ff", 0.5, -100)  # scl_slope, scl_inter
    (tmp_path / "a.nii").write_bytes(data)
    found = read_image(tmp_path / "a.nii", threshold=650.2)
    np.testing.assert_array_equal(found.solid, values * 0.5 - 100 > 650.2)
    assert found.voxel == pytest.approx(20e-6, rel=1e-6)
    assert any("-x, +y, +z of the scanner" in note for note in found.notes)


def test_a_unit_that_is_not_named_is_the_one_given(tmp_path):
    path = image_files.nifti(tmp_path, grey(), unit="unknown", scale=1e6)
    image = read_image(path, threshold=1500, unit="um")
    assert image.voxel == pytest.approx(20e-6, rel=1e-6)
    assert any("names no unit of length; taken as um" in note for note in image.notes)


def test_nrrd_directions_detached_values_and_skips(tmp_path):
    values = grey()
    directions = np.diag([0.02, -0.02, 0.02])
    path = image_files.nrrd_file(
        tmp_path, values, name="a.nhdr", spacings=None, units=None,
        **{"space directions": directions, "space": "left-posterior-superior",
           "space units": ["mm"] * 3},
    )  # fmt: skip
    image = read_image(path, threshold=1500)
    np.testing.assert_array_equal(image.solid, values > 1500)
    assert image.voxel == pytest.approx(20e-6)
    assert any("+x, -y, +z" in note for note in image.notes)
    raw = np.asfortranarray(values).tobytes(order="F")
    head = "NRRD0004\ntype: uint16\ndimension: 3\nsizes: 7 9 11\nendian: little\nencoding: raw\n"
    for skip in ("line skip: 2\nbyte skip: 3\n", "byte skip: -1\n"):
        (tmp_path / "b.nrrd").write_bytes((head + skip + "\n").encode() + b"x\ny\nabc" + raw)
        image = read_image(tmp_path / "b.nrrd", voxel=VOXEL, threshold=1500)
        np.testing.assert_array_equal(image.solid, values > 1500)


@pytest.mark.parametrize(("suffix", "mode"), [("bmp", "L"), ("png", "I;16"), ("png", "P")])
def test_slices_of_other_kinds(tmp_path, suffix, mode):
    values = (grey() % 250).astype(np.uint16 if mode == "I;16" else np.uint8)
    folder = image_files.slices(tmp_path, values, suffix=suffix)
    if mode == "P":  # a palette of greys, as scanners write it
        for path in folder.iterdir():
            palette = Image.open(path).convert("P")
            palette.putpalette([level for level in range(256) for _ in range(3)])
            palette.save(path)
    (folder / "scan.log").write_text("40 kV")
    (folder / "preview.jpg").write_bytes(b"not read")
    image = read_image(folder, voxel=VOXEL, threshold=99)
    np.testing.assert_array_equal(image.solid, values > 99)
    assert any("Ignored in the folder: 2 other files (preview.jpg, scan.log)" in n
               for n in image.notes)  # fmt: skip


def test_a_slice_that_is_missing_is_said(tmp_path):
    folder = image_files.slices(tmp_path, grey())
    (folder / "slice_11.png").unlink()
    image = read_image(folder, voxel=VOXEL, threshold=1500)
    assert any("12 follows 10" in note for note in image.notes)


def colour(folder):
    Image.new("RGB", SHAPE[1::-1]).save(folder / "slice_9.png")


def other_size(folder):
    Image.new("I;16", (5, 5)).save(folder / "slice_9.png")


def other_type(folder):
    Image.new("L", (7, 9)).save(folder / "slice_9.png")


def second_format(folder):
    for path in list(folder.iterdir()):
        Image.open(path).convert("L").save(path.with_suffix(".bmp"))


def large_slice(folder, edge=12_000):
    """A PNG that claims 12,000 × 12,000 pixels in 70 bytes."""
    data = b"\x89PNG\r\n\x1a\n"
    for name, inside in (
        (b"IHDR", struct.pack(">IIBBBBB", edge, edge, 16, 0, 0, 0, 0)),
        (b"IDAT", bytes(12)),
    ):
        data += struct.pack(">I", len(inside)) + name + inside
        data += struct.pack(">I", zlib.crc32(name + inside))
    (folder / "slice_9.png").write_bytes(data)


def larger_slice(folder):
    large_slice(folder, 30_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (colour, r"slice_9\.png: is in colour"),
        (other_size, r"sizes: slice_8\.png is 7 x 9, slice_9\.png 5 x 5"),
        (other_type, "different kinds: slice_8.png holds uint16, slice_9.png uint8"),
        (second_format, "as many BMP as PNG|as many PNG as BMP"),
        (large_slice, r"slice_9\.png: claims 2.88e\+08 bytes .* not believable"),
        (larger_slice, r"slice_9\.png: .*exceeds limit"),
    ],
)
def test_slices_that_do_not_fit_are_refused(tmp_path, change, message):
    folder = image_files.slices(tmp_path, grey())
    change(folder)
    with pytest.raises(BadImage, match=message):
        read_image(folder, voxel=VOXEL, threshold=1500)


def second_series(data, z):
    data.SeriesInstanceUID = f"1.2.{z // 6}"


def gap(data, z):
    if z > 5:
        data.ImagePositionPatient = [-5, 3, 7 + (z + 1) * 0.02]


def doubled(data, z):
    data.ImagePositionPatient = [0, 0, (z - (z == 4)) * 0.02]


def tilted(data, z):
    if z == 3:
        data.ImageOrientationPatient = [0, 1, 0, 0, 0, 1]


def colours(data, z):
    data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"


def compressed(data, z):
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.80"  # JPEG-LS
    data["PixelData"].is_undefined_length = True
    data.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\4\0\0\0abcd\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (second_series, r"holds 2 series: 1\.2\.0 \(6 slices\), 1\.2\.1 \(5 slices\)"),
        (gap, r"missing or uneven: 5\.dcm .* lies 0\.04 mm behind 6\.dcm"),
        (doubled, "at the same place"),
        (tilted, "face different ways"),
        (colours, "in colour"),
        (compressed, "compressed .JPEG-LS .* needs a plugin"),
    ],
)
def test_dicom_series_that_are_no_volume_are_refused(tmp_path, change, message):
    folder = image_files.dicom(tmp_path, grey(), change=change)
    with pytest.raises(BadImage, match=message):
        read_image(folder, threshold=1500)


def test_dicom_rescale_is_applied_slice_by_slice(tmp_path):
    values = grey(np.int16)

    def change(data, z):
        data.RescaleSlope, data.RescaleIntercept = 1 + z, -100
        del data.ImagePositionPatient
        data.SliceThickness = 0.02

    folder = image_files.dicom(tmp_path, values, change=change)
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    image = read_image(folder, threshold=1500)
    np.testing.assert_array_equal(image.solid, values * np.arange(1, 12.0) - 100 > 1500)
    assert any("have no position" in note for note in image.notes)
    assert any("DICOMDIR" in note for note in image.notes)


CUT = {kind: WRITERS[kind] for kind in WRITERS if kind not in ("tiff", "npy fortran")}


@pytest.mark.parametrize("kind", CUT)
def test_truncated_and_damaged_files_are_refused_in_a_line(tmp_path, kind):
    path = CUT[kind](tmp_path, grey())
    broken = sorted(path.iterdir())[3] if path.is_dir() else path
    whole = broken.read_bytes()
    for share in (0, 0.01, 0.1, 0.4, 0.8):
        broken.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(BadImage, match=broken.name) as caught:
            read_image(path, voxel=VOXEL, threshold=1500)
        assert "\n" not in str(caught.value)
    rng = np.random.default_rng(0)
    for _ in range(25):
        data = bytearray(whole)
        for place in rng.integers(0, min(len(data), 500), 5):
            data[place] = rng.integers(256)
        broken.write_bytes(data)
        try:
            image = read_image(path, voxel=VOXEL, threshold=1500)
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert image.solid.ndim == 3


@pytest.mark.parametrize("kind", ["nii.gz", "nrrd"])
def test_a_wrong_checksum_is_seen(tmp_path, kind):
    """Of a stream longer than what is read ahead, and of values that all are there."""
    values = np.random.default_rng(0).integers(0, 256, (40, 50, 220)).astype(np.uint8)
    path = WRITERS[kind](tmp_path, values)
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadImage, match="CRC"):
        read_image(path, threshold=100)


def huge(path):
    """A file of about 1 kB whose header claims 2,000³ voxels."""
    kind = "".join(path.suffixes)
    if kind == ".npy":
        header = {"descr": "<f8", "fortran_order": False, "shape": (2000, 2000, 2000)}
        with path.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            stream.write(bytes(900))
    elif kind == ".nrrd":
        for encoding in ("raw", "gzip"):
            text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 2000 2000 2000\nendian: little\n"
            packed = gzip.compress(bytes(900)) if encoding == "gzip" else bytes(900)
            path.write_bytes(f"{text}encoding: {encoding}\n\n".encode() + packed)
    elif kind == ".dcm":
        data = image_files.dataset(2000, 2000, np.dtype(np.uint16))
        data.NumberOfFrames, data.PixelData = 2000, bytes(900)
        data.save_as(path, enforce_file_format=True)
    elif kind == ".stl":
        path.write_bytes(bytes(80) + struct.pack("<I", 2**31) + bytes(900))
    elif kind == ".ply":
        path.write_bytes(
            b"ply\nformat binary_little_endian 1.0\nelement vertex 2000000000\nproperty float x\n"
            b"property float y\nproperty float z\nelement face 1000000000\n"
            b"property list uchar int vertex_indices\nend_header\n" + bytes(900)
        )
    else:
        header = nibabel.Nifti1Header()
        header.set_data_shape((2000, 2000, 2000))
        header["vox_offset"], header["magic"] = 352, b"n+1"
        data = header.binaryblock + bytes(900)
        path.write_bytes(gzip.compress(data) if kind.endswith(".gz") else data)


@pytest.mark.parametrize("suffix", ["npy", "nrrd", "dcm", "nii", "nii.gz", "stl", "ply"])
def test_a_header_that_claims_more_than_the_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    huge(path)
    assert path.stat().st_size < 2000
    with pytest.raises(BadImage, match=r"its header claims|not believable"):
        read_image(path, voxel=VOXEL, threshold=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 5)), "is one plane, 4 x 5"),
        (np.zeros(()), "has 0 axes; a volume of three .x, y, z. is needed"),
        (np.zeros(5), "has 1 axis; a volume of three"),
        (np.zeros((3, 4, 5, 6)), "single volume"),
        (np.zeros((0, 4, 5)), "holds none"),
        (np.zeros((4, 4, 4)), "every voxel has the value 0"),
        (np.full((4, 4, 4), np.nan), "slice 0 holds values that are not finite"),
        (np.ones((4, 4, 4), complex), "type complex128; grey values are needed"),
        (np.zeros((4, 4, 4), [("a", "u1")]), "grey values are needed"),
        (np.full((4, 4, 4), None), "type object; grey values are needed"),
        (np.full((4, 4, 4), "a"), "grey values are needed"),
    ],
)
def test_arrays_that_are_no_volume_of_grey_values_are_refused(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(BadImage, match=message):
        read_image(tmp_path / "a.npy", voxel=VOXEL)


@pytest.mark.parametrize("edge", [0.0, -0.02, np.nan, np.inf])
@pytest.mark.parametrize("kind", ["nii", "nrrd", "dicom"])
def test_impossible_spacings_are_refused(tmp_path, kind, edge):
    path = WRITERS[kind](tmp_path, grey())
    if kind == "nii":
        data = bytearray(path.read_bytes())
        data[80:84] = struct.pack("<f", edge)  # pixdim[1]
        data[252:256] = bytes(4)  # neither qform nor sform
        path.write_bytes(data)
    elif kind == "nrrd":
        image_files.nrrd_file(tmp_path, grey(), (edge, VOXEL, VOXEL))
    else:
        for z, file in enumerate(path.iterdir()):
            data = image_files.dataset(9, 7, np.dtype(np.uint16))
            data.PixelSpacing, data.SliceThickness = [0.02, 0.02], 0.02
            data.add_new("PixelSpacing", "DS", [0.02, edge if np.isfinite(edge) else -1])
            data.InstanceNumber, data.PixelData = z, bytes(126)
            data.save_as(file, enforce_file_format=True)
    with pytest.raises(BadImage, match=r"says a voxel is .* um, which cannot be; give its"):
        read_image(path, threshold=1500)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.nii", b"once upon a time " * 40, "is no NIfTI file"),
        ("a.nrrd", b"once upon a time", "is no NRRD file"),
        ("a.npy", b"once upon a time", "cannot be read as an .npy array"),
        ("a.dcm", b"once upon a time", "cannot be read as a DICOM image"),
        ("a.raw", b"once upon a time", r"no known kind; known are \.tif, .*\.ply, and folders"),
        ("a.png", b"\x89PNG", "is one plane; give the folder of its slices"),
        ("a.raw", b"", "no known kind"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadImage, match=message):
        read_image(tmp_path / name, voxel=VOXEL)


def test_a_known_start_makes_up_for_an_unknown_suffix(tmp_path):
    for writer in (image_files.tiff, image_files.nrrd_file, image_files.dicom_frames):
        path = writer(tmp_path, grey())
        image = read_image(path.rename(tmp_path / "scan"), threshold=1500)
        np.testing.assert_array_equal(image.solid, grey() > 1500)


@pytest.mark.parametrize(
    ("module", "kind", "extra"),
    [
        ("nibabel", "nii", "medical"),
        ("nrrd", "nrrd", "medical"),
        ("pydicom", "dicom", "medical"),
        ("trimesh", "stl", "mesh"),
    ],
)
def test_a_library_that_is_absent_is_named(tmp_path, monkeypatch, module, kind, extra):
    if kind == "stl":
        path = tmp_path / "a.stl"
        path.write_bytes(bytes(84))
    else:
        path = WRITERS[kind](tmp_path, grey())
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadImage, match=rf'pip install "scaffoldsim\[{extra}\]"'):
        read_image(path, voxel=VOXEL)


@settings(max_examples=6, derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shape=st.tuples(*[st.integers(4, 14)] * 3))
def test_measuring_what_was_exported_and_imported_gives_the_same(tmp_path_factory, seed, shape):
    folder = tmp_path_factory.mktemp("round")
    noise = gaussian_filter(np.random.default_rng(seed).random(shape), 1)
    solid = noise > np.quantile(noise, 0.7)
    wanted = measure(solid, voxel=VOXEL).to_dict()
    for suffix in ("tif", "nii", "nii.gz", "nrrd", "npy"):
        path = folder / f"scaffold.{suffix}"
        write_scaffold(path, solid, np.zeros(shape, np.float32), VOXEL)
        voxel = VOXEL if suffix == "npy" else None
        image = read_image(path, voxel=voxel)
        np.testing.assert_array_equal(image.solid, solid)
        assert image.voxel == pytest.approx(VOXEL, rel=1e-6)
    image = read_image(image_files.slices(folder, solid.astype(np.uint8) * 255), voxel=VOXEL)
    assert json.dumps(measure(image.solid, voxel=image.voxel).to_dict()) == json.dumps(wanted)


def test_nrrd_written_here_is_read_by_pynrrd_and_nifti_by_nibabel(tmp_path):
    solid = grey() > 1500
    for suffix in ("nrrd", "nii.gz"):
        write_scaffold(tmp_path / f"a.{suffix}", solid, np.zeros(SHAPE, np.float32), VOXEL)
    values, header = nrrd.read(str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(values, solid * 255)
    np.testing.assert_allclose(header["space directions"], np.eye(3) * 0.02)
    image = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), solid * 255)
    np.testing.assert_allclose(image.affine, np.diag([0.02, 0.02, 0.02, 1]), rtol=1e-6)
    assert image.header.get_xyzt_units()[0] == "mm"

"""Writers of small images in every format that can be read, for the tests."""

import gzip

import nibabel
import nrrd
import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

VOXEL = 20e-6


def tiff(folder, values, spacing=(VOXEL,) * 3):
    path = folder / "a.tif"
    resolution = (1e-6 / spacing[0], 1e-6 / spacing[1])
    tifffile.imwrite(
        path,
        np.ascontiguousarray(values.transpose(2, 1, 0)),
        imagej=values.dtype in (np.uint8, np.uint16, np.float32),
        resolution=resolution,
        metadata={"axes": "ZYX", "spacing": spacing[2] * 1e6, "unit": "um"},
    )
    return path


def nifti(folder, values, spacing=(VOXEL,) * 3, name="a.nii", unit="mm", scale=1e3, header=None):
    path = folder / name
    affine = np.diag([*(edge * scale for edge in spacing), 1.0])
    image = nibabel.Nifti1Image(values, affine, header)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def nifti_gz(folder, values, spacing=(VOXEL,) * 3):
    return nifti(folder, values, spacing, "a.nii.gz")


def nrrd_file(folder, values, spacing=(VOXEL,) * 3, encoding="gzip", name="a.nrrd", **header):
    path = folder / name
    fields = {
        "encoding": encoding,
        "spacings": [edge * 1e6 for edge in spacing],
        "units": ["um"] * 3,
        **header,
    }
    nrrd.write(str(path), values, {k: v for k, v in fields.items() if v is not None})
    return path


def nrrd_raw(folder, values, spacing=(VOXEL,) * 3):
    return nrrd_file(folder, values, spacing, "raw")


def npy(folder, values, spacing=None):
    np.save(folder / "a.npy", values)
    return folder / "a.npy"


def npy_fortran(folder, values, spacing=None):
    return npy(folder, np.asfortranarray(values))


def slices(folder, values, spacing=None, suffix="png"):
    """Numbers without leading zeros, from 8, so that the order of names is not that of numbers."""
    inside = folder / f"slices_{suffix}"
    inside.mkdir()
    for z in range(values.shape[2]):
        path = inside / f"slice_{8 + z}.{suffix}"
        plane = np.ascontiguousarray(values[:, :, z].T)
        if suffix == "tif":
            tifffile.imwrite(path, plane)
        else:
            Image.fromarray(plane).save(path)
    return inside


def slices_tiff(folder, values, spacing=None):
    return slices(folder, values, suffix="tif")


def dataset(rows, columns, dtype, series="1.2.3"):
    """What every slice of a DICOM series has."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series])
    data = pydicom.Dataset()
    data.file_meta = meta
    data.SeriesInstanceUID = series
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = rows, columns
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(dtype.kind == "i")
    return data


def dicom(folder, values, spacing=(VOXEL,) * 3, change=None):
    """A series whose files are named against the order of their positions."""
    inside = folder / "series"
    inside.mkdir()
    mm = [edge * 1e3 for edge in spacing]
    for z in range(values.shape[2]):
        data = dataset(values.shape[1], values.shape[0], values.dtype)
        data.PixelSpacing = [mm[1], mm[0]]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [-5.0, 3.0, round(7 + z * mm[2], 9)]
        data.InstanceNumber = z + 1
        data.PixelData = np.ascontiguousarray(values[:, :, z].T).tobytes()
        if change is not None:
            change(data, z)
        data.save_as(inside / f"{values.shape[2] - z}.dcm", enforce_file_format=True)
    return inside


def dicom_frames(folder, values, spacing=(VOXEL,) * 3):
    """One enhanced file of many frames."""
    mm = [edge * 1e3 for edge in spacing]
    data = dataset(values.shape[1], values.shape[0], values.dtype)
    data.NumberOfFrames = values.shape[2]
    measures, facing, shared = (pydicom.Dataset() for _ in range(3))
    measures.PixelSpacing, measures.SliceThickness = [mm[1], mm[0]], mm[2]
    facing.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [facing]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for z in range(values.shape[2]):
        place, frame = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [0, 0, round(z * mm[2], 9)]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    data.PixelData = np.ascontiguousarray(values.transpose(2, 1, 0)).tobytes()
    data.save_as(folder / "a.dcm", enforce_file_format=True)
    return folder / "a.dcm"


def repack(path, change):
    """Change the bytes inside a gzipped file."""
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


#: Writers of formats that keep 16-bit values and, but for the last four, their spacing.
WRITERS = {
    "tiff": tiff,
    "nii": nifti,
    "nii.gz": nifti_gz,
    "nrrd": nrrd_file,
    "nrrd raw": nrrd_raw,
    "dicom": dicom,
    "dicom frames": dicom_frames,
    "npy": npy,
    "npy fortran": npy_fortran,
    "png": slices,
    "tiff slices": slices_tiff,
}
NO_SPACING = {"npy", "npy fortran", "png", "tiff slices"}

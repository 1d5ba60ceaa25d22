"""Pictures to the bytes of a movie: `encode`. WebP and GIF by Pillow, MP4 by imageio-ffmpeg.

Pictures come one by one and none is kept, so that a movie may be of any length; what grows is the
encoded movie alone.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

#: What a movie may be called, the one without further packages and with all colours first.
MOVIES = (".webp", ".gif", ".mp4")
#: Quality of lossy WebP of 100, and effort of 6: at 80 fine grain is seen around letters.
_WEBP = {"quality": 88, "method": 4}
#: x264: the smaller the better, 18 is nearly without loss.
_CRF = "18"
#: Players stutter, or skip, at less; a picture that stays is written several times.
_LEAST_RATE = 10.0
#: A GIF counts in hundredths of a second, and viewers slow down what is faster than 2 of them.
_GIF_TICK, _GIF_LEAST = 0.01, 0.02
#: Bits of each colour by which colours are counted for the palette of a GIF.
_BITS = 5
#: Amplitude of the pattern that hides the steps between colours of the palette, of 255.
_DITHER = 7.0

Array = npt.NDArray[Any]


def require(suffix: str) -> None:
    """Raise unless a movie of this suffix (`MOVIES`) can be written here.

    Raises
    ------
    ValueError
        Saying what to install.
    """
    if suffix == ".mp4":
        try:
            import imageio_ffmpeg

            imageio_ffmpeg.get_ffmpeg_exe()
        except (ImportError, RuntimeError) as error:
            raise ValueError(
                "an .mp4 needs imageio-ffmpeg: pip install 'scaffoldsim[movie]' "
                "(.webp and .gif need nothing)"
            ) from error
    if suffix == ".webp":
        from PIL import features

        if not features.check("webp"):
            raise ValueError("Pillow was built without WebP: pip install --upgrade pillow")


def encode(
    suffix: str,
    pictures: Iterable[Array],
    seconds: Sequence[float],
    size: tuple[int, int],
    colours: Array | None = None,
) -> bytes:
    """Encode a movie that repeats for ever, where the format knows that.

    Parameters
    ----------
    suffix : str
        One of `MOVIES`.
    pictures : iterable of array (height, width, 3) uint8
        Taken one by one.
    seconds : sequence of float
        How long each stays; as many as there are pictures. In a GIF whole hundredths, in an MP4
        whole multiples of the shortest.
    size : (width, height)
        Pixels; an MP4 needs even ones.
    colours : array (n, 3) uint8, optional
        Colours, up to 128, that a GIF has to have among its 256, however few pixels show them; the
        first one, that of the background, stays free of any pattern.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    ValueError
        If the movie cannot be written here (`require`).

    Examples
    --------
    >>> black = np.zeros((20, 30, 3), np.uint8)
    >>> encode(".gif", [black, black + 255], [0.5, 0.5], (30, 20))[:6]
    b'GIF89a'
    """
    require(suffix)
    if suffix == ".gif":
        return _gif(iter(pictures), seconds, np.empty((0, 3)) if colours is None else colours)
    return (_webp if suffix == ".webp" else _mp4)(iter(pictures), seconds, size)


def _webp(pictures: Iterator[Array], seconds: Sequence[float], size: tuple[int, int]) -> bytes:
    from PIL import Image

    # One image that seeks is what Pillow takes one picture at a time; a list it would keep whole.
    reel: Any = Image.new("RGB", size)
    reel.n_frames, shown = len(seconds), -1

    def seek(index: int) -> None:
        nonlocal shown
        if index > shown:
            reel.frombytes(next(pictures).tobytes())
            shown = index

    reel.seek = seek
    seek(0)
    buffer = io.BytesIO()
    duration = [round(1000 * stay) for stay in seconds]
    reel.save(buffer, format="WEBP", save_all=True, duration=duration, loop=0, **_WEBP)
    return buffer.getvalue()


def _gif(pictures: Iterator[Array], seconds: Sequence[float], colours: Array) -> bytes:
    """Write one palette for all pictures: with one for each, still things would flicker."""
    from PIL import GifImagePlugin, Image

    counts = np.zeros(2 ** (3 * _BITS), np.int64)
    with tempfile.TemporaryDirectory(prefix="scaffoldsim-gif-") as folder:
        kept = [Path(folder, f"{k}.png") for k in range(len(seconds))]
        for path, picture in zip(kept, pictures, strict=True):
            counts += np.bincount(_binned(picture).ravel(), minlength=counts.size)
            Image.fromarray(picture).save(path, compress_level=1)
        palette = _palette(counts, colours)
        buffer = io.BytesIO()
        for path, stay in zip(kept, seconds, strict=True):
            with Image.open(path) as opened:
                indexed = _dithered(np.asarray(opened), palette)
            if path is kept[0]:
                header, _ = GifImagePlugin.getheader(
                    indexed.copy(), info={"loop": 0, "optimize": False}
                )
                buffer.write(b"".join(header))
            ticks = round(max(stay, _GIF_LEAST) / _GIF_TICK)
            buffer.write(b"".join(GifImagePlugin.getdata(indexed, duration=10 * ticks)))
        buffer.write(b";")
    return buffer.getvalue()


def _binned(picture: Array) -> Array:
    """Number of the bin of each pixel's colour."""
    coarse = (picture >> (8 - _BITS)).astype(np.int64)
    binned: Array = (coarse[..., 0] << 2 * _BITS) | (coarse[..., 1] << _BITS) | coarse[..., 2]
    return binned


def _palette(counts: Array, colours: Array) -> Image.Image:
    """Choose 256 colours: those given, then by what is counted."""
    from PIL import Image

    bins = np.flatnonzero(counts)
    # By the root of their number, else walls take all colours and few cells of a kind get none.
    times = np.ceil(np.sqrt(counts[bins])).astype(np.int64)
    levels = 2**_BITS - 1
    rgb = np.stack([bins >> 2 * _BITS, bins >> _BITS & levels, bins & levels], axis=1)
    sample = np.repeat(np.round(rgb * (255 / levels)).astype(np.uint8), times, axis=0)
    left = 256 - len(colours)
    chosen = Image.fromarray(sample[None]).quantize(left, kmeans=3).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*colours.astype(int).ravel().tolist(), *chosen[: 3 * left]])
    return palette


def _dithered(picture: Array, palette: Image.Image) -> Image.Image:
    """Bring a picture to a palette by a pattern that stays where it is from picture to picture."""
    from PIL import Image

    pattern = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    height, width = picture.shape[:2]
    tiled = np.tile(pattern, (height // 4 + 1, width // 4 + 1))[:height, :width]
    shift = np.round(_DITHER * ((tiled + 0.5) / 16 - 0.5)).astype(np.int16)[..., None]
    mixed = np.clip(picture + shift, 0, 255).astype(np.uint8)
    found = Image.fromarray(mixed).quantize(palette=palette, dither=Image.Dither.NONE)
    all_colours = palette.getpalette() or []
    plain = np.all(picture == np.array(all_colours[:3]), axis=-1)
    indexed = Image.fromarray(np.where(plain, 0, np.asarray(found)).astype(np.uint8))
    indexed.putpalette(all_colours)
    return indexed


def _mp4(pictures: Iterator[Array], seconds: Sequence[float], size: tuple[int, int]) -> bytes:
    import imageio_ffmpeg

    step = min(seconds)
    often = max(1, int(np.ceil(_LEAST_RATE * step)))
    # What players take for granted; else they shift the colours.
    tags = "colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    convert = f"scale=out_color_matrix=bt709:out_range=tv,setparams=range=tv:{tags}"
    with tempfile.TemporaryDirectory(prefix="scaffoldsim-mp4-") as folder:
        path = Path(folder, "movie.mp4")
        writer = imageio_ffmpeg.write_frames(
            str(path), size, fps=often / step, codec="libx264", quality=None, macro_block_size=2,
            ffmpeg_log_level="error", pix_fmt_out="yuv420p",
            output_params=["-crf", _CRF, "-movflags", "+faststart", "-vf", convert],
        )  # fmt: skip
        writer.send(None)
        try:
            for picture, stay in zip(pictures, seconds, strict=True):
                for _ in range(round(often * stay / step)):
                    writer.send(np.ascontiguousarray(picture))
        finally:
            writer.close()
        return path.read_bytes()

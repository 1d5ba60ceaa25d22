"""Movies of a run: `render_movie`, every stored frame in order, or one of them from all sides.

What one picture would choose from its own frame — the wall with the field, where to stand in a
pore, whether the cut takes the solid, the rows of the legend — is chosen once for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim import catalogue, units
from scaffoldsim.render import encode, gl, layers, slices, still
from scaffoldsim.render.frame import Cast, Frame, run_frame
from scaffoldsim.render.scene import Movie, Scene
from scaffoldsim.run.atomic import write_atomic
from scaffoldsim.run.record import Run

#: So many colours of the colour bar are in every GIF.
_BAR = 64

Array = npt.NDArray[Any]
Progress = Callable[[int, int, Mapping[str, Any]], None]


def movie_suffix(out: str | os.PathLike[str]) -> str:
    """Return ``.png`` for a still or one of `encode.MOVIES`, in small letters, as `out` says.

    Raises
    ------
    ValueError
        If it says something else.

    Examples
    --------
    >>> movie_suffix("a.WebP")
    '.webp'
    """
    suffix = Path(out).suffix.lower()
    allowed = (".png", *encode.MOVIES)
    if suffix not in allowed:
        *some, last = encode.MOVIES
        near = catalogue.did_you_mean(suffix, allowed) if suffix else ""
        raise ValueError(f"{out}: a still is a .png, a movie a {', '.join(some)} or {last}{near}")
    return suffix


def render_movie(
    run: Run | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    scene: str | os.PathLike[str] = "healing",
    at: float | str | None = None,
    width: int | None = None,
    progress: Progress | None = None,
) -> still.RenderResult:
    """Draw a movie of a run as an animated WebP, a GIF or an MP4.

    Parameters
    ----------
    run : Run or path
        The run; of one that goes on, or broke off, the frames that are committed.
    out : path
        The movie, whose suffix says what it becomes; its folder is made if need be.
    scene : str or path
        A scene of the catalogue; its ``movie`` says what is shown, and how fast (`Movie`).
    at : float or str, optional
        Time in s, or with a unit ("14 d"), for a scene that turns one moment: the nearest stored
        frame; the last one by default.
    width : int, optional
        Pixels, 400 to 4000, in place of those of the scene; the height is three quarters of it.
    progress : callable, optional
        Called with pictures drawn, pictures in all, and ``{"picture": day}``.

    Returns
    -------
    RenderResult
        Where the movie is, whether it is 3-D, and a note if it is not what was to be expected.

    Raises
    ------
    ValueError
        If suffix, scene, time or width are not possible, a package is missing, or the run has no
        frame.

    Examples
    --------
    >>> render_movie("runs/a", "a.webp")  # doctest: +SKIP
    >>> render_movie("runs/a", "day14.mp4", scene="turntable", at="14 d")  # doctest: +SKIP
    """
    run = run if isinstance(run, Run) else Run(run)
    suffix = movie_suffix(out)
    if suffix == ".png":
        raise ValueError(f"{out}: a .png is a still; a movie is a {', '.join(encode.MOVIES)}")
    encode.require(suffix)
    look = Scene.load(scene)
    how = look.movie or Movie()
    if width is not None and not 400 <= width <= 4000:
        raise ValueError(f"width {width} is not possible; 400 to 4000 pixels are")
    moments = _moments(run, look, how, at)
    target = Path(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    plan = _plan(run, moments, look, how, width or how.width)
    note = ""
    try:
        with closing(_solid(run, plan, look, progress)) as drawn:  # and the process that draws
            data = plan.encode(suffix, drawn, look)
        kind = "3d"
    except gl.NoGraphicsError as error:
        still_standing = "; they do not turn" if how.turn else ""
        note = f"slices instead of 3-D pictures{still_standing}: {error}"
        plan = replace(plan, pictures=[(k, 0.0) for k in moments], each=how.seconds * how.pictures)
        data = plan.encode(suffix, _slices(run, plan, look, progress), look)
        kind = "slices"
    write_atomic(target, data)
    if how.frames == "all" and len(moments) == 1:
        alone = "the run has one stored frame (output.frames_every): the movie is one picture"
        note = f"{note}; {alone}" if note else alone
    return still.RenderResult(target, kind, note)


@dataclass(frozen=True)
class _Plan:
    """What is decided before the first picture.

    `pictures` are stored frames and degrees turned, `directions` settings of `layers.Stage`.
    """

    pictures: Sequence[tuple[int, float]]
    each: float
    hold: float
    size: tuple[int, int]
    cast: Cast
    directions: Mapping[str, Any]

    def encode(self, suffix: str, drawn: Iterator[Array], scene: Scene) -> bytes:
        """Encode the pictures, each for its time."""
        seconds = [self.each] * len(self.pictures)
        seconds[-1] += self.hold
        return encode.encode(suffix, drawn, seconds, self.size, _colours(self.cast, scene))


def _colours(cast: Cast, scene: Scene) -> Array:
    """Colours of the background, of the legend and of the colour bar, (n, 3) uint8."""
    import matplotlib as mpl

    kinds = [scene.paint(name) for name in cast.types]
    kinds += [getattr(scene.vessels, name) for name in cast.vessels]
    kinds += [getattr(scene, name) for name in cast.solids]
    names = [scene.background, *sorted({paint.color for paint in kinds})]
    named = [mpl.colors.to_rgb(name) for name in names]
    bar = mpl.colormaps.get_cmap(scene.colormap)(np.linspace(0, 1, _BAR))[:, :3]
    return np.round(255 * np.vstack([named, bar])).astype(np.uint8)


def _moments(run: Run, scene: Scene, how: Movie, at: float | str | None) -> list[int]:
    """Stored frames that are shown."""
    if how.frames == "last":
        return [run.frame_at(None if at is None else units.parse(at, "s") / 3600)]
    if at is not None:
        said = at if isinstance(at, str) else f"{at:g} s"
        raise ValueError(
            f"at {said}: a movie of the scene {scene.name} shows every stored frame; leave the "
            "time out, draw a still (.png), or turn that moment (scene turntable)"
        )
    return list(range(run.frame_at() + 1))


def _plan(run: Run, moments: list[int], scene: Scene, how: Movie, width: int) -> _Plan:
    """Look through all frames, and choose what holds for all of them."""
    h = run.voxel * 1e6
    cut = layers.cut_of(scene.to_dict(), run.shape, h)
    spreads: list[list[float]] = []

    def seen() -> Iterator[Frame]:
        for index in moments:
            frame = run_frame(run, index, scene)
            if frame.field is not None and cut.active:
                spreads.append(layers.wall_spreads(frame.field, cut, h))
            yield frame

    cast = Cast.of(seen())
    count = len(moments) * how.pictures
    # A whole turn ends where it began: its last picture would be the first one once more.
    steps = count if how.turn % 360 == 0 else max(count - 1, 1)
    turns = [how.turn * k / steps for k in range(count)]
    directions: dict[str, Any] = {
        "cut_solid": scene.cut_bone if len(cast.parts) > 1 else scene.cut_scaffold,
        "angles": sorted(set(turns)),
    }
    if spreads:
        directions["wall"] = layers.telling_wall(np.mean(spreads, axis=0).tolist())
    if scene.angle is not None:
        ends = sorted({moments[0], moments[-1]})
        shown = [still.arrays_of(run_frame(run, index, scene), scene) for index in ends]
        directions["eye"] = layers.standing(shown, scene.to_dict(), run.voxel)
    return _Plan(
        pictures=[(moments[k // how.pictures], turn) for k, turn in enumerate(turns)],
        each=how.seconds,
        hold=how.hold,
        size=(width - width % 2, 2 * (3 * width // 8)),
        cast=cast,
        directions=directions,
    )


def _solid(
    run: Run, plan: _Plan, scene: Scene, progress: Progress | None
) -> Generator[Array, None, None]:
    """Draw the pictures in 3-D, one by one."""
    frame: Frame | None = None
    last = None
    with gl.Painter() as painter:
        for done, (index, turn) in enumerate(plan.pictures, start=1):
            arrays = None
            if index != last or frame is None:
                last, frame = index, run_frame(run, index, scene, plan.cast)
                arrays = still.arrays_of(frame, scene)
            settings = still.settings_of(frame, scene, plan.size)
            settings |= {**plan.directions, "turn": turn}
            drawn = painter.draw(arrays, settings)
            picture = still.raster_of(still.compose(frame, scene, plan.size, *drawn))
            _tell(progress, done, run, plan)
            yield picture


def _slices(run: Run, plan: _Plan, scene: Scene, progress: Progress | None) -> Iterator[Array]:
    """Draw the pictures as slices, one by one."""
    for done, (index, _) in enumerate(plan.pictures, start=1):
        frame = run_frame(run, index, scene, plan.cast)
        picture = still.raster_of(slices.compose(frame, scene, plan.size))
        _tell(progress, done, run, plan)
        yield picture


def _tell(progress: Progress | None, done: int, run: Run, plan: _Plan) -> None:
    if progress is not None:
        day = run.frames[plan.pictures[done - 1][0]] / 24
        progress(done, len(plan.pictures), {"picture": day})

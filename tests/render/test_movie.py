"""Movies: what every picture shows, what stays the same in all, and the files."""

from __future__ import annotations

import io
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scaffoldsim import catalogue
from scaffoldsim.render import encode, gl, movie, movie_suffix, render_movie, slices, still
from scaffoldsim.render.frame import Cast, run_frame
from scaffoldsim.render.scene import Scene
from scaffoldsim.run.record import Run
from tests.run.synthetic import write_run

WIDTH = 400


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """Draw nothing, but note what was asked for: arrays and settings of each picture."""
    asked: list[tuple[Any, dict[str, Any]]] = []

    class Painter:
        def __enter__(self) -> Painter:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def draw(self, arrays: Any, settings: dict[str, Any]) -> Any:
            asked.append((arrays, settings))
            width, height = settings["size"]
            shade = 210 - 10 * len(asked)
            return np.full((height, width, 3), shade, np.uint8), {"pixels_per_m": 1e5}

    monkeypatch.setattr(gl, "Painter", Painter)
    return asked


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Frames that letters were set for, and the letters."""
    seen: list[Any] = []
    compose = still.compose

    def spy(frame: Any, *rest: Any) -> Any:
        figure = compose(frame, *rest)
        seen.append((frame, figure))
        return figure

    monkeypatch.setattr(still, "compose", spy)
    return seen


def scene(tmp_path: Path, words: str, base: str = "cutaway", more: str = "") -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(f"schema: 1\ntitle: mine\nbase: {base}\nmovie: {{{words}}}\n{more}")
    return file


def pictures(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Pictures of a WebP or GIF, and how long each stays, ms."""
    found, stays = [], []
    with Image.open(path) as opened:
        for k in range(getattr(opened, "n_frames", 1)):
            opened.seek(k)
            opened.load()
            stays.append(opened.info.get("duration", 0))
            found.append(np.asarray(opened.convert("RGB")).astype(int))
    return found, stays


# ----------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize("name", ["a.webp", "new/a.GIF"])
def test_every_stored_frame_is_shown_with_its_time(
    healing: Run, tmp_path: Path, drawn: list[Any], composed: list[Any], name: str
) -> None:
    result = render_movie(healing, tmp_path / name, width=WIDTH)
    assert (result.path, result.kind, result.note) == (tmp_path / name, "3d", "")
    titles = [frame.title for frame, _ in composed]
    assert [title.rsplit(", ")[-1] for title in titles] == ["day 0", "day 14", "day 28"]
    for k, (arrays, _) in enumerate(drawn):
        assert len(arrays["centres"]) == len(healing.cells(k)["type"])
    shown, stays = pictures(result.path)
    assert [picture.shape for picture in shown] == [(300, 400, 3)] * 3
    assert stays == [500, 500, 2000]
    assert result.path.read_bytes()[:4] == (b"RIFF" if name == "a.webp" else b"GIF8")
    # the title differs from picture to picture, at its end
    assert np.abs(shown[0] - shown[2])[:25].max() > 100


def test_what_a_picture_chooses_is_chosen_once(
    healing: Run, tmp_path: Path, drawn: list[Any]
) -> None:
    """Limits, cut, wall, angles: the first day has no bone, and kept its scaffold as a still."""
    render_movie(healing, tmp_path / "a.webp", width=WIDTH)
    settings = [asked for _, asked in drawn]
    assert all(other == settings[0] for other in settings)
    assert settings[0]["scene"]["limits"] == (0.0, 0.2)
    assert settings[0]["cut_solid"] is True
    assert "bone" in drawn[2][0]
    assert "bone" not in drawn[0][0]
    assert settings[0]["wall"] in (0, 1, 2)


def test_nothing_of_the_legend_comes_or_goes(
    healing: Run, tmp_path: Path, drawn: list[Any], composed: list[Any]
) -> None:
    render_movie(healing, tmp_path / "a.webp", width=WIDTH)
    rows, places, sizes = [], [], []
    for frame, figure in composed:
        legend = figure.axes[1].get_legend()
        rows.append([text.get_text().split("  ")[0].split("\n")[0] for text in legend.texts])
        places.append([text.get_window_extent().y0 for text in legend.texts])
        sizes.append([text.get_fontsize() for text in figure.texts])
        assert "new bone" in frame.subtitle
    assert rows[0] == rows[1] == rows[2]
    assert {"Osteoblast", "New bone", "Scaffold", "Host bone"} <= set(rows[0])
    assert places[0] == pytest.approx(places[2])
    assert sizes[0] == sizes[1] == sizes[2]


def test_vessels_that_come_later_are_in_the_legend(grown: Run) -> None:
    look = Scene.load()
    cast = Cast.of(run_frame(grown, k, look) for k in range(3))
    first = run_frame(grown, 0, look, cast)
    assert first.vessel_kinds() == {"perfused": "0 mm/mm³", "growing": "0 mm/mm³", "tip": "4"}
    assert set(run_frame(grown, 0, look).vessel_kinds()) < set(first.vessel_kinds())
    assert first.letters() >= (len(first.title) + 1, len(first.subtitle))


def test_a_moment_is_turned(run: Run, tmp_path: Path, drawn: list[Any]) -> None:
    look = scene(tmp_path, "frames: last, pictures: 6, seconds: 0.1, turn: 360")
    result = render_movie(run, tmp_path / "a.webp", scene=look, at="13 d", width=WIDTH)
    turns = [settings["turn"] for _, settings in drawn]
    assert turns == [0, 60, 120, 180, 240, 300]  # 360 is 0 again
    assert all(settings["angles"] == turns for _, settings in drawn)
    assert [arrays is None for arrays, _ in drawn] == [False] + 5 * [True]
    assert len(drawn[0][0]["centres"]) == len(run.cells(1)["type"])
    assert pictures(result.path)[1] == 6 * [100]


def test_a_turn_over_time_ends_at_its_last_degree(
    run: Run, tmp_path: Path, drawn: list[Any]
) -> None:
    look = scene(tmp_path, "pictures: 2, turn: -50")
    render_movie(run, tmp_path / "a.gif", scene=look, width=WIDTH)
    assert [settings["turn"] for _, settings in drawn] == [0, -10, -20, -30, -40, -50]
    assert [arrays is None for arrays, _ in drawn] == 3 * [False, True]


def test_the_eye_stays_where_it_is_in_a_pore(grown: Run, tmp_path: Path, drawn: list[Any]) -> None:
    render_movie(grown, tmp_path / "a.webp", scene="inside_pore", width=WIDTH)
    eyes = [settings["eye"] for _, settings in drawn]
    assert eyes[0] == eyes[1] == eyes[2]
    assert len(eyes[0][0]) == len(eyes[0][1]) == 3
    ijk = tuple(int(x // (1e6 * grown.voxel)) for x in eyes[0][0])
    assert grown.distance[ijk] > 0


@pytest.mark.parametrize("status", ["interrupted", "running"])
def test_a_run_of_one_frame(
    tmp_path: Path, drawn: list[Any], composed: list[Any], status: str
) -> None:
    one = write_run(tmp_path / "one", n=12, cells=60, days=(0,), status=status)
    result = render_movie(one, tmp_path / "a.webp", width=WIDTH)
    assert "one stored frame" in result.note
    assert len(composed) == 1
    assert len(pictures(result.path)[0]) == 1
    assert pictures(result.path)[0][0].mean() > 150  # the picture, not an empty one


# ------------------------------------------------------------------------------- without 3-D


def test_without_graphics_slices_move(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gl, "window_class", lambda: None)
    look = scene(tmp_path, "pictures: 3, seconds: 0.2, turn: 90")
    result = render_movie(run, tmp_path / "a.webp", scene=look, width=WIDTH)
    assert result.kind == "slices"
    assert "they do not turn" in result.note
    assert gl.PACKAGES in result.note
    shown, stays = pictures(result.path)
    assert stays == [600, 600, 600]  # no picture of an angle, but as long
    assert shown[0].shape == (300, 400, 3)


def test_letters_of_small_slices_stay_in_the_picture(run: Run) -> None:
    figure = slices.compose(run_frame(run, 1, Scene.load()), Scene.load(), (960, 720))
    still.raster_of(figure)
    below = figure.texts[1].get_window_extent().y0  # the line below the title
    for axes in figure.axes[:3]:
        box = axes.get_tightbbox()
        assert box.y0 >= 0
        assert box.x0 >= 0
        assert box.y1 <= below


def test_a_driver_that_crashes_on_the_way_leaves_slices_of_all_frames(
    run: Run, tmp_path: Path, drawn: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = gl.Painter.draw

    def crash(self: Any, *given: Any) -> Any:
        if len(drawn) == 2:
            raise gl.NoGraphicsError("gone")
        return draw(self, *given)

    monkeypatch.setattr(gl.Painter, "draw", crash)
    result = render_movie(run, tmp_path / "a.gif", width=WIDTH)
    assert result.kind == "slices"
    assert result.note.endswith("gone")
    assert len(pictures(result.path)[0]) == 3


def test_one_window_draws_what_many_would(healing: Run) -> None:
    if gl.window_class() is None:
        pytest.skip(f"no 3-D drawing on this machine: {gl.PACKAGES}")
    look = replace(Scene.load(), supersampling=1)
    asked = []
    for k in (2, 0):
        frame = run_frame(healing, k, look)
        settings = still.settings_of(frame, look, (320, 240)) | {"cut_solid": True, "wall": 2}
        asked.append((still.arrays_of(frame, look), settings))
    with gl.Painter() as painter:
        painter.draw(*asked[0])
        again, facts = painter.draw(*asked[1])
        turned, turned_facts = painter.draw(None, asked[1][1] | {"turn": 90.0, "angles": [0, 90]})
        assert not any(Path(painter._folder.name).glob("*/*.npy"))  # nothing is left behind
    alone, _ = gl.draw(*asked[1])
    np.testing.assert_array_equal(again, alone)
    assert np.mean(np.abs(turned.astype(int) - again) > 20) > 0.05
    assert turned_facts["pixels_per_m"] <= facts["pixels_per_m"]


# ----------------------------------------------------------------------------------- the files


def test_a_gif_has_one_palette_and_exact_colours_of_the_legend(
    healing: Run, tmp_path: Path, drawn: list[Any]
) -> None:
    result = render_movie(healing, tmp_path / "a.gif", width=WIDTH)
    with Image.open(result.path) as opened:
        first = opened.getpalette()
        colours = {tuple(first[k : k + 3]) for k in range(0, 768, 3)}
        for k in range(opened.n_frames):
            opened.seek(k)
            assert opened.info["loop"] == 0
    # a picture with a palette of its own would have it in its local header
    assert result.path.read_bytes().count(bytes(first[: 3 * 20])) == 1
    assert {(255, 255, 255), (0, 0x72, 0xB2), (0xD5, 0x5E, 0)} <= colours
    shown, _ = pictures(result.path)
    assert (shown[0][-10:, -10:] == 255).all()


def test_a_pattern_hides_the_steps_and_does_not_move() -> None:
    ramp = np.repeat(np.linspace(60, 200, 64)[None, :, None], 64, axis=0).repeat(3, axis=2)
    picture = ramp.astype(np.uint8)
    other = picture.copy()
    other[:20] = 10
    data = encode.encode(".gif", [picture, other], [0.1, 0.1], (64, 64))
    with Image.open(io.BytesIO(data)) as opened:
        first = np.asarray(opened.convert("RGB"))
        opened.seek(1)
        second = np.asarray(opened.convert("RGB"))
    np.testing.assert_array_equal(first[20:], second[20:])
    assert np.abs(first.astype(int) - picture).max() < 12


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".mp4"])
def test_pictures_are_not_kept(suffix: str) -> None:
    """Of a hundred pictures few are in memory at a time."""
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")
    alive, most, count = 0, 0, 100 if suffix != ".mp4" else 30

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def reel() -> Iterator[np.ndarray]:
        nonlocal alive, most
        for k in range(count):
            picture = np.full((32, 64, 3), 255 * (k % 2), np.uint8)
            weakref.finalize(picture, gone)
            alive += 1
            most = max(most, alive)
            yield picture

    data = encode.encode(suffix, reel(), [0.1] * count, (64, 32))
    assert most <= 3
    if suffix != ".mp4":
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.n_frames == count


def test_an_mp4(run: Run, tmp_path: Path, drawn: list[Any]) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    result = render_movie(run, tmp_path / "a.MP4", width=WIDTH + 6)
    reader = ffmpeg.read_frames(str(result.path))
    facts = next(reader)
    assert facts["size"] == (406, 304)
    assert facts["codec"] == "h264"
    assert "bt709" in facts["pix_fmt"]
    assert facts["duration"] == pytest.approx(3.0, abs=0.15)
    shown = [np.frombuffer(frame, np.uint8).reshape(304, 406, 3).astype(int) for frame in reader]
    assert len(shown) == round(3.0 * facts["fps"])
    assert (shown[0][-8:, -8:] > 250).all()  # the background is white
    assert np.abs(shown[0][150, 150] - 200).max() <= 3  # and colours are those that were drawn
    assert np.abs(shown[0] - shown[-1])[:25].max() > 100
    blue = np.full((32, 64, 3), (0, 114, 178), np.uint8)
    (tmp_path / "b.mp4").write_bytes(encode.encode(".mp4", [blue], [0.1], (64, 32)))
    *_, last = ffmpeg.read_frames(str(tmp_path / "b.mp4"))
    assert np.abs(np.frombuffer(last, np.uint8).astype(int) - blue.ravel()).max() <= 4


def test_a_movie_that_breaks_off_leaves_the_old_file(
    run: Run, tmp_path: Path, drawn: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.webp"
    out.write_bytes(b"old")

    def fail(*_: Any) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(still, "raster_of", fail)
    with pytest.raises(OSError, match="no space"):
        render_movie(run, out, width=WIDTH)
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


# -------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.mpg", "a still is a .png, a movie a .webp, .gif or .mp4"),
        ("a.wepb", "did you mean '.webp'"),
        ("a", "a still is a .png"),
    ],
)
def test_an_unknown_suffix_names_those_that_are_known(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        movie_suffix(name)
    assert movie_suffix("x/A.PNG") == ".png"


def test_what_is_not_possible_is_said_and_nothing_written(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "a.webp"
    with pytest.raises(ValueError, match=r"at 14 d: .* healing shows every stored frame"):
        render_movie(run, out, at="14 d")
    with pytest.raises(ValueError, match="width 50"):
        render_movie(run, out, width=50)
    with pytest.raises(ValueError, match="is a still"):
        render_movie(run, out.with_suffix(".png"))
    none = write_run(tmp_path / "none", n=12, cells=60, days=(0.5,), status="failed")
    with pytest.raises(ValueError, match="no stored frame"):
        render_movie(none, out)
    assert not out.parent.exists()


def test_an_mp4_without_its_package_says_what_to_install(
    run: Run, tmp_path: Path, drawn: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr(movie, "_plan", None)  # said before a frame is read
    with pytest.raises(ValueError, match=r"pip install 'scaffoldsim\[movie\]'"):
        render_movie(run, tmp_path / "a.mp4")
    assert drawn == []


@pytest.mark.parametrize("name", ["healing", "turntable"])
def test_scenes_of_movies_look_as_cutaway_does(name: str) -> None:
    look, plain = Scene.load(name).to_dict(), Scene.load("cutaway").to_dict()
    assert look.pop("movie") is not None
    assert plain.pop("movie") is None
    assert look | {"name": "cutaway"} == plain


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("frames: some", r"mine.yaml:4:9: movie.frames: 'some' is not allowed \(all, last\)"),
        ("pictures: 1.5", "movie.pictures: 1.5 is not allowed"),
        ("seconds: 0", "movie.seconds: 0 is not allowed"),
        ("turns: 3", "movie: unknown key 'turns' .*did you mean 'turn'"),
        ("width: 20", "movie.width: 20 is not allowed"),
    ],
)
def test_a_wrong_movie_is_located(tmp_path: Path, words: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Scene.load(scene(tmp_path, words))


def test_a_base_that_is_not_there_or_goes_round(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mine.yaml:3:1: base: .* did you mean 'cutaway'"):
        Scene.load(scene(tmp_path, "turn: 1", base="cutawy"))
    file = scene(tmp_path, "turn: 1")
    file.write_text(file.read_text().replace("cutaway", str(file)))
    with pytest.raises(ValueError, match="may not go round"):
        Scene.load(file)
    # what is null takes away, what is wrong below points into the file that says it
    assert Scene.load(scene(tmp_path, "turn: 1", more="vessels:\n")).vessels is None
    with pytest.raises(ValueError, match=r"mine.yaml:6:3: cut.share: 7 is not allowed"):
        Scene.load(scene(tmp_path, "turn: 1", more="cut:\n  share: 7\n"))
    assert "base" not in catalogue.find("scenes", "cutaway").read_text().split()

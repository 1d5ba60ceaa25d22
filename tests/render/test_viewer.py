from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from scaffoldsim.cli import main
from scaffoldsim.render import shapes, still, viewer, write_view
from scaffoldsim.render.scene import Scene
from scaffoldsim.run.record import Run
from tests.run.synthetic import write_run


class Page:
    """A page, unpacked: its objects as a browser gets them, its numbers, its controls."""

    def __init__(self, path: Path) -> None:
        self.html = path.read_text(encoding="utf-8")
        packed = re.search(r"var data = '([^']*)'", self.html)
        numbers = re.search(r'id="view-data">(.*?)</script>', self.html, re.S)
        assert packed is not None
        assert numbers is not None
        stored = msgpack.unpackb(zlib.decompress(base64.b64decode(packed[1])))
        self.plot, self.objects = stored["plot"], stored["objects"]
        self.data = json.loads(numbers[1])
        self.rows = re.findall(r'data-row="(\w+)"', self.html)

    def named(self, row: str, frame: int | None = None) -> list[dict[str, Any]]:
        """Objects of a row of the legend, seen in a frame."""
        return [
            each
            for each in self.objects
            for about in [each["custom_data"]]
            if about["row"] == row and (frame is None or about["first"] <= frame <= about["last"])
        ]


def array(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(packed["data"], packed["dtype"]).reshape(packed["shape"])


def store(run: Run, **attributes: Any) -> None:
    """Change what the state of a run says of itself."""
    path = run.path / "state.zarr" / "zarr.json"
    group = json.loads(path.read_text())
    group["attributes"] |= attributes
    path.write_text(json.dumps(group))


@pytest.fixture(scope="module")
def grown_page(grown: Run, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write_view(grown, tmp_path_factory.mktemp("view") / "new" / "a.html"))


@pytest.fixture(scope="module")
def healing_page(healing: Run, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write_view(healing, tmp_path_factory.mktemp("view") / "b.html"))


def test_every_frame_holds_its_cells_by_type(grown: Run, grown_page: Page) -> None:
    look = Scene.load()
    assert grown_page.data["days"] == [0, 14, 28]
    for frame in range(3):
        codes = grown.cells(frame)["type"]
        for code, name in enumerate(grown.type_names):
            count = int(np.sum(codes == code))
            found = grown_page.named(name, frame)
            assert len(found) == (count > 0)
            if count:
                at = array(found[0]["positions"]).reshape(-1, 3)
                assert len(at) == count
                assert found[0]["color"] == int(look.paint(name).color[1:], 16)
                assert found[0]["point_size"] == pytest.approx(18)
                assert (at >= -9).all()
                assert (at <= 409).all()
                np.testing.assert_array_equal(at * 4, np.round(at * 4))
                said = grown_page.data["values"][name][frame]
                assert said.replace("\N{NARROW NO-BREAK SPACE}", "") == str(count)


def test_legend_names_what_is_there_and_only_that(grown_page: Page, healing_page: Page) -> None:
    assert grown_page.rows == [
        "bmsc", "preosteoblast", "osteoblast", "adipocyte", "perfused", "growing", "tip",
        "scaffold", "oxygen",
    ]  # fmt: skip
    assert healing_page.rows[-4:] == ["scaffold", "bone", "host_bone", "oxygen"]
    for page in (grown_page, healing_page):
        drawn = {each["custom_data"]["row"] for each in page.objects}
        assert drawn == {*page.rows, "box"}
        for name in ("BMSC", "Pre-osteoblast", "Scaffold"):
            assert f"{name}<small" in page.html


def test_solid_that_never_changes_is_there_once(grown_page: Page, healing_page: Page) -> None:
    assert len(grown_page.named("scaffold")) == 1
    assert grown_page.named("scaffold")[0]["custom_data"]["last"] == 2
    assert len(healing_page.named("scaffold", 2)) >= 1
    assert not set(map(id, healing_page.named("scaffold", 0))) & set(
        map(id, healing_page.named("scaffold", 2))
    )


def test_surface_is_closed_and_within_the_box(grown_page: Page) -> None:
    mesh = grown_page.named("scaffold")[0]
    at, index = array(mesh["vertices"]).reshape(-1, 3), array(mesh["indices"]).reshape(-1, 3)
    assert at.min() >= 0
    assert at.max() <= 400
    a, b, c = (at[index[:, k]].astype(float) for k in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 / 400**3
    assert volume == pytest.approx(0.08, abs=0.012)
    assert mesh["side"] == "front"


def test_a_cut_shows_what_each_part_is_made_of(healing: Run) -> None:
    """Across the border of two parts inside the solid each side has the colour of its own part."""
    scene = Scene.load()
    frame = still.run_frame(healing, 2, scene)
    look = shapes.of_frame(frame, scene)
    inner = [shape for shape in look.solid if not shape.lit]
    assert {shape.row for shape in inner} <= {"bone", "host_bone"}
    colors = {
        shapes.shaded(getattr(scene, name).color, 0.86): name
        for name in ("scaffold", "bone", "host_bone")
    }
    for shape in inner:
        at, index = shape.arrays["at"].astype(float), shape.arrays["index"]
        corners = at[index]
        out = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        long = np.sqrt((out * out).sum(axis=1, keepdims=True))
        large = long[:, 0] > 20
        middle, out = corners.mean(axis=1)[large], (out / np.maximum(long, 1e-9))[large]
        for side, color in ((-1, shape.inside), (1, shape.color)):
            ijk = np.clip(((middle + side * 14 * out) / 20).astype(int), 0, 19)
            own = frame.parts[colors[color]][tuple(ijk.T)]
            other = sum(frame.parts[n] for n in colors.values() if n != colors[color])
            assert np.mean(own > other[tuple(ijk.T)]) > 0.7
    assert any(len(shape.arrays["index"]) > 100 for shape in inner)


def test_vessels_are_as_long_as_stored_and_tips_are_cones(grown: Run, grown_page: Page) -> None:
    network = grown.vessels(2)
    way = np.diff(network["ends"].astype(float), axis=1)[:, 0] * 1e6
    long = np.sqrt((way * way).sum(axis=1))[network["carries"]].sum()
    (drawn,) = grown_page.named("perfused", 2)
    at, pair = array(drawn["vertices"]).reshape(-1, 3), array(drawn["indices"]).reshape(-1, 2)
    step = at[pair[:, 1]] - at[pair[:, 0]]
    lengths = np.sqrt((step * step).sum(axis=1))
    assert lengths.sum() == pytest.approx(long, rel=0.1)  # corners are rounded
    assert lengths.max() < 40  # none goes through the box to the other side
    assert drawn["width"] == pytest.approx(1.6 * 5)
    assert len(grown_page.named("tip", 2)) == 1
    assert grown_page.named("perfused", 0) == []


def test_slice_shows_the_field_where_it_has_values(grown: Run, grown_page: Page) -> None:
    field = grown.field("oxygen", 1)
    (drawn,) = grown_page.named("oxygen", 1)
    volume = array(drawn["volume"]).T.astype(float)
    known = np.isfinite(field)
    value = (volume - shapes.BASE) / 255 * 0.2
    np.testing.assert_allclose(value[known], np.clip(field[known], 0, 0.2), atol=0.2 / 254)
    color = array(drawn["color_map"]).reshape(-1, 4)
    assert color[1, 0] * drawn["color_range"][1] == pytest.approx(shapes.BASE)
    np.testing.assert_allclose(color[-1, 1:], [0.993, 0.906, 0.144], atol=2e-3)  # viridis


def test_cells_are_moved_off_walls_but_not_far() -> None:
    depth = np.broadcast_to(-(np.arange(20.0) + 0.5 - 10)[:, None, None] * 20, (20, 20, 20))
    centres = np.array([[203.0, 50, 50], [230.0, 50, 50], [150.0, 50, 50]])  # the last: within it
    moved = shapes.lifted(centres, 9.0, np.ascontiguousarray(depth, np.float32), 20.0)
    np.testing.assert_allclose(moved, [[209, 50, 50], [230, 50, 50], [150, 50, 50]], atol=1e-3)


def test_a_small_budget_leaves_frames_out_and_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", n=12, cells=200, days=(0, 5, 10, 15, 20, 28))
    told: list[str] = []
    page = Page(write_view(run, tmp_path / "a.html", budget=1, tell=told.append))
    assert page.data["days"] == [0, 28]
    assert told[0].startswith("2 of the 6 stored frames are in the page")
    assert "2 of the 6 stored frames are in the page" in page.html
    every = Page(write_view(run, tmp_path / "a.html", tell=told.append))
    assert every.data["days"] == [0, 5, 10, 15, 20, 28]
    assert len(told) == 1
    with pytest.raises(ValueError, match="budget: 0"):
        write_view(run, tmp_path / "b.html", budget=0)


def test_large_grids_are_contoured_coarser(
    grown: Run, grown_page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "_COARSE_ABOVE", 10**3)
    told: list[str] = []
    page = Page(write_view(grown, tmp_path / "a.html", tell=told.append))
    assert told == ["the solid is drawn from blocks of 2 voxels an edge"]
    few, many = (len(array(p.named("scaffold")[0]["indices"])) for p in (page, grown_page))
    assert few < many / 2
    assert array(page.named("scaffold")[0]["vertices"]).max() <= 400


def test_caption_between_two_rows_is_that_of_the_row_before(
    healing: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = healing.metrics.assign(time_h=lambda t: np.maximum(t["time_h"] - 1, 0))
    monkeypatch.setitem(healing.__dict__, "metrics", table)
    facts = Page(write_view(healing, tmp_path / "a.html")).data["facts"]
    assert "all of day" not in facts[0]
    assert facts[1].endswith(f"all of day {(healing.frames[1] - 1) / 24:.4g}")


def test_caption_has_the_numbers_of_that_frame(
    healing: Run, healing_page: Page, grown_page: Page
) -> None:
    table = healing.metrics.set_index("time_h")
    for day, fact in zip(healing_page.data["days"], healing_page.data["facts"], strict=True):
        row = table.loc[day * 24]
        assert fact.startswith(f"{int(row['cells_total'])} cells")
        assert f"BV/TV {100 * row['bv_tv']:.1f} %" in fact
    assert "all of day" not in "".join(healing_page.data["facts"])
    assert "BV/TV" not in grown_page.data["facts"][0]  # not modelled there
    assert grown_page.data["values"]["perfused"][0] == "0"
    assert "mm/mm³" in grown_page.data["values"]["perfused"][2]
    assert "box 0.4 × 0.4 × 0.4 mm" in healing_page.html


def test_page_asks_no_server_for_anything(grown_page: Page) -> None:
    html = re.sub(r"'[A-Za-z0-9+/=]{1000,}'", "''", grown_page.html)  # packed code and data
    assert not re.search(r"<(script|link|img|iframe)[^>]*\s(src|href)=", html)
    own = viewer.catalogue.find("reports", "viewer")
    for text in (own.read_text(), own.with_suffix(".js").read_text()):
        assert not re.search(r"https?:|//\w+\.|fetch|XMLHttp|import\s*\(|@import|url\(", text)
    assert grown_page.plot["snapshotType"] == "full"
    assert "unpkg" not in html


def test_page_can_be_used_without_colour_mouse_or_a_wide_screen(grown_page: Page) -> None:
    html = grown_page.html
    assert '<html lang="en">' in html
    assert "width=device-width" in html
    assert "max-width: 700px" in html
    for tag in re.findall(r"<(?:input|select|button)\b[^>]*>", html):
        assert "aria-label" in tag or "data-row" in tag, tag  # the latter stand in a label
    assert "ArrowRight" in html
    assert 'aria-live="polite"' in html


def test_own_script_is_short() -> None:
    script = viewer.catalogue.find("reports", "viewer").with_suffix(".js")
    assert len(script.read_text().splitlines()) <= 60


def test_names_cannot_become_part_of_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", n=10, cells=40, days=(0,))
    manifest = json.loads((run.path / "manifest.json").read_text())
    manifest["title"] = "</script><script>alert(1)</script>[DATA]"
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    page = Page(write_view(run.path, tmp_path / "a.html"))
    assert "<script>alert" not in page.html
    assert "<title>&lt;/script&gt;" in page.html
    assert "</script>" not in viewer._in_script({"name": "</script>"})


def test_equal_data_gives_equal_bytes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", n=10, cells=40, days=(0,), tissue=True)
    first, second = (write_view(run, tmp_path / f"{name}.html") for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_runs_that_lack_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first frame alone, no cells, no field, no metrics, interrupted: each still makes a page."""
    run = write_run(tmp_path / "run", n=10, cells=40, days=(0,), status="interrupted")
    (run.path / "metrics.csv").unlink()
    (run.path / "config.yaml").unlink()
    none = {"voxel": np.zeros(0, np.int32), "type": np.zeros(0, np.int8)}
    monkeypatch.setattr(Run, "cells", lambda self, frame=-1: none)
    store(run, field_names=[], field_units=[])
    told: list[str] = []
    path = write_view(run, tell=told.append)
    assert path == run.path / "view.html"
    page = Page(path)
    assert page.rows == ["scaffold"]
    assert page.data["facts"] == [""]
    assert told == ["the run is interrupted: its last frame is day 0"]
    assert 'id="slice"' not in page.html
    assert '<fieldset class="time" hidden>' in page.html


def test_no_value_of_the_field_is_no_slice() -> None:
    assert shapes.levels(np.full((3, 3, 3), np.nan), (0.0, 0.2)) is None


# ---------------------------------------------------------------------------------- command line


def test_verb_writes_the_page_and_tells_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", n=10, cells=40, days=(0,), status="interrupted")
    assert main(["view", str(run.path)]) == 0
    output = capsys.readouterr()
    assert output.out.strip() == str(run.path / "view.html")
    assert "the run is interrupted" in output.err
    assert main(["view", str(run.path), "--out", str(tmp_path / "new" / "b.html")]) == 0
    assert (tmp_path / "new" / "b.html").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "a.png"], "--out a.png: a page is a .html"),
        (["--out", "config.yaml/a.html"], "config.yaml is a file"),
        (["--out", "/proc/a.html"], "/proc"),
        (["--scene", "cutawy"], "did you mean 'cutaway'?"),
    ],
)
def test_misuse_is_said_and_nothing_is_written(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run = write_run(tmp_path / "run", n=8, cells=20, days=(0,))
    monkeypatch.chdir(run.path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["view", ".", *words]) == 2
    output = capsys.readouterr()
    assert said in output.err
    assert output.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_frames_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", n=8, cells=20, days=(0,), status="running")
    store(run, frame_times_h=[], frames_committed=0)
    assert main(["view", str(run.path)]) == 2
    assert "no stored frame yet (status running)" in capsys.readouterr().err
    shutil.rmtree(run.path / "state.zarr")
    assert main(["view", str(run.path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


# ------------------------------------------------------------------------------------ the script

#: A page and a k3d that only note what is asked of them.
STAGE = """
const made = {}, element = (s) => made[s] ??= {value: {"#cut": 25, "#cut-axis": "y", "#slice": 50,
  "#slice-axis": "z"}[s], dataset: {}, tagName: "P", setAttribute() {}, offsetHeight: 800,
  offsetWidth: 400, textContent: s === "#view-data" ? JSON.stringify(DATA) : ""};
const row = {checked: true, dataset: {row: "bmsc"}}, calls = {};
globalThis.document = {querySelector: element, body: {dataset: {}}, querySelectorAll:
  (s) => s === "[data-row]" ? [row] : s === "[data-value]" ? [] : s.split(", ").map(element)};
globalThis.addEventListener = (name, f) => { made.key = f; };
const K3DInstance = {getWorld: () => ({ObjectsListJson: OBJECTS}), render() {},
  setClippingPlanes: (p) => { calls.planes = p; }, setCamera: (c) => { calls.camera = c; },
  reload: (o) => { calls[o.id] = o; return wait(1); }};
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const seen = () => Object.values(OBJECTS).concat(calls[1000002] ?? []).filter((o) => o.visible)
  .map((o) => o.id);
setTimeout(async () => {
  const said = [seen(), calls.planes, calls.camera, element("#caption").textContent];
  made.key({key: "ArrowRight", target: {tagName: "BODY"}, preventDefault() {}});
  await wait(60);
  said.push(seen(), element("#day").textContent);
  row.checked = false;
  row.onchange();
  await wait(60);
  said.push(seen(), OBJECTS[3].slice_z, OBJECTS[3].slice_x);
  for (const k of [0, 1, 0, 1]) { element("#time").value = k; element("#time").oninput(); }
  await wait(150);
  said.push(element("#day").textContent);
  for (const k of [1, 2]) made.key({key: "ArrowRight", target: {}, preventDefault() {}});
  await wait(60);
  console.log(JSON.stringify([...said, element("#day").textContent]));
}, 100);
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the script of the page in node")
def test_script_shows_a_frame_cuts_and_steps() -> None:
    def thing(number: int, kind: str, row: str, first: int, last: int, **more: Any) -> Any:
        about = {"row": row, "first": first, "last": last, **more}
        return {"id": number, "type": kind, "custom_data": about, "visible": last == 1}

    objects = {
        1: thing(1, "Points", "bmsc", 0, 0),
        2: thing(2, "Mesh", "scaffold", 0, 1, inside=5),
        3: thing(3, "VolumeSlice", "oxygen", 1, 1) | {"volume": {"shape": [9, 5, 5]}},
    }
    data = {
        "days": [0, 3.5], "facts": ["start", "5 cells"], "values": {}, "size": [100, 200, 300],
        "corner": [1, -1, 1], "eye": [0, -500, 0], "up": [0, 0, 1],
    }  # fmt: skip
    script = viewer.catalogue.find("reports", "viewer").with_suffix(".js").read_text()
    code = f"const DATA = {json.dumps(data)}, OBJECTS = {json.dumps(objects)};{STAGE}{script}"
    done = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True)
    last, planes, camera, caption, first, day, without, z, x, *days = json.loads(done.stdout)
    assert last == [2, 3, 1000002]  # with the back of the mesh, which a cut shows
    assert planes == [[0, 1, 0, -50]]  # of y all beyond 50 um is kept
    assert camera == [50, 100 - 500 * 2, 150, 50, 100, 150, 0, 0, 1]  # further off if it is tall
    assert caption == "day 3.5 · 5 cells"
    assert (first, day) == ([1, 2, 1000002], "day 0")
    assert without == [2, 1000002]
    assert (z, x) == (4, -1)
    assert days == ["day 3.5", "day 3.5"]  # after many wishes the last one holds

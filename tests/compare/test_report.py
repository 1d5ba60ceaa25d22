from __future__ import annotations

import html.parser
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scaffoldsim.compare import curves, page, tissue
from scaffoldsim.compare.curves import Line
from scaffoldsim.compare.report import _profiles, write_report
from scaffoldsim.run.record import Run
from scaffoldsim.run.writers import update_manifest
from tests.run.synthetic import write_run

VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use", "rect"}


class Page(html.parser.HTMLParser):
    """Checks that tags close, and collects what the page would fetch and what it says."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wanted: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "data", "action", "srcset"} and value:
                self.wanted.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.path, tmp_path / "copy"))


def test_report_says_what_the_run_came_to(run: Run, copy: Path) -> None:
    Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(copy / "picture.png")
    path = write_report(copy)
    assert path == copy / "report.html"
    read = Page(path)
    porosity = f"{100 * (1 - run.fraction.mean()):.1f} %"
    for words in (
        "BMSC in a synthetic gyroid net", "finished", "Osteogenic share", "601 µm", porosity,
        "size rounded to whole periods", "scaffoldsim run config.yaml", "98 fmol/h",
        "20 fmol/h – 200 fmol/h", "Pattappa", "300 to 1200", "cells_chondrocyte",
        "nothing on a patient", "day 14", "Cells by depth", "Oxygen by depth",
    ):  # fmt: skip
        assert words in read.text, words
    assert [w[:22] for w in read.wanted if not w.startswith("#")] == ["data:image/webp;base64"]


BONE = (
    "Bone in the pores", "Bone laid and resorbed", "Bone mineral density", "Scaffold left",
    "Stiffness", "Collapse index", "Five criteria", "Risks to be known", "New bone",
)  # fmt: skip


def test_report_tells_bone_scaffold_and_load(healing: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(healing.path, tmp_path / "copy"))
    text = Page(write_report(copy)).text
    filled = 100 * healing.metrics["bone_in_pore"].iloc[-1]
    for words in (
        *BONE, "C2 gives way to bone 0.42", "their last division (senescence) 1.3 %",
        "(allogeneic) yes", "(xenogeneic) no", f"{filled:.1f} %", "72 % of the scaffold left",
    ):  # fmt: skip
        assert words in text, words
    assert "jaw" not in text  # no such column


def test_report_without_those_columns_says_nothing_of_them(copy: Path) -> None:
    text = Page(write_report(copy)).text
    for words in BONE:
        assert words not in text, words


def test_charts_span_rows_that_lack_a_column() -> None:
    days = np.arange(5.0)
    mass = np.array([1, np.nan, 0.8, 0.7, np.nan])
    table = pd.DataFrame({"scaffold_mass": mass, "collapse_index": 0.0, "bv_tv": np.nan})
    drawn = tissue.figures(table, days)
    assert [title for title, _, _ in drawn] == ["Scaffold left"]  # no load, no bone: no chart
    assert tissue.last(table, "scaffold_mass") == 0.7
    assert np.isnan(tissue.last(table, "stiffness_MPa"))
    assert tissue.criteria(table) == tissue.risks(table) == []


def test_report_fetches_nothing_and_escapes_what_it_was_given(copy: Path) -> None:
    update_manifest(copy, status="finished", title="<script>alert(1)</script>")
    text = write_report(copy).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;b&gt;Text&lt;/b&gt; &amp; book" in text
    assert not re.search(r"https?://|@import|url\(\s*['\"]?[^#'\"\s]", text)
    assert "<img" not in text  # no picture was made


def test_report_of_equal_runs_is_equal(copy: Path) -> None:
    first = write_report(copy).read_bytes()
    assert write_report(copy).read_bytes() == first


def test_report_of_an_unfinished_run_says_so(copy: Path) -> None:
    update_manifest(copy, status="failed", error="oxygen became NaN")
    read = Page(write_report(copy))
    assert "This run is not finished" in read.text
    assert "oxygen became NaN" in read.text


def test_report_of_bone_without_scaffold_tells_of_bone(healing: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(healing.path, tmp_path / "copy"))
    (copy / "morphometry.json").write_text('{"porosity": 1.0, "pore_size_mean_um": null}')
    table = pd.read_csv(copy / "metrics.csv")
    table["host_bone_fraction"], table["bv_tv"] = 0.2, 0.011
    table["bmd_g_per_cm3"], table["t_score"] = np.linspace(0.25, 0.2, len(table)), -2.4
    table.to_csv(copy / "metrics.csv", index=False)
    text = Page(write_report(copy)).text
    for words in ("Bone volume 21.1 %", "0.200 g/cm³ T-score −2.4", "0.250 g/cm³ at first"):
        assert words in text, words
    for words in ("Scaffold as built", "Pore size", "Porosity"):
        assert words not in text, words


def test_small_numbers_of_cells_are_no_thousands(copy: Path) -> None:
    table = pd.read_csv(copy / "metrics.csv")
    counts = [name for name in table if name.startswith("cells_")]
    most = table["cells_total"].max()
    for many, said in ((1000, False), (5000, True)):
        (table.assign(**{c: table[c] * many / most for c in counts})).to_csv(
            copy / "metrics.csv", index=False
        )
        assert ("cells (thousands)" in Page(write_report(copy)).text) == said


def test_report_without_state_or_morphometry(copy: Path) -> None:
    shutil.rmtree(copy / "state.zarr")
    (copy / "morphometry.json").unlink()
    read = Page(write_report(copy))
    assert "Cells by depth" not in read.text
    assert "Criteria" not in read.text
    assert "Viability" in read.text


def test_report_needs_a_row(copy: Path) -> None:
    table = copy / "metrics.csv"
    table.write_text(table.read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match="nothing to report"):
        write_report(copy)


def test_profiles_close_with_the_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", n=70, cells=3000, days=(0, 1))
    cells, oxygen = _profiles(run)
    assert [line.label for line in cells] == ["day 0", "day 1"]
    assert len(cells[0].x) == 60  # 70 layers in 60 bins
    edges = np.linspace(0, 70, 61).round()
    volume = np.diff(edges) * 70 * 70 * 0.02**3
    assert (cells[1].y * 1000 * volume).sum() == pytest.approx(len(run.cells()["id"]))
    field = run.field("oxygen")
    np.testing.assert_allclose(oxygen[1].y[0], np.nanmean(field[:, :, 0]), rtol=1e-6)
    assert oxygen[1].y.min() == pytest.approx(np.nanmean(field[:, :, 35]), rel=1e-3)


def test_curves_leave_out_what_is_not_there() -> None:
    x = np.arange(3.0)
    nothing = Line("none", "#000000", x, np.full(3, np.nan))
    assert curves.curves([nothing], x_label="d", y_label="y", alt="a") == ""
    assert curves.stacked([nothing], x_label="d", y_label="y", alt="a") == ""
    assert curves.forest([], {}, alt="a") == ""
    drawn = curves.curves(
        [nothing, Line("some", "#123456", x, x)], x_label="d", y_label="y", alt='a "quoted" name'
    )
    assert "some" in drawn
    assert "none" not in re.sub(r"(fill|stroke)[:=]\"?\s*none", "", drawn)
    assert 'aria-label="a &quot;quoted&quot; name"' in drawn


def test_names_at_the_ends_do_not_touch() -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 10)
    x = np.array([0.0, 1.0])
    curves._name_ends(axes, [Line(str(k), "#000000", x, x * 0 + 9.9 + k / 100) for k in range(5)])
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert np.diff(heights).min() >= 0.074
    assert heights[-1] <= 1 + 1e-9


def test_only_sourced_numbers_are_parameters() -> None:
    config = {
        "a": {"value": "1 h", "mark": "read", "source": "s", "range": ["0 h", "2 h"]},
        "b": [{"c": {"value": 2, "mark": "assumed", "source": "t"}}, 3],
        "d": {"value": 1},
    }
    found = list(page.parameters(config))
    assert [(p["key"], p["value"], p["range"]) for p in found] == [
        ("a", "1 h", "0 h – 2 h"),
        ("b[0].c", "2", ""),
    ]


def test_pictures_are_made_smaller(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((100, 3000, 3), np.uint8)).save(tmp_path / "p.png")
    assert page.embedded(tmp_path / "p.png").startswith("data:image/webp;base64,UklGR")
    assert page.embedded(tmp_path / "none.png") == ""

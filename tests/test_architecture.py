"""The shape of the package: which layer may import which, how files are named, how long they are.

Imports point one way: units, catalogue, config → solver → scaffold → model → run → render, compare
→ cli. They are read from the syntax tree, so one hidden inside a function counts as well.
"""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "scaffoldsim"

LEVEL = {
    "units": 0,
    "catalogue": 0,
    "tree": 0,
    "schema": 0,
    "config": 0,
    "solver": 1,
    "scaffold": 2,
    "model": 3,
    "run": 4,
    "render": 5,
    "compare": 5,
    "export": 5,
    "cli": 6,
}
# What a part may not import even though it stands below: pictures, judgements and files of other
# programs come from a stored run, so that any run can be looked at without the model that made it.
FORBIDDEN = {("render", "model"), ("compare", "model"), ("export", "model")}
VAGUE_NAMES = {"utils", "util", "core", "common", "helpers", "helper", "misc"}
MESA_FILES = {"model/agents.py", "model/model.py", "model/tips.py"}
LONGEST = 500


def imported(path: Path, package: Path) -> set[str]:
    """Dotted names of everything that a .py or .pyx file imports, relative ones resolved."""
    if path.suffix == ".pyx":
        found = re.findall(
            r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", path.read_text(), re.M
        )
        return {first or second for first, second in found}
    parts = path.relative_to(package.parent).with_suffix("").parts
    home = parts[:-1]  # the package that a leading dot means
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*home[: len(home) - node.level + 1]] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # "from package import module" imports the module
            names |= {f"{origin}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names |= {str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)}
    return names


def violations(package: Path) -> list[str]:
    """One line for every import that points the wrong way."""
    wrong = []
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.pyx")]):
        where = path.relative_to(package)
        part = where.parts[0].removesuffix(".py")
        if part == "__init__":
            continue  # only hands on public names
        if part not in LEVEL:
            wrong.append(f"{where}: {part} has no place among the layers")
            continue
        for name in sorted(imported(path, package)):
            if name.split(".")[0] != "scaffoldsim":
                continue
            target = name.partition(".")[2].partition(".")[0]
            if target not in LEVEL:
                if part != "cli":
                    wrong.append(f"{where} imports the whole package: {name}")
            elif target != part and (
                LEVEL[target] > LEVEL[part]
                or (LEVEL[target] == LEVEL[part] and LEVEL[part] > 0)
                or (part, target) in FORBIDDEN
            ):
                wrong.append(f"{where} imports {name}")
    return wrong


def test_imports_point_one_way():
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line", "ok"),
    [
        ("solver/diffusion.py", "from scaffoldsim.scaffold.grid import Grid", False),
        ("solver/diffusion.py", "def f():\n    from scaffoldsim.scaffold import grid", False),
        ("solver/diffusion.py", "def f():\n    from ..model import cells", False),
        ("solver/_diffusion.pyx", "from scaffoldsim.model._lattice cimport draw", False),
        ("scaffold/grid.py", "import scaffoldsim.run.record", False),
        ("scaffold/families/base.py", "from ...run import record", False),
        ("config.py", "from scaffoldsim.model.host import Host", False),
        ("run/record.py", "import scaffoldsim", False),
        ("run/record.py", "from importlib import import_module\nimport_module('scaffoldsim.cli')",
         False),
        ("render/scene.py", "from scaffoldsim.model.model import Model", False),
        ("render/scene.py", "from scaffoldsim.compare.report import write_report", False),
        ("compare/report.py", "from scaffoldsim.model import cells", False),
        ("export/vtkhdf.py", "from scaffoldsim.model.cells import Cells", False),
        ("export/vtkhdf.py", "from scaffoldsim.render.vessels import wrapped", False),
        ("extra/thing.py", "", False),
        ("config.py", "from scaffoldsim.units import parse", True),
        ("model/cells.py", "from . import lattice\nfrom ..scaffold.grid import Grid", True),
        ("scaffold/families/base.py", "from .tpms import x\nfrom ..grid import Grid", True),
        ("render/scene.py", "from scaffoldsim.run.record import Run", True),
        ("cli/runs.py", "from scaffoldsim.render.scene import render_still", True),
    ],
)  # fmt: skip
def test_a_wrong_import_is_found(tmp_path, file, line, ok):
    path = tmp_path / "scaffoldsim" / file
    path.parent.mkdir(parents=True)
    path.write_text(line)

    assert (violations(tmp_path / "scaffoldsim") == []) is ok


def test_engine_knows_no_mesa():
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyx")]
        if any(name.split(".")[0] == "mesa" for name in imported(path, PACKAGE))
    }

    assert users <= MESA_FILES


def test_names_say_what_is_inside():
    names = {path.stem for path in [*PACKAGE.rglob("*"), *PACKAGE.parent.glob("tests/**/*")]}

    assert names & VAGUE_NAMES == set()


def test_files_stay_short():
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines())
        for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyx")]
    }

    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}

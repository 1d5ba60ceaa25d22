"""Plain data that remembers where each key was written, so that an error can point at it."""

import hashlib
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

#: keys from the root of a configuration to a value in it
Path_ = tuple[str | int, ...]

_MAX_BYTES, _MAX_NODES, _MAX_DEPTH = 1_000_000, 20_000, 24


class Mark(NamedTuple):
    """Where a key stands: a file with line and column (from 1), or the words of an option."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Problem(NamedTuple):
    """One thing that is wrong: where, which key, and what about it."""

    mark: Mark
    key: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.mark}: {self.key}: {self.message}"
            if self.key
            else f"{self.mark}: {self.message}"
        )

    def order(self) -> tuple[bool, str, int, int, str, str]:
        """Sort key: options last, then by file and line."""
        mark = self.mark
        return (not mark.line, mark.file, mark.line, mark.column, self.key, self.message)


@dataclass
class Tree:
    """Nested dicts, lists and scalars, with the origin of each key.

    Attributes
    ----------
    data
        The plain data.
    marks
        path → Mark; the mark of a missing path is that of its nearest ancestor.
    inputs
        path → file, for values that name a file to be read.
    """

    data: Any
    marks: dict[Path_, Mark] = field(default_factory=dict)
    inputs: dict[Path_, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Any, mark: Mark) -> "Tree":
        """Return a tree of Python data, all of it from `mark`."""
        return cls(_plain(data, (), {}, mark, [0]), {(): mark})

    @staticmethod
    def parse(text: str) -> Any:
        """Return the value that `text` means in YAML.

        Raises
        ------
        ValueError
            If it is no YAML value.
        """
        return _plain(_load(text, "value"), (), {}, Mark("value"), [0])

    def at(self, path: Path_) -> Any:
        """Return the node at `path`."""
        node = self.data
        for key in path:
            node = node[key]
        return node

    def mark(self, path: Path_) -> Mark:
        """Return where `path`, or its nearest ancestor that has a place, was written."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.marks:
                return self.marks[path[:end]]
        return Mark("config")

    def problem(self, path: Path_, message: str) -> Problem:
        """Return `message` about the key at `path`, with its place."""
        return Problem(self.mark(path), ".".join(map(str, path)), message)

    def graft(self, path: Path_, branch: "Tree") -> None:
        """Put `branch` at `path`, with its marks."""
        if path:
            self.at(path[:-1])[path[-1]] = branch.data
        else:
            self.data = branch.data
        for key, mark in branch.marks.items():
            if key or path not in self.marks:
                self.marks[(*path, *key)] = mark

    def branch(self, path: Path_) -> "Tree":
        """Return the part below `path` as a tree of its own."""
        size = len(path)
        marks = {key[size:]: mark for key, mark in self.marks.items() if key[:size] == path}
        return Tree(self.at(path), {(): self.mark(path), **marks})


def read(path: str | os.PathLike[str]) -> Tree:
    """Read a YAML file; nothing in it can run code, and its size is bounded.

    Raises
    ------
    TreeError
        If it cannot be read, is not YAML, repeats a key, or is unreasonably large or deep.
    """
    file = Path(path)
    where = str(file)
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise TreeError(Mark(where), f"{size} bytes is too large for a configuration")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise TreeError(Mark(where), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TreeError(Mark(where), "is not a text file in UTF-8") from error
    marks: dict[Path_, Mark] = {(): Mark(where, 1, 1)}
    return Tree(_plain(_load(text, where), (), marks, Mark(where, 1, 1), [0]), marks)


class TreeError(ValueError):
    """A file that holds no usable data; `problems` says where and why."""

    def __init__(self, mark: Mark, message: str) -> None:
        self.problems = [Problem(mark, "", message)]
        super().__init__(str(self.problems[0]))


def merge(base: Tree, over: Tree) -> Tree:
    """Return `base` with `over` on top, mapping by mapping; lists and scalars are replaced."""
    merged = Tree(base.data, dict(base.marks))

    def lay(path: Path_, node: Any) -> None:
        below = merged.at(path)
        for key, value in node.items():
            place = (*path, key)
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                if place in over.marks:  # what is wrong with the whole came with the change
                    merged.marks[place] = over.marks[place]
                lay(place, value)
                continue
            merged.marks = {p: m for p, m in merged.marks.items() if p[: len(place)] != place}
            below[key] = value
            for p, mark in over.marks.items():
                if p[: len(place)] == place:
                    merged.marks[p] = mark

    lay((), over.data)
    merged.marks[()] = over.mark(())
    return merged


def assign(tree: Tree, path: Path_, value: Any, mark: Mark) -> None:
    """Set the value at `path`, making mappings on the way.

    A catalogue name on the way becomes ``{"base": name}``, so that one value of an entry can be
    changed without repeating the others.
    """
    node = tree.data
    for depth, key in enumerate(path[:-1]):
        place = _index(node, key)
        child = node[place] if _has(node, place) else None
        if not isinstance(child, dict | list):
            child = {"base": child} if isinstance(child, str) else {}
            if isinstance(node, list) and not _has(node, place):
                raise TreeError(mark, f"{'.'.join(map(str, path[: depth + 1]))} does not exist")
            node[place] = child
        node = child
    place = _index(node, path[-1])
    if isinstance(node, list) and not _has(node, place):
        raise TreeError(
            mark, f"{'.'.join(map(str, path))} does not exist (the list has {len(node)})"
        )
    if isinstance(value, Mapping) and isinstance(
        node.get(place) if isinstance(node, dict) else None, dict
    ):
        for key, item in value.items():
            assign(tree, (*path, str(key)), item, mark)
        return
    node[place] = _plain(value, path, {}, mark, [0])
    clean = tuple(int(k) if isinstance(k, str) and k.isdigit() else k for k in path)
    tree.marks = {p: m for p, m in tree.marks.items() if p[: len(clean)] != clean}
    tree.marks[clean] = mark


def _index(node: Any, key: str | int) -> str | int:
    return int(key) if isinstance(node, list) and str(key).isdigit() else key


def _has(node: Any, key: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(key, int) and key < len(node)
    return key in node


def _load(text: str, where: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="rt", pure=True).load(io.StringIO(text))
    except MarkedYAMLError as error:
        at = error.problem_mark
        mark = Mark(where, at.line + 1, at.column + 1) if at else Mark(where)
        raise TreeError(mark, f"is not valid YAML: {error.problem}") from error
    except (YAMLError, RecursionError, ValueError) as error:
        raise TreeError(Mark(where), f"is not valid YAML: {str(error).splitlines()[0]}") from error


def _plain(node: Any, path: Path_, marks: dict[Path_, Mark], mark: Mark, count: list[int]) -> Any:
    """Return plain Python data; note the place of every key and refuse what is too big."""
    count[0] += 1
    if count[0] > _MAX_NODES or len(path) > _MAX_DEPTH:
        raise TreeError(mark, "is too large or too deep for a configuration")
    if isinstance(node, Mapping):
        result: dict[str, Any] = {}
        for key, value in node.items():
            here = _place(node, "key", key, mark)
            place = (*path, str(key))
            marks[place] = here
            result[str(key)] = _plain(value, place, marks, here, count)
        return result
    if isinstance(node, list | tuple):
        items: list[Any] = []
        for index, value in enumerate(node):
            place = (*path, index)
            marks[place] = _place(node, "item", index, mark)
            items.append(_plain(value, place, marks, marks[place], count))
        return items
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, float):
        if not math.isfinite(node):
            raise TreeError(mark, f"{node!r} is not a finite number")
        return float(node)
    if isinstance(node, int):
        return int(node)
    return str(node)


def _place(node: Any, what: str, key: Any, mark: Mark) -> Mark:
    position = getattr(node, "lc", None)
    if position is None:
        return mark
    try:
        line, column = getattr(position, what)(key)
    except (KeyError, TypeError, IndexError):
        return mark
    return Mark(mark.file, line + 1, column + 1)


def digest(path: Path) -> str:
    """Return the sha256 of an input: of a file's bytes; of a folder, of its files with their names.

    Files and folders whose names begin with a point are left out.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a").write_text("a")
    >>> digest(folder / "a")[:8], digest(folder)[:8]
    ('ca978112', '5672d841')
    """
    if not path.is_dir():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    names = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    lines = [
        f"{name.as_posix()} {digest(path / name)}\n"
        for name in names
        if not any(part.startswith(".") for part in name.parts)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()

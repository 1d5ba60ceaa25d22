"""Numbers of a config by address: a row's own multipliers made neutral, and defaults tuned.

An address is a dotted key from the root, ``host.multipliers.osteogenic``; or it begins with an
entry of the catalogue, ``factors/dexamethasone.cues.osteogenic.fold``, and then means that entry
wherever the config uses it. In a list a number picks an item, a word the items that hold it
(``event: osteogenic``, or an entry of that name), ``*`` all.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from scaffoldsim.catalogue import KINDS, did_you_mean
from scaffoldsim.config import OWNERS, Config
from scaffoldsim.schema import Entry, Section
from scaffoldsim.tree import Path_

#: kinds of entry that multiply rates: arms that differ in one were given their difference by hand
MULTIPLYING = ("factors", "conditions", "genes", "materials")
_SOURCED = {"value", "range", "mark", "source"}


class UnknownAddressError(ValueError):
    """An address that leads nowhere; the message says at which word."""


def entries(config: Config) -> dict[tuple[str, str], list[Path_]]:
    """Return where a config uses which entries of the catalogue, by (kind, name).

    Examples
    --------
    >>> from scaffoldsim.config import load
    >>> entries(load("quickstart"))["materials", "bcp"]
    [('scaffold', 'material')]
    """
    found: dict[tuple[str, str], list[Path_]] = {}
    for key in OWNERS:
        for path, entry in _entries(getattr(config, key), (key,)):
            found.setdefault((entry.kind, entry.name), []).append(path)
    return found


def locate(config: Config, address: str) -> list[Path_]:
    """Return all paths in the resolved config that an address means; none if no entry is used.

    Raises
    ------
    UnknownAddressError
        If the config, or the entry it uses, has no such key.

    Examples
    --------
    >>> from scaffoldsim.config import load
    >>> config = load("quickstart", set={"exposures": [{"factor": "bmp2", "dose": "50 ng/mL"}]})
    >>> locate(config, "factors/bmp2.cues.osteogenic.fold")[1]
    ('exposures', 0, 'factor', 'cues', 0, 'fold')
    >>> locate(config, "factors/dexamethasone.cues.*.fold")
    []
    """
    return _locate(config, config.resolved(), address)


def neutralise(
    config: Config, own: Mapping[str, Any], *, why: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the resolved config with each address of `own` set to its neutral value.

    Parameters
    ----------
    config : Config
        The arm.
    own : mapping of address to value
        What is set to what, such as ``{"factors/bmp2.cues.osteogenic.fold": 1}``. A number with a
        source keeps its form, with a range of this one value.
    why : str
        Source of the values that are put in.

    Returns
    -------
    data : dict
        Can be loaded as a config.
    missed : dict of str to str
        The addresses that the config does not have, each with the reason.

    Examples
    --------
    >>> from scaffoldsim.config import load
    >>> config = load("quickstart", set={"exposures": [{"factor": "bmp2", "dose": "50 ng/mL"}]})
    >>> data, _ = neutralise(config, {"factors/bmp2.cues.osteogenic.fold": 1}, why="a row's own")
    >>> load(data).exposures[0].factor.cues[0].fold
    1.0
    """
    data = config.resolved()
    missed = {}
    for address, value in own.items():
        try:
            paths = _locate(config, data, address)
        except UnknownAddressError as error:
            paths, missed[address] = [], str(error)
        if not paths:
            missed.setdefault(address, f"{address!r} is not used")
        for path in paths:
            node = data
            for part in path[:-1]:
                node = node[part]  # type: ignore[index]
            new = copy.deepcopy(value)
            there = node[path[-1]]  # type: ignore[index]
            if isinstance(there, dict) and set(there) == _SOURCED and not isinstance(new, dict):
                new = {"value": new, "range": [new, new], "mark": "assumed", "source": why}
            node[path[-1]] = new  # type: ignore[index]
    return data, missed


def entry_of(address: str) -> tuple[str, str] | None:
    """Return the (kind, name) an address begins with, None for a dotted key from the root.

    Examples
    --------
    >>> entry_of("factors/bmp2.cues.0.fold"), entry_of("host.multipliers.death")
    (('factors', 'bmp2'), None)
    """
    kind, slash, rest = address.partition("/")
    return (kind, rest.partition(".")[0]) if slash else None


def _locate(config: Config, data: dict[str, Any], address: str) -> list[Path_]:
    entry = entry_of(address)
    if entry is None:
        roots: list[Path_] = [()]
        words = address.split(".")
    else:
        if entry[0] not in KINDS:
            hint = did_you_mean(entry[0], KINDS)
            raise UnknownAddressError(f"{address!r}: there is no kind {entry[0]!r}{hint}")
        roots = entries(config).get(entry, [])
        words = address.partition("/")[2].split(".")[1:]
    if not all(words) or not words:
        raise UnknownAddressError(
            f"{address!r} names no number; write for example factors/bmp2.cues.osteogenic.fold"
        )
    found = []
    for root in roots:
        node: Any = data
        for part in root:
            node = node[part]
        found += list(_select(node, words, root, address))
    return found


def _select(node: Any, words: list[str], path: Path_, address: str) -> Iterator[Path_]:
    if not words:
        yield path
        return
    word, rest = words[0], words[1:]
    if isinstance(node, dict):
        if word not in node and word != "*":
            hint = did_you_mean(word, node)
            raise UnknownAddressError(
                f"{address!r}: {'.'.join(map(str, path)) or 'a config'} has no {word!r}{hint} "
                f"(known: {', '.join(node)})"
            )
        keys: list[Any] = list(node) if word == "*" else [word]
    elif isinstance(node, list):
        keys = [k for k, item in enumerate(node) if word in ("*", str(k)) or word in _said(item)]
        if not keys:
            said = sorted({each for item in node for each in _said(item)})
            raise UnknownAddressError(
                f"{address!r}: no item of {'.'.join(map(str, path))} is {word!r}"
                f"{did_you_mean(word, said)} (there are: {', '.join(said) or 'none'})"
            )
    else:
        raise UnknownAddressError(
            f"{address!r}: {'.'.join(map(str, path))} is {node!r} and holds no {word!r}"
        )
    for key in keys:
        yield from _select(node[key], rest, (*path, key), address)


def _said(item: Any) -> list[str]:
    """Return the words an item of a list goes by: its own texts, and the names of its entries."""
    if not isinstance(item, dict):
        return [str(item)]
    texts = [v.get("name") if isinstance(v, dict) else v for v in item.values()]
    return [text for text in texts if isinstance(text, str)]


def _entries(node: Any, path: Path_) -> Iterator[tuple[Path_, Entry]]:
    if isinstance(node, Entry):
        yield path, node
    if isinstance(node, Section):
        for name, field in type(node).model_fields.items():
            yield from _entries(getattr(node, name), (*path, field.alias or name))
    elif isinstance(node, Mapping):
        for key, child in node.items():
            yield from _entries(child, (*path, key))
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            yield from _entries(child, (*path, index))

"""``manifest.json``: what a run is, how far it came, and what made it."""

from __future__ import annotations

import datetime
import json
import os
import platform as _platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from scaffoldsim.run.atomic import SCHEMA, json_text, write_atomic

STATUSES = ("running", "finished", "interrupted", "failed")
MANIFEST = "manifest.json"
_PACKAGES = ("scaffoldsim", "numpy", "scipy", "pandas", "mesa", "zarr", "numcodecs", "pydantic")


def utc_now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a result, where installed."""
    found = {"python": _platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def new_manifest(
    *,
    title: str,
    seed: int,
    config_hash: str,
    threads: int,
    sources: Any = (),
    notes: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """Make the manifest of a run that starts now.

    Parameters
    ----------
    title : str
        What the run is, for people.
    seed : int
        Seed of the counter-based random numbers.
    config_hash : str
        Hash of the resolved config.
    threads : int
        Threads the kernels use; they do not change the result.
    sources : JSON value
        Where the parameters come from.
    notes : sequence of str
        What was rounded or changed, said to the user.
    **more
        Any further JSON values to keep.

    Returns
    -------
    dict
        Ready for `write_manifest`, status ``running``.
    """
    return {
        "schema": SCHEMA,
        "status": "running",
        "title": title,
        "seed": int(seed),
        "config_hash": config_hash,
        "versions": versions(),
        "platform": _platform.platform(),
        "threads": int(threads),
        "start": utc_now(),
        "end": None,
        "sources": list(sources) if isinstance(sources, tuple) else sources,
        "notes": list(notes),
        **more,
    }


def write_manifest(folder: str | os.PathLike[str], manifest: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` atomically.

    Raises
    ------
    ValueError
        If the status is not one of `STATUSES`.
    """
    if manifest.get("status") not in STATUSES:
        raise ValueError(
            f"manifest status {manifest.get('status')!r} is not one of {', '.join(STATUSES)}"
        )
    write_atomic(Path(folder) / MANIFEST, json_text(dict(manifest)))


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read ``manifest.json`` of a run folder.

    Raises
    ------
    FileNotFoundError
        If there is no manifest.
    ValueError
        If it is not JSON, has no valid status or a newer schema.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"{Path(folder)} is not a run folder: it has no {MANIFEST} "
            "(`scaffoldsim run` makes run folders)"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}; run the config again") from error
    if not isinstance(manifest, dict) or manifest.get("status") not in STATUSES:
        raise ValueError(f"{path} is damaged: it has no status ({', '.join(STATUSES)})")
    if manifest.get("schema") != SCHEMA:
        raise ValueError(
            f"{path} has schema {manifest.get('schema')!r}; this version reads schema {SCHEMA}"
        )
    return manifest


def update_manifest(folder: str | os.PathLike[str], **changes: Any) -> dict[str, Any]:
    """Read the manifest, change some of its values, write it back; an end status sets ``end``."""
    manifest = read_manifest(folder) | changes
    if "end" not in changes:
        manifest["end"] = None if manifest["status"] == "running" else utc_now()
    write_manifest(folder, manifest)
    return manifest

"""What every report shares: templates of the catalogue, embedded pictures, parameter tables."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scaffoldsim import catalogue
from scaffoldsim.run.atomic import write_atomic

_WIDTH = 1400
_QUALITY = 86


def write_page(template: str, out: Path, values: Mapping[str, Any]) -> Path:
    """Fill a template of the catalogue and write the page atomically.

    Everything is escaped unless it was made here (`curves`), so that a name in a config cannot
    become part of the page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    places = [catalogue.find("reports", name).parent for name in (template, "base")]
    environment = Environment(
        loader=FileSystemLoader(places),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(f"{template}.html").render(values)
    write_atomic(out, text)
    return out


def svg(text: str) -> Any:
    """Mark an SVG that was drawn here as safe to put into a page; "" stays false."""
    from markupsafe import Markup

    return Markup(text)


def embedded(picture: Path, width: int = _WIDTH) -> str:
    """Return a picture as a WebP data address, at most `width` pixels wide; "" if there is none."""
    if not picture.is_file():
        return ""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB")
    if small.width > width:
        height = round(small.height * width / small.width)
        small = small.resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def parameters(config: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield every sourced number of a resolved config: key, value, range, mark, source."""
    for key, entry in _walk(config, ""):
        allowed = entry.get("range")
        limits = " – ".join(str(end) for end in allowed) if isinstance(allowed, list) else ""
        yield {
            "key": key,
            "value": str(entry["value"]),
            "range": limits,
            "mark": str(entry["mark"]),
            "source": str(entry["source"]),
        }


def _walk(node: Any, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        if {"value", "mark", "source"} <= set(node):
            yield key, node
            return
        for name, child in node.items():
            yield from _walk(child, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _walk(child, f"{key}[{index}]")

"""Runs of versions without ``scores.jsonl``: numbers of images are in the journal, of sets in ``metrics.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mapga.errors import ConfigError
from mapga.files.plain_yaml import from_yaml
from mapga.node import Node, metric
from mapga.records.journal import Journal, seal
from mapga.records.origins import origins
from mapga.records.protocol import Protocol

__all__ = ["completed", "older_lines"]

_Summary = Mapping[str, Any]


def completed(folder: Path, summary: _Summary) -> dict[str, Any]:
    """A ``metrics.json`` with a protocol for each number: where none is stated, what the run's config asked for.

    Names carry the weights, so those that today's version has under that name are the ones that were used.
    """
    bare = [name for name, cell in summary["metrics"].items() if "protocol" not in cell]
    if not bare:
        return dict(summary)
    protocols = _asked(folder, {name: summary["metrics"][name] for name in bare})
    keys = {one.name: {"protocol": one.key} for one in protocols}
    stated = {name: {**cell, **keys.get(name, {})} for name, cell in summary["metrics"].items()}
    known = {**summary.get("protocols", {}), **{one.key: one.as_dict() for one in protocols}}
    return {**summary, "metrics": stated, "protocols": known}


def older_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """What ``scores.jsonl`` would hold of a finished run of such a version; nothing of any other run."""
    try:
        told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"]
        cells = {name: cell for name, cell in told.items() if "protocol" not in cell}
        protocols = _asked(folder, cells)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    if not cells:
        return
    lines = [row for path in sorted(folder.glob("journal*.jsonl")) for row in Journal(path).rows()]
    rows = {row.row: row for row in reversed(lines)}.values()  # a later line of a row is of pixels made since
    of_images = {name for row in rows for name in row.metrics} & cells.keys()
    yield {"by": "older", "protocols": [one.as_dict() for one in protocols]}
    for row in rows:
        if row.status == "done":
            numbers = {name: row.metrics[name] for name in cells if name in row.metrics}
            yield {"by": "older", "row": row.row, "crc": row.crc, "metrics": numbers}
    of_sets = {name: cell for name, cell in cells.items() if name not in of_images}
    yield {"by": "older", "set": seal(rows), "metrics": of_sets}


def _asked(folder: Path, cells: Mapping[str, Mapping[str, Any]]) -> list[Protocol]:
    """The protocols of some numbers, as the run's config and these cells tell them."""
    try:
        nodes = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))["metrics"] or {}
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        nodes = {}
    code = next((dict(one["code"]) for one in reversed(origins(folder)) if isinstance(one.get("code"), dict)), {})
    found = []
    for name, cell in cells.items():
        science, weights = _stated(name, nodes.get(name))
        lower = bool(cell["lower_is_better"])
        found.append(Protocol(name, science, weights, lower, cell.get("ceiling"), cell.get("floor"), code))
    return found


def _stated(name: str, node: Any) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """A metric's node without places, and its weights; as it stands, and none, if it is none of this installation's."""
    try:
        asked = Protocol.asked(Node.read(metric(name), node))
    except ConfigError:
        return (node if isinstance(node, dict) else {}), {}
    return asked.science, asked.weights

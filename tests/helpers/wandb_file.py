"""Reading an offline ``.wandb`` file: LevelDB's log format around wandb's own protocol buffers."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

__all__ = ["Mirrored", "mirrored"]

_BLOCK, _HEADER = 32768, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class Mirrored:
    """What a W&B run holds.

    Attributes:
        history: One dict a logged step.
        exit_code: Given at its end; None if it never ended.
    """

    run_id: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    artifacts: list[tuple[str, str]] = field(default_factory=list)
    exit_code: int | None = None


def mirrored(path: Path) -> Mirrored:
    """Everything that a file's records add up to."""
    found = Mirrored()
    for data in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        match record.WhichOneof("record_type"):
            case "run":
                run = record.run  # the first one is whole, later ones hold what changed
                found.run_id, found.name = run.run_id or found.run_id, run.display_name or found.name
                found.group, found.job_type = run.run_group or found.group, run.job_type or found.job_type
                found.tags = list(run.tags) or found.tags
                found.config |= {item.key: json.loads(item.value_json) for item in run.config.update}
            case "history":
                found.history.append(_values(record.history.item))
            case "summary":
                found.summary |= _values(record.summary.update)
            case "metric":
                metric = record.metric
                found.axes[metric.name or metric.glob_name] = metric.step_metric
            case "artifact":
                found.artifacts.append((record.artifact.type, record.artifact.name))
            case "exit":
                found.exit_code = record.exit.exit_code
    return found


def _values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(data: bytes) -> Iterator[bytes]:
    """The logical records: those that were split at blocks of 32 KiB, joined."""
    assert data[:4] == b":W&B"
    at, parts = _HEADER, b""
    while at + _HEADER <= len(data):
        if _BLOCK - at % _BLOCK < _HEADER:
            at += _BLOCK - at % _BLOCK  # the rest of a block is too short for a header
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + _HEADER])
        payload = data[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        parts = payload if kind in (_FULL, _FIRST) else parts + payload
        if kind in (_FULL, _LAST):
            yield parts

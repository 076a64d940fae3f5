"""Traces: how good each image was at every state of its solver, for convergence curves. Only with ``trace=true``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mapga.files.jsonl import JSONLines
from mapga.records.shards import Shard

__all__ = ["Trace", "append_trace", "merge_traces", "read_trace"]

_NAME = "trace"


@dataclass(frozen=True)
class Trace:
    """The states of a batch, in order.

    Attributes:
        rows: Its images, by row.
        sigma: Noise level of each state.
        passes: Network passes per image, forward and backward, up to each state.
        psnr: For each state, each image's PSNR of the state's estimate in dB; None where it is not finite.
    """

    rows: list[int]
    sigma: list[float]
    passes: list[int]
    psnr: list[list[float | None]]


def append_trace(folder: Path, shard: Shard, trace: Trace) -> None:
    """Note a batch's trace in a run's folder."""
    name = f"{_NAME}.jsonl" if shard.whole else f"{_NAME}-{shard}.jsonl"
    JSONLines(folder / name).append([asdict(trace)])


def read_trace(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """A run's network passes (S,) and the PSNR (N, S) of its traced images, by row, whatever their batches.

    None if none was. Lines torn by a kill are left out, and of an image traced twice the later one counts.
    """
    found: dict[int, list[float]] = {}
    passes: list[int] = []
    for trace in _traces(folder):
        if passes and passes != trace.passes:
            continue
        passes = trace.passes
        found |= dict(zip(trace.rows, np.array(trace.psnr, dtype=float).T.tolist(), strict=True))
    return (np.array(passes), np.array([found[row] for row in sorted(found)])) if found else None


def merge_traces(folder: Path) -> None:
    """Bring the traces of all shards into one file, of each image the last, in the order of rows."""
    kept: list[Trace] = []
    seen: set[int] = set()
    for trace in reversed(_traces(folder)):
        places = [k for k, row in enumerate(trace.rows) if row not in seen]
        seen.update(trace.rows)
        if places:
            rows, psnr = [trace.rows[k] for k in places], [[line[k] for k in places] for line in trace.psnr]
            kept.append(Trace(rows, trace.sigma, trace.passes, psnr))
    if kept:
        JSONLines(folder / f"{_NAME}.jsonl").replace(asdict(trace) for trace in sorted(kept, key=lambda one: one.rows))


def _traces(folder: Path) -> list[Trace]:
    """Every whole line of every shard."""
    found = []
    for path in sorted(folder.glob(f"{_NAME}*.jsonl")):
        for record in JSONLines(path).read():
            try:
                trace = Trace(**record)
                curves = np.array(trace.psnr, dtype=float)
            except (ValueError, TypeError):
                continue
            if curves.shape == (len(trace.passes), len(trace.rows)):
                found.append(trace)
    return found

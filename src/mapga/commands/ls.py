"""``mapga ls``: the runs of a folder, the latest last: what tells them apart, a number, and when they were begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from mapga.errors import ConfigError, closest
from mapga.records.collect import Run, check_folder, collect, no_runs, settings
from mapga.records.columns import card_of, columns, estimate, metric_names
from mapga.records.origins import origins

__all__ = ["listed"]


def listed(root: Path, filters: Sequence[str], metric: str | None) -> tuple[Table, list[str]]:
    """A line a run, and a line for each that cannot be read.

    Args:
        root: A results folder.
        filters: Of the form ``solver=ddrm`` or ``schedule.steps=20``: runs that have all of these.
        metric: The column; None: the one that a reader looks for first.

    Raises:
        ConfigError: No folder, no run, a metric that no run has, or a filter that fits none.
    """
    check_folder(root)
    found, troubles = collect(root)
    runs = columns(found)
    if not runs and not troubles:
        raise no_runs(root)
    for text in filters:
        runs = _having(runs, text)
    column = _column(runs, metric)
    labels, begun = settings(runs), {run.folder: _begun(run) for run in runs}
    table = Table("run", "settings", "state", column, "images", "begun", box=None, pad_edge=False)
    for run in sorted(runs, key=lambda run: (begun[run.folder], run.folder.name)):
        cell = run.metrics.get("metrics", {}).get(column)
        number = "" if cell is None else estimate(cell, card_of(run, column))
        images = str(cell.get("n", run.metrics["n_images"])) if cell is not None else ""
        words = (run.folder.name, labels[run.folder], run.status, number, images, begun[run.folder].replace("T", " "))
        table.add_row(*map(escape, words))
    return table, troubles


def _begun(run: Run) -> str:
    known = origins(run.folder)
    return str(known[0].get("date", ""))[:16] if known else ""


def _column(runs: Sequence[Run], metric: str | None) -> str:
    known = metric_names(runs)
    if metric is None:
        return known[0] if known else "metric"
    if metric not in known:
        raise ConfigError(
            f"no run has a metric {metric!r}{closest(metric, known)} there are {', '.join(known) or 'none'}"
        )
    return metric


def _having(runs: Sequence[Run], text: str) -> list[Run]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} is no filter; write KEY=VALUE, such as solver=ddrm")
    values = {run.folder: _value(run, key) for run in runs}
    known = sorted({one for one in values.values() if one is not None})
    if not known:
        raise ConfigError(f"no run has a key {key!r}; 'mapga show RUN' prints what a run has")
    if value not in known:
        raise ConfigError(f"no run has {text}{closest(value, known)} there are {', '.join(known)}")
    return [run for run in runs if values[run.folder] == value]


def _value(run: Run, key: str) -> str | None:
    """What a run has at a dotted key of its config, or chose in a group."""
    if key in run.names:
        return run.names[key]
    value: Any = run.spec.config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)

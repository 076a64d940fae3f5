"""Columns: numbers that one metric made under two protocols never share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mapga.card import MetricCard
from mapga.errors import ConfigError
from mapga.node import Node
from mapga.node import metric as metric_slot
from mapga.records.collect import Run

__all__ = ["card_of", "columns", "estimate", "metric_card", "metric_names", "named", "scored_under", "settings_of"]


def columns(runs: Sequence[Run]) -> list[Run]:
    """The runs with their numbers by column: the metric's name, and where some runs have it under other settings, with
    another reference or other weights, also what is different."""
    known: dict[str, dict[str, Mapping[str, Any]]] = {}
    for run in runs:
        for cell in run.metrics.get("metrics", {}).values():
            protocol = _protocol(run, cell)
            known.setdefault(protocol["name"], {})[cell["protocol"]] = protocol
    headings = {key: text for name, protocols in known.items() for key, text in _headings(name, protocols).items()}
    return [replace(run, metrics=_by_column(run.metrics, headings)) if run.metrics else run for run in runs]


def named(run: Run, name: str) -> str:
    """The column of a run's numbers by a metric; its name where there are none."""
    cells = run.metrics.get("metrics", {})
    return next((column for column, cell in cells.items() if _protocol(run, cell)["name"] == name), name)


def card_of(run: Run, column: str) -> MetricCard | None:
    """What the metric of a column says of itself; None where it is none of this installation's."""
    if (cell := run.metrics.get("metrics", {}).get(column)) is None:
        return None
    protocol = _protocol(run, cell)
    try:
        card = Node.read(metric_slot(protocol["name"]), protocol["science"]).card
    except ConfigError:
        return None
    return card if isinstance(card, MetricCard) else None


def metric_names(runs: Sequence[Run]) -> list[str]:
    """The columns of some runs, those first that a reader looks for first."""
    found = {name for run in runs for name in run.metrics.get("metrics", {})}
    return sorted(found, key=lambda name: (metric_card(runs, name).order, name))


def metric_card(runs: Sequence[Run], name: str) -> MetricCard:
    """What a metric of some runs says of itself; the usual where it is none of this installation's."""
    return next((card for run in runs if (card := card_of(run, name)) is not None), MetricCard())


def estimate(cell: Mapping[str, Any], card: MetricCard | None) -> str:
    """A mean with its standard error, or its interval, and its unit, to the decimals that a reader needs."""
    known = card or MetricCard()
    if cell["mean"] is None:
        return "no number"
    text = f"{cell['mean']:.{known.digits}f}"
    if cell["sem"] is not None:
        text += f" +- {cell['sem']:.{known.digits}f}"
    elif (interval := cell.get("interval")) is not None:
        text += f" [{interval[0]:.{known.digits}f}, {interval[1]:.{known.digits}f}]"
    return text + (f" {known.unit}" if known.unit else "")


def scored_under(run: Run) -> list[Mapping[str, Any]]:
    """The code of a run's numbers, as ``mixtures`` takes origins."""
    return [{"scoring": one["code"]} for one in run.metrics.get("protocols", {}).values()]


def settings_of(run: Run, column: str) -> str:
    """The settings under which a column's numbers were made, as text."""
    science = _protocol(run, run.metrics["metrics"][column])["science"]
    return " ".join(f"{key}={value}" for key, value in science.items() if key != "_target_")


def _protocol(run: Run, cell: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = run.metrics["protocols"][cell["protocol"]]
    return found


def _by_column(summary: Mapping[str, Any], headings: Mapping[str, str]) -> dict[str, Any]:
    return {**summary, "metrics": {headings[cell["protocol"]]: cell for cell in summary["metrics"].values()}}


def _headings(name: str, protocols: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    if len(protocols) == 1:
        return dict.fromkeys(protocols, name)
    flat = {key: {**one["science"], **{k: v[:8] for k, v in one["weights"].items()}} for key, one in protocols.items()}
    settings = dict.fromkeys(setting for one in flat.values() for setting in one)
    varying = [setting for setting in settings if len({repr(one.get(setting)) for one in flat.values()}) > 1]
    texts = {key: " ".join([name, *(f"{k}={one[k]}" for k in varying if k in one)]) for key, one in flat.items()}
    distinct = len(set(texts.values())) == len(texts)
    return {key: text if distinct else key for key, text in texts.items()}

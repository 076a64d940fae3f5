"""The paper's numbers, and which of ours may stand beside them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from mapga.report.boards import Board
from mapga.report.choices import Cell
from mapga.report.passes import passes_text

__all__ = ["Beside", "Order", "beside", "kendall_tau", "orders", "published_dir", "published_runtime"]


@dataclass(frozen=True)
class Beside:
    """One of our numbers beside the paper's, or why it is not.

    Attributes:
        task, method: The cell.
        table: Of the paper.
        value: The published number.
        ours: Our cell; without a run if it was not run.
        reason: Why the two may not be compared; "" if they may.
    """

    task: str
    method: str
    table: int
    value: float
    ours: Cell
    reason: str

    @property
    def difference(self) -> float | None:
        """Ours minus published; None where they may not be compared."""
        return None if self.reason or self.ours.mean is None else self.ours.mean - self.value


@dataclass(frozen=True)
class Order:
    """How a column orders the methods, against the paper's column.

    Attributes:
        task: The column.
        table, metric, dataset: Of the paper.
        tau: Kendall's tau-b over the methods that both have.
        methods: How many those are.
        passes: Network passes per image of ours.
    """

    task: str
    table: int
    metric: str
    dataset: str
    tau: float
    methods: int
    passes: str


def published_dir() -> Path:
    """The folder of published numbers: in the package of an installed wheel, in ``experiments/`` of a checkout."""
    inside = Path(__file__).parents[1] / "published"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "experiments" / "published"


def beside(board: Board) -> list[Beside]:
    """Each published number of a board's dataset, start and noise in its metric, with ours; empty if there is none."""
    protocol = _protocol()
    metric = next((theirs for theirs, ours in protocol["metrics"].items() if ours == board.metric), None)
    if metric is None:
        return []
    found = []
    for (table, task, name), value in _quality(board, metric).items():
        ours = board.cells.get((task, _method(board, name)), Cell())
        found.append(Beside(task, name, table, value, ours, _differs(board, ours, protocol["tables"][table])))
    return found


def orders(board: Board) -> list[Order]:
    """Kendall's tau of each column that the paper has too, also where the dataset or the metric is a stand-in.

    Of ours, numbers over fewer images than the others' have no place in the order.
    """
    protocol, found = _protocol(), []
    for metric, names in protocol["stand_ins"].items():
        if board.metric not in names:
            continue
        own = _quality(board, metric)
        for task in board.study.tasks:
            tables = {table for table, other, _ in own if other == task}
            for table in sorted(tables) or _tables(board):
                theirs = own if tables else _numbers(table, metric, _sigma(board))
                pairs = [
                    (cell, value)
                    for (number, other, name), value in theirs.items()
                    if (number, other) == (table, task)
                    and (cell := board.cells.get((task, _method(board, name)), Cell())).ranked
                ]
                if len(pairs) >= 3:
                    tau = kendall_tau([cell.mean or 0.0 for cell, _ in pairs], [other for _, other in pairs])
                    passes = passes_text(run for cell, _ in pairs for run in cell.runs)
                    dataset = protocol["tables"][table]["dataset"]
                    found.append(Order(task, table, metric, dataset, tau, len(pairs), passes))
    return found


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b: agreement of two orders in [-1, 1], ties discounted; NaN if one side is all ties.

    Source: Kendall, "The treatment of ties in ranking problems", Biometrika, 1945.
    """
    both = left = right = 0
    for a, b in combinations(range(len(first)), 2):
        one, other = _sign(first[a] - first[b]), _sign(second[a] - second[b])
        both, left, right = both + one * other, left + one**2, right + other**2
    return both / math.sqrt(left * right) if left and right else math.nan


def published_runtime() -> dict[str, float]:
    """Table 5: milliseconds an iteration, by our name of the method."""
    ours = {theirs: name for name, theirs in _protocol()["methods"].items()}
    with (published_dir() / "reported_runtime.csv").open(newline="", encoding="utf-8") as file:
        return {ours[row["method"]]: float(row["ms_per_iteration"]) for row in csv.DictReader(file)}


def _quality(board: Board, metric: str) -> dict[tuple[int, str, str], float]:
    """The published numbers of the tables that a board's dataset and start belong to."""
    numbers: dict[tuple[int, str, str], float] = {}
    for table in _tables(board):
        if _protocol()["tables"][table]["dataset"] == board.study.runs[0].names["dataset"]:
            numbers |= _numbers(table, metric, _sigma(board))
    return numbers


def _tables(board: Board) -> list[int]:
    """The paper's tables of a board's start that have its noise, whatever their dataset."""
    start = board.study.runs[0].spec.start
    tables = [number for number, one in _protocol()["tables"].items() if one["start"] == start]
    return [number for number in tables if any(key[0] == number and key[2] == _sigma(board) for key in _rows())]


def _numbers(table: int, metric: str, sigma: float | None) -> dict[tuple[int, str, str], float]:
    return {
        (table, task, method): value
        for (number, task, noise, method, name), value in _rows().items()
        if (number, noise, name) == (table, sigma, metric)
    }


def _sigma(board: Board) -> float | None:
    """A board's noise in the unit of the paper, or None if it is stated in another."""
    spec = board.study.runs[0].spec
    return spec.sigma_y if not spec.sigma_y or spec.sigma_y_unit == _protocol()["sigma_y_unit"] else None


def _differs(board: Board, ours: Cell, table: Mapping[str, Any]) -> str:
    if ours.mean is None:
        return ours.reason
    if (n := ours.coverage.n // len(ours.runs)) != table["n"]:
        return f"N={n}, published N={table['n']}"
    return "" if "reference=" not in board.protocol or "reference=truth" in board.protocol else "another reference set"


def _method(board: Board, name: str) -> str:
    """Our method of a published name; of several priors none is the paper's method."""
    ours = {theirs: solver for solver, theirs in _protocol()["methods"].items()}
    return ours[name]


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


@cache
def _protocol() -> dict[str, Any]:
    protocol: dict[str, Any] = yaml.safe_load((published_dir() / "protocol.yaml").read_text(encoding="utf-8"))
    return protocol


@cache
def _rows() -> dict[tuple[int, str, float, str, str], float]:
    """Every published quality: (table, task, sigma_y, method, metric) to the number."""
    with (published_dir() / "reported_quality.csv").open(newline="", encoding="utf-8") as file:
        return {
            (int(row["table"]), row["task"], float(row["sigma_y"]), row["method"], row["metric"]): float(row["value"])
            for row in csv.DictReader(file)
        }

"""Pictures for the page: a bounded number of images of every task, with what each method made of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from mapga.records.collect import Run
from mapga.records.image_scores import Scores, read_scores
from mapga.records.measured import Measured
from mapga.report.boards import Board
from mapga.report.layout import number
from mapga.report.pictures import enlarged, load_rows

__all__ = ["gallery"]

_BYTES = 8_000_000  # of all pictures of a page, encoded
_SIDE = 128  # larger pictures are shown reduced to this


@dataclass
class _Task:
    """The images of a task, most wanted first, and what has been drawn of them; ``columns``: its metrics of images."""

    board: Board
    name: str
    runs: dict[str, Run]
    scores: dict[str, Scores]
    columns: Mapping[str, Board]
    wanted: Iterator[tuple[int, int]]
    tags: dict[int, list[tuple[str, str]]]
    unseen: np.ndarray | None
    drawn: list[dict[str, Any]] = field(default_factory=list)

    def draw(self, index: int, row: int) -> int:
        """Encode one image as truth, measurement and every method's; the bytes it took."""
        folder = next(iter(self.runs.values())).problem_folder
        loaded = {name: load_rows(folder / f"{name}.npy", [row]) for name in ("truth", "measurement")}
        numbers: dict[str, dict[str, float]] = {}
        for method, run in self.runs.items():
            scores = self.scores[method]
            if index in scores.lost:
                continue
            loaded[method] = load_rows(run.folder / "images.npy", [row])
            place = int(np.searchsorted(scores.index, index))
            numbers[method] = {name: float(values[place]) for name, values in scores.values.items()}
        found = {name: picture[0] for name, picture in loaded.items() if picture is not None}
        unseen = {"measurement": self.unseen}
        pictures = {name: _encoded(picture, unseen.get(name)) for name, picture in found.items()}
        height, width = max((picture.shape[:2] for picture in found.values()), default=(0, 0))
        self.drawn.append(
            {
                "index": index,
                "tags": self.tags.get(index, []),
                "pictures": pictures,
                "reduced": f"reduced from {width} x {height}" if max(height, width) > _SIDE else "",
                "metrics": {method: self._written(found) for method, found in numbers.items()},
                "best": self._best(numbers),
            }
        )
        return sum(len(text) for text in pictures.values())

    def _written(self, numbers: Mapping[str, float]) -> dict[str, str]:
        found = ((name, x, self.columns[name].card.digits) for name, x in numbers.items() if name in self.columns)
        return {name: "–" if np.isnan(x) else "∞" if np.isinf(x) else number(x, digits) for name, x, digits in found}

    def _best(self, numbers: Mapping[str, Mapping[str, float]]) -> dict[str, list[str]]:
        """By metric the methods than which none is better on an image."""
        best: dict[str, list[str]] = {}
        for name, board in self.columns.items():
            sign = 1 if board.lower_is_better else -1
            known = {m: sign * found[name] for m, found in numbers.items() if not np.isnan(found.get(name, np.nan))}
            if known and board.card.ordered:
                best[name] = [method for method, value in known.items() if value == min(known.values())]
        return best


def gallery(made: Sequence[Board], images: int) -> tuple[list[dict[str, Any]], list[str]]:
    """For each study and task its images, as plain values for the page, and a line for what is missing.

    The first ``images`` of a task are shown, and of each method the worst and the best by the study's first metric; in
    turns over the tasks, until the page is full.
    """
    tasks, troubles = [], []
    for board in _leading(made):
        own = [one for one in made if one.study is board.study and one.selection == "best" and not one.of_sets]
        for name in board.study.tasks:
            if task := _task(board, name, images, {one.metric: one for one in own}):
                tasks.append(task)
    spent, open_tasks = 0, list(tasks)
    while open_tasks and spent < _BYTES:
        for task in list(open_tasks):
            place = next(task.wanted, None)
            if place is None:
                open_tasks.remove(task)
            elif spent < _BYTES:
                spent += task.draw(*place)
    if open_tasks:
        troubles.append(f"the page holds {_BYTES // 1_000_000} MB of pictures; the others are in the runs' folders")
    for task in tasks:
        for method, run in task.runs.items():
            if task.drawn and not any(method in one["pictures"] for one in task.drawn):
                troubles.append(f"{run.folder.name}/images.npy: cannot be read; its pictures are missing")
    return [_plain_task(task) for task in tasks if task.drawn], troubles


def _plain_task(task: _Task) -> dict[str, Any]:
    return {
        "study": task.board.study.title,
        "task": task.name,
        "by": task.board.measured,
        "shown": {name: task.board.shown(name) for name in (task.name, *task.runs)},
        "hatched": task.unseen is not None,
        "metrics": {name: {"shown": one.measured, "arrow": _arrow(one)} for name, one in task.columns.items()},
        "images": sorted(task.drawn, key=lambda one: one["index"]),
    }


def _leading(made: Sequence[Board]) -> list[Board]:
    """The first board of bests of each study: its runs are those whose pictures are shown."""
    first: dict[int, Board] = {}
    for board in made:
        if board.selection == "best":
            first.setdefault(id(board.study), board)
    return list(first.values())


def _arrow(board: Board) -> str:
    return "" if not board.card.ordered else "↓" if board.lower_is_better else "↑"


def _task(board: Board, name: str, images: int, columns: Mapping[str, Board]) -> _Task | None:
    runs = {method: cell.runs[0] for method, cell in board.pictured(name).items()}
    if not runs:
        return None
    scores = {method: read_scores(run)[0] for method, run in runs.items()}
    tags: dict[int, list[tuple[str, str]]] = {}
    for method, one in scores.items():
        values = one.values.get(board.metric)
        if values is not None:
            order = np.argsort(values if board.lower_is_better else -values)
            order = order[~np.isnan(values[order])]
            for place, word in ((order[-1], "worst"), (order[0], "best")):
                tags.setdefault(int(one.index[place]), []).append((word, method))
    rows = {int(index): int(row) for one in scores.values() for index, row in zip(one.index, one.row, strict=True)}
    wanted = [*sorted(rows)[:images], *(index for index in tags if index not in sorted(rows)[:images])]
    unseen = Measured(next(iter(runs.values())).problem_folder).unseen()
    return _Task(board, name, runs, scores, columns, iter([(index, rows[index]) for index in wanted]), tags, unseen)


def _encoded(picture: np.ndarray, unseen: np.ndarray | None) -> str:
    """A picture as the text of a PNG, large enough for hatches where some of it is unseen."""
    if unseen is not None:
        picture = enlarged(picture, max(1, _SIDE // max(picture.shape[:2])), unseen)
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    if max(image.size) > _SIDE:
        image.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()

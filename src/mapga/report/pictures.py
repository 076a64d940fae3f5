"""Picture grids: truth, measurement, and what every method made of it, with a box zoomed in where methods differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from mapga.files.durable import naming
from mapga.records.collect import Run
from mapga.records.measured import Measured
from mapga.records.store import ImageStore

__all__ = ["draw_grid", "enlarged", "load_rows", "save"]

_TILE = 144  # pixels a side that a picture is enlarged to, at least
_GAP = 6
_ZOOM_FROM = 48  # pixels a side: smaller pictures are seen whole
_BOX = 0.25  # side of the zoomed box, of the picture's
_COLOUR = (216, 67, 46)
_HATCH = ((94, 74, 158), (196, 182, 240))  # no grey, and lines: no colour that a picture has by itself
_HATCHES = 16  # periods over the shorter side


def load_rows(path: Path, rows: Sequence[int]) -> np.ndarray | None:
    """Some images of a store as (n, H, W, C), or None if they are not there."""
    try:
        return ImageStore.open(path).read(rows)
    except (OSError, ValueError, IndexError, EOFError):
        return None


def draw_grid(runs: Mapping[str, Run], path: Path, images: int) -> bool:
    """Draw finished runs of one problem as a grid: a row an image, a column a method. False if nothing can be drawn.

    Args:
        runs: By the column's title.
        path: Without suffix: a PNG and a PDF are written.
        images: Rows, from the first; of several samples of an image the first is shown.
    """
    if not runs:
        return False
    first = next(iter(runs.values()))
    samples = first.spec.samples  # the same for all runs of a problem
    stored = min(int(run.metrics["n_images"]) for run in runs.values())
    rows = range(0, min(images * samples, stored), samples)
    problem = Measured(first.problem_folder)
    columns = [
        ("truth", load_rows(problem.truth_path, rows)),
        ("measurement", load_rows(problem.measurement_path, rows)),
    ]
    columns += [(title, load_rows(run.folder / "images.npy", rows)) for title, run in runs.items()]
    shown = [(title, pictures) for title, pictures in columns if pictures is not None]
    if not shown or not len(rows):
        return False
    boxes = [_box([pictures[k] for name, pictures in shown if name != "measurement"]) for k in range(len(rows))]
    masks = {"measurement": problem.unseen()}
    tiles = [[_tile(pictures[k], box, masks.get(name)) for name, pictures in shown] for k, box in enumerate(boxes)]
    height, width = (side + _GAP for side in tiles[0][0].shape[:2])
    size = (0.9 * len(shown), 0.9 * len(rows) * height / width + 0.8)
    figure = plt.figure(figsize=size)
    axis = figure.add_axes((0.01, 0.01, 0.98, 1 - 0.8 / size[1]))
    axis.imshow(_mosaic(tiles, height, width), interpolation="nearest")
    axis.set_axis_off()
    for column, (title, _) in enumerate(shown):
        where = ((column + 0.5) * width - _GAP / 2, -_GAP)
        told = f"{title}, hatched: unknown" if masks.get(title) is not None else title
        axis.text(*where, told.replace(" ", "\n"), fontsize=6, ha="center", va="bottom", parse_math=False)
    figure.suptitle(f"{first.problem}, seed {first.spec.seed}", fontsize=9, parse_math=False)
    save(path)
    return True


def save(path: Path) -> None:
    """Write the current figure as PNG and PDF, without the time of day in it, and close it."""
    png, pdf = (path.with_name(f"{path.name}.{kind}") for kind in ("png", "pdf"))
    figure = plt.gcf()  # whose own savefig does not draw it once more afterwards, as pyplot's does
    with naming(png):
        figure.savefig(png, dpi=160)
    with naming(pdf):
        figure.savefig(pdf, metadata={"CreationDate": None})
    plt.close(figure)


def _mosaic(tiles: Sequence[Sequence[np.ndarray]], height: int, width: int) -> np.ndarray:
    """Tiles side by side on white."""
    mosaic = np.full((len(tiles) * height - _GAP, len(tiles[0]) * width - _GAP, 3), 255, dtype=np.uint8)
    for row, line in enumerate(tiles):
        for column, tile in enumerate(line):
            top, left = row * height, column * width
            mosaic[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return mosaic


def _tile(picture: np.ndarray, box: tuple[int, int, int], unseen: np.ndarray | None) -> np.ndarray:
    """A picture enlarged, with its box framed and shown enlarged in the corner that is farthest from it."""
    factor = max(1, -(-_TILE // max(picture.shape[:2])))
    tile = enlarged(picture, factor, unseen)
    if min(picture.shape[:2]) < _ZOOM_FROM:
        return tile
    top, left, side = box
    inside = (slice(top, top + side), slice(left, left + side))
    factor_inside = max(1, round(0.45 * min(tile.shape[:2]) / side))
    zoomed = enlarged(picture[inside], factor_inside, None if unseen is None else unseen[inside])
    _frame(tile, top * factor, left * factor, side * factor)
    _frame(zoomed, 0, 0, len(zoomed))
    y = 0 if top + side / 2 > picture.shape[0] / 2 else len(tile) - len(zoomed)
    x = 0 if left + side / 2 > picture.shape[1] / 2 else tile.shape[1] - len(zoomed)
    tile[y : y + len(zoomed), x : x + len(zoomed)] = zoomed
    return tile


def enlarged(picture: np.ndarray, factor: int, unseen: np.ndarray | None = None) -> np.ndarray:
    """A picture (H, W, C) in colours, each pixel ``factor`` wide and high; hatched where ``unseen``, bool (H, W)."""
    colours = np.broadcast_to(picture, (*picture.shape[:2], 3)).repeat(factor, axis=0).repeat(factor, axis=1)
    if unseen is not None:
        period = max(6, min(colours.shape[:2]) // _HATCHES)
        line = np.add.outer(*map(np.arange, colours.shape[:2])) % period < period / 3
        hatches = np.where(line[..., None], *np.array(_HATCH[::-1], dtype=np.uint8))
        colours = np.where(unseen.repeat(factor, axis=0).repeat(factor, axis=1)[..., None], hatches, colours)
    return colours


def _frame(tile: np.ndarray, top: int, left: int, side: int) -> None:
    inside = tile[top + 2 : top + side - 2, left + 2 : left + side - 2].copy()
    tile[top : top + side, left : left + side] = _COLOUR
    tile[top + 2 : top + side - 2, left + 2 : left + side - 2] = inside


def _box(pictures: Sequence[np.ndarray]) -> tuple[int, int, int]:
    """Top, left and side of the box in which pictures differ most from each other."""
    spread = np.stack(pictures).astype(np.float32).std(axis=0).mean(axis=-1)
    side = max(1, min(max(4, round(_BOX * min(spread.shape))), min(spread.shape)))
    total = np.pad(spread.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(top), int(left), side

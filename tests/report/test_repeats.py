"""Repeats over seeds are one row: mean over images and seeds, the spread between seeds, tests that keep the pairs."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.tables import measured
from mapga.records.collect import collect
from mapga.report.boards import Board, boards
from mapga.report.compare import Column, compare
from mapga.report.repeats import seeds_text
from mapga.report.sheets import board_table, has_ablation
from mapga.report.studies import studies

DIFFICULTY = np.random.default_rng(0).normal(20, 5, 30)


def _numbers(shift: float, seed: int, noise: float = 0.3) -> np.ndarray:
    return DIFFICULTY + shift + np.random.default_rng(seed).normal(0, noise, 30)


def _board(root) -> Board:
    (study,) = studies(collect(root)[0])
    return boards(study)[0][0]


def test_seeds_are_one_row_with_their_spread(tmp_path):
    numbers = [_numbers(seed, seed) for seed in range(3)]
    for seed in (2, 0, 1):
        measured(tmp_path, "alpha", {"psnr": numbers[seed].tolist()}, seed=seed)
    board = _board(tmp_path)
    cell, means = board.cells["half", "alpha"], [one.mean() for one in numbers]
    assert cell.seeds == (0, 1, 2) and cell.tried == 1 and not has_ablation(board.study)
    assert cell.mean == pytest.approx(np.mean(means)) and cell.spread == pytest.approx(np.std(means, ddof=1))
    (line,) = board_table(board, intervals=False).lines
    assert line[-1].text == f"{np.mean(means):.2f} ± {np.std(means, ddof=1):.2f}"
    assert "seeds 0 to 2; ±: standard deviation between the seeds' means" in board_table(board).notes[2]


def test_the_interval_is_of_images_not_of_restorations(tmp_path):
    """Three seeds that agree say no more than one does."""
    for seed in range(3):
        measured(tmp_path, "three", {"psnr": DIFFICULTY.tolist()}, seed=seed)
    measured(tmp_path, "one", {"psnr": (DIFFICULTY + 1).tolist()}, seed=0)
    cells = _board(tmp_path).cells
    widths = [cells["half", method].high - cells["half", method].low for method in ("three", "one")]
    assert widths[0] == pytest.approx(widths[1])


def test_pairs_are_of_the_seeds_that_both_have(tmp_path):
    """Seed 1 is easier by far: alpha, which lacks it, would look worse by it."""
    for seed, ease in ((0, 0.0), (1, 50.0)):
        measured(tmp_path, "beta", {"psnr": (_numbers(0.0, 7) + ease).tolist()}, seed=seed)
    measured(tmp_path, "alpha", {"psnr": _numbers(1.0, 8).tolist()}, seed=0)
    board = _board(tmp_path)
    ((_, _, pair),) = board.pairs["half"]
    assert pair.difference == pytest.approx((_numbers(1.0, 8) - _numbers(0.0, 7)).mean()) and pair.n == 30
    assert "without seeds that others have: alpha on half (seed 1)" in board_table(board).notes


def test_without_a_common_seed_nothing_is_ranked(tmp_path):
    for seed, solver in enumerate(("alpha", "beta")):
        measured(tmp_path, solver, {"psnr": _numbers(5.0 * seed, seed).tolist()}, seed=seed)
    board = _board(tmp_path)
    assert not any(cell.best or cell.ranked for cell in board.cells.values()) and board.pairs["half"] == []
    assert "not compared, for want of a common seed: half" in board_table(board).notes
    assert list(board.pictured("half")) == ["alpha"]


def test_settings_are_chosen_by_all_their_seeds(tmp_path):
    """The setting that is best on one seed, and was run on no other, does not stand for the method."""
    for seed in range(2):
        measured(tmp_path, "alpha", {"psnr": _numbers(0.0, seed).tolist()}, seed=seed, steps=3)
    measured(tmp_path, "alpha", {"psnr": _numbers(1.0, 5).tolist()}, seed=0, steps=9)
    board = _board(tmp_path)
    assert (board.cells["half", "alpha"].setting, board.cells["half", "alpha"].tried) == ("steps=3", 2)
    assert has_ablation(board.study)


def test_what_was_measured_otherwise_is_a_task_of_its_own(tmp_path):
    for width in (0.25, 0.5):
        task = {"operator": {"_target_": "mapga.operators.CentralBox", "width": width}}
        measured(tmp_path, "alpha", {"psnr": _numbers(0.0, 1).tolist()}, task=task)
    assert _board(tmp_path).study.tasks == ["half width=0.25", "half width=0.5"]


def _share(draws: int, effect: float) -> float:
    """Of tests of two methods, over 24 images and 3 seeds, those that call them different at 0.05.

    An image's own gap, the same in all its seeds, is larger than what seeds add: pooled, each would count three times.
    """
    found = []
    for k in range(draws):
        draw = np.random.default_rng(k)
        gap = draw.normal(effect, 1.0, (1, 24)) + draw.normal(0, 0.3, (3, 24))
        (one,) = compare([Column(np.stack([gap, np.zeros_like(gap)], axis=2), True)], seed=k)
        found.append(one.pairs[0].p < 0.05)
    return float(np.mean(found))


def test_the_resampling_unit_is_the_image():
    assert _share(60, 0.0) < 0.13  # all 72 gaps taken for independent: 22 % of 200
    assert _share(20, 1.0) == 1


def test_seeds_in_words():
    assert [seeds_text(seeds) for seeds in ([3], [1, 0], [2, 0, 1], [0, 1, 5])] == [
        "seed 3", "seeds 0, 1", "seeds 0 to 2", "seeds 0, 1, 5"
    ]  # fmt: skip

"""Ranks of methods, their means, and the shades that a page has for them."""

from __future__ import annotations

import numpy as np

from helpers.tables import measured
from mapga.records.collect import collect
from mapga.report.boards import Board, boards
from mapga.report.ranks import mean_rank, ranks, shades
from mapga.report.studies import studies

OTHER = {"names": {"task": "box"}, "task": {"operator": {"_target_": "mapga.operators.CentralBox", "width": 0.5}}}


def _board(root, levels: dict[str, tuple[float, float]], *, lower: bool) -> Board:
    for solver, (half, box) in levels.items():
        measured(root, solver, {"psnr": [half] * 6}, lower=lower)
        measured(root, solver, {"psnr": [box] * 6}, lower=lower, **OTHER)
    (study,) = studies(collect(root)[0])
    return boards(study)[0][0]


def test_equals_share_their_places_and_the_direction_counts(tmp_path):
    levels = {"alpha": (3.0, 1.0), "beta": (2.0, 1.0), "gamma": (1.0, 0.5)}
    for lower, expected in ((False, [[1, 1.5], [2, 1.5], [3, 3]]), (True, [[3, 2.5], [2, 2.5], [1, 1]])):
        board = _board(tmp_path / str(lower), levels, lower=lower)
        place = [board.study.tasks.index(task) for task in ("half", "box")]
        found = ranks(board)
        assert [found[method][place].tolist() for method in levels] == expected
        assert mean_rank(found["alpha"], found) == np.mean(expected[0])
        assert [shades(board)["half", method] for method in levels] == [(3 - rank) / 2 for rank, _ in expected]


def test_who_is_not_ranked_has_no_shade_and_no_mean(tmp_path):
    board = _board(tmp_path, {"alpha": (3.0, 1.0), "beta": (2.0, 2.0)}, lower=False)
    measured(tmp_path, "gamma", {"psnr": [9.0] * 6})
    measured(tmp_path, "delta", {"psnr": [9.0] * 6}, lost={0: "diverged"})
    (study,) = studies(collect(tmp_path)[0])
    board = boards(study)[0][0]
    found = ranks(board)
    assert set(found) == {"alpha", "beta", "gamma"} and mean_rank(found["gamma"], found) is None
    assert shades(board)["half", "gamma"] == 1.0 and ("half", "delta") not in shades(board)
    assert shades(board)["half", "beta"] == 0.0


def test_one_alone_is_not_shaded(tmp_path):
    assert shades(_board(tmp_path, {"alpha": (3.0, 1.0)}, lower=False)) == {}

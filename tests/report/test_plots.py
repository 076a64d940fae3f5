"""Figures of the page: every point stands where its axes say, and what cannot be drawn is not."""

from __future__ import annotations

import math

from helpers.tables import measured
from mapga.records.collect import collect
from mapga.report.boards import Board, boards
from mapga.report.plots import HEIGHT, WIDTH, Panel, plots, strips
from mapga.report.studies import studies


def _board(root) -> Board:
    (study,) = studies(collect(root)[0])
    return boards(study)[0][0]


def _panel(root) -> Panel:
    (plot,) = plots(_board(root), first=True)
    (panel,) = plot.panels
    return panel


def test_points_stand_where_their_axes_say(tmp_path):
    for steps, level in ((5, 10.0), (50, 20.0), (500, 15.0)):
        measured(tmp_path, "alpha", {"psnr": [level] * 4}, steps=steps)
    panel = _panel(tmp_path)
    (series,) = panel.series
    xs, ys, texts = zip(*series.points, strict=True)
    assert texts[1] == "alpha steps=50: 20.00 at 100 passes"
    assert math.isclose(xs[1] - xs[0], xs[2] - xs[1], abs_tol=0.2), "passes are on a logarithmic axis"
    assert ys[1] < ys[2] < ys[0] and all(panel.left < x < WIDTH for x in xs) and all(0 < y < panel.bottom for y in ys)
    assert len(panel.y_ticks) > 2
    for y, text in panel.y_ticks:
        assert math.isclose(y, ys[0] + (float(text) - 10) / 10 * (ys[1] - ys[0]), abs_tol=0.2)
    places = {text: x for x, text in panel.x_ticks}
    assert math.isclose(places["100"], xs[1], abs_tol=0.1) and len(places) <= 7
    assert panel.bottom < HEIGHT and series.path.startswith(f"M{xs[0]:.1f} {ys[0]:.1f}L")


def test_equal_numbers_at_equal_passes_are_drawn_too(tmp_path):
    for solver in ("alpha", "beta"):
        measured(tmp_path, solver, {"psnr": [20.0] * 4})
    panel = _panel(tmp_path)
    assert [series.method for series in panel.series] == ["alpha", "beta"]
    assert panel.series[0].points[0][:2] == panel.series[1].points[0][:2]
    assert [text for _, text in panel.x_ticks] == ["6"]


def test_one_alone_is_neither_drawn_nor_ranked(tmp_path):
    measured(tmp_path, "alpha", {"psnr": [20.0] * 4})
    assert plots(_board(tmp_path), first=True) == [] and strips(_board(tmp_path)) == []


def test_strips_have_the_best_mean_first(tmp_path):
    for solver, level in (("alpha", 1.0), ("beta", 3.0), ("gamma", 2.0)):
        measured(tmp_path, solver, {"psnr": [level] * 4})
    found = strips(_board(tmp_path))
    assert [(one.method, one.mean, one.text) for one in found] == [
        ("beta", 0.0, "1.0"),
        ("gamma", 0.5, "2.0"),
        ("alpha", 1.0, "3.0"),
    ]
    assert found[1].ranks == [("half", 0.5, "half: rank 2")]


def test_a_method_is_drawn_alike_in_every_study(tmp_path):
    for solver in ("alpha", "beta"):
        measured(tmp_path, solver, {"psnr": [20.0] * 4})
    for solver in ("beta", "gamma"):
        measured(tmp_path, solver, {"psnr": [20.0] * 4}, task={"sigma_y": 0.1})
    first, second = studies(collect(tmp_path)[0])
    assert (first.methods, second.methods) == (["alpha", "beta"], ["beta", "gamma"])
    assert first.places == second.places == {"alpha": 0, "beta": 1, "gamma": 2}

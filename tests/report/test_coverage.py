"""Nothing is ranked, bold or the best of anything over fewer images than the others; perfect images count."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from helpers.folders import finished, summary
from helpers.tables import measured
from mapga.records import WHOLE
from mapga.records.collect import Run, collect
from mapga.records.trace import Trace, append_trace
from mapga.report import curves, write_report
from mapga.report.boards import Board, boards
from mapga.report.coverage import Coverage, whole
from mapga.report.figures import draw_ranks
from mapga.report.lines import Line
from mapga.report.published import orders
from mapga.report.sheets import board_table, runtime_table
from mapga.report.studies import studies
from mapga.report.table import csv_text, make_table
from mapga.report.trials import trials_table

PSNR = [30.0, 29.0, 28.0, 27.0, 26.0, 25.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0]
HARD = dict.fromkeys(range(6, 12), "diverged")
CEILING = 66.19


def _better(by: float) -> dict[str, list[float | None]]:
    return {"psnr": [value + by for value in PSNR]}


def _boards(root: Path) -> dict[tuple[str, str], Board]:
    (study,) = studies(collect(root)[0])
    return {(board.metric, board.selection): board for board in boards(study)[0]}


def _bold(board: Board) -> set[str]:
    return {method for (_, method), cell in board.cells.items() if cell.best}


def _whole(root: Path) -> set[str]:
    runs = collect(root)[0]
    return {run.names["solver"] for run in runs if run.folder in whole(runs)}


def test_a_method_that_dropped_the_hardest_half_wins_nothing(tmp_path):
    measured(tmp_path, "alpha", _better(0.0))
    measured(tmp_path, "beta", _better(-1.0))
    measured(tmp_path, "dropper", _better(-2.0), lost=HARD)
    for board in _boards(tmp_path).values():
        cell = board.cells["half", "dropper"]
        assert _bold(board) == {"alpha"} and (cell.ranked, cell.stars) == (False, "")
        assert cell.mean == pytest.approx(25.5) and cell.low < 25.5 < cell.high  # the highest mean of all
        assert [pair[:2] for pair in board.pairs["half"]] == [("alpha", "beta")]
        text = board_table(board).markdown()
        assert "(6 of 12 images)" in text and "1 of the runs lost images that others have" in text
    text = make_table(collect(tmp_path)[0]).markdown()
    assert "| 25.50 ± 0.10 | 6 | 6 diverged |" in text and "**18.50 ± 0.10** | 12 | 0 |" in text


def test_of_a_lone_run_that_lost_images_nothing_is_bold(tmp_path):
    measured(tmp_path, "alpha", _better(0.0), lost={0: "diverged"})
    assert _bold(_boards(tmp_path)["psnr", "best"]) == set()
    assert "**" not in make_table(collect(tmp_path)[0]).markdown()


def test_a_picture_that_nobody_could_read_is_nobodys_loss(tmp_path):
    for solver, by in (("alpha", 0.0), ("beta", 1.0)):
        measured(tmp_path, solver, _better(by), lost={2: "failed"})
    board = _boards(tmp_path)["psnr", "best"]
    assert _bold(board) == {"beta"} and "(11 of 12 images)" in board_table(board).markdown()
    measured(tmp_path, "reader", _better(-1.0))  # the picture has been mended since
    assert _whole(tmp_path) == {"reader"} and _bold(_boards(tmp_path)["psnr", "best"]) == {"reader"}


def test_losses_that_the_journal_does_not_tell_are_losses(tmp_path):
    folder = measured(tmp_path, "alpha", _better(0.0), lost={2: "failed"})
    assert _whole(tmp_path) == {"alpha"}
    (folder.path / "journal.jsonl").unlink()
    assert _whole(tmp_path) == set()


def test_a_number_that_some_images_lack_is_not_compared(tmp_path):
    """As of runs of earlier versions, which left perfect images out."""
    measured(tmp_path, "alpha", {"psnr": [*PSNR[:6], *[None] * 6]})
    measured(tmp_path, "beta", _better(-1.0))
    assert _bold(_boards(tmp_path)["psnr", "best"]) == {"beta"}
    assert "(6 of 12 images)" in make_table(collect(tmp_path)[0]).markdown()


def test_the_best_of_an_ablation_never_lost_images(tmp_path):
    for steps, by, lost in ((5, 0.0, {}), (10, -1.0, {}), (20, 3.0, HARD)):
        measured(tmp_path, "alpha", _better(by), steps=steps, lost=lost)
    for selection in ("best", "fixed"):
        cell = _boards(tmp_path)["psnr", selection].cells["half", "alpha"]
        assert (cell.setting, cell.tried if selection == "best" else 3) == ("steps=5", 3)


def test_where_all_settings_lost_images_the_one_that_lost_fewest_stands_unranked(tmp_path):
    for steps, by, lost in ((5, 0.0, {5: "diverged"}), (20, 3.0, HARD)):
        measured(tmp_path, "alpha", _better(by), steps=steps, lost=lost)
    for selection in ("best", "fixed"):
        cell = _boards(tmp_path)["psnr", selection].cells["half", "alpha"]
        assert (cell.setting, cell.ranked, cell.best) == ("steps=5", False, False)


def test_a_distance_of_a_smaller_set_is_never_bold(tmp_path):
    for solver, n, lost in (("alpha", 12, {}), ("dropper", 6, HARD)):
        cell = {"mean": 9.0, "n": n, "key": f"fid|n={n}|reference=truth", "interval": [8.0, 10.0]}
        measured(tmp_path, solver, _better(0.0), sets={"fid": cell}, lost=lost)
    (study,) = studies(collect(tmp_path)[0])
    bold = {board.protocol: _bold(board) for board in boards(study)[0] if board.metric == "fid"}
    assert bold == {"fid|n=12|reference=truth": {"alpha"}, "fid|n=6|reference=truth": set()}


def test_the_best_trial_never_lost_images(tmp_path):
    for steps, by, lost in ((5, 0.0, {}), (10, 1.0, {}), (20, 3.0, HARD)):
        measured(tmp_path, "alpha", _better(by), steps=steps, lost=lost, objective="psnr")
    table = trials_table(collect(tmp_path)[0])
    assert [(line[2].text, line[-1].text, line[-1].best) for line in table.lines] == [
        ("steps=10", "19.50", True),
        ("steps=5", "18.50", False),
        ("steps=20", "30.50 (6 of 12 images)", False),
    ]
    assert any("lost images" in note for note in table.notes)


def test_figures_and_orders_are_of_the_same_images(tmp_path):
    names = {"dataset": "imagenet64", "task": "box50"}
    for solver, lost in (("ddrm", {}), ("map_ga", {}), ("pgdm", HARD)):
        sets = {"fid_clean": {"mean": 9.0, "n": 12, "key": "fid_clean|n=12", "interval": [8.0, 10.0]}}
        measured(tmp_path / "some", solver, _better(0.0), sets=sets, lost=lost, names=names)
        measured(tmp_path / "all", solver, _better(0.0), sets=sets, names=names)
        if solver != "map_ga":
            measured(tmp_path / "two", solver, _better(0.0), lost=lost)
    two = _boards(tmp_path / "two")["psnr", "best"]
    assert not draw_ranks(two, tmp_path / "ranks") and not curves.draw_passes(two, tmp_path / "passes")
    whole_, some = (_boards(tmp_path / name)["fid_clean", "best"] for name in ("all", "some"))
    assert [one.methods for one in orders(whole_)] == [3] and orders(some) == []


def test_a_method_that_is_not_ranked_everywhere_has_no_mean_rank(tmp_path, monkeypatch):
    box = {"names": {"task": "box"}, "task": {"operator": {"_target_": "mapga.operators.CentralBox", "width": 0.5}}}
    for solver, lost in (("alpha", {}), ("beta", {}), ("dropper", HARD)):
        measured(tmp_path, solver, _better(0.0), lost=lost)
        measured(tmp_path, solver, _better(9.0 if solver == "dropper" else 0.0), **box)
    from matplotlib.axes import Axes

    named: list[str] = []
    monkeypatch.setattr(Axes, "set_yticks", lambda self, at, labels, **_: named.extend(labels))
    assert draw_ranks(_boards(tmp_path)["psnr", "best"], tmp_path / "ranks")
    assert named == ["alpha", "beta", "dropper (1 of 2 tasks)"]


def test_a_curve_is_of_the_same_images_all_along(tmp_path, monkeypatch):
    run = finished(tmp_path, "alpha", summary(n_failed=1, n_diverged=1))
    states = [[10.0, 12.0, 50.0], [20.0, 24.0, None]]
    append_trace(run.path, WHOLE, Trace([0, 1, 2], [1.0, 0.0], [4, 6], states))
    drawn = {}
    monkeypatch.setattr(curves, "_draw", lambda panels, *rest, **_: drawn.update(panels=panels, title=rest[2]))
    assert curves.draw_convergence(_boards(tmp_path)["psnr", "best"], tmp_path / "convergence")
    assert drawn["panels"] == {"half": {"alpha": Line((4, 6), (11.0, 22.0))}}
    assert drawn["title"].endswith("images: alpha on half 2 of 3")


def test_a_run_that_lost_images_is_not_timed(tmp_path):
    for solver, lost in (("ddrm", {}), ("pgdm", HARD)):
        measured(tmp_path, solver, _better(0.0), lost=lost, names={"experiment": "table5"})
    (study,) = studies(collect(tmp_path)[0])
    lines = {line[0].text: line[2].text for line in runtime_table(study).lines}
    assert lines["pgdm"] == "images lost" and float(lines["ddrm"]) > 0


def test_perfect_images_count_and_are_said(tmp_path):
    """Three perfect images of four stood as the fourth's number, and four as not measured."""
    measured(tmp_path, "some", {"psnr": [None, None, None, 10.9]}, ceiling=CEILING)
    measured(tmp_path, "none", {"psnr": [40.0] * 4}, ceiling=CEILING)
    measured(tmp_path, "every", {"psnr": [None] * 4}, ceiling=CEILING)
    board = _boards(tmp_path)["psnr", "best"]
    cells = {method: cell for (_, method), cell in board.cells.items()}
    assert cells["some"].mean == pytest.approx((3 * CEILING + 10.9) / 4)
    assert cells["every"].best and cells["every"].ranked
    assert {(pair.first, pair.second): pair.n for _, _, pair in board.pairs["half"]} == dict.fromkeys(
        [(0, 1), (0, 2), (1, 2)], 4
    )
    text = board_table(board).markdown()
    assert "≥ 52.37 [" in text and "(3 of 4 perfect)" in text and "**∞ (4 of 4 perfect)**" in text
    assert "a mean with ≥ is a lower bound" in text
    table = make_table(collect(tmp_path)[0])
    assert "≥ 52.37 ± 0.10 (3 of 4 perfect)" in table.markdown() and "**∞ (4 of 4 perfect)**" in table.markdown()
    assert r"$\geq$ 52.37" in table.latex() and r"$\infty$ (4 of 4 perfect)" in table.latex()


def test_every_file_of_a_report_tells_what_was_lost(tmp_path, capsys):
    measured(tmp_path, "alpha", {"psnr": [None, *PSNR[1:]]}, ceiling=CEILING)
    lost = dict.fromkeys(range(5, 10), "diverged") | {10: "failed"}
    measured(tmp_path, "dropper", _better(-2.0), lost=lost)
    folder = write_report(tmp_path)
    said = " ".join(capsys.readouterr().out.split())
    for text in (said, *((folder / name).read_text() for name in ("table.md", "table.tex", "index.html"))):
        assert "6 of 12 images" in text and "1 of 12 perfect" in text and "5 diverged, 1 could not be read" in text
    page = (folder / "index.html").read_text()
    assert '<small class="images">6 of 12 images</small>' in page and r'"psnr":"\u221e"' in page
    rows = {row["solver"]: row for row in csv.DictReader(io.StringIO(csv_text(collect(tmp_path)[0])))}
    found = [rows["dropper"][key] for key in ("psnr_n", "n_images", "n_failed", "n_diverged", "n_unreadable")]
    assert found == ["6", "12", "6", "5", "1"] and rows["alpha"]["psnr_infinite"] == "1"


@pytest.mark.parametrize(
    ("covered", "written"),
    [
        (Coverage(4, 4), "20.00"),
        (Coverage(4, 6), "20.00 (4 of 6 images)"),
        (Coverage(4, 6, 1), "≥ 20.00 (1 of 4 perfect, 4 of 6 images)"),
        (Coverage(4, 4, 4), "∞ (4 of 4 perfect)"),
    ],
)
def test_a_number_is_written_with_its_images(covered, written):
    assert covered.written(20.0, 2) == written


def test_a_run_in_which_nothing_was_restored_is_no_finished_one(tmp_path):
    """As earlier versions left it: done, with a mean of nothing."""
    finished(tmp_path, "alpha", summary(None, n_failed=3, n_diverged=3))
    ((run,), _) = collect(tmp_path)
    assert isinstance(run, Run) and (run.status, run.reason) == ("failed", "all 3 images lost: 3 diverged")

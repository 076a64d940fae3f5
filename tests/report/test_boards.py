"""Boards: the best of an ablation beside one setting for all, ties and stars, and nothing compared that may not be."""

from __future__ import annotations

import json

import numpy as np
import pytest

from helpers.folders import unfinished
from helpers.tables import measured
from mapga.card import MetricCard
from mapga.files.durable import write_json
from mapga.records.collect import collect
from mapga.records.image_scores import read_scores
from mapga.records.influence import keep_influence
from mapga.report.boards import Board, boards
from mapga.report.csvs import pairs_csv
from mapga.report.sheets import board_table
from mapga.report.studies import studies

DIFFICULTY = np.random.default_rng(0).normal(20, 5, 40)
BOX = {"_target_": "mapga.operators.CentralBox", "width": 0.5}
OTHER = {"names": {"task": "box"}, "task": {"sigma_y": 0.0, "sigma_y_unit": "[-1,1]", "operator": BOX}}


def _numbers(shift: float, seed: int = 1, *, noise: float = 0.1) -> dict[str, list[float]]:
    return {"psnr": (DIFFICULTY + shift + np.random.default_rng(seed).normal(0, noise, 40)).tolist()}


def _boards(root) -> dict[tuple[str, str], Board]:
    (study,) = studies(collect(root)[0])
    return {(board.metric, board.selection): board for board in boards(study)[0]}


def test_the_best_of_an_ablation_says_which_it_was(tmp_path):
    for steps, shift in ((5, 0.0), (10, 2.0), (20, 1.0)):
        measured(tmp_path, "alpha", _numbers(shift), steps=steps)
    cell = _boards(tmp_path)["psnr", "best"].cells["half", "alpha"]
    assert (cell.setting, cell.tried) == ("steps=10", 3)
    assert cell.low < cell.mean < cell.high


def test_one_setting_serves_all_tasks(tmp_path):
    """Each task has a winner of its own; the setting that is second everywhere is the fixed one."""
    for task, shifts in (({}, {5: 3.0, 10: 2.0, 20: 0.0}), (OTHER, {5: 0.0, 10: 2.0, 20: 3.0})):
        for steps, shift in shifts.items():
            measured(tmp_path, "alpha", _numbers(shift), steps=steps, **task)
    made = _boards(tmp_path)
    best, fixed = made["psnr", "best"].cells, made["psnr", "fixed"].cells
    assert {best["half", "alpha"].setting, best["box", "alpha"].setting} == {"steps=5", "steps=20"}
    settings = {fixed[task, "alpha"].setting for task in ("half", "box")}
    assert len(settings) == 1
    assert all(fixed[task, "alpha"].mean <= best[task, "alpha"].mean for task in ("half", "box"))


def test_where_a_value_is_aimed_at_nothing_is_the_best(tmp_path, monkeypatch):
    for module in ("choices", "boards"):
        monkeypatch.setattr(f"mapga.report.{module}.metric_card", lambda runs, name: MetricCard(ordered=False))
    for solver, shift in (("alpha", 0.0), ("beta", -3.0)):
        measured(tmp_path, solver, _numbers(shift))
    board = _boards(tmp_path)["psnr", "best"]
    assert not any(cell.best or cell.stars for cell in board.cells.values()) and not board.pairs["half"]
    assert all(cell.low < cell.mean < cell.high for cell in board.cells.values())
    assert board.title.endswith("neither less nor more is better")


def test_only_the_best_and_its_ties_are_bold(tmp_path):
    for solver, shift, seed in (("alpha", 0.0, 1), ("beta", 0.0, 2), ("gamma", -0.5, 3)):
        measured(tmp_path, solver, _numbers(shift, seed))
    cells = _boards(tmp_path)["psnr", "best"].cells
    marks = {method: (cell.best, cell.stars) for (_, method), cell in cells.items()}
    assert marks == {"alpha": (True, ""), "beta": (True, ""), "gamma": (False, "**")}


def test_a_board_says_where_its_test_is_not_what_it_seems(tmp_path):
    few, skewed = _numbers(0.0), _numbers(0.0)
    skewed["psnr"] = (few["psnr"] + np.exp(1.5 * np.random.default_rng(1).normal(size=40))).tolist()
    for solver, numbers in (("alpha", few), ("beta", skewed)):
        measured(tmp_path / "skewed", solver, numbers)
        measured(tmp_path / "few", solver, {"psnr": numbers["psnr"][:5]})
    (note,) = _boards(tmp_path / "skewed")["psnr", "best"].cautions
    assert "8 of 100" in note and note.endswith(": half")
    (note,) = (board := _boards(tmp_path / "few")["psnr", "best"]).cautions
    assert note == "too few images for any difference to be significant: half (5 images, 1 pairs)"
    assert note in board_table(board).notes


def test_one_image_makes_no_difference(tmp_path):
    for solver, value in (("alpha", 10.0), ("beta", 30.0)):
        measured(tmp_path, solver, {"psnr": [value]})
    board = _boards(tmp_path)["psnr", "best"]
    assert board.cautions == ["too few images for any difference to be significant: half (1 images, 1 pairs)"]
    assert not any(cell.stars for cell in board.cells.values())


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        (100, "not tested, for want of numbers of images that another has too: alpha on half, beta on half"),
        (30, "methods are compared on the images that both have: half (10 of 40)"),
    ],
)
def test_images_that_two_runs_do_not_share_are_said(tmp_path, moved, said):
    for solver in ("alpha", "beta"):
        folder = measured(tmp_path, solver, _numbers(0.0, len(solver)))
    path = folder.path / "journal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line | {"index": line["index"] + moved}) + "\n" for line in lines))
    assert _boards(tmp_path)["psnr", "best"].cautions == [said]


def test_a_floor_stands_beside_what_cannot_be_below_it(tmp_path):
    run = measured(tmp_path, "alpha", {"consistency": [0.0024] * 40}, lower=True)
    told = json.loads((run.path / "metrics.json").read_text())
    told["metrics"]["consistency"]["floor"] = 2 / 255 / 12**0.5
    write_json(run.path / "metrics.json", told)
    board = _boards(tmp_path)["consistency", "best"]
    assert board.floors == ["what rounding to 8 bits alone comes to: half 0.0023"]
    assert board.floors[0] in board_table(board).notes


def test_lower_may_be_better(tmp_path):
    for solver, shift in (("alpha", 0.0), ("beta", 1.0)):
        measured(tmp_path, solver, {"lpips_alex": _numbers(shift)["psnr"]}, lower=True)
    cells = _boards(tmp_path)["lpips_alex", "best"].cells
    assert cells["half", "alpha"].best and not cells["half", "beta"].best and cells["half", "beta"].stars == "**"


def _set(root, solver: str, mean: float, added: np.ndarray | None = None):
    key = "fid_clean|n=40|reference=crossed halves"
    cell = {"mean": mean, "n": 40, "key": key, "interval": [mean - 1, mean + 1], "floor": 8.5}
    folder = measured(root, solver, _numbers(0.0), sets={"fid_clean": cell})
    if added is not None:
        keep_influence(folder.path, key, 40, range(40), added - added.mean())


def test_sets_are_compared_by_what_their_images_add(tmp_path):
    """Beta's interval meets alpha's, and it is worse all the same: the same images cost both of them."""
    costly = np.random.default_rng(1).normal(0, 3, 40)
    for seed, (solver, mean) in enumerate((("alpha", 10.0), ("beta", 11.0), ("gamma", 10.01))):
        _set(tmp_path, solver, mean, costly + np.random.default_rng(seed).normal(0, 0.2, 40))
    board = _boards(tmp_path)["fid_clean", "best"]
    marks = {method: (cell.best, cell.stars) for (_, method), cell in board.cells.items()}
    assert marks == {"alpha": (True, ""), "beta": (False, "**"), "gamma": (True, "")} and board.of_sets
    one, other = board.cells["half", "alpha"], board.cells["half", "beta"]
    assert one.low < one.mean < one.high and other.low < one.high
    assert [cell.text for cell in board_table(board).lines[-1]] == ["real images", "–", "8.50"]


def test_sets_without_what_their_images_add_are_not_tested(tmp_path):
    for solver, mean in (("alpha", 10.0), ("beta", 10.1)):
        _set(tmp_path, solver, mean)
    board = _boards(tmp_path)["fid_clean", "best"]
    assert {m: cell.best for (_, m), cell in board.cells.items()} == {"alpha": True, "beta": False}
    note = "not tested, for want of numbers of images that another has too: alpha on half, beta on half"
    assert board.cautions == [note] and note in board_table(board).notes
    assert "[9.00, 11.00]" in board_table(board).markdown()


def test_too_few_images_for_a_distance_are_said_at_the_table(tmp_path):
    note = "fid_clean: a distance of sets by reference=crossed needs two images in each half, got 3 in all"
    for solver in ("alpha", "beta"):
        measured(tmp_path, solver, _numbers(0.0), sets={"fid_clean": {"mean": None, "n": 3, "notes": [note]}})
    board = _boards(tmp_path)["fid_clean", "best"]
    assert board.cautions == [note] and {cell.reason for cell in board.cells.values()} == {"not measured"}


def test_what_a_run_says_of_its_number_stands_at_the_table(tmp_path):
    note = "fid_clean: N=40 < 2048, biased upwards"
    for solver in ("alpha", "beta"):
        cell = {"mean": 5.0, "n": 40, "key": "fid_clean|n=40", "interval": [4.0, 6.0], "notes": [note]}
        measured(tmp_path, solver, _numbers(0.0), sets={"fid_clean": cell})
    made = _boards(tmp_path)
    assert board_table(made["fid_clean", "best"]).notes.count(note) == 1
    assert note not in board_table(made["psnr", "best"]).notes


def test_protocols_have_boards_of_their_own(tmp_path):
    for solver, n in (("alpha", 40), ("beta", 50)):
        cell = {"mean": 1.0, "n": n, "key": f"fid|n={n}|reference=truth", "interval": [0.5, 1.5]}
        measured(tmp_path, solver, _numbers(0.0), sets={"fid": cell})
    (study,) = studies(collect(tmp_path)[0])
    made = [board for board in boards(study)[0] if (board.metric, board.selection) == ("fid", "best")]
    assert [board.protocol for board in made] == ["fid|n=40|reference=truth", "fid|n=50|reference=truth"]
    for board, (own, other) in zip(made, (("alpha", "beta"), ("beta", "alpha")), strict=True):
        assert board.cells["half", own].mean == 1.0
        assert board.cells["half", other].mean is None and board.cells["half", other].reason == "other protocol"


def test_a_metrics_settings_are_its_protocol(tmp_path):
    for solver, border in (("alpha", "crop"), ("beta", "mirror")):
        metrics = {"ssim": {"_target_": "mapga.metrics.SSIM", "border": border}}
        measured(tmp_path, solver, {"ssim": _numbers(0.0)["psnr"]}, metrics=metrics)
    (study,) = studies(collect(tmp_path)[0])
    assert [b.protocol for b in boards(study)[0] if b.selection == "best"] == ["border=crop", "border=mirror"]


def test_cells_without_a_number_say_why(tmp_path):
    measured(tmp_path, "alpha", _numbers(0.0))
    measured(tmp_path, "alpha", _numbers(0.0), **OTHER)
    unfinished(tmp_path, "beta", dataset={"limit": 3}).skip("it cannot")
    unfinished(tmp_path, "gamma", **OTHER).fail("a reason")
    cells = _boards(tmp_path)["psnr", "best"].cells
    assert cells["half", "beta"].reason == "skipped" and cells["box", "beta"].reason == "not run"
    assert cells["box", "gamma"].reason == "failed"


def test_studies_keep_apart_what_had_other_images(tmp_path):
    measured(tmp_path, "alpha", _numbers(0.0))
    measured(tmp_path, "beta", _numbers(0.0), rounding="truncate")
    measured(tmp_path, "gamma", _numbers(0.0), dataset={"limit": 9})
    measured(tmp_path, "delta", _numbers(0.0), start="truth")
    found = studies(collect(tmp_path)[0])
    assert [len(study.runs) for study in found] == [1, 1, 1, 1]
    assert len({study.title for study in found}) == 4
    assert any("start=truth" in study.title for study in found)


def test_priors_are_methods_of_their_own(tmp_path):
    for prior, name, more in (("mixture", "MixturePrior", {"std": 0.1}), ("gaussian", "GaussianPrior", {})):
        node = {"_target_": f"mapga.priors.{name}.from_images", **more}
        measured(tmp_path, "alpha", _numbers(0.0), names={"prior": prior}, prior=node)
    (study,) = studies(collect(tmp_path)[0])
    assert study.methods == ["alpha (gaussian)", "alpha (mixture)"]


def test_a_method_without_a_number_of_some_image_is_not_compared(tmp_path):
    exact = _numbers(0.0)["psnr"]
    measured(tmp_path, "alpha", {"psnr": [None, *exact[1:]]})
    measured(tmp_path, "beta", _numbers(-1.0))
    measured(tmp_path, "gamma", {"psnr": [None] * 40})
    measured(tmp_path, "delta", _numbers(-2.0))
    board = _boards(tmp_path)["psnr", "best"]
    ((first, second, pair),) = board.pairs["half"]
    assert (first, second, pair.n) == ("beta", "delta", 40)
    assert board.cells["half", "gamma"].mean is None
    assert pairs_csv([board]).splitlines()[1].startswith("tiny,psnr,,best,half,beta,delta,")


def test_a_corrupt_journal_line_is_named_and_the_rest_is_read(tmp_path):
    folder = measured(tmp_path, "alpha", _numbers(0.0))
    measured(tmp_path, "beta", _numbers(-1.0))
    lines = (folder.path / "journal.jsonl").read_text().splitlines()
    lines[4] = lines[4][:30]
    lines[7] = '{"row": 7, "index": "x", "status": "done", "metrics": {}}'
    (folder.path / "journal.jsonl").write_text("\n".join(lines))
    runs, _ = collect(tmp_path)
    (run,) = [run for run in runs if run.names["solver"] == "alpha"]
    scores, troubles = read_scores(run)
    assert len(scores.index) == 38
    assert troubles == [
        f"{folder.path.name}/journal.jsonl: line 5 and 1 more cannot be read; left out of intervals and comparisons"
    ]
    (study,) = studies(runs)
    made, said = boards(study)
    assert said == troubles and made[0].pairs["half"][0][2].n == 38


def test_a_missing_journal_is_named_and_the_mean_stays(tmp_path):
    folder = measured(tmp_path, "alpha", _numbers(0.0))
    (folder.path / "journal.jsonl").unlink()
    (study,) = studies(collect(tmp_path)[0])
    made, said = boards(study)
    assert len(said) == 1 and folder.path.name in said[0]
    assert made[0].cells["half", "alpha"].mean is not None and made[0].cells["half", "alpha"].low is None

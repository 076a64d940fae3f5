"""Scoring apart from solving: from what is stored, once, and never by way of a prior or a solver."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.commands import mapga
from helpers.runs import Killed
from mapga.metrics import SSIM, Scored
from mapga.records.collect import collect
from mapga.records.image_scores import read_scores
from mapga.report import write
from mapga.run import assemble, batch, progress

OLDER = Path(__file__).parents[1] / "data/older_results"  # made by the version before scores had a file of their own
ITS_OWN = (  # what it was made by, but for its metrics
    *("dataset=mnist", "dataset.split=train", "dataset.limit=3", "prior=gaussian", "solver=pgdm", "schedule.steps=3"),
    *("task=box50", "task.sigma_y=0.1", "metrics=basic", "device=cpu"),
)
N, SIDE = 5, 16
CROP = "+metrics.ssim_crop={_target_: mapga.metrics.SSIM, border: crop}"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for k in range(N):
        Image.fromarray(draw.integers(1, 256, (SIDE, SIDE), dtype=np.uint8)).save(root / f"{k}.png")
    return root


@pytest.fixture
def run(pictures, tmp_path) -> list[str]:
    """A run of five pictures."""
    overrides = ["dataset=image_folder", f"dataset.root={pictures}", "dataset.channels=1", "prior=none", "solver=pinv"]
    return ["run", *overrides, "task=half", "task.sigma_y=0.1", "batch_size=2", "device=cpu", f"results_dir={tmp_path}"]


@pytest.fixture
def older(tmp_path) -> Path:
    shutil.copytree(OLDER, tmp_path / "older")
    return next((tmp_path / "older").glob("mnist-*"))


@pytest.fixture
def no_solving(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("nothing is solved, and no prior is made")

    for where, name in ((assemble, "make_prior"), (batch, "solve")):
        monkeypatch.setattr(where, name, refuse)


def told(folder: Path | str) -> dict:
    return json.loads((Path(folder) / "metrics.json").read_text())["metrics"]


def stored(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    problem = next(folder.parent.glob("problems/*/truth.npy"))
    return np.load(folder / "images.npy"), np.load(problem)


def test_a_metric_is_added_and_what_is_there_stays(run, capsys, monkeypatch):
    folder = Path(mapga(capsys, *run).last)
    before, kept = told(folder), {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    monkeypatch.setattr(assemble, "make_prior", lambda *_: pytest.fail("no prior"))
    said = mapga(capsys, "score", str(folder), "metrics=basic", CROP)
    assert said.code == 0 and said.out.startswith(f"{folder.name}: psnr ") and "ssim_crop" in said.out
    after = told(folder)
    assert {name: after[name] for name in before} == before
    restored, truth = stored(folder)
    expected = SSIM(border="crop")(Scored(restored, truth))
    assert after["ssim_crop"]["mean"] == pytest.approx(expected.mean(), abs=1e-12) and after["ssim_crop"]["n"] == N
    for name, data in kept.items():
        now = (folder / name).read_bytes()
        assert now == data or name in ("metrics.json", "scores.jsonl"), name
    assert (folder / "scores.jsonl").read_bytes().startswith(kept["scores.jsonl"])
    assert mapga(capsys, "verify", str(folder)).code == 0

    stamp = (folder / "metrics.json").stat().st_mtime_ns
    said = mapga(capsys, "score", str(folder), CROP)
    assert (said.code, "has them" in said.out) == (0, True) and (folder / "metrics.json").stat().st_mtime_ns == stamp


def test_run_again_with_other_metrics_scores_and_does_not_solve(run, capsys, monkeypatch):
    folder = mapga(capsys, *run, "-m", "seed=1,2", "metrics=basic").last
    whole = {path.parent.name: told(path.parent) for path in Path(folder).glob("*/metrics.json")}
    for where, name in ((batch, "solve"), (assemble, "make_prior")):
        monkeypatch.setattr(where, name, lambda *_, **__: pytest.fail("nothing is solved"))
    assert "2 runs: 2 to score\n0 network passes left" in mapga(capsys, "plan", *run[1:], "seed=1,2", CROP).out
    said = mapga(capsys, *run, "-m", "seed=1,2", "metrics=basic", CROP)
    assert said.code == 0 and "2 runs: 2 done" in said.err and "finished before" not in said.err
    for name, before in whole.items():
        after = told(Path(folder) / name)
        assert set(after) == {*before, "ssim_crop"} and {key: after[key] for key in before} == before
    assert "2 were finished before" in mapga(capsys, *run, "-m", "seed=1,2", "metrics=basic", CROP).err


def test_scores_and_solving_give_the_same_numbers(run, capsys):
    one = Path(mapga(capsys, *run, "metrics=basic").last)
    whole = told(one)
    (one / "scores.jsonl").unlink()
    assert mapga(capsys, "verify", str(one)).code == 1
    assert mapga(capsys, *run, "metrics=basic").code == 0 and told(one) == whole


def test_the_same_metric_under_two_protocols_is_two_columns(older, capsys, monkeypatch, tmp_path):
    before = told(older)["fd_digits"]
    np.savez(tmp_path / "stats.npz", mu=np.zeros(64), sigma=np.eye(64))
    asked = ["metrics=digits", f"metrics.fd_digits.reference={tmp_path / 'stats.npz'}"]
    assert mapga(capsys, "score", str(older), *asked).code == 0
    cells = told(older)
    (other,) = (name for name in cells if name.startswith("fd_digits@"))
    assert {key: cells["fd_digits"][key] for key in before} == before and cells[other]["mean"] != before["mean"]
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "stats.npz", tmp_path / "elsewhere")  # where it lies is no part of it
    asked[1] = f"metrics.fd_digits.reference={tmp_path / 'elsewhere/stats.npz'}"
    assert "has them" in mapga(capsys, "score", str(older), *asked).out and told(older) == cells
    monkeypatch.setattr(write, "_figures", lambda *_: [])
    assert mapga(capsys, "report", str(older.parent)).code == 0
    header = (older.parent / "report/table.csv").read_text().splitlines()[0].split(",")
    assert "fd_digits reference=truth" in header and "fd_digits" not in header
    assert any(column.startswith("fd_digits reference=stats stats=") for column in header)


EXACT = (
    *("dataset=from_prior", "dataset.limit=3", "prior.components=4", "task=half", "task.sigma_y=0.1", "solver=pinv"),
    *("batch_size=2", "device=cpu"),
)


def test_numbers_of_a_posterior_are_the_same_whoever_makes_them(capsys, tmp_path):
    one = Path(mapga(capsys, "run", *EXACT, f"results_dir={tmp_path / 'a'}", "metrics=posterior").last)
    other = Path(mapga(capsys, "run", *EXACT, f"results_dir={tmp_path / 'b'}", "metrics=basic").last)
    assert "gap_to_mode" not in told(other)
    assert mapga(capsys, "score", str(other), "metrics=posterior", "batch_size=3").code == 0
    after = told(other)
    assert {name: after[name] for name in told(one)} == told(one) and after["gap_to_mmse"]["n"] == 3


def test_a_posterior_is_that_of_the_prior_that_truths_are_drawn_from(capsys, tmp_path):
    drawn = "dataset.prior={_target_: mapga.priors.MixturePrior.from_images, std: 0.2, components: 4, contrast: 0.1}"
    means = []
    for prior in ("overlapping", "none"):  # the truths' prior has the posterior, whatever a solver is given
        run = [*EXACT, drawn, f"prior={prior}", f"results_dir={tmp_path / prior}", "metrics=posterior"]
        if prior == "none":
            run.remove("prior.components=4")
        means.append(told(mapga(capsys, "run", *run).last)["gap_to_mode"]["mean"])
    assert means[0] == pytest.approx(means[1], rel=1e-9)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["prior=none"],
            "metrics.gap_to_mmse compares with the exact posterior: NoPrior has no exact posterior; choose",
        ),
        (["prior=patches", "task=deblur"], "mixes patches of 8x8 pixels"),
    ],
)
def test_where_no_posterior_is_exact_it_is_refused_before_anything_is_written(overrides, says, capsys, tmp_path):
    asked = ["dataset.limit=2", "solver=pinv", "device=cpu", *overrides]
    said = mapga(capsys, "run", *asked, f"results_dir={tmp_path / 'a'}", "metrics=posterior")
    assert said.code == 2 and says in said.err and said.err.count("\n") == 1 and not (tmp_path / "a").exists()
    folder = Path(mapga(capsys, "run", *asked, f"results_dir={tmp_path / 'b'}").last)
    said = mapga(capsys, "score", str(folder), "metrics=posterior")
    assert said.code == 2 and says in said.err and "gap_to_mode" not in told(folder)


@pytest.mark.parametrize("harm", ["gone", "flipped", "truth gone"])
def test_pixels_that_are_not_what_was_recorded_are_named(run, capsys, monkeypatch, harm):
    monkeypatch.setattr(sys, "argv", ["mapga", *run])  # the command that a run writes down
    folder = Path(mapga(capsys, *run).last)
    path = next(folder.parent.glob("problems/*/truth.npy")) if harm == "truth gone" else folder / "images.npy"
    data = path.read_bytes()
    if harm == "flipped":
        path.write_bytes(data[:500] + bytes([data[500] ^ 16]) + data[501:])
    else:
        path.unlink()
    summary = (folder / "metrics.json").read_bytes()
    said = mapga(capsys, "score", str(folder), CROP)
    assert said.code == 2 and said.err.count("\n") == 1 and folder.name in said.err
    assert {"gone": "images.npy is gone", "flipped": "row 1 not what was", "truth gone": "truth.npy is gone"}[
        harm
    ] in said.err
    assert "restore it first: mapga run " in said.err and (folder / "metrics.json").read_bytes() == summary
    assert mapga(capsys, *run).code == 0 and mapga(capsys, "score", str(folder), CROP).code == 0  # the remedy works


def test_an_interrupted_scoring_goes_on(run, capsys, monkeypatch):
    folder = Path(mapga(capsys, *run).last)
    seen, whole = [], SSIM.__call__

    def dying(metric, batch):
        if len(seen) == 1:
            raise Killed
        seen.append(len(batch))
        return whole(metric, batch)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(SSIM, "__call__", dying)
        mapga(capsys, "score", str(folder), "batch_size=2", CROP)
    assert "ssim_crop" not in told(folder)
    counted: list[int] = []
    monkeypatch.setattr(SSIM, "__call__", lambda metric, batch: counted.append(len(batch)) or whole(metric, batch))
    assert mapga(capsys, "score", str(folder), "batch_size=2", CROP).code == 0
    assert seen == [2] and sum(counted) == N - 2 and told(folder)["ssim_crop"]["n"] == N


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_scoring_that_is_asked_to_stop_says_so_and_goes_on(run, capsys, monkeypatch, number):
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.0)
    folder = Path(mapga(capsys, *run).last)
    seen, whole = [], SSIM.__call__
    before = signal.signal(number, signal.default_int_handler)  # of tests behind "&" Ctrl-C is ignored

    def asked(metric, batch):
        seen.append(len(batch))
        if len(seen) == 2:
            os.kill(os.getpid(), number)
        return whole(metric, batch)

    monkeypatch.setattr(SSIM, "__call__", asked)
    try:
        said = mapga(capsys, "score", str(folder), "batch_size=2", CROP)
    finally:
        signal.signal(number, before)
    assert said.code == 75 and f"asked to stop by {number.name}; the same command continues" in said.err
    assert f"scoring {folder.name}: 2.0 of {N} images, about " in said.err and seen == [2, 2]
    assert mapga(capsys, "score", str(folder), "batch_size=2", CROP).code == 0
    assert seen == [2, 2, 1] and told(folder)["ssim_crop"]["n"] == N


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["solver=pgdm"], "solver=pgdm: what was restored stays as it is"),
        (["metrics=nothing"], "metrics"),
        (["metrics=digits"], "metrics.digit_accuracy needs labels"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(run, capsys, arguments, says):
    folder = Path(mapga(capsys, *run).last)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
    said = mapga(capsys, "score", str(folder), *arguments)
    assert said.code == 2 and says in said.err and said.err.count("\n") == 1
    assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()) == before


def test_a_folder_without_finished_runs_is_refused(tmp_path, capsys):
    for folder, says in ((tmp_path, "holds no runs"), (tmp_path / "nowhere", "is not a folder")):
        said = mapga(capsys, "score", str(folder))
        assert said.code == 2 and says in said.err


def test_an_older_run_is_read_reported_and_verified(older, capsys, monkeypatch):
    (run,), troubles = collect(older.parent)
    assert run.status == "done" and troubles == []
    rows = [json.loads(line) for line in (older / "journal.jsonl").read_text().splitlines()]
    scores, lost = read_scores(run)
    assert lost == [] and scores.values["psnr"].tolist() == [row["metrics"]["psnr"] for row in rows]
    said = mapga(capsys, "verify", str(older.parent))
    assert said.code == 0 and "1 sound" in said.out
    monkeypatch.setattr(write, "_figures", lambda *_: [])
    assert mapga(capsys, "report", str(older.parent)).code == 0
    line = (older.parent / "report/table.csv").read_text().splitlines()[1]
    assert older.name in line and str(told(older)["fd_digits"]["mean"]) in line


def test_an_older_run_is_scored(older, capsys, no_solving):
    before, journal = told(older), (older / "journal.jsonl").read_bytes()
    assert "has them" in mapga(capsys, "score", str(older), "metrics=basic").out and told(older) == before
    said = mapga(capsys, "score", str(older.parent), "metrics=basic", CROP)
    assert said.code == 0, said
    after = told(older)
    assert set(after) == {*before, "ssim_crop"} and (older / "journal.jsonl").read_bytes() == journal
    for name, cell in before.items():
        assert {key: after[name][key] for key in cell} == cell, name
    assert after["ssim_crop"]["mean"] == pytest.approx(SSIM(border="crop")(Scored(*stored(older))).mean(), abs=1e-12)
    assert mapga(capsys, "verify", str(older.parent)).code == 0

    said = mapga(capsys, "score", str(older), "metrics=digits", "redo=true")  # its numbers are of other sources
    assert said.code == 0, said
    for name, cell in before.items():
        assert told(older)[name]["mean"] == pytest.approx(cell["mean"], rel=1e-6), name


def test_an_older_folder_that_is_renamed_to_todays_id_is_that_run(older, capsys, no_solving):
    (run,), _ = collect(older.parent)
    assert run.spec.former_id == older.name
    older.rename(older.with_name(run.spec.run_id))
    said = mapga(capsys, "run", *ITS_OWN, f"results_dir={older.parent}")
    assert (said.code, Path(said.last).name) == (0, run.spec.run_id) and "under other sources" in said.err


def test_a_finished_run_is_found_without_torch(older):
    (run,), _ = collect(older.parent)
    older.rename(older.with_name(run.spec.run_id))
    argv = ["run", *ITS_OWN, f"results_dir={older.parent}"]
    code = f"import sys; from mapga.cli import main; print(main({argv!r}), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.stdout.splitlines()[-1] == "0 False", done

"""Weights & Biases, offline: what is mirrored is what the journal says, one run each; and it decides nothing."""

from __future__ import annotations

import csv
import json
import logging
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import yaml

from helpers.commands import mapga, tiny
from helpers.wandb_file import Mirrored, mirrored
from mapga.records.journal import Journal
from mapga.records.scores import read_numbers
from mapga.run import batch as restore
from mapga.run import runner
from mapga.tracking import mirror
from mapga.tracking.wandb_run import WandbTracker

wandb = pytest.importorskip("wandb")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(runner, "Mirror", partial(mirror.Mirror, patience=100.0))  # others may be at work here


def files(results: Path) -> list[Path]:
    return sorted(results.glob("*/wandb/offline-run-*/*.wandb"))


def whole(path: Path) -> Mirrored:
    """What a file holds once it is written to its end: wandb's own process may be a little behind."""
    deadline = time.monotonic() + 120.0
    while (found := mirrored(path)).exit_code is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def check(folder: Path, found: Mirrored) -> None:
    """Every value against the run's own files."""
    rows = list(Journal(folder / "journal.jsonl").rows())
    summary = json.loads((folder / "metrics.json").read_text())
    config = yaml.safe_load((folder / "config.yaml").read_text())
    images = [step for step in found.history if "image" in step]
    assert [step["image"] for step in images] == [row.index for row in rows]
    numbers = read_numbers(folder, rows).by_row()
    for step, row in zip(images, rows, strict=True):
        of_row = numbers.get(row.row, {})
        assert of_row and {name: step[f"image/{name}"] for name in of_row} == of_row
        assert step["image/failed"] == (row.status != "done")
    assert found.axes["image/*"] == "image"
    for name, cell in summary["metrics"].items():
        assert (found.summary[name], found.summary[f"{name}_sem"]) == (cell["mean"], cell["sem"])
    assert {key: found.summary[f"compute/{key}"] for key in summary["compute"]} == summary["compute"]
    assert (found.summary["n_images"], found.summary["n_failed"]) == (summary["n_images"], summary["n_failed"])
    assert found.name == folder.name and found.job_type == summary["solver"]
    assert sorted(found.tags) == sorted([summary["dataset"], summary["task"]])
    for key in ("dataset", "task", "prior", "solver", "schedule", "seed", "names"):
        assert found.config[key] == config[key]
    assert ("images", f"images-{found.run_id}") in found.artifacts
    shown = [step["restored/count"] for step in found.history if "restored/count" in step]
    assert shown == [min(16, len(rows))]
    assert found.exit_code == 0


def test_losses_of_a_training_are_mirrored(tmp_path, capsys, caplog):
    stage = {"steps": 6, "batch": 4, "warmup": 1, "decay": 1, "log_every": 2, "sample_every": 6, "checkpoint_every": 6}
    small = [f"stages.digit_classifier.{key}={value}" for key, value in stage.items()]
    given = ["prior=mnist", "only=digit_classifier", *small, "tracker=wandb", f"output={tmp_path}"]
    assert mapga(capsys, "train", *given).code == 0
    (path,) = tmp_path.glob("digit_classifier/wandb/offline-run-*/*.wandb")
    found = whole(path)
    assert (found.name, found.group, found.job_type) == ("mnist/digit_classifier", "mnist", "training")
    assert found.config["steps"] == 6 and found.exit_code == 0
    assert f"`wandb sync {path.parent}` uploads it" in caplog.text
    with (tmp_path / "digit_classifier/losses.csv").open() as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert [row["step"] for row in rows] == [2, 4, 6] == [step["_step"] for step in found.history]
    for row, step in zip(rows, found.history, strict=True):
        assert step["loss"] == pytest.approx(row["loss"], rel=1e-5)
        assert step["learning_rate"] == pytest.approx(row["learning_rate"], rel=1e-5)


def test_what_is_mirrored_is_what_the_journal_says(tmp_path, capsys):
    folder = Path(mapga(capsys, "run", *tiny(tmp_path, "tracker=[csv,wandb]", "batch_size=1")).last)
    (path,) = files(tmp_path)
    check(folder, whole(path))
    assert (folder / "images.csv").exists()


def test_runs_of_one_process_are_runs_of_their_own_also_when_the_first_fails(tmp_path, capsys, monkeypatch):
    real, calls = restore.measure, []

    def failing_once(*args, **kwargs):
        calls.append(None)
        if len(calls) == 1:
            raise ArithmeticError("the first job")
        return real(*args, **kwargs)

    monkeypatch.setattr(restore, "measure", failing_once)
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "tracker=wandb", "seed=1,2", "experiment=demo", "task=half"))
    assert said.code == 1 and "2 runs: 1 failed, 1 done" in said.err
    one, other = (whole(path) for path in files(tmp_path))
    if one.exit_code == 0:
        one, other = other, one
    assert one.run_id != other.run_id and (one.exit_code, other.exit_code) == (1, 0)
    assert (one.config["seed"], other.config["seed"]) == (1, 2)
    assert one.group == other.group == "demo"
    (done,) = tmp_path.glob("*/done")
    check(done.parent, other)


def test_a_run_that_is_launched_again_is_the_same_run(tmp_path, capsys):
    overrides = tiny(tmp_path, "tracker=wandb")
    folder = Path(mapga(capsys, "run", *overrides).last)
    (folder / "done").unlink()
    assert mapga(capsys, "run", *overrides).code == 0
    first, second = (whole(path) for path in files(tmp_path))
    assert first.run_id == second.run_id
    check(folder, second)


def test_shards_are_mirrored_once_by_the_last(tmp_path, capsys):
    for shard in ("0/2", "1/2"):
        said = mapga(capsys, "run", *tiny(tmp_path, "tracker=wandb", f"shard={shard}"))
    (path,) = files(tmp_path)
    check(Path(said.last), whole(path))


def test_an_end_that_never_returns_is_left_behind(tmp_path, capsys, monkeypatch, caplog):
    monkeypatch.setattr(runner, "Mirror", partial(mirror.Mirror, patience=1.0))
    release = threading.Event()
    monkeypatch.setattr(WandbTracker, "end_run", lambda self, summary: release.wait())
    with caplog.at_level(logging.WARNING):
        said = mapga(capsys, "run", *tiny(tmp_path, "tracker=wandb"))
    assert said.code == 0 and (Path(said.last) / "done").exists()
    assert "WandbTracker did not finish within 1 s; results are complete" in caplog.text
    release.set()
    for thread in threading.enumerate():
        if thread.name == "tracker WandbTracker":
            thread.join()


def test_the_patience_leaves_a_job_thirty_seconds():
    assert mirror._PATIENCE <= 25.0


def test_without_wandb_results_are_the_same_and_a_note_says_so(tmp_path, capsys, monkeypatch, caplog):
    plain = Path(mapga(capsys, "run", *tiny(tmp_path / "plain")).last)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with caplog.at_level(logging.WARNING):
        said = mapga(capsys, "run", *tiny(tmp_path / "mirrored", "tracker=wandb"))
    folder = Path(said.last)
    assert said.code == 0 and folder.name == plain.name
    assert 'pip install "mapga[wandb]"' in caplog.text and "the run goes on without it" in caplog.text
    for name in ("images.npy", "journal.jsonl"):
        assert (folder / name).read_bytes() == (plain / name).read_bytes()


def test_wandb_is_not_imported_when_it_is_off(tmp_path):
    code = "import sys; from mapga.cli import main; main(sys.argv[1:]); print('wandb' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code, "run", *tiny(tmp_path)], capture_output=True, text=True)
    assert said.stdout.splitlines()[-1] == "False"


def test_sync_rebuilds_runs_from_their_journals_once(tmp_path, capsys):
    for task in ("half", "box50"):
        assert mapga(capsys, "run", *tiny(tmp_path, f"task={task}")).code == 0
    assert files(tmp_path) == []
    said = mapga(capsys, "sync", str(tmp_path), "--mode", "offline")
    assert said.code == 0 and said.last == "2 runs mirrored, 0 were before"
    assert len(files(tmp_path)) == 2
    for path in files(tmp_path):
        check(path.parents[2], whole(path))
    said = mapga(capsys, "sync", str(tmp_path), "--mode", "offline")
    assert said.code == 0 and said.last == "0 runs mirrored, 2 were before" and len(files(tmp_path)) == 2


def test_sync_and_a_mirrored_run_have_one_id(tmp_path, capsys):
    """And what was mirrored while it ran need not be mirrored again."""
    folder = Path(mapga(capsys, "run", *tiny(tmp_path, "tracker=wandb")).last)
    assert mapga(capsys, "sync", str(tmp_path), "--mode", "offline").last == "0 runs mirrored, 1 were before"
    (live,) = files(tmp_path)
    (folder / "wandb" / "mirrored").unlink()
    assert mapga(capsys, "sync", str(tmp_path), "--mode", "offline").last == "1 runs mirrored, 0 were before"
    again = next(path for path in files(tmp_path) if path != live)
    assert whole(again).run_id == whole(live).run_id
    check(folder, whole(again))


def test_sync_of_nothing(tmp_path, capsys):
    said = mapga(capsys, "sync", str(tmp_path / "nothing"))
    assert said.code == 2 and "nothing is not a folder" in said.err
    assert "holds no runs; make one with" in mapga(capsys, "sync", str(tmp_path)).err


def test_what_was_kept_offline_is_uploaded_once(tmp_path, capsys, monkeypatch, caplog):
    """There is no network: what is asked of wandb online is made offline here."""
    modes, init = [], wandb.init

    def recorded(*, mode, id, **how):
        modes.append((mode, id))
        return init(mode="offline", id=id, **how)

    monkeypatch.setattr(wandb, "init", recorded)
    monkeypatch.setattr(WandbTracker, "check", lambda self: None)
    for seed in (1, 2):
        assert mapga(capsys, "run", *tiny(tmp_path, "tracker=wandb", f"seed={seed}")).code == 0
    told = [record.getMessage() for record in caplog.records if "mirrored offline" in record.getMessage()]
    assert len(told) == 1 and f"`mapga sync --mode online {tmp_path}` uploads it" in told[0]
    counts = [
        mapga(capsys, "sync", str(tmp_path), *mode).last
        for mode in ((), ("--mode", "offline"), ("--mode", "online"), ("--mode", "online"), ("--mode", "offline"))
    ]
    none, all_of_them = "0 runs mirrored, 2 were before", "2 runs mirrored, 0 were before"
    assert counts == [none, none, all_of_them, none, none]
    assert [mode for mode, _ in modes] == ["offline"] * 2 + ["online"] * 2
    assert {name for _, name in modes[:2]} == {name for _, name in modes[2:]}
    (one, *_), key = tmp_path.glob("*/wandb/mirrored"), "k" * 40
    monkeypatch.setenv("WANDB_API_KEY", key)  # by itself online from now on
    one.write_text(one.read_text().partition(" ")[0])  # as earlier versions wrote it
    assert mapga(capsys, "sync", str(tmp_path)).last == "1 runs mirrored, 1 were before"
    assert modes[-1][0] == "online" and not [
        p for p in tmp_path.rglob("*") if p.is_file() and key.encode() in p.read_bytes()
    ]

"""Runs and sweeps: one failing job among others, launching again, skipped pairs, moved folders."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.commands import TINY, mapga, tiny
from mapga import solvers
from mapga.commands import sweep as sweep_module

CLASSES = {"ct_zsie": solvers.CTZSIE, "ddrm": solvers.DDRM, "pinv": solvers.PseudoInverse}


@pytest.fixture
def ran(monkeypatch) -> Counter[str]:
    """Counts the batches that each solver begins."""
    counts: Counter[str] = Counter()

    def counted(name, iterate):
        def counting(self, problem, prior, noise):
            counts[name] += 1
            return iterate(self, problem, prior, noise)

        return counting

    for name, solver in CLASSES.items():
        monkeypatch.setattr(solver, "iterate", counted(name, solver.iterate))
    return counts


def _folders(results: Path) -> dict[str, Path]:
    """Run folders by solver."""
    return {path.name.split("-")[2]: path for path in results.glob("mnist-*")}


def test_one_failing_job_of_a_sweep(tmp_path, capsys, monkeypatch, ran):
    """Acceptance: the others finish, its traceback is on disk, the exit code says so, a rerun does only the rest."""
    sweep = ["run", "-m", *tiny(tmp_path, "solver=pinv,ddrm,ct_zsie")]
    on_disk = []

    def failing(self, problem, prior, noise):
        raise ArithmeticError("a fault that is told apart")
        yield

    def noticing(self, problem, prior, noise, iterate=CLASSES["ct_zsie"].iterate):
        on_disk.append((_folders(tmp_path)["ddrm"] / "error.txt").read_text())
        return iterate(self, problem, prior, noise)

    with monkeypatch.context() as patch:
        patch.setattr(CLASSES["ddrm"], "iterate", failing)
        patch.setattr(CLASSES["ct_zsie"], "iterate", noticing)
        said = mapga(capsys, *sweep)
    assert said.code == 1 and said.last == str(tmp_path)
    assert "3 runs: 2 done, 1 failed" in said.err
    assert "ArithmeticError: a fault that is told apart" in said.err and "Traceback" not in said.err
    folders = _folders(tmp_path)
    assert {name: (path / "done").exists() for name, path in folders.items()} == {
        "pinv": True,
        "ddrm": False,
        "ct_zsie": True,
    }
    (text,) = on_disk  # while the later job ran
    assert "Traceback" in text and text.rstrip().endswith("ArithmeticError: a fault that is told apart")

    status = mapga(capsys, "status", str(tmp_path))
    assert "2 done" in status.out and "1 failed" in status.out

    assert ran == {"pinv": 1, "ct_zsie": 1}
    ran.clear()
    said = mapga(capsys, *sweep)
    assert said.code == 0 and ran == {"ddrm": 1}
    assert (folders["ddrm"] / "done").exists() and not (folders["ddrm"] / "error.txt").exists()


def test_a_finished_run_launched_again_does_nothing(tmp_path, capsys, ran):
    first = mapga(capsys, "run", *tiny(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    second = mapga(capsys, "run", *tiny(tmp_path, "batch_size=1", "tracker=csv", "shard=1/2"))
    assert (first.code, second.code) == (0, 0) and first.last == second.last
    assert ran == {"ct_zsie": 1}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_pair_that_cannot_be_run_is_skipped_with_its_reason(tmp_path, capsys):
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "solver=pinv,map_ga_pgdm"))
    assert said.code == 0 and "1 done, 1 skipped" in said.err
    (skipped,) = tmp_path.glob("mnist-box50-map_ga_pgdm-*/skipped.json")
    assert "sigma_y" in json.loads(skipped.read_text())["reason"]
    table = mapga(capsys, "report", str(tmp_path))
    assert table.code == 0 and "skipped" in table.out and "map_ga_pgdm" in table.out


def test_bad_input_in_a_sweep_leaves_the_others(tmp_path, capsys, ran):
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "task.sigma_y=-1,0.1"))
    assert said.code == 2 and "1 refused, 1 done" in said.err and "task.sigma_y=-1" in said.err
    assert len(list(tmp_path.glob("mnist-*"))) == 1


@pytest.mark.parametrize(
    "points", ["seed=0,many", "solver=pinv,map_gaa", "schedule.steps=2,few", "task.sigma_y=0.1,loud"]
)
def test_a_sweep_with_a_point_that_cannot_be_composed_is_refused_as_a_whole(tmp_path, capsys, points):
    key, _, values = points.partition("=")
    said = mapga(capsys, "run", "-m", *tiny(tmp_path / "results", points))
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1
    assert key in said.err and values.partition(",")[2] in said.err
    assert list(tmp_path.iterdir()) == []


def test_an_unforeseen_error_while_building_is_recorded(tmp_path, capsys, monkeypatch):
    def broken(self, *_):
        raise RuntimeError("told apart")

    monkeypatch.setattr(solvers.CTZSIE, "supports", broken)
    said = mapga(capsys, "run", *tiny(tmp_path))
    assert said.code == 1 and said.err.count("\n") == 1 and "RuntimeError: told apart" in said.err
    (folder,) = tmp_path.glob("mnist-*")
    assert (folder / "error.txt").read_text().rstrip().endswith("RuntimeError: told apart")
    assert str(folder / "error.txt") in said.err


def _held(folder: Path) -> None:
    """As if another process worked on a run."""
    (folder / "done").unlink()
    owner = {"host": os.uname().nodename, "pid": os.getppid(), "token": "theirs", "time": 0}
    (folder / "lock").write_text(json.dumps(owner))


def test_a_run_in_work_elsewhere_is_left_to_it(tmp_path, capsys):
    folder = Path(mapga(capsys, "run", *tiny(tmp_path)).last)
    _held(folder)
    said = mapga(capsys, "run", *tiny(tmp_path))
    assert said.code == 75 and f"process {os.getppid()}" in said.err and said.err.count("\n") == 1
    assert (folder / "lock").exists() and not (folder / "error.txt").exists()


def test_a_sweep_that_meets_a_run_in_work_elsewhere_goes_on_and_looks_again(tmp_path, capsys, monkeypatch, ran):
    sweep = ["run", "-m", *tiny(tmp_path, "solver=ddrm,ct_zsie")]
    assert mapga(capsys, *sweep).code == 0
    folders = _folders(tmp_path)
    _held(folders["ddrm"])
    (folders["ct_zsie"] / "done").unlink()
    said = mapga(capsys, *sweep)
    assert said.code == 75 and "2 runs: 1 locked, 1 done" in said.err and (folders["ct_zsie"] / "done").exists()
    assert f"locked {folders['ddrm'].name}: {folders['ddrm'].name} is being worked on by process" in said.err

    (folders["ct_zsie"] / "done").unlink()

    original = sweep_module.run_one

    def run_one(spec):
        outcome = original(spec)
        if outcome.status == "locked":
            (folders["ddrm"] / "done").touch()  # the other process finishes it now
        return outcome

    monkeypatch.setattr(sweep_module, "run_one", run_one)
    said = mapga(capsys, *sweep)
    assert said.code == 0 and "2 runs: 2 done" in said.err


def test_a_finished_sweep_is_not_launched_again(tmp_path, capsys, monkeypatch):
    sweep = ["run", "-m", *tiny(tmp_path, "solver=pinv,ct_zsie")]
    assert mapga(capsys, *sweep).code == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(sweep_module, "run_one", lambda spec: pytest.fail("launched again"))
    for launcher in ("basic", "joblib"):
        monkeypatch.setattr(sweep_module.Plugins, "instantiate_launcher", lambda *_: pytest.fail("launched again"))
        said = mapga(capsys, *sweep, f"hydra/launcher={launcher}")
        assert said.code == 0 and said.err == "2 runs: 2 done (2 were finished before)\n"
        assert said.last == str(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_is_left_of_a_sweep_is_launched(tmp_path, capsys, ran):
    assert mapga(capsys, "run", *tiny(tmp_path, "solver=ddrm")).code == 0
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "solver=pinv,ddrm,ct_zsie"))
    assert said.code == 0 and "3 runs: 3 done (1 were finished before)" in said.err
    assert ran == {"pinv": 1, "ddrm": 1, "ct_zsie": 1}


def _same_results(one: Path, two: Path) -> bool:
    names = ("images.npy", "journal.jsonl")
    return one.name == two.name and all((one / name).read_bytes() == (two / name).read_bytes() for name in names)


def test_what_is_not_science_changes_neither_folder_nor_pixels(tmp_path, capsys):
    """Acceptance: same overrides in another order, another tracker, output, batch size, shards -> same id."""
    double = ("dtype=float64", "solver=ddrm", "task.sigma_y=0.1", "dataset.limit=3")
    plain = Path(mapga(capsys, "run", *tiny(tmp_path / "plain", *double)).last)
    turned = [*reversed(double), "results_dir=" + str(tmp_path / "turned"), *reversed(TINY[:-1])]
    for results, overrides in {
        "turned": turned,
        "batch": tiny(tmp_path / "batch", *double, "batch_size=1", "tracker=csv"),
    }.items():
        folder = Path(mapga(capsys, "run", *overrides).last)
        assert folder.parent == tmp_path / results and _same_results(folder, plain)
    for shard in ("2/2", "1/2"):
        said = mapga(capsys, "run", *tiny(tmp_path / "shards", *double, f"shard={shard}"))
        assert said.code == 0
    assert _same_results(Path(said.last), plain)
    assert Path(mapga(capsys, "run", *tiny(tmp_path / "plain", *double, "seed=1")).last).name != plain.name


def test_another_working_directory_with_a_relative_root(tmp_path, capsys, monkeypatch):
    folders = []
    for place in ("here", "there/deep"):
        (tmp_path / place / "data").mkdir(parents=True)
        for k in range(2):
            pixels = np.random.default_rng(k).integers(0, 256, (32, 32)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / place / "data" / f"{k}.png")
        monkeypatch.chdir(tmp_path / place)
        said = mapga(capsys, "run", *IMAGES, "results_dir=out", "dataset.root=data")
        assert said.code == 0, said.err
        assert Path.cwd() == tmp_path / place
        folders.append(tmp_path / place / said.last)
    assert folders[0] != folders[1] and _same_results(*folders)


IMAGES = ("dataset=image_folder", "dataset.channels=1", "prior=none", "solver=pinv", "device=cpu", "mode=smoke")


def test_a_finished_run_is_not_passed_off_for_other_images(tmp_path, capsys):
    """Where pictures lie is no part of the id, so a finished run must look at them."""
    for k, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        for row in range(2):
            Image.fromarray(np.full((32, 32), 100 * k + row, np.uint8)).save(tmp_path / name / f"{row}.png")
    run = ["run", *IMAGES, f"results_dir={tmp_path / 'results'}"]
    assert mapga(capsys, *run, f"dataset.root={tmp_path / 'a'}").code == 0
    assert mapga(capsys, *run, f"dataset.root={tmp_path / 'a'}").code == 0
    said = mapga(capsys, *run, f"dataset.root={tmp_path / 'b'}")
    assert said.code == 2 and "other images" in said.err and said.err.count("\n") == 1
    said = mapga(capsys, *run, "-m", "seed=0,1", f"dataset.root={tmp_path / 'b'}")
    assert said.code == 2 and "other images" in said.err and "2 runs: 1 refused, 1 done" in said.err


def test_an_unreadable_image_fails_alone(tmp_path, capsys, caplog):
    (tmp_path / "data").mkdir()
    for row in range(2):
        pixels = np.random.default_rng(row).integers(0, 256, (32, 32)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{row}.png")
    whole = (tmp_path / "data" / "1.png").read_bytes()
    (tmp_path / "data" / "1.png").write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING):
        said = mapga(capsys, "run", *IMAGES, f"results_dir={tmp_path / 'results'}", f"dataset.root={tmp_path / 'data'}")
    assert said.code == 1 and "1 of 2 images lost: 1 could not be read" in said.err
    summary = json.loads((Path(said.last) / "metrics.json").read_text())
    assert (summary["n_images"], summary["n_failed"], summary["metrics"]["psnr"]["n"]) == (2, 1, 1)
    assert "1.png" in caplog.text


def test_points_that_are_one_run_are_done_once_and_planned_once(tmp_path, capsys, caplog, ran):
    sweep = tiny(tmp_path, "seed=1,1")
    said = mapga(capsys, "run", "-m", *sweep)
    assert said.code == 0 and "1 runs: 1 done" in said.err and ran == {"ct_zsie": 1}
    assert "seed=1 and seed=1 are one run" in caplog.text
    assert "1 runs: 1 done" in mapga(capsys, "plan", *sweep).out

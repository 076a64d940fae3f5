"""`mapga plan`: the runs that a sweep would launch, and what is left of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from helpers.commands import mapga, tiny
from mapga.commands import submission
from mapga.commands.plan import plan, seconds_per_pass
from mapga.commands.status import status_view
from mapga.commands.timed import timed
from mapga.config.sweep import runs


def test_a_plan_counts_the_images_of_a_list(tmp_path):
    listed = tmp_path / "list.csv"
    listed.write_text("file,model_label\n" + "".join(f"{k}.JPEG,{k}\n" for k in range(9)))
    given = ["dataset=imagenet64", "prior=mixture", f"dataset.list={listed}", f"results_dir={tmp_path}"]
    for more, images in (([], 9), (["dataset.limit=4"], 4), (["dataset.skip=3"], 6)):
        assert [run.images for run in plan([*given, *more])] == [images]
    given[2] = f"dataset.list={tmp_path / 'absent.csv'}"
    assert [run.images for run in plan(given)] == [None]  # the run will say what is wrong
    assert {run.images for run in plan(["experiment=table1", "task=half", f"results_dir={tmp_path}"])} == {1000}


_TORCHLESS = "import sys; from mapga.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"


@pytest.mark.parametrize(("experiment", "runs"), [("demo", 32), ("table1", 392), ("mnist", 35)])
def test_planning_imports_no_torch(tmp_path, experiment, runs):
    said = subprocess.run(
        [sys.executable, "-c", _TORCHLESS, "plan", f"experiment={experiment}", f"results_dir={tmp_path}"],
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines()[-1] == "False" and f"{runs} runs: {runs} pending" in said.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_plan_of_a_sweep_that_is_half_done(tmp_path, capsys):
    sweep = tiny(tmp_path, "task=half,box50")
    assert mapga(capsys, "run", *tiny(tmp_path, "task=half")).code == 0
    begun = mapga(capsys, "run", *tiny(tmp_path, "task=box50"))
    (Path(begun.last) / "done").unlink()
    (Path(begun.last) / "error.txt").write_text("Traceback\nRuntimeError: too bad\n")
    runs = plan([*sweep, "seed=0,1"])
    assert [run.state for run in runs] == ["done", "pending", "failed", "pending"]
    assert [run.images_left for run in runs] == [0, 2, 0, 2]
    assert {run.passes for run in runs} == {2}
    assert seconds_per_pass(runs) > 0
    said = mapga(capsys, "plan", *sweep, "seed=0,1")
    assert said.code == 0 and "4 runs: 1 done, 2 pending, 1 failed" in said.out
    assert "8 network passes left" in said.out and re.search(r"about [\d.]+ (s|min) on one device", said.out)


def test_a_plan_of_which_nothing_is_done_is_timed_on_demand(tmp_path, capsys, monkeypatch):
    sweep = tiny(tmp_path, "task=half,box50", "solver=pinv,map_ga_d_np")
    said = mapga(capsys, "plan", *sweep)
    assert "no run is done yet, so there is no measured time of a pass; --time measures it here" in said.out
    solved = []
    monkeypatch.setattr("mapga.run.batch.Worker.again", lambda self, rows: solved.append((self.job, list(rows))))
    monkeypatch.setattr("mapga.commands.timed._LONG", -1.0)
    monkeypatch.setattr("mapga.commands.timed.time.perf_counter", iter((10.0, 13.0)).__next__)
    said = mapga(capsys, "plan", "--time", *sweep)
    ((job, rows),) = solved  # one of the two runs of map_ga_d_np, and none without passes
    assert rows == [0] and job.solver.n_steps == 2
    assert "24 network passes left" in said.out and "about 12 s on one device like this one" in said.out  # 3 s for 6
    assert not list(tmp_path.iterdir())


def test_as_much_of_a_batch_is_timed_as_takes_long_enough(tmp_path, monkeypatch):
    (run,) = plan(tiny(tmp_path, "dataset.limit=7", "batch_size=6", "solver=map_ga_d_np"))
    sizes, clock = [], iter((0.0, 0.1, 1.0, 1.2, 2.0, 2.4, 3.0, 3.6))
    monkeypatch.setattr("mapga.run.batch.Worker.again", lambda self, rows: sizes.append(len(rows)))
    monkeypatch.setattr("mapga.commands.timed.time.perf_counter", clock.__next__)
    assert timed([run]) == {run.like: pytest.approx(0.6 / (6 * run.spec.passes))} and sizes == [1, 2, 4, 6]


def test_the_status_of_many_runs_opens_no_more_than_it_must(tmp_path, capsys, monkeypatch):
    folder = Path(mapga(capsys, "run", *tiny(tmp_path)).last)
    for k in range(20):
        other = tmp_path / f"{folder.name[:-4]}{k:04d}"
        other.mkdir()
        for name in ("config.yaml", "metrics.json", "done"):
            (other / name).write_bytes((folder / name).read_bytes())
    opened: Counter[str] = Counter()
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: opened.update([self.name]) or read(self, *a, **k))
    _, counts = status_view(tmp_path)
    assert counts == {"done": 21}
    assert opened == {"config.yaml": 21, "metrics.json": 21, "provenance.json": 21}


def test_a_submission_is_written_down_and_read_again(tmp_path, capsys, monkeypatch):
    sweep = tiny(tmp_path, "task=half,box50")
    assert mapga(capsys, "run", "-m", *sweep).code == 0
    (written,) = (tmp_path / "sweeps").iterdir()
    monkeypatch.setattr("mapga.commands.plan.Sweep.runs", lambda self: pytest.fail("composed again"))
    assert [run.state for run in plan(sweep)] == ["done", "done"]
    written.write_text("{")  # damaged: composed again
    with pytest.raises(pytest.fail.Exception):
        plan(sweep)


def test_what_was_written_down_is_of_the_files_of_now(tmp_path):
    """A list that was edited since is another list, for a plan too."""
    listed = tmp_path / "list.csv"
    given = ["dataset=imagenet64", "prior=none", f"dataset.list={listed}", f"results_dir={tmp_path}", "seed=1,2"]
    ids = []
    for lines in ("a.JPEG,1\n", "b.JPEG,2\n"):
        listed.write_text("file,model_label\n" + lines)
        if not ids:
            submission.note(tmp_path, given, runs(given))
        recalled = submission.recall(tmp_path, given)
        assert [spec.run_id for spec in recalled] == [spec.run_id for spec in runs(given)]
        ids += [spec.run_id for spec in recalled]
    assert len(set(ids)) == 4


def test_what_depends_on_its_surroundings_is_not_written_down(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OURS", "3")
    assert mapga(capsys, "run", "-m", *tiny(tmp_path, "seed=${oc.env:OURS},4")).code == 0
    assert not list((tmp_path / "sweeps").iterdir())
    assert submission.latest(tmp_path) == []


def test_the_status_knows_what_was_submitted_and_not_begun(tmp_path, capsys):
    sweep = tiny(tmp_path, "task=half,box50")
    assert mapga(capsys, "run", "-m", *sweep).code == 0
    for path in tmp_path.glob("mnist-half-*/*"):
        path.unlink()
    next(tmp_path.glob("mnist-half-*")).rmdir()
    _, counts = status_view(tmp_path)
    assert counts == {"done": 1, "pending": 1}

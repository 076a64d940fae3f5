"""The path of a datum: every number and pixel is a function of the config and the image, not of how it was run."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.runs import TinyImages, measured, restored, run_quietly, tiny_job, what_lasts
from mapga.pixels import from_uint8
from mapga.records import Journal
from mapga.records.losses import AllLost
from mapga.records.trace import read_trace
from mapga.run.batch import solve
from mapga.schedules import Karras
from mapga.solvers import CTZSIE, DDRM, MAPGA, MAPGAPGDM, PGDM, PseudoInverse, Solver, State

SOLVERS = {
    "map_ga": lambda: MAPGA(Karras(steps=3), num_iter=2),
    "map_ga_d_np": lambda: MAPGA(Karras(steps=3), consistency=False, use_prior=False),
    "map_ga_pgdm": lambda: MAPGAPGDM(Karras(steps=3), pgdm_steps=2),
    "pgdm": lambda: PGDM(Karras(steps=3)),
    "ddrm": lambda: DDRM(Karras(steps=3)),
    "ct_zsie": lambda: CTZSIE(Karras(steps=3)),
    "pinv": lambda: PseudoInverse(Karras(steps=3)),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_batch_size_and_shards_do_not_change_a_bit(tmp_path, name):
    whole = tiny_job(tmp_path / "8", solver=SOLVERS[name](), batch_size=8)
    run_quietly(whole)
    for size in (1, 3):
        job = tiny_job(tmp_path / str(size), solver=SOLVERS[name](), batch_size=size)
        run_quietly(job)
        assert what_lasts(job) == what_lasts(whole)
    for shard in ("1/2", "0/2"):
        job = tiny_job(tmp_path / "shards", solver=SOLVERS[name](), shard=shard)
        run_quietly(job)
    assert what_lasts(job) == what_lasts(whole)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_trace_ends_with_the_answer_and_changes_nothing(tmp_path, name):
    plain = tiny_job(tmp_path / "plain", solver=SOLVERS[name]())
    summary = run_quietly(plain)
    jobs = [tiny_job(tmp_path / "whole", solver=SOLVERS[name](), trace=True)]
    jobs += [
        tiny_job(tmp_path / "shards", solver=SOLVERS[name](), batch_size=2, shard=s, trace=True) for s in ("0/2", "1/2")
    ]
    for job in jobs:
        run_quietly(job)
    assert what_lasts(jobs[0]) == what_lasts(jobs[-1]) == what_lasts(plain)
    passes, psnr = read_trace(jobs[0].folder.path)
    assert psnr.shape == (8, SOLVERS[name]().n_steps) and (np.diff(passes) > 0).all()
    assert passes[-1] == summary["compute"]["forward"] + summary["compute"]["vjp"]
    truth = from_uint8(np.load(jobs[0].folder.problem_path / "truth.npy"))
    error = (from_uint8(restored(jobs[0])) - truth).square().flatten(1).mean(1)
    np.testing.assert_allclose(psnr[:, -1], 10 * np.log10(4 / error.numpy()), atol=0.1)  # stored as whole grey levels
    other_passes, other = read_trace(jobs[-1].folder.path)
    np.testing.assert_array_equal(other, psnr)
    np.testing.assert_array_equal(other_passes, passes)
    assert read_trace(plain.folder.path) is None


def test_a_trace_survives_a_kill_and_a_divergence(tmp_path):
    job = tiny_job(tmp_path, trace=True)
    job.folder.path.mkdir(parents=True)
    (job.folder.path / "trace.jsonl").write_text('{"rows": [0, 1], "sigma": [1.0], "pas')
    run_quietly(job)
    passes, psnr = read_trace(job.folder.path)
    assert psnr.shape == (8, 3) and len(passes) == 3

    class Broken(MAPGA):
        def iterate(self, problem, prior, noise):
            for state in super().iterate(problem, prior, noise):
                yield state if state.step < 3 else State(3, 0.0, state.x / 0 * 0, state.estimate / 0 * 0)

    job = tiny_job(tmp_path / "broken", solver=Broken(Karras(steps=3)), trace=True)
    with pytest.raises(AllLost, match="all 8 images lost: 8 diverged"):
        run_quietly(job)
    _, psnr = read_trace(job.folder.path)
    assert np.isnan(psnr[:, 2]).all() and np.isfinite(psnr[:, :2]).all()


@pytest.mark.parametrize("shards", [("0/3", "1/3", "2/3"), ("3/3", "2/3", "1/3")])
def test_shards_counted_from_zero_or_one_cover_every_image_once(tmp_path, shards):
    results = []
    read: list[int] = []
    for shard in shards:
        dataset = TinyImages()
        job = tiny_job(tmp_path, shard=shard, dataset=dataset)
        results.append(run_quietly(job))
        read += dataset.read
    assert sorted(read) == list(range(8))
    assert results[:2] == [None, None] and results[2]["n_images"] == 8


def test_the_solver_does_not_change_the_measurement(tmp_path):
    seen: dict[str, list[str]] = defaultdict(list)

    class Watching(Solver):
        """Keeps what it was given."""

        def __init__(self, inner: Solver, name: str) -> None:
            super().__init__(inner.schedule)
            self.inner, self.name = inner, name

        @property
        def n_steps(self):
            return self.inner.n_steps

        def iterate(self, problem, prior, noise):
            seen[self.name] += [measured(y) for y in problem.y]
            return self.inner.iterate(problem, prior, noise)

        def supports(self, operator, sigma_y, prior):
            return None

    for batch, (name, make) in enumerate(SOLVERS.items()):
        run_quietly(tiny_job(tmp_path / name, solver=Watching(make(), name), batch_size=batch + 1))
    assert len(seen) == len(SOLVERS)
    assert len({tuple(hashes) for hashes in seen.values()}) == 1
    assert len(set(seen["pinv"])) == 8


class Poisoned(MAPGA):
    """MAP-GA whose state of one image becomes NaN at one step, whichever batch it is in."""

    def __init__(self, image: int, step: int) -> None:
        super().__init__(Karras(steps=3))
        self.image_index, self.at = image, step

    def iterate(self, problem, prior, noise):
        for state in super().iterate(problem, prior, noise):
            x = state.x.clone()
            if state.step >= self.at and self.image_index in noise.indices:
                x[noise.indices.index(self.image_index)] = float("nan")
            yield State(state.step, state.sigma, x, x)


@pytest.mark.parametrize("step", [1, 3])
def test_a_nan_in_one_image_leaves_the_others_alone(tmp_path, step):
    sound, ill = tiny_job(tmp_path / "sound", batch_size=4), tiny_job(tmp_path / "ill", solver=Poisoned(5, step))
    run_quietly(sound)
    summary = run_quietly(ill)
    rows = {row.row: row for row in Journal(ill.folder.path / "journal.jsonl").rows()}
    expected = {row.row: row for row in Journal(sound.folder.path / "journal.jsonl").rows()}
    assert (rows[5].status, rows[5].step) == ("diverged", step)
    others = [k for k in range(8) if k != 5]
    assert [rows[k] for k in others] == [expected[k] for k in others]
    assert np.array_equal(restored(ill)[others], restored(sound)[others])
    assert not restored(ill)[5].any()
    assert summary["n_failed"] == 1 and summary["n_images"] == 8
    numbers = sound.folder.numbers(sound.folder.recorded(8)).by_row()
    assert ill.folder.numbers(ill.folder.recorded(8)).by_row() == {k: numbers[k] for k in others}
    mean = np.mean([numbers[k]["psnr"] for k in others])
    assert summary["metrics"]["psnr"]["mean"] == pytest.approx(mean, abs=1e-12) and summary["metrics"]["psnr"]["n"] == 7


@pytest.mark.parametrize(("largest", "status"), [(9.9, "done"), (10.1, "diverged"), (-10.1, "diverged")])
def test_an_answer_far_beyond_the_range_of_images_is_none(tmp_path, largest, status):
    class Unstable(MAPGA):
        def iterate(self, problem, prior, noise):
            for state in super().iterate(problem, prior, noise):
                x = state.x.clone()
                if 5 in noise.indices:
                    x[noise.indices.index(5), 0, 1, 2] = largest
                yield State(state.step, state.sigma, x, x)

    job = tiny_job(tmp_path, solver=Unstable(Karras(steps=3)))
    run_quietly(job)
    rows = {row.row: row for row in Journal(job.folder.path / "journal.jsonl").rows()}
    assert rows[5].status == status and rows[5].step == (3 if status == "diverged" else None)
    assert {rows[k].status for k in rows if k != 5} == {"done"}


def test_a_run_in_which_every_image_diverges_is_not_done(tmp_path):
    class Hopeless(MAPGA):
        def iterate(self, problem, prior, noise):
            for state in super().iterate(problem, prior, noise):
                yield State(state.step, state.sigma, state.x / 0 * 0, state.estimate)

    for _ in range(2):  # again, nothing is solved again
        dataset = TinyImages()
        job = tiny_job(tmp_path, solver=Hopeless(Karras(steps=2)), dataset=dataset)
        with pytest.raises(AllLost):
            run_quietly(job)
        assert not job.folder.done and not (job.folder.path / "metrics.json").exists()
        assert (job.folder.path / "error.txt").read_text() == "all 8 images lost: 8 diverged"
    assert dataset.read == []


def test_the_restored_image_is_the_solvers_last_state(tmp_path):
    job = tiny_job(tmp_path, solver=PseudoInverse(Karras(steps=1)), sigma_y=0.0)
    run_quietly(job)
    truth, hole = np.load(job.folder.problem_path / "truth.npy"), slice(2, 6)
    assert np.array_equal(truth, np.stack([item.image for item in (TinyImages()[k] for k in range(8))]))
    seen = np.ones((8, 8), bool)
    seen[hole, hole] = False
    assert np.array_equal(restored(job)[:, seen], truth[:, seen])
    assert (restored(job)[:, hole, hole] == 128).all()  # zero in [-1, 1]
    assert np.array_equal(np.load(job.folder.problem_path / "unseen.npy"), ~seen)


def test_metrics_read_the_stored_image(tmp_path):
    job = tiny_job(tmp_path)
    run_quietly(job)
    truth, images = from_uint8(np.load(job.folder.problem_path / "truth.npy")), from_uint8(restored(job))
    numbers = job.folder.numbers(job.folder.recorded(8)).by_row()
    for row in Journal(job.folder.path / "journal.jsonl").rows():
        error = ((truth[row.row] - images[row.row]) / 2).square().mean().item()
        assert numbers[row.row]["psnr"] == pytest.approx(-10 * np.log10(error), abs=1e-9)
        assert (row.index, row.label) == (row.row, row.row)


def test_a_solver_that_yields_nothing_is_an_error():
    class Silent(PseudoInverse):
        def iterate(self, problem, prior, noise):
            return iter(())

    with pytest.raises(RuntimeError, match="Silent yielded no state"):
        solve(Silent(Karras(steps=1)), None, None, None)


@pytest.mark.parametrize("steps", [(1, 2, 3), (1, 1), (0, 1), (2,)])
def test_a_solver_whose_steps_are_not_those_that_it_says_is_an_error(steps):
    class Other(PseudoInverse):
        n_steps = 2

        def iterate(self, problem, prior, noise):
            x = torch.zeros(1, 1, 4, 4)
            return (State(step, 0.0, x, x) for step in steps)

    with pytest.raises(RuntimeError, match=r"Other: state [123] of n_steps = 2 says that it is step"):
        solve(Other(Karras(steps=1)), None, None, SimpleNamespace(ahead=lambda: None))

"""Several samples of each measurement: the same y, independent noise, stored and scored like everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.runs import SHAPE, Killed, TinyImages, restored, run_quietly, tiny_job, tiny_spec, what_lasts
from mapga.config.compose import compose_run, spec_of
from mapga.datasets import FromPrior
from mapga.errors import ConfigError
from mapga.metrics import CoverageOfDensity, DistanceRanks, EnergyDistance, ProjectionRanks, VarianceRatio
from mapga.posteriors import exact_posterior
from mapga.priors import MixturePrior
from mapga.records import RunFolder
from mapga.records.collect import read_run
from mapga.records.image_scores import read_scores
from mapga.rng import standard_normal
from mapga.run import runner
from mapga.run.assemble import make_job
from mapga.run.batch import Restorer
from mapga.run.job import Job
from mapga.run.repeated import Repeated
from mapga.schedules import Karras
from mapga.solvers import PGDM, Solver
from mapga.solvers.base import State

K = 3


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(runner, "provenance", lambda device, packages: {"device": device})


def sampling_job(results: Path, samples: int = K, **changes) -> Job:
    job = tiny_job(results, solver=PGDM(Karras(steps=3)), dataset=Repeated(TinyImages(4), samples), **changes)
    return replace(job, folder=RunFolder(tiny_spec(results, samples=samples)))


def test_the_first_sample_is_what_one_restoration_gives_and_the_others_are_others(tmp_path):
    one = tiny_job(tmp_path / "one", solver=PGDM(Karras(steps=3)), dataset=TinyImages(4), batch_size=4)
    several = sampling_job(tmp_path / "several", batch_size=4)
    summary = run_quietly(several)
    run_quietly(one)
    images = restored(several).reshape(4, K, *SHAPE[1:], 1)
    np.testing.assert_array_equal(images[:, 0], restored(one))
    assert all((images[:, a] != images[:, b]).any() for a, b in ((0, 1), (0, 2), (1, 2)))
    for name in ("truth", "measurement"):
        stored = np.load(several.folder.problem_path / f"{name}.npy").reshape(4, K, -1)
        assert (stored == stored[:, :1]).all()
    assert (summary["n_images"], summary["samples"]) == (4 * K, K)
    assert [row.index for row in several.folder.journal(several.shard).rows()] == [
        k for k in range(4) for _ in range(K)
    ]


def test_batches_shards_and_interruptions_change_nothing(tmp_path, monkeypatch):
    whole = sampling_job(tmp_path / "whole")
    run_quietly(whole)
    larger = sampling_job(tmp_path / "larger", batch_size=7)
    run_quietly(larger)
    for part in range(2):
        shard = sampling_job(tmp_path / "shards", shard=f"{part}/2")
        run_quietly(shard)
    killed, done = sampling_job(tmp_path / "killed"), Restorer.restore

    def dying(self, rows, on_step):
        if rows[0] >= 6:
            raise Killed
        return done(self, rows, on_step)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Restorer, "restore", dying)
        run_quietly(killed)
    run_quietly(killed)
    wanted = what_lasts(whole)
    for other in (larger, shard, killed):
        assert what_lasts(other) == wanted


def test_noise_is_a_function_of_the_sample_too():
    one = standard_normal(3, "step", [5, 5, 6], (4,), step=2)
    several = standard_normal(3, "step", [5, 5, 6], (4,), step=2, samples=[0, 1, 1])
    assert torch.equal(one[0], several[0]) and not torch.equal(several[0], several[1])
    assert torch.equal(several[1:2], standard_normal(3, "step", [5], (4,), step=2, samples=[1]))
    assert not torch.equal(several[1], several[2])


def test_only_several_samples_are_another_run(tmp_path):
    usual, one, two = tiny_spec(tmp_path), tiny_spec(tmp_path, samples=1), tiny_spec(tmp_path, samples=2)
    assert (usual.run_id, usual.problem_id) == (one.run_id, one.problem_id)
    assert usual.run_id != two.run_id and usual.problem_id != two.problem_id
    assert (usual.images, two.images) == (8, 16)


def test_errors_and_comparisons_are_of_images_not_of_samples(tmp_path):
    job = sampling_job(tmp_path)
    cell = run_quietly(job)["metrics"]["psnr"]
    numbers = job.folder.numbers(job.folder.recorded(4 * K)).by_row()
    values = np.array([numbers[row]["psnr"] for row in range(4 * K)]).reshape(4, K)
    assert cell["mean"] == pytest.approx(values.mean()) and cell["n"] == 4 * K
    assert cell["sem"] == pytest.approx(values.mean(1).std(ddof=1) / 2)
    scores, troubles = read_scores(read_run(job.folder.path))
    assert troubles == [] and scores.index.tolist() == [0, 1, 2, 3] and scores.row.tolist() == [0, 3, 6, 9]
    np.testing.assert_allclose(scores.values["psnr"], values.mean(1))


class Exact(Solver):
    """Draws of the posterior of one Gaussian, ``width`` times as wide."""

    card = PGDM.card

    def __init__(self, width: float) -> None:
        super().__init__(Karras(steps=3))
        self.width = width

    def iterate(self, problem, prior, noise) -> Iterator[State]:
        found = exact_posterior(problem, GAUSSIAN)
        x = found.mean() + self.width * found._gaussians.deviation(noise.step(0).flatten(1)).reshape(-1, *SHAPE)
        yield State(1, 0.0, x, x)


GAUSSIAN = MixturePrior(torch.zeros(1, *SHAPE), 0.25)
SPREAD = {
    "variance_ratio": VarianceRatio(),
    "energy_distance": EnergyDistance(),
    "coverage_80": CoverageOfDensity(80),
    "projection_ranks": ProjectionRanks(),
    "distance_ranks": DistanceRanks(),
}


def spread_of(results: Path, width: float) -> tuple[Job, dict]:
    """The numbers of a solver whose samples are so wide; 60 truths, 9 samples each."""
    nodes = {name: {"_target_": f"mapga.metrics.{type(one).__name__}"} for name, one in SPREAD.items()}
    nodes["coverage_80"]["level"] = 80
    truths = Repeated(FromPrior(TinyImages(), GAUSSIAN, size=60), 9)
    job = tiny_job(results, solver=Exact(width), dataset=truths, prior=GAUSSIAN, batch_size=90)
    folder = RunFolder(tiny_spec(results, samples=9, metrics=nodes))
    job = replace(job, folder=folder, metrics=list(SPREAD.values()))
    return job, run_quietly(job)["metrics"]


def test_exact_samples_stand_at_their_floor_and_narrow_ones_do_not(tmp_path):
    job, exact = spread_of(tmp_path / "exact", 1.0)
    _, narrow = spread_of(tmp_path / "narrow", 0.5)
    for name, cell in exact.items():
        low, high = cell["interval"]
        slack = (high - low) / 2
        assert low - slack <= cell["floor"] <= high + slack, (name, cell)
        assert not low <= narrow[name]["mean"] <= high, name
    assert narrow["variance_ratio"]["mean"] == pytest.approx(0.25, rel=0.1)
    assert narrow["coverage_80"]["mean"] < 0.1 and abs(exact["coverage_80"]["mean"] - 0.8) < 0.16
    assert (
        narrow["projection_ranks"]["mean"] > 4 and narrow["projection_ranks"]["p"] < 1e-6 < exact["distance_ranks"]["p"]
    )
    assert np.sum(exact["projection_ranks"]["histograms"], axis=1).tolist() == [60] * 4
    assert exact["variance_ratio"]["key"] == "variance_ratio|n=60|samples=9" and exact["variance_ratio"]["n"] == 540
    scores, _ = read_scores(read_run(job.folder.path))
    assert scores.values["energy_distance"].mean() == pytest.approx(exact["energy_distance"]["mean"])


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["metrics=spread", "dataset=from_prior"], r"metrics\.\w+ compares several samples .* choose samples=100"),
        (["metrics=digits", "samples=2"], r"metrics\.fd_digits compares a set of images.*choose samples=1"),
        (["samples=0"], "samples=0: each measurement is restored once"),
        (["metrics=spread", "samples=2", "prior=none"], "NoPrior has no exact posterior"),
        (["metrics=posterior", "dataset=from_prior", "task=quantize"], "is not linear, so that no posterior is exact"),
    ],
)
def test_what_cannot_be_is_refused_at_composition(overrides: Sequence[str], says: str):
    usual = ["task=half", "dataset.limit=2", "solver=pinv", "device=cpu"]
    with pytest.raises(ConfigError, match=says):
        make_job(spec_of(compose_run(usual[any(one.startswith("task=") for one in overrides) :] + overrides)))

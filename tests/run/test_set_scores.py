"""Distances of a run's whole set: images that failed are in neither set, and nothing is computed twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mapga.metrics.base import SetMetric
from mapga.metrics.distribution import FrechetDistance, KernelDistance
from mapga.metrics.reference import halves
from mapga.records.folder import Recorded
from mapga.records.influence import read_influence
from mapga.records.journal import Row
from mapga.records.store import ImageStore
from mapga.run import set_scores
from mapga.run.set_scores import score_sets
from mapga.run.signals import InterruptedRun

SHAPE = (40, 8, 8, 3)
LOST = 17  # in the middle, so that a cut at either end leaves out another one


def colours(images: np.ndarray) -> np.ndarray:
    """Features (B, 6): mean colours of the upper and the lower half."""
    return np.concatenate([images[:, :4].mean(axis=(1, 2)), images[:, 4:].mean(axis=(1, 2))], axis=1)


class Colours(FrechetDistance):
    """A Frechet distance whose network is a mean; ``seen`` counts images."""

    name, flavour = "fd_colours", "colours"

    def __init__(self, reference: str = "crossed") -> None:
        super().__init__(reference)
        self.seen = 0

    def features(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        return colours(images)

    def extractor_hash(self) -> str:
        return "0" * 64


class ColourKernel(KernelDistance):
    """A kernel distance in the same features."""

    name, flavour = "kd_colours", "colours"

    def features(self, images: np.ndarray) -> np.ndarray:
        raise AssertionError("metrics of one flavour share their features")

    def extractor_hash(self) -> str:
        return "0" * 64


class Run:
    """Folders as a run leaves them: restored images beside their truths, and what the journal says of each row.

    Row k is dataset image 3 k. The lost image's row is black on disk; its truth is white.
    """

    def __init__(self, results: Path, lost: str) -> None:
        draw = np.random.default_rng(0)
        self.truth = draw.integers(0, 256, SHAPE).astype(np.uint8)
        self.truth[LOST] = 255
        noisy = self.truth + draw.normal(20, 30, SHAPE)
        self.restored = np.clip(noisy, 0, 255).astype(np.uint8)
        self.restored[LOST] = 0
        self.folder = SimpleNamespace(path=results / "run", problem_path=results / "problem")
        stores = {self.folder.path / "images.npy": self.restored, self.folder.problem_path / "truth.npy": self.truth}
        for path, images in stores.items():
            path.parent.mkdir(parents=True)
            ImageStore.create(path, SHAPE).write(range(SHAPE[0]), images)
        status = {LOST: lost}
        rows = [Row(k, 3 * k, None, status.get(k, "done"), None) for k in range(SHAPE[0])]
        self.recorded = Recorded({row.row: row for row in rows}, SHAPE[0])

    def scores(self, *metrics: SetMetric) -> dict:
        return dict(self.scored(*metrics))

    def scored(self, *metrics: SetMetric, told: Callable[[int], object] = lambda images: None, code: str = "now"):
        return score_sets(self.folder, self.recorded, lambda: self.truth, metrics, told, {"mapga": code})


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """d^2 of the Gaussians of features, by the eigenvalues of S_1 S_2."""
    first, second = np.cov(x.T), np.cov(y.T)
    shared = np.sqrt(np.linalg.eigvals(first @ second).real.clip(min=0)).sum()
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(first) + np.trace(second) - 2 * shared)


@pytest.mark.parametrize("lost", ["failed", "diverged"])
def test_a_lost_image_is_left_out_of_both_sets(lost: str, tmp_path: Path) -> None:
    run = Run(tmp_path, lost)
    cell = run.scores(Colours())["fd_colours"]
    restored, truth = (colours(np.delete(images, LOST, axis=0)) for images in (run.restored, run.truth))
    first = np.delete(halves(range(SHAPE[0])), LOST)  # of the rows of the store, whatever was lost before them
    apart = [distance(x[a], y[~a]) for x, y in ((restored, truth), (truth, truth)) for a in (first, ~first)]
    assert cell["mean"] == pytest.approx(np.mean(apart[:2]), rel=1e-9)
    assert cell["floor"] == pytest.approx(np.mean(apart[2:]), rel=1e-9)
    assert cell["n"] == 39 and cell["key"] == "fd_colours|n=39|reference=crossed halves"
    assert cell["interval"][0] < cell["mean"] < cell["interval"][1]
    np.testing.assert_array_equal(np.load(run.folder.path / "features-colours.npy"), restored)
    added = read_influence(run.folder.path, cell["key"])
    assert np.flatnonzero(np.isnan(added)).tolist() == [LOST] and np.nanmean(added) == pytest.approx(0, abs=1e-9)


def test_features_are_kept_and_shared(tmp_path: Path) -> None:
    run = Run(tmp_path, "failed")
    metric = Colours()
    first = run.scores(metric, ColourKernel("crossed"))
    assert metric.seen == 39 + 40  # each restored image once, each truth once
    assert first["kd_colours"]["n"] == 39 and "interval" in first["kd_colours"]
    again = Colours()
    assert run.scores(again, ColourKernel("crossed")) == first
    assert again.seen == 39  # the truth's features lie with the problem
    kept = sorted(path.name for path in run.folder.problem_path.iterdir())
    assert kept == ["features-colours-000000000000.npz", "truth.npy"]  # and no half of a file


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "truth"])
def test_features_are_computed_again_where_the_file_or_the_truth_has_changed(tmp_path: Path, harm: str) -> None:
    run = Run(tmp_path, "failed")
    first = run.scores(Colours())
    (kept,) = run.folder.problem_path.glob("features-*")
    whole = kept.read_bytes()
    if harm == "truth":  # the picture that could not be read was replaced
        ImageStore.create(run.folder.problem_path / "truth.npy", SHAPE).write([LOST], run.truth[[0]])
    else:
        kept.write_bytes({"cut": whole[:-200], "flipped": whole[:400] + b"?" + whole[401:], "empty": b""}[harm])
    metric = Colours()
    assert run.scores(metric) == first and metric.seen == 39 + 40 - (LOST if harm == "truth" else 0)
    assert (kept.read_bytes() == whole) is (harm != "truth")


@pytest.mark.parametrize(("code", "made_again"), [("now", 0), ("other", 16)])
def test_features_go_on_where_they_were_ended(tmp_path: Path, monkeypatch, code: str, made_again: int) -> None:
    monkeypatch.setattr(set_scores, "_BATCH", 16)
    run, whole = Run(tmp_path / "ended", "failed"), Run(tmp_path / "whole", "failed")
    heard: list[int] = []

    def hear(images: int) -> None:
        heard.append(images)
        if len(heard) == 2:
            raise InterruptedRun

    first = Colours()
    with pytest.raises(InterruptedRun):
        dict(run.scored(first, told=hear))
    again, batches = Colours(), []
    assert dict(run.scored(again, told=batches.append, code=code)) == whole.scores(Colours())
    assert (first.seen, again.seen) == (16, 39 - 16 + made_again + 40) and sum(batches) == 39 + 40
    assert not [*run.folder.path.glob("*.npz")]


@pytest.mark.parametrize(
    ("rows", "reference", "needed"),
    [([0, 1, 2], "crossed", "two images in each half"), ([0], "training", "two images")],
)
def test_fewer_images_than_a_distance_needs_have_none(tmp_path: Path, rows, reference, needed) -> None:
    run = Run(tmp_path, "failed")
    run.recorded = Recorded({row: run.recorded.rows[row] for row in [*rows, LOST]}, SHAPE[0])
    cell = run.scores(Colours(reference))["fd_colours"]
    said = f"fd_colours: a distance of sets by reference={reference} needs {needed}, got {len(rows)} in all"
    assert cell["mean"] is None and cell["notes"] == [said]

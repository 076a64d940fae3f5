"""Runs whose fingerprint is of another version are held to the true images that they have stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.runs import Killed, TinyImages, run_quietly, tiny_job, what_lasts
from mapga.datasets.base import Item, UnreadableImageError
from mapga.errors import ConfigError
from mapga.files.jsonl import JSONLines
from mapga.run.job import Job
from mapga.run.truth import check_data, same_truth
from mapga.schedules import Karras
from mapga.solvers import MAPGA


class DiesAtTheSecondBatch(MAPGA):
    def iterate(self, problem, prior, noise):
        if 3 in noise.indices:
            raise Killed
        yield from super().iterate(problem, prior, noise)


class Renumbered(TinyImages):
    """The same images, elsewhere in a larger dataset."""

    def index(self, position: int) -> int:
        return position + 1


def half_done(results: Path) -> None:
    """Three images of eight, recorded under a fingerprint of before there were versions."""
    with pytest.raises(Killed):
        run_quietly(tiny_job(results, solver=DiesAtTheSecondBatch(Karras(steps=3))))
    older(tiny_job(results))


def provenances(job: Job) -> list[Path]:
    return [place / "provenance.json" for place in (job.folder.path, job.folder.problem_path)]


def older(job: Job) -> None:
    for path in provenances(job):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"dataset": "0123abcd"}))


def test_a_run_goes_on_with_the_images_it_was_begun_with(tmp_path):
    run_quietly(plain := tiny_job(tmp_path / "plain"))
    half_done(tmp_path / "half")
    run_quietly(job := tiny_job(tmp_path / "half"))
    assert what_lasts(job) == what_lasts(plain)
    assert {json.loads(path.read_text())["dataset"] for path in provenances(job)} == {TinyImages().fingerprint()}


def test_a_finished_run_stays_done_and_bears_todays_fingerprint(tmp_path):
    run_quietly(job := tiny_job(tmp_path))
    older(job)
    check_data(job.folder, TinyImages())
    with pytest.raises(ConfigError, match="other images"):  # which is of a version that can be compared
        check_data(job.folder, TinyImages(seed=1))


@pytest.mark.parametrize("other", [TinyImages(seed=1), TinyImages(n=9), Renumbered()], ids=["pixels", "more", "places"])
def test_other_images_are_refused_and_nothing_is_written(tmp_path, other):
    half_done(tmp_path)
    job = tiny_job(tmp_path, dataset=other)
    before = [path.read_text() for path in provenances(job)]
    with pytest.raises(ConfigError, match=r"begun with other images \(fingerprint 0123abcd"):
        run_quietly(job)
    assert [path.read_text() for path in provenances(job)] == before


def test_only_what_is_recorded_or_stored_is_compared(tmp_path):
    half_done(tmp_path)
    images, job = TinyImages(), tiny_job(tmp_path)
    images._images[5] = 255 - images._images[5]
    assert same_truth(job.folder, images), "row 5 was neither stored nor recorded"
    truth = np.load(job.folder.problem_path / "truth.npy", mmap_mode="r+")
    truth[1] = 0
    truth.flush()
    assert same_truth(job.folder, TinyImages()), "what was noted of row 1 says that the file is damaged, not the data"
    (job.folder.problem_path / "checksums.jsonl").unlink()  # as in an older version
    assert not same_truth(job.folder, TinyImages()), "row 1 is recorded, and no longer what it was"
    (job.folder.problem_path / "truth.npy").unlink()
    assert not same_truth(job.folder, TinyImages()), "nothing is left that could tell"


class Torn(TinyImages):
    """The picture of row 4 cannot be read."""

    def __getitem__(self, position: int) -> Item:
        if position == 4:
            raise UnreadableImageError("4.png: unreadable picture; replace the file")
        return super().__getitem__(position)

    def source(self, position: int) -> bytes:
        return b"torn" if position == 4 else super().source(position)


def test_a_run_goes_on_once_the_picture_that_could_not_be_read_is_replaced(tmp_path):
    run_quietly(plain := tiny_job(tmp_path / "plain"))
    run_quietly(job := tiny_job(tmp_path / "torn", dataset=Torn()))
    other = tiny_job(tmp_path / "torn", dataset=Torn())
    other.folder.path = tmp_path / "torn" / "another-run"
    other.folder._costs = JSONLines(other.folder.path / "batches.jsonl")
    run_quietly(other)
    changed = TinyImages()
    changed._images[2] = 255 - changed._images[2]
    with pytest.raises(ConfigError, match="begun with other images"):
        check_data(job.folder, changed)
    job.folder.reopen()
    run_quietly(again := tiny_job(tmp_path / "torn", dataset=TinyImages()))
    assert again.dataset.read.count(4) >= 1 and what_lasts(again) == what_lasts(plain)
    costs = [row for cost in again.folder.costs() for row in cost["rows"]]
    assert sorted(costs) == list(range(8)), "row 4 alone was restored"
    check_data(other.folder, TinyImages())  # the other run of the problem goes on as well
    assert {json.loads(path.read_text())["dataset"] for path in provenances(other)} == {TinyImages().fingerprint()}


def test_a_picture_that_still_cannot_be_read_is_tried_and_fails_again(tmp_path):
    run_quietly(job := tiny_job(tmp_path, dataset=Torn()))
    before = what_lasts(job)
    job.folder.reopen()
    run_quietly(tiny_job(tmp_path, dataset=Torn()))
    assert what_lasts(job) == before

"""Damaged files of a run are named, and the same command makes what they lost: the end is the same byte for byte."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.forks import forked, waited
from helpers.runs import Killed, TinyImages, run_quietly, tiny_job, what_lasts
from mapga.files.durable import neighbour_of
from mapga.records import Journal
from mapga.records.audit import damages
from mapga.run import runner
from mapga.schedules import Karras
from mapga.solvers import MAPGA

ROW = 64  # bytes of an image


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(runner, "provenance", lambda device, packages: {"device": device})


class Dying(MAPGA):
    """Is killed in the last batch."""

    def iterate(self, problem, prior, noise):
        if 7 in noise.indices:
            raise Killed
        yield from super().iterate(problem, prior, noise)


def flipped(path: Path) -> None:
    """A bit of row 1."""
    data = bytearray(path.read_bytes())
    data[128 + ROW + 9] ^= 16
    path.write_bytes(data)


def zeroed(path: Path) -> None:
    """Rows 1 and 2."""
    data = bytearray(path.read_bytes())
    data[128 + ROW : 128 + 3 * ROW] = bytes(2 * ROW)
    path.write_bytes(data)


def cut(path: Path) -> None:
    """In the middle of row 1."""
    path.write_bytes(path.read_bytes()[: 128 + ROW + 30])


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x" * 77)


def shifted(path: Path) -> None:
    """By one byte that was put before row 1."""
    data = path.read_bytes()
    path.write_bytes(data[: 128 + ROW] + b"x" + data[128 + ROW :])


def gone(path: Path) -> None:
    path.unlink()


DAMAGES = {flipped: [1], zeroed: [1, 2], cut: [1, 2, 3, 4, 5], lengthened: [], shifted: [1, 2, 3, 4, 5]}
DAMAGES |= {gone: [0, 1, 2, 3, 4, 5]}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    results = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "provenance", lambda device, packages: {"device": device})
        run_quietly(tiny_job(results))
    return what_lasts(tiny_job(results))


@pytest.mark.parametrize("harm", DAMAGES, ids=lambda harm: harm.__name__)
def test_rows_of_a_half_done_run_are_solved_again(tmp_path, harm: Callable[[Path], None], plain):
    with pytest.raises(Killed):
        run_quietly(tiny_job(tmp_path, solver=Dying(Karras(steps=3))))
    job = tiny_job(tmp_path, dataset=TinyImages())
    harm(job.folder.path / "images.npy")
    assert any("images.npy" in line for line in damages(job.folder.path, job.folder.problem_path))
    run_quietly(job)
    assert sorted(job.dataset.read) == sorted({*DAMAGES[harm], 6, 7})
    assert what_lasts(job) == plain and not damages(job.folder.path, job.folder.problem_path)


@pytest.mark.parametrize("name", ["truth.npy", "measurement.npy"])
@pytest.mark.parametrize("harm", DAMAGES, ids=lambda harm: harm.__name__)
def test_truth_and_measurement_are_made_of_the_data_again(tmp_path, harm: Callable[[Path], None], name, plain):
    with pytest.raises(Killed):
        run_quietly(tiny_job(tmp_path, solver=Dying(Karras(steps=3))))
    job = tiny_job(tmp_path, dataset=TinyImages())
    harm(job.folder.problem_path / name)
    assert damages(job.folder.path, job.folder.problem_path)
    run_quietly(job)
    assert sorted(job.dataset.read) == sorted({*DAMAGES[harm], 6, 7})
    assert {row for cost in job.folder.costs() for row in cost["rows"]} == set(range(8))
    assert sum(len(cost["rows"]) for cost in job.folder.costs()) == 8  # nothing was solved twice
    assert what_lasts(job) == plain and not damages(job.folder.path, job.folder.problem_path)


def test_a_run_of_another_solver_leaves_what_the_problem_has(tmp_path):
    run_quietly(tiny_job(tmp_path))
    problem = tiny_job(tmp_path).folder.problem_path
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in problem.iterdir()}
    other = tiny_job(tmp_path)
    other.folder.path = tmp_path / "another-run"
    run_quietly(other)
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in problem.iterdir()} == before


def test_a_repair_in_shards_waits_for_all_of_them(tmp_path, plain):
    """Each shard does its own rows, and the run is done when the last damaged row is."""
    job = tiny_job(tmp_path)
    run_quietly(job)
    job.folder.reopen()
    zeroed(job.folder.path / "images.npy")
    assert run_quietly(tiny_job(tmp_path, shard="0/2")) is None and not job.folder.done
    assert run_quietly(tiny_job(tmp_path, shard="1/2")) is not None
    assert what_lasts(job) == plain


def test_a_journal_of_an_older_version_is_believed_unless_an_image_is_blank(tmp_path, plain):
    job = tiny_job(tmp_path, dataset=TinyImages())
    run_quietly(job)
    rows = [row.as_dict() for row in job.folder.recorded(8).rows.values()]
    lines = [json.dumps({key: value for key, value in row.items() if key != "crc"}) + "\n" for row in rows]
    (job.folder.path / "journal.jsonl").write_text("".join(lines))
    (job.folder.problem_path / "checksums.jsonl").unlink()
    job.folder.reopen()
    job.dataset.read.clear()
    data = np.load(job.folder.path / "images.npy")
    data[3] = 0
    data[4, 0, 0] ^= 1  # nobody can know
    np.save(job.folder.path / "images.npy", data)
    assert job.folder.recorded(8).damaged == [3]
    run_quietly(job)
    costs = [row for cost in job.folder.costs() for row in cost["rows"]]
    assert costs.count(3) == 2 and len(costs) == 9


def test_what_a_killed_process_left_is_removed(tmp_path):
    job = tiny_job(tmp_path)
    job.folder.open()

    def dies() -> None:
        for folder in (job.folder.path, job.folder.problem_path):
            neighbour_of(folder / "images.npy").write_bytes(b"half")
        os._exit(0)

    assert waited(forked(dies)) == 0
    mine = neighbour_of(job.folder.path / "error.txt")  # of a live process
    mine.write_text("")
    run_quietly(job)
    hidden = {path.name for folder in (job.folder.path, job.folder.problem_path) for path in folder.glob(".*")}
    assert hidden == {mine.name}


def test_a_trace_has_no_batch_twice_after_a_kill(tmp_path):
    """A kill between the trace's line and the journal's, then other batches."""
    run_quietly(plain := tiny_job(tmp_path / "plain", trace=True))
    killed = tiny_job(tmp_path / "killed", trace=True)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Journal, "append", lambda self, rows: (_ for _ in ()).throw(Killed))
        run_quietly(killed)
    trace = killed.folder.path / "trace.jsonl"
    assert json.loads(trace.read_text())["rows"] == [0, 1, 2]
    run_quietly(tiny_job(tmp_path / "killed", trace=True))
    assert trace.read_bytes() == (plain.folder.path / "trace.jsonl").read_bytes()
    for shard in ("0/2", "1/2"):
        run_quietly(shards := tiny_job(tmp_path / "shards", trace=True, shard=shard))
    lines = [json.loads(line)["rows"] for line in (shards.folder.path / "trace.jsonl").read_text().splitlines()]
    assert sorted(row for rows in lines for row in rows) == list(range(8))

"""The folder of a run: progress over shards, costs, and the order in which things become final."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from helpers.folders import summary
from helpers.runs import NAMES, tiny_spec
from mapga.files.durable import write_json, write_text
from mapga.records import Journal, Row, RunFolder, Shard
from mapga.records import folder as folder_module
from mapga.records.store import ImageStore, checksum

_PIXELS = np.arange(32, dtype=np.uint8).reshape(8, 2, 2, 1)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    made = RunFolder(tiny_spec(tmp_path))
    made.open()
    ImageStore.create(made.path / "images.npy", (8, 2, 2, 1)).write(range(8), _PIXELS)
    return made


def _rows(*numbers: int) -> list[Row]:
    return [Row(k, k, None, "done", None, {"psnr": float(k)}, checksum(_PIXELS[k])) for k in numbers]


def test_knowing_a_folder_makes_nothing(tmp_path):
    folder = RunFolder(tiny_spec(tmp_path))
    assert not folder.done and folder.recorded(4).rows == {} and folder.costs() == []
    assert list(tmp_path.iterdir()) == []


def test_the_config_is_written_with_the_names_and_the_problem(folder, tmp_path):
    record = yaml.safe_load((folder.path / "config.yaml").read_text())
    assert record.pop("names") == NAMES
    assert (tmp_path / record.pop("problem")).resolve() == folder.problem_path.resolve()
    assert record == tiny_spec(tmp_path).config


def test_progress_is_the_union_of_all_journals_in_row_order(folder):
    folder.journal(Shard(1, 2)).append(_rows(3, 1))
    folder.journal(Shard(0, 2)).append(_rows(2, 0))
    progress = folder.recorded(5)
    assert list(progress.rows) == [0, 1, 2, 3] and not progress.complete
    folder.journal(Shard(0, 1)).append(_rows(4, 7))  # 7 belongs to no image
    assert list(folder.recorded(5).rows) == [0, 1, 2, 3, 4] and folder.recorded(5).complete


def test_finishing_merges_and_marks(folder):
    folder.journal(Shard(1, 2)).append(_rows(3, 1))
    folder.journal(Shard(0, 2)).append(_rows(2, 0))
    folder.fail("an old traceback")
    folder.finish(folder.recorded(4), summary(run_id=folder.run_id))
    assert [row.row for row in Journal(folder.path / "journal.jsonl").rows()] == [0, 1, 2, 3]
    assert json.loads((folder.path / "metrics.json").read_text()) == summary(run_id=folder.run_id)
    assert folder.done and not (folder.path / "error.txt").exists()


def test_the_marker_is_written_last(folder, monkeypatch):
    there_before = {}
    write = folder_module.write_text

    def watch(path, text):
        there_before[path.name] = {item.name for item in folder.path.iterdir()}
        write(path, text)

    monkeypatch.setattr(folder_module, "write_text", watch)
    folder.journal(Shard(0, 1)).append(_rows(0))
    folder.fail("x")
    folder.finish(folder.recorded(1), {})
    assert list(there_before)[-1] == "done"
    assert {"journal.jsonl", "metrics.json"} <= there_before["done"] and "error.txt" not in there_before["done"]


def test_costs_survive_what_is_torn_and_what_is_no_cost(folder):
    cost = {"forward": 1, "vjp": 0, "seconds": 1.5, "seconds_network": 1.0}
    folder.spent({"rows": [0], **cost})
    path = folder.path / "batches.jsonl"
    path.write_text(path.read_text() + '[]\n{"a": 1}\n{"rows": [1]}\n{"rows": [[1]]}\n{"rows": [1], "forw')
    folder.spent({"rows": [1], **cost})
    assert folder.costs() == [{"rows": [0], **cost}, {"rows": [1], **cost}]


def test_a_skip_says_why(folder):
    folder.skip("it cannot: because")
    skipped = json.loads((folder.path / "skipped.json").read_text())
    assert skipped == {"run_id": folder.run_id, **NAMES, "reason": "it cannot: because"}


def test_locks_and_journals_of_shards_are_told_apart(folder):
    names = {folder.lock(shard).path.name for shard in (Shard(0, 1), Shard(0, 2), Shard(1, 2), Shard(1, 3))}
    names |= {folder.journal(shard).path.name for shard in (Shard(0, 1), Shard(0, 2), Shard(1, 2), Shard(1, 3))}
    assert len(names) == 8


# Files


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    write_text(path, "old")
    monkeypatch.setattr("mapga.files.durable.os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "a.json", {"x": "é", "y": None})
    assert (tmp_path / "a.json").read_text() == '{\n  "x": "é",\n  "y": null\n}\n'

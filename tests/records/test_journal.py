"""The journal: what was written whole is read back, whatever was torn."""

from __future__ import annotations

import json
import os

import pytest

from mapga.files.jsonl import JSONLines
from mapga.records.journal import Journal, Row


def _row(k: int, **changes) -> Row:
    values = {"row": k, "index": 10 * k, "label": k % 3, "status": "done", "step": None, "metrics": {"psnr": 20.0 + k}}
    return Row(**(values | changes))


def test_rows_come_back_as_they_were(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    rows = [
        _row(2),
        _row(0, label=None),
        _row(1, status="diverged", step=7, metrics={}),
        _row(3, metrics={"psnr": None}),
    ]
    journal.append(rows[:2])
    journal.append(rows[2:])
    assert list(journal.rows()) == rows


def test_no_file_is_no_rows(tmp_path):
    assert list(Journal(tmp_path / "journal.jsonl").rows()) == []


def test_torn_at_any_byte_loses_the_torn_rows_only(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path).append([_row(0), _row(1)])
    kept = len(path.read_bytes())
    Journal(path).append([_row(2), _row(3)])
    whole = path.read_bytes()
    third = kept + whole[kept:].index(b"\n") + 1
    for cut in range(kept, len(whole)):
        path.write_bytes(whole[:cut])
        # a line is whole once its last brace is there, even if its newline is not
        n = 2 + (cut >= third - 1) + (cut >= len(whole) - 1)
        assert [row.row for row in Journal(path).rows()] == list(range(n)), cut


def test_what_is_appended_to_a_torn_line_is_not_lost(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path).append([_row(0), _row(1)])
    path.write_bytes(path.read_bytes()[:-15])
    Journal(path).append([_row(1), _row(2)])
    assert [row.row for row in Journal(path).rows()] == [0, 1, 2]
    (torn,) = [line for line in JSONLines(path).lines() if line.record is None]
    assert torn.number == 2 and torn.text.startswith('{"row": 1')


@pytest.mark.parametrize(
    "line",
    [
        "null",
        "[]",
        "{}",
        "7",
        '{"row": 1}',
        json.dumps(_row(1).as_dict() | {"extra": 1}),
        json.dumps(_row(1).as_dict() | {"row": -1}),
        json.dumps(_row(1).as_dict() | {"row": "1"}),
        json.dumps(_row(1).as_dict() | {"status": "perfect"}),
        json.dumps(_row(1).as_dict() | {"metrics": None}),
        "\x00\x00\x00",
        "ÿþ",
    ],
)
def test_a_line_that_is_no_row_is_passed_over(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    Journal(path).append([_row(0)])
    with path.open("a") as file:
        file.write(line + "\n")
    Journal(path).append([_row(2)])
    assert [row.row for row in Journal(path).rows()] == [0, 2]


def test_bytes_that_are_no_text_are_passed_over(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\xff\xfe\x80\n")
    Journal(path).append([_row(0)])
    assert [row.row for row in Journal(path).rows()] == [0]


def test_nan_is_refused_and_nothing_is_written(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(ValueError):
        journal.append([_row(0), _row(1, metrics={"psnr": float("nan")})])
    assert list(journal.rows()) == []


def test_a_batch_is_one_write_then_durable(tmp_path, monkeypatch):
    calls = []
    write, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda fd, data: calls.append("write") or write(fd, data))
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("fsync") or fsync(fd))
    Journal(tmp_path / "journal.jsonl").append([_row(k) for k in range(5)])
    assert calls == ["write", "fsync"]


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    write = os.write
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append([_row(0)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
        with pytest.raises(OSError, match="the disk took 10 of"):
            journal.append([_row(1)])
    journal.append([_row(1)])
    assert [row.row for row in journal.rows()] == [0, 1]

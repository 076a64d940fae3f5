"""Logs of JSON lines: what was appended whole is read back, and what is torn is shown as torn."""

from __future__ import annotations

import pytest

from mapga.files.jsonl import JSONLines


def test_records_come_back_in_order(tmp_path):
    log = JSONLines(tmp_path / "log.jsonl")
    assert list(log.read()) == []
    log.append([{"k": 1}, {"k": 2}])
    log.append([{"k": 3, "name": "é"}])
    assert list(log.read()) == [{"k": 1}, {"k": 2}, {"k": 3, "name": "é"}]
    assert [line.split(b", ")[0] for line in log.path.read_bytes().splitlines()][:2] == [b'{"k": 1', b'{"k": 2']


def test_a_line_that_was_changed_is_shown_and_not_read(tmp_path):
    log = JSONLines(tmp_path / "log.jsonl")
    log.append([{"k": 17, "s": "a"}, {"k": 2, "s": '", "line_crc": 3}'}])
    whole = log.path.read_bytes()
    assert [record["k"] for record in log.read()] == [17, 2]
    for place in range(whole.index(b"\n")):
        log.path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert {"k": 17, "s": "a"} not in log.read(), place


def test_a_line_of_an_older_version_has_no_seal(tmp_path):
    log = JSONLines(tmp_path / "log.jsonl")
    log.path.write_text('{"k": 1}\n')
    log.append([{"k": 2}])
    assert list(log.read()) == [{"k": 1}, {"k": 2}]


def test_an_append_after_a_kill_is_not_torn_with_it(tmp_path):
    log = JSONLines(tmp_path / "log.jsonl")
    log.path.write_text('{"k": 1}\n\n{"k": 2, "nam')
    log.append([{"k": 3}])
    assert list(log.read()) == [{"k": 1}, {"k": 3}]
    assert [(line.number, line.text) for line in log.lines() if line.record is None] == [(3, '{"k": 2, "nam')]


@pytest.mark.parametrize("line", [b"null", b"[1]", b"7", b'"text"', b"\xff\xfe\x80", b"\0\0\0", b"{'k': 1}", b"\x85{"])
def test_what_is_no_object_is_shown_and_not_read(tmp_path, line):
    log = JSONLines(tmp_path / "log.jsonl")
    log.path.write_bytes(b'{"k": 1}\n' + line + b'\n{"k": 2}\r\n')
    assert list(log.read()) == [{"k": 1}, {"k": 2}]
    assert [line.number for line in log.lines() if line.record is None] == [2]


def test_nan_is_refused_and_nothing_is_written(tmp_path):
    log = JSONLines(tmp_path / "log.jsonl")
    with pytest.raises(ValueError):
        log.append([{"k": 1}, {"k": float("nan")}])
    assert not log.path.exists()

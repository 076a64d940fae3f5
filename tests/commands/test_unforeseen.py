"""An error that nobody foresaw: one line, its traceback in a file, no secret in either."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path

import pytest

from mapga.commands.unforeseen import unforeseen, without_secrets


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.fixture(autouse=True)
def _temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_line_names_a_file_with_the_traceback_that_only_its_owner_reads(tmp_path):
    line = unforeseen(_raised(KeyError("told apart")))
    found = re.fullmatch(
        r"unexpected: KeyError: 'told apart'; the traceback is in (.*mapga-.*\.txt), please report it", line
    )
    assert found and Path(found[1]).parent == tmp_path
    text = Path(found[1]).read_text()
    assert text.startswith("Traceback") and text.rstrip().endswith("KeyError: 'told apart'")
    assert Path(found[1]).stat().st_mode & 0o777 == 0o600


def test_a_traceback_that_is_kept_already_is_not_kept_twice(tmp_path):
    (tmp_path / "error.txt").write_text("Traceback")
    assert f"the traceback is in {tmp_path / 'error.txt'}," in unforeseen(ValueError("x"), tmp_path / "error.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["error.txt"]
    assert "mapga-" in unforeseen(ValueError("x"), tmp_path / "not there")


def test_no_secret_is_shown_or_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "k1" * 20)
    monkeypatch.setenv("SOME_PASSWORD", "hunter2hunter2")
    monkeypatch.setenv("KEYBOARD", "us")
    line = unforeseen(_raised(RuntimeError(f"{'k1' * 20} and http://me:hunter2hunter2@host/x for us")))
    (kept,) = tmp_path.glob("mapga-*.txt")
    for text in (line, kept.read_text()):
        assert "k1" * 20 not in text and "hunter2" not in text and "http://host/x for us" in text
    assert without_secrets("a plain text: a@b, key=1") == "a plain text: a@b, key=1"


def test_a_disk_without_room_for_the_traceback_is_said(monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    line = unforeseen(_raised(ValueError("x")))
    assert (
        line == "unexpected: ValueError: x; its traceback could not be kept (No space left on device); please report it"
    )

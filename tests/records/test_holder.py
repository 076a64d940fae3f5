"""Who holds a lock: a process number means a process on one machine, since one boot, in one namespace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from mapga.records import holder as holder_module
from mapga.records.holder import Holder, signature


def _held(path, silent=0.0, **changes):
    path.write_text(json.dumps({**signature("theirs"), **changes}))
    os.utime(path, (time.time() - silent,) * 2)
    return Holder.of(path)


@pytest.fixture
def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.fixture(autouse=True)
def still_clock(monkeypatch):
    monkeypatch.setattr(holder_module.time, "time", lambda: 1e9)


@pytest.mark.parametrize("key", ["host", "boot", "namespace"])
def test_a_process_number_of_another_place_says_nothing(tmp_path, dead_pid, key):
    """Containers share a host name, and a live process of one looks dead from the other."""
    assert not _held(tmp_path / "lock", pid=dead_pid, born=None).alive
    assert _held(tmp_path / "lock", pid=dead_pid, born=None, **{key: "another"}).alive
    assert not _held(tmp_path / "lock", silent=190, **{key: "another"}).alive


@pytest.mark.parametrize("silent", [190.0, 7200.0, -190.0, -7200.0])
def test_a_heart_elsewhere_that_is_silent_for_long_has_stopped_whatever_sign_the_clocks_give_it(tmp_path, silent):
    assert not _held(tmp_path / "lock", silent=silent, host="elsewhere").alive
    assert _held(tmp_path / "lock", silent=silent).alive  # a process of here is looked for


def test_what_one_side_does_not_know_is_not_compared(tmp_path, monkeypatch, dead_pid):
    """Locks of older versions, and of macOS, know neither boot nor namespace."""
    unknown = {"boot": None, "namespace": None}
    assert not _held(tmp_path / "lock", pid=dead_pid, born=None, **unknown).alive
    assert _held(tmp_path / "lock", silent=190, **unknown).near
    old = {key: value for key, value in signature("theirs").items() if key not in unknown}
    (tmp_path / "lock").write_text(json.dumps(old))
    assert Holder.of(tmp_path / "lock").near and Holder.of(tmp_path / "lock").alive


def test_it_is_told_in_words(tmp_path):
    holder = _held(tmp_path / "lock", silent=3, pid=7, host="elsewhere")
    assert (str(holder), holder.heard) == ("process 7 on elsewhere", "3 s ago")
    assert _held(tmp_path / "lock", silent=-7200).heard == "7200 s ahead of this clock"
    assert Holder.of(tmp_path / "absent") is None

"""The parts that differ between systems: each with POSIX, and each without."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mapga.files import system


@pytest.fixture(params=["posix", "without"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "without":
        monkeypatch.setattr(system, "fcntl", None)
        for name in ("pread", "pwrite"):
            monkeypatch.delattr(os, name)
    return request.param


def test_bytes_are_read_and_written_at_their_place(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_RDWR | system.BINARY)
    assert system.write_at(descriptor, b"ab", 4) == 2 and system.read_at(descriptor, 4, 3) == b"3ab6"
    assert system.read_at(descriptor, 4, 8) == b"89" and system.read_at(descriptor, 4, 20) == b""
    os.close(descriptor)


@pytest.mark.parametrize("folder", [False, True])
def test_alone_waits_for_whoever_was_first(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "lock"
    if folder:
        path.mkdir()
    order: list[str] = []

    def second() -> None:
        with system.alone(path):
            order.append("second")

    with system.alone(path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_without_locks_a_folder_is_asked_for_by_a_file_in_it(kind: str, tmp_path: Path) -> None:
    with system.alone(tmp_path):
        assert (tmp_path / ".alone").exists() == (kind == "without")
    with pytest.raises(OSError), system.alone(tmp_path / "absent" / "lock"):
        pass


def test_a_process_lives_until_it_ends() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert system.lives(process.pid) and system.lives(os.getpid())
    process.communicate(b"\n")
    assert not system.lives(process.pid) and not system.lives(2**40)

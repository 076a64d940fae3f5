"""One process a run: live owners keep it, dead ones do not, and of several heirs one gets it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mapga.records import lock as lock_module
from mapga.records.holder import Holder
from mapga.records.lock import Lock, LockedError


def _sign(path: Path, *, host: str | None = None, pid: int | None = None, silent: float = 0.0, **more) -> None:
    """A lock as another process would have left it, ``silent`` seconds ago by the clock that locks read."""
    owner = {"host": socket.gethostname() if host is None else host, "pid": pid, "time": 0.0, "token": "theirs"}
    path.write_text(json.dumps(owner | more))
    then = lock_module.time.time() - silent
    os.utime(path, (then, then))


@pytest.fixture
def still_clock(monkeypatch):
    """A wall clock that stands, so that it does not matter how long a test takes."""
    monkeypatch.setattr(lock_module.time, "time", lambda: 1e9)


@pytest.fixture
def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_it_is_held_inside_and_gone_after(tmp_path):
    path = tmp_path / "lock"
    with Lock(path):
        owner = json.loads(path.read_text())
        assert (owner["host"], owner["pid"]) == (socket.gethostname(), os.getpid())
    assert not path.exists()


def test_it_is_gone_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), Lock(tmp_path / "lock"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_second_owner_is_refused_by_name(tmp_path):
    with (
        Lock(tmp_path / "lock"),
        pytest.raises(LockedError, match=f"process {os.getpid()} on {socket.gethostname()}"),
        Lock(tmp_path / "lock"),
    ):
        pytest.fail("two owners")


def test_another_lock_beside_it_is_free(tmp_path):
    with Lock(tmp_path / "lock-0-of-2"), Lock(tmp_path / "lock-1-of-2"):
        assert len(list(tmp_path.iterdir())) == 2


def test_the_lock_of_a_dead_process_is_taken_over_at_once(tmp_path, dead_pid):
    _sign(tmp_path / "lock", pid=dead_pid)
    with Lock(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_process_number_given_out_again_is_not_the_owner(tmp_path):
    """After a restart in a container the same number is another process, often our own."""
    _sign(tmp_path / "lock", pid=os.getpid(), born=1)
    with Lock(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock").read_text())["token"] != "theirs"


def test_a_live_process_of_this_host_keeps_it_however_silent(tmp_path):
    _sign(tmp_path / "lock", pid=os.getppid(), silent=10_000)
    with pytest.raises(LockedError), Lock(tmp_path / "lock"):
        pytest.fail("taken from a live process")
    assert json.loads((tmp_path / "lock").read_text())["token"] == "theirs"


@pytest.mark.parametrize(("silent", "taken"), [(60.0, False), (170.0, False), (190.0, True)])
def test_another_host_keeps_it_while_its_heart_beats(tmp_path, monkeypatch, still_clock, silent, taken):
    monkeypatch.setattr(lock_module, "_WATCH_SECONDS", 0.3)
    _sign(tmp_path / "lock", host="elsewhere", pid=1, silent=silent)
    if taken:
        with Lock(tmp_path / "lock"):
            return
    with pytest.raises(LockedError, match="elsewhere"), Lock(tmp_path / "lock"):
        pytest.fail("taken from a live process")


def test_another_host_whose_clock_is_wrong_is_watched_first(tmp_path, monkeypatch):
    """Its last sign of life looks old, but its heart still beats."""
    monkeypatch.setattr(lock_module, "_WATCH_SECONDS", 120.0)  # but no longer than until a beat
    path = tmp_path / "lock"
    _sign(path, host="elsewhere", pid=1, silent=10_000)
    ended = threading.Event()

    def beat() -> None:
        then = time.time() - 9_990
        while not ended.wait(0.1):
            then += 0.1
            os.utime(path, (then, then))

    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    with pytest.raises(LockedError, match="elsewhere"), Lock(path):
        pytest.fail("taken from a live process")
    ended.set()
    heart.join()
    assert json.loads(path.read_text())["token"] == "theirs"


def test_an_owner_that_was_given_up_notices(tmp_path):
    path = tmp_path / "lock"
    with Lock(path) as lock:
        lock.check()
        _sign(path, host="elsewhere", pid=7)
        with pytest.raises(LockedError, match="taken over by process 7 on elsewhere"):
            lock.check()


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_an_unsigned_lock_is_given_a_moment(tmp_path, still_clock, text):
    (tmp_path / "lock").write_text(text)
    os.utime(tmp_path / "lock", (1e9, 1e9))
    with pytest.raises(LockedError), Lock(tmp_path / "lock"):
        pytest.fail("taken while it was being signed")
    os.utime(tmp_path / "lock", (1e9 - 60, 1e9 - 60))
    with Lock(tmp_path / "lock"):
        pass


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "_BEAT_SECONDS", 0.02)
    path = tmp_path / "lock"
    with Lock(path):
        os.utime(path, (1000, 1000))
        while path.stat().st_mtime < 2000:  # until the test is given up
            time.sleep(0.01)
    assert not [thread for thread in threading.enumerate() if thread.name == "mapga-lock"]


def test_an_owner_whose_lock_was_removed_notices(tmp_path):
    with Lock(tmp_path / "lock") as lock:
        (tmp_path / "lock").unlink()  # by one of another division, or by hand
        with pytest.raises(LockedError, match="taken over by another process"):
            lock.check()


def test_a_rival_that_is_held_refuses_it_and_a_dead_one_is_removed(tmp_path, dead_pid):
    path, rival = tmp_path / "lock", tmp_path / "lock-0-of-2"
    _sign(rival, pid=os.getppid())
    with pytest.raises(LockedError, match=r"process \d+ on .*\(lock-0-of-2"), Lock(path, lambda: [rival]):
        pytest.fail("beside a live rival")
    assert not path.exists() and json.loads(rival.read_text())["token"] == "theirs"
    _sign(rival, pid=dead_pid)
    with Lock(path, lambda: [rival]):
        assert not rival.exists()


def test_of_two_rivals_that_start_at_once_at_most_one_goes_on(tmp_path):
    """Each takes its own lock before it looks at the other's, in whatever order that happens."""
    paths = [tmp_path / "lock", tmp_path / "lock-0-of-2"]
    barrier, inside, refused = threading.Barrier(2), [], []

    def enter(own: Path, other: Path) -> None:
        barrier.wait()
        try:
            with Lock(own, lambda: [other]):
                inside.append(own)
                barrier.wait()
                barrier.wait()
        except LockedError:
            refused.append(own)
            barrier.wait()
            barrier.wait()

    for _ in range(30):
        inside.clear(), refused.clear()
        threads = [threading.Thread(target=enter, args=pair) for pair in (paths, paths[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(inside) <= 1 and len(inside) + len(refused) == 2


def test_leaving_does_not_remove_a_successors_lock(tmp_path):
    path = tmp_path / "lock"
    with Lock(path):
        _sign(path, host="elsewhere", pid=1)
    assert json.loads(path.read_text())["token"] == "theirs"


def test_of_two_heirs_one_inherits(tmp_path, dead_pid, monkeypatch):
    """The second sees the stale lock before the first has taken it, and must not displace the first."""
    path = tmp_path / "lock"
    _sign(path, pid=dead_pid)
    holders, locks = [], (Lock(path), Lock(path))
    slow, quick = locks

    def enter(lock: Lock) -> None:
        try:
            lock.__enter__()
            holders.append(lock)
        except LockedError:
            pass

    rival = threading.Thread(target=enter, args=(quick,))
    read = Holder.of

    def read_then_dawdle(path: Path):
        holder = read(path)
        if threading.current_thread() is not rival and not rival.ident:
            rival.start()
            rival.join()
        return holder

    monkeypatch.setattr(Holder, "of", read_then_dawdle)
    enter(slow)
    rival.join()
    assert len(holders) == 1
    holders[0].__exit__()
    assert not path.exists()


def test_many_processes_want_one_stale_lock(tmp_path, dead_pid):
    _sign(tmp_path / "lock", pid=dead_pid)
    inside, most = 0, 0
    count = threading.Lock()
    outcomes = []

    def compete() -> None:
        nonlocal inside, most
        try:
            with Lock(tmp_path / "lock"):
                with count:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.002)
                with count:
                    inside -= 1
            outcomes.append("held")
        except LockedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=compete) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and "held" in outcomes and len(outcomes) == 20

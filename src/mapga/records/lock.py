"""One process a run (or shard of a run): a lock file with its owner's host and process number."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Lock", "LockedError"]

_BEAT_SECONDS = 5.0
_STALE_SECONDS = 180.0  # a silent owner on another host is suspected to be dead after this,
_WATCH_SECONDS = 12.0  # and is dead if its heart does not beat for so long while it is watched: clocks jump


class LockedError(RuntimeError):
    """Another live process works on this run."""


class Lock:
    """Hold ``path`` while the block runs; a heartbeat keeps its modification time fresh.

    A lock is stale, and is taken over, if its process on this host is gone (another process that has got its number
    since does not count), or if its heart on another host has not beaten for three minutes by the clock, nor while it
    is watched for some seconds more, whatever the clocks say.

    Raises:
        LockedError: On entry, if a live process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._token = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> Lock:
        for _ in range(3):
            if self._claim():
                self._heart = threading.Thread(target=self._beat, name="mapga-lock", daemon=True)
                self._heart.start()
                return self
            with self._alone():
                self._displace_if_stale()
        raise LockedError(f"{self.path}: another process keeps taking this run; wait for it or choose another")

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._heart is not None:
            self._heart.join()
        if self._owner().get("token") == self._token:
            with contextlib.suppress(OSError):  # a folder turned read-only; a dead owner's lock is no obstacle
                self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """Make sure that it is still ours: a process that was suspended for long may have been given up.

        Raises:
            LockedError: Another process has taken it over.
        """
        owner = self._owner()
        if owner and owner.get("token") != self._token:
            raise LockedError(
                f"{self.path.parent.name} was taken over by process {owner.get('pid')} on {owner.get('host')} while "
                "this one gave no sign of life; leave it to that process"
            )

    def _claim(self) -> bool:
        owner: dict[str, object] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "born": _birth(os.getpid()),
            "time": time.time(),
            "token": self._token,
        }
        signed = self.path.with_name(f".{self.path.name}.{self._token.replace(':', '-')}")
        try:
            signed.write_text(json.dumps(owner))
            os.link(signed, self.path)  # at once and complete: a killed process leaves no unsigned lock
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            return self._claim_in_place(owner)  # a file system without hard links
        finally:
            signed.unlink(missing_ok=True)
        return True

    def _claim_in_place(self, owner: dict[str, object]) -> bool:
        """The second best: a lock that is unsigned for a moment."""
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            json.dump(owner, file)
        return True

    def _displace_if_stale(self) -> None:
        owner = self._owner()
        try:
            silent = time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return
        if owner.get("host") == socket.gethostname():
            alive = _is_running(owner)
        elif not owner:  # being written, or its writer died before it could sign
            alive = abs(silent) < 5.0
        else:
            alive = abs(silent) < _STALE_SECONDS or self._beats()
        if alive:
            raise LockedError(
                f"{self.path.parent.name} is being worked on by process {owner.get('pid')} on {owner.get('host')} "
                f"(last sign of life {silent:.0f} s ago); wait for it, or remove {self.path} if it is dead"
            )
        self.path.unlink(missing_ok=True)

    def _beats(self) -> bool:
        """Whether the owner's heart beats while it is watched. Reading also has a network file system look again."""
        deadline = time.monotonic() + _WATCH_SECONDS
        if (first := self._beat_at()) is None:
            return False
        while (now := self._beat_at()) == first and time.monotonic() < deadline:
            time.sleep(0.2)
        return now != first

    def _beat_at(self) -> tuple[int, str] | None:
        try:
            with self.path.open() as file:
                return os.fstat(file.fileno()).st_mtime_ns, file.read()
        except OSError:
            return None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Of processes that see the same stale lock one at a time judges it, so none displaces its successor."""
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without flock
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _owner(self) -> dict[str, object]:
        try:
            owner = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return owner if isinstance(owner, dict) else {}

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            try:
                os.utime(self.path)
            except FileNotFoundError:
                return
            except OSError:
                continue  # a network file system that is away for a while


def _is_running(owner: dict[str, object]) -> bool:
    pid = owner.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return owner.get("born") in (None, _birth(pid))


def _birth(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None where there is no /proc."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None

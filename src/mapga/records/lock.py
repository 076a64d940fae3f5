"""One process a run (or shard of a run): a lock file, signed by its holder and kept fresh by a heartbeat."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mapga.files.durable import neighbour_of
from mapga.files.system import alone
from mapga.records.holder import Holder, signature

__all__ = ["Lock", "LockedError"]

_BEAT_SECONDS = 5.0
_WATCH_SECONDS = 12.0  # a heart elsewhere has stopped if it does not beat for so long while it is watched: clocks jump


class LockedError(RuntimeError):
    """Another live process works on this run."""


class Lock:
    """Hold ``path`` while the block runs; a heartbeat keeps its modification time fresh.

    A lock is stale, and is taken over, if its process on this host is gone (another process that has got its number
    since does not count), or if its heart elsewhere has not beaten for three minutes by the clock, nor while it is
    watched for some seconds more, whatever the clocks say.

    A process takes its own lock first and looks at its rivals then. So of two rivals that start at once at most one
    goes on; where each sees the other, neither does.

    Args:
        path: The lock.
        rivals: Locks of which none may be held at the same time; asked once ``path`` is held.

    Raises:
        LockedError: On entry, if a live process holds it or a rival.
    """

    def __init__(self, path: Path, rivals: Callable[[], Iterable[Path]] = tuple) -> None:
        self.path, self._rivals = path, rivals
        self._token = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> Lock:
        for _ in range(3):
            if self._claim():
                self._heart = threading.Thread(target=self._beat, name="mapga-lock", daemon=True)
                self._heart.start()
                try:
                    for rival in self._rivals():
                        self._displace_if_stale(rival)
                except BaseException:
                    self.__exit__()
                    raise
                return self
            self._displace_if_stale(self.path)
        raise LockedError(f"{self.path}: another process keeps taking this run; wait for it or choose another")

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._heart is not None:
            self._heart.join()
        if (holder := Holder.of(self.path)) is not None and holder.token == self._token:
            with contextlib.suppress(OSError):  # a folder turned read-only; a dead owner's lock is no obstacle
                self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """Make sure that it is still ours: a process that was suspended for long may have been given up.

        Raises:
            LockedError: Another process has taken it over.
        """
        holder = Holder.of(self.path)
        if holder is None or (holder.signed and holder.token != self._token):
            raise LockedError(
                f"{self.path.parent.name} was taken over by {holder or 'another process'} while this one gave no sign "
                "of life; leave it to that process"
            )

    def _claim(self) -> bool:
        mine = neighbour_of(self.path)
        signed = mine.with_name(f"{mine.name}-{self._token.rpartition(':')[2]}")  # several locks of one process
        try:
            signed.write_text(json.dumps(signature(self._token)), encoding="utf-8")
            os.link(signed, self.path)  # at once and complete: a killed process leaves no unsigned lock
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            return self._claim_in_place()  # a file system without hard links
        finally:
            signed.unlink(missing_ok=True)
        return True

    def _claim_in_place(self) -> bool:
        """The second best: a lock that is unsigned for a moment."""
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(signature(self._token), file)
        return True

    def _displace_if_stale(self, path: Path) -> None:
        """Remove a lock, ours or a rival's, whose holder is dead.

        Raises:
            LockedError: It is alive.
        """
        if (holder := Holder.of(path)) is None:
            return
        if holder.alive or (holder.signed and not holder.near and _beats(path)):
            raise LockedError(
                f"{path.parent.name} is being worked on by {holder} ({path.name}, last sign of life {holder.heard}); "
                f"wait for it, or remove {path} if it is dead"
            )
        # Of processes that found the same lock stale one at a time removes it, so none displaces its successor.
        with alone(self.path.parent, needed=False):
            if (now := Holder.of(path)) is not None and now.signed == holder.signed and not now.alive:
                path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            try:
                os.utime(self.path)
            except FileNotFoundError:
                return
            except OSError:
                continue  # a network file system that is away for a while


def _beats(path: Path) -> bool:
    """Whether a heart beats while it is watched. Reading also has a network file system look again."""
    deadline = time.monotonic() + _WATCH_SECONDS
    if (first := _beat_at(path)) is None:
        return False
    while (now := _beat_at(path)) == first and time.monotonic() < deadline:
        time.sleep(0.2)
    return now is not None and now != first


def _beat_at(path: Path) -> tuple[int, str] | None:
    try:
        with path.open(encoding="utf-8") as file:
            return os.fstat(file.fileno()).st_mtime_ns, file.read()
    except OSError:
        return None

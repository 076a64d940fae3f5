"""Who holds a lock, and whether that process is alive: by its number where that means the same, else by its heart."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mapga.files.system import lives

__all__ = ["Holder", "signature"]

_STALE_SECONDS = 180.0  # a heart elsewhere that has been silent for so long is suspected to have stopped
_SIGNING_SECONDS = 5.0  # a lock that is unsigned for so long has lost its writer


@dataclass(frozen=True)
class Holder:
    """What a lock says of the process that holds it.

    Attributes:
        signed: What that process wrote, as ``signature``; empty if it has not yet, or it cannot be read.
        silent: Seconds since its heart last beat; negative where clocks disagree.
    """

    signed: Mapping[str, Any]
    silent: float

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """The holder of a lock; None if there is no such file."""
        signed, silent = None, math.inf
        try:
            silent = time.time() - path.stat().st_mtime
            signed = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):  # a network file system that is away for a while; a torn file
            pass
        return cls(signed if isinstance(signed, dict) else {}, silent)

    @property
    def token(self) -> Any:
        return self.signed.get("token")

    @property
    def near(self) -> bool:
        """Whether its number means here what it meant there.

        Containers share host names, so boot and namespace count too, where both sides know them: not on macOS, and not
        in locks of older versions.
        """
        pairs = [(self.signed.get(key), mine) for key, mine in _place().items()]
        return "host" in self.signed and all(one == mine for one, mine in pairs if None not in (one, mine))

    @property
    def alive(self) -> bool:
        """As far as one look tells: of a process elsewhere, whether its heart has beaten by the clock."""
        if not self.signed:
            return abs(self.silent) < _SIGNING_SECONDS
        return self._running if self.near else abs(self.silent) < _STALE_SECONDS

    @property
    def heard(self) -> str:
        """When its heart last beat, for a person."""
        return f"{self.silent:.0f} s ago" if self.silent > -1 else f"{-self.silent:.0f} s ahead of this clock"

    def __str__(self) -> str:
        return f"process {self.signed.get('pid')} on {self.signed.get('host')}"

    @property
    def _running(self) -> bool:
        pid = self.signed.get("pid")
        if not isinstance(pid, int) or pid <= 0:
            return False
        return lives(pid) and self.signed.get("born") in (
            None,
            _birth(pid),
        )  # its number may be another process's by now


def signature(token: str) -> dict[str, Any]:
    """What this process writes into a lock: its number, since when it runs and where that means it, and a token."""
    return {**_place(), "pid": os.getpid(), "born": _birth(os.getpid()), "time": time.time(), "token": token}


def _place() -> dict[str, Any]:
    """Where a process number means one process: a host, since a boot, in a namespace of such numbers."""
    place: dict[str, Any] = {"host": socket.gethostname(), "boot": None, "namespace": None}
    with contextlib.suppress(OSError):  # macOS has no /proc
        place["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        place["namespace"] = Path("/proc/self/ns/pid").stat().st_ino
    return place


def _birth(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None where there is no /proc."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None

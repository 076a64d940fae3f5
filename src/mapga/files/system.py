"""Where systems differ: what POSIX has and Windows has not, each with its fallback. Nothing else asks for a system.

| asked for | Linux, macOS | Windows |
| --- | --- | --- |
| one process at a time (``alone``) | flock of the file or folder | the first byte of a file, ``.alone`` in a folder |
| does a process live (``lives``) | signal 0 | its handle, by the kernel |
| a folder's entries on disk (``sync_folder``) | fsync of the folder | left to the file system |
| reading and writing at a place | pread, pwrite | seek, then read or write, for one thread at a time |
| room for a file before it is filled (``claim``) | posix_fallocate; macOS: as the file grows | as the file grows |
| processes of one's own, made cheaply (``forks``) | a fork a core; macOS: 1 | 1 |
| being asked to stop (``ASKED``) | SIGTERM, SIGUSR1; SIGUSR2 where heard before | SIGTERM, SIGBREAK (Ctrl-Break) |

Windows' column was tried on Linux, with POSIX' parts taken away; the two calls of Windows itself were not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "ASKED",
    "ASKED_BY_OTHERS",
    "BINARY",
    "alone",
    "claim",
    "cores",
    "forks",
    "in_forked_child",
    "lives",
    "read_at",
    "sync_folder",
    "write_at",
]

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

BINARY = getattr(os, "O_BINARY", 0)  # for os.open: no byte is another one on disk

ASKED = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGBREAK") if hasattr(signal, name))
ASKED_BY_OTHERS = tuple(
    getattr(signal, name) for name in ("SIGUSR2",) if hasattr(signal, name)
)  # heard where someone waits for it already, as submitit does


@contextlib.contextmanager
def alone(path: Path, *, needed: bool = True) -> Iterator[None]:
    """Of processes that ask for a file, or a folder, one at a time; the system lets go of it however a process ends.

    Args:
        path: A file, made if it is not there, or a folder.
        needed: Whether a file system without locks is an error, or goes on without.

    Raises:
        OSError: It cannot be opened, or, if ``needed``, not be locked.
    """
    folder = path.is_dir()
    if folder and fcntl is None:
        path, folder = path / ".alone", False
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with contextlib.nullcontext() if needed else contextlib.suppress(OSError):
            _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def lives(pid: int) -> bool:
    """Whether a process of this machine runs."""
    if sys.platform == "win32":
        return _lives_on_windows(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def sync_folder(path: Path) -> None:
    """Return when a folder's entries are on disk."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_at(descriptor: int, size: int, place: int) -> bytes:
    """At most ``size`` bytes of a file from a place on."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, place)
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.read(descriptor, size)


def write_at(descriptor: int, content: bytes, place: int) -> int:
    """Write into a file at a place; how many bytes the disk took."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, content, place)
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.write(descriptor, content)


def claim(path: Path, size: int) -> None:
    """Have the file system set aside the room of a file, where it can, so that a full disk is found now."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def cores() -> int:
    """How many cores are ours."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def forks() -> int:
    """How many processes may be forked to work at once: the cores that are ours where a fork is cheap and sound."""
    return cores() if sys.platform == "linux" else 1


def in_forked_child(function: Callable[[], None]) -> None:
    """Have every forked child call a function first, where there are such."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    with contextlib.suppress(ImportError):
        import msvcrt

        windows: Any = msvcrt
        while True:  # LK_LOCK asks ten times, a second apart, and gives up
            with contextlib.suppress(OSError):
                windows.locking(descriptor, windows.LK_LOCK, 1)
                return


def _lives_on_windows(pid: int) -> bool:
    import ctypes

    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return bool(kernel.GetLastError() == 5)  # ERROR_ACCESS_DENIED: it is somebody else's
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == 259  # STILL_ACTIVE

"""Children of the test process: warm from the start, and mortal."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable

__all__ = ["forked", "killed", "waited"]


def forked(work: Callable[[], object]) -> int:
    """Do some work in a child, which ends with 0, or with 1 and a traceback; its process number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def waited(pid: int) -> int:
    """How a child ended: its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed(pid: int, due: Callable[[], bool], *, late: float = 0.0) -> int:
    """Kill a child when it is due, or ``late`` seconds after, unless it ends by itself; how it ended."""
    while not due() and not _ended(pid):
        time.sleep(0.0005)
    time.sleep(late)
    os.kill(pid, signal.SIGKILL)  # one that has ended is there until it is waited for
    return waited(pid)


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

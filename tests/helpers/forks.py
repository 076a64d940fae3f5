"""Children of the test process: warm from the start, and mortal."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

__all__ = ["forked", "waited"]


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

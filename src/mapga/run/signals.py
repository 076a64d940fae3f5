"""Being asked to stop: SIGTERM, SIGUSR1 and Ctrl-C are heard when the image batch at work is finished.

A second Ctrl-C ends the process at once.

Clusters ask before they kill. SLURM sends SIGTERM before preemption and at the time limit, and with
``--signal=USR1@120`` SIGUSR1 two minutes before it; submitit asks by SIGUSR2. A run that hears one finishes its
batch, releases its lock, and its process ends with ``EXIT_CODE``: 75, the "try again" of sysexits.h. A cluster with
``RequeueExit=75`` requeues such a job by itself; elsewhere the batch script does::

    srun mapga run -m experiment=demo; code=$?
    if [ $code = 75 ]; then scontrol requeue $SLURM_JOB_ID; fi
    exit $code
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mapga.files.system import ASKED, ASKED_BY_OTHERS, in_forked_child

__all__ = ["EXIT_CODE", "InterruptedRun", "Notice", "listening"]

EXIT_CODE = 75
_HEARD = (signal.SIGINT, *ASKED)
_log = logging.getLogger(__name__)


class InterruptedRun(Exception):
    """The process was asked to stop; what is recorded is whole, and the same command continues."""


class Notice:
    """What a process has been asked while it was listening.

    Attributes:
        signals: The signals received, in their order.
    """

    def __init__(self) -> None:
        self.signals: list[signal.Signals] = []

    def check(self) -> None:
        """Do nothing unless asked to stop.

        Raises:
            InterruptedRun: A signal has come.
        """
        if self.signals:
            raise InterruptedRun(f"asked to stop by {self.signals[0].name}; the same command continues")

    def hear(self, number: int, frame: FrameType | None) -> None:
        """The handler.

        Raises:
            KeyboardInterrupt: It is the second Ctrl-C.
        """
        if number == signal.SIGINT:
            if signal.SIGINT in self.signals:
                raise KeyboardInterrupt
            _log.warning("the batch at work is finished first; Ctrl-C once more stops at once")
        self.signals.append(signal.Signals(number))


_active: list[Notice] = []  # signals belong to the process, and so does the one notice that hears them


@contextmanager
def listening() -> Iterator[Notice]:
    """Hear signals instead of dying of them; inside another such block, share its notice.

    A handler that was there before (submitit's, which requeues the job) is called at the end, when the batch is done
    and the lock released. Outside of the main thread, where Python hears no signals, nothing is ever heard.
    """
    if _active:
        yield _active[0]
        return
    notice = Notice()
    before = {}
    if threading.current_thread() is threading.main_thread():
        others = [number for number in ASKED_BY_OTHERS if callable(signal.getsignal(number))]
        heard = [number for number in _HEARD if signal.getsignal(number) is not signal.SIG_IGN]  # of "command &"
        before = {number: signal.signal(number, notice.hear) for number in (*heard, *others)}
    _active.append(notice)
    try:
        yield notice
    finally:
        _active.remove(notice)
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(notice.signals):
            handler = before[number]
            if (
                callable(handler) and handler is not signal.default_int_handler
            ):  # it would say again what the notice says
                handler(number, None)


def _forget() -> None:
    """In a forked child: worker processes must die of SIGTERM, or whoever ends them waits forever; of Ctrl-C, which a
    terminal sends to all of them, the parent tells them."""
    if _active:
        _active.clear()
        for number in (*ASKED, *ASKED_BY_OTHERS):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)


in_forked_child(_forget)

"""The command line in-process, with a workload of two images and two steps."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from mapga.cli import main

__all__ = ["TINY", "Said", "mapga", "tiny"]

TINY = ("mode=smoke", "prior=mixture", "prior.components=20", "prior.ode_steps=4", "device=cpu", "solver=ct_zsie")


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]


def mapga(capsys: pytest.CaptureFixture[str], *argv: str) -> Said:
    """Run a command in this process."""
    capsys.readouterr()
    code = main(list(argv))
    return Said(code, *capsys.readouterr())


def tiny(results: Path | str, *overrides: str) -> list[str]:
    """Overrides of a tiny run below ``results``."""
    return [*TINY, f"results_dir={results}", *overrides]

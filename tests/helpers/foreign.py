"""Packages that declare entry points, as ``pip install`` leaves them, for the length of a test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mapga.records import provenance

__all__ = ["PULL", "forget_code", "installed"]

#: A solver that answers with the pseudo-inverse times a factor: mypackage.solver:Pull.
PULL = """
from mapga.card import Needs, SolverCard
from mapga.solvers.base import Solver, State


class Pull(Solver):
    card = SolverCard(passes=lambda a, steps: 0, needs=lambda a, steps: Needs("linear", levels=steps))

    def __init__(self, schedule, factor: float = 1.0):
        super().__init__(schedule)
        self.factor = factor

    def iterate(self, problem, prior, noise):
        x = self.factor * problem.operator.pinv(problem.y)
        for step, sigma in enumerate(self.schedule.levels(self.schedule.steps).tolist()):
            yield State(step + 1, sigma, x, x)
"""


@contextmanager
def installed(
    folder: Path, files: Mapping[str, str], entry_points: Mapping[str, str], *, name: str = "mypackage"
) -> Iterator[Path]:
    """A package of these files, version 1.0; ``entry_points``: value by ``<group>/<name>``. Its folder."""
    root = folder / name
    for path, text in {"__init__.py": "", **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{key.partition('/')[0]}]\n{key.partition('/')[2]} = {value}" for key, value in entry_points.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    forget_code()
    try:
        yield root
    finally:
        sys.path.remove(str(folder))
        for module in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[module]
        forget_code()


def forget_code() -> None:
    """What a new process would not know: hashes of sources."""
    for known in (provenance._own_code, provenance._code_of, provenance.code_identity):
        known.cache_clear()

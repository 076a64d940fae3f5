"""Memory does not grow with the steps of a solver: no graph outlives its step, and no tensor is hoarded."""

from __future__ import annotations

import gc
import weakref
from typing import ClassVar

import pytest
import torch

from helpers.runs import tiny_prior
from mapga.operators import CentralBox
from mapga.problem import measure
from mapga.rng import NoiseSource
from mapga.run.batch import solve
from mapga.schedules import Karras
from mapga.solvers import CTZSIE, DDRM, MAPGA, MAPGAPGDM, PGDM, Solver

SOLVERS = {
    "map_ga": lambda: MAPGA(Karras(steps=50)),
    "map_ga_pgdm": lambda: MAPGAPGDM(Karras(steps=2), pgdm_steps=48),
    "pgdm": lambda: PGDM(Karras(steps=50)),
    "ddrm": lambda: DDRM(Karras(steps=50)),
    "ct_zsie": lambda: CTZSIE(Karras(steps=50)),
}


class Noise(NoiseSource):
    """The noise of two images, drawn when asked for: no thread draws ahead while tensors are counted."""

    def __init__(self) -> None:
        super().__init__(0, [0, 1], (1, 8, 8), dtype=torch.float64)

    def ahead(self) -> None:
        pass


class Saved:
    """A tensor that a graph holds for its backward pass."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


class Census:
    """Counts, after each step, what graphs hold; and after steps 5 and 50 every tensor that Python knows."""

    def __init__(self) -> None:
        self.saved: weakref.WeakSet[Saved] = weakref.WeakSet()
        self.packed, self.steps = 0, 0
        self.held: list[int] = []
        self.tensors: dict[int, int] = {}

    def pack(self, tensor: torch.Tensor) -> Saved:
        box = Saved(tensor)
        self.saved.add(box)
        self.packed += 1
        return box

    def step(self) -> None:
        self.steps += 1
        self.held.append(len(self.saved))
        if self.steps in (5, 49):  # the last step draws no noise
            gc.collect()
            self.tensors[self.steps] = sum(type(item) is torch.Tensor for item in gc.get_objects())


@pytest.fixture(autouse=True)
def _only_what_is_made_here():
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def _run(solver: Solver) -> tuple[Census, torch.Tensor]:
    prior, census = tiny_prior(), Census()
    operator = CentralBox(prior.image_shape, width=0.5)
    x = torch.zeros(2, *prior.image_shape, dtype=torch.float64)
    problem = measure(x, operator, 0.1, seed=0, indices=[0, 1])
    with torch.autograd.graph.saved_tensors_hooks(census.pack, lambda box: box.tensor):
        last, _ = solve(solver, problem, prior, Noise(), lambda state: census.step())
    return census, last


@pytest.mark.parametrize("name", SOLVERS)
def test_memory_after_step_50_is_that_after_step_5(name):
    census, last = _run(SOLVERS[name]())
    assert census.steps == 50
    assert census.held == [0] * 50
    assert census.tensors[49] == census.tensors[5]
    assert last.grad_fn is None and not last.requires_grad


def test_the_census_notices_a_graph_that_is_kept():
    class Keeping(MAPGA):
        """Keeps every image it ever made, with its graph."""

        kept: ClassVar[list[torch.Tensor]] = []

        def image(self, prior, z, t):
            with torch.enable_grad():
                self.kept.append(super().image(prior, z.detach().requires_grad_(), t))
            return super().image(prior, z, t)

    census, _ = _run(Keeping(Karras(steps=50)))
    assert census.packed and census.held[49] > census.held[4] > 0
    assert census.tensors[49] > census.tensors[5]

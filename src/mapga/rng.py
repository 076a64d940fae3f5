r"""Noise as a function of (run seed, stream, image index, step, sample), and of nothing else.

Every normal deviate of a run is drawn on the CPU, in float32, by an SFC64 generator whose 192 bits of initial state are
the BLAKE2b hash of those values, of which a sample 0, the only one where an image is restored once, is left out. It is
therefore the same for every batch size, order, shard, worker, device and dtype, and adding a solver or a step cannot
change the measurement another solver sees.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from mapga.files.system import cores, in_forked_child
from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NoiseSource", "generator", "standard_normal"]

_MOMENT = 1e-3  # s, in which a pass begins


def generator(seed: int, stream: str, index: int, step: int = 0) -> np.random.Generator:
    """The generator of one image's noise in one stream at one step.

    Args:
        seed: The run's seed.
        stream: What the noise is for: ``"measurement"``, ``"start"``, ``"step"``, ...
        index: The image's index in its dataset, not its place in a batch.
        step: The solver's step, 0 for streams that are drawn once.
    """
    drawer, set_to = _drawer()
    set_to(seed, stream, index, step)
    return drawer


def standard_normal(
    seed: int,
    stream: str,
    indices: Sequence[int],
    shape: Sequence[int],
    step: int = 0,
    samples: Sequence[int] | None = None,
) -> Tensor:
    """Standard normal noise for several images, float32 on the CPU, shape ``(len(indices), *shape)``.

    Row by row what ``generator`` draws; one generator is set to each image's state, which costs a sixth of making one.
    ``samples`` say which of several restorations of its image each row is for; None: the first.
    """
    out = np.empty((len(indices), *shape), dtype=np.float32)
    drawer, set_to = _drawer()
    for row, index in enumerate(indices):
        set_to(seed, stream, index, step, 0 if samples is None else samples[row])
        drawer.standard_normal(out=out[row], dtype=np.float32)
    return torch.from_numpy(out)


def _drawer() -> tuple[np.random.Generator, Callable[..., None]]:
    """A generator, and how to set it to the beginning of one image's noise."""
    bits = np.random.SFC64(0)
    state = bits.state

    def set_to(seed: int, stream: str, index: int, step: int, sample: int = 0) -> None:
        name = f"{seed}/{stream}/{index}/{step}" + (f"/{sample}" if sample else "")
        key = hashlib.blake2b(name.encode(), digest_size=24).digest()
        state["state"]["state"][:3] = np.frombuffer(key, dtype="<u8")
        state["state"]["state"][3] = 1  # the counter
        bits.state = state

    return np.random.Generator(bits), set_to


@functools.cache
def _background() -> ThreadPoolExecutor:
    """The process's thread that draws ahead: one for each batch would take longer to begin and end than a draw."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="mapga-noise")


in_forked_child(_background.cache_clear)  # where its thread is not


class NoiseSource:
    """The start and step noise of one batch of images, as a solver asks for it.

    The noise of the next step is drawn in a background thread, a moment after ``ahead``, that of the first after
    ``start``, or as soon as it is asked for; for an accelerator it is copied without blocking. On a CPU whose cores are
    all torch's it is drawn when it is asked for.

    Args:
        seed: The run's seed.
        indices: The dataset indices of the images in the batch.
        shape: The shape (C, H, W) of one image.
        device: Where the noise is used.
        dtype: The dtype it is cast to; None for float32, in which it is always drawn.
        around: For a study that starts from known images: (B, C, H, W), that ``start`` is drawn around; None: around
            0. A solver never sees the images themselves.
        samples: Which of several restorations of its image each row is for, >= 0; None: the first.
    """

    def __init__(
        self,
        seed: int,
        indices: Sequence[int],
        shape: Sequence[int],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        around: Tensor | None = None,
        samples: Sequence[int] | None = None,
    ) -> None:
        self.around, self.samples = around, samples
        self.seed, self.indices, self.shape = seed, tuple(indices), tuple(shape)
        self.device, self.dtype = torch.device(device), dtype or torch.float32
        # Where the solver itself keeps the cores busy, a second thread only makes its matrix products wait.
        self._draws_ahead = self.device.type != "cpu" or torch.get_num_threads() < cores()
        self._ahead: dict[int, Future[Tensor]] = {}
        self._asked, self._next = threading.Event(), 0

    def start(self, sigma: float) -> Tensor:
        """sigma n (B, C, H, W), for the initial state at that level; the same tensor every time it is asked for."""
        noise = self._deliver(self._draw("start", 0))
        self.ahead()  # of the first step; before it there is no state after which to ask
        return sigma * (noise if self.around is None else noise + self.around / sigma)

    def step(self, step: int) -> Tensor:
        """Noise (B, C, H, W) for step ``step`` >= 0; the same tensor every time it is asked for."""
        drawn, self._next = self._ahead.pop(step, None), step + 1
        if drawn is None:
            return self._deliver(self._draw("step", step))
        self._asked.set()
        noise = drawn.result()
        self._asked.clear()
        return self._deliver(noise)

    def ahead(self) -> None:
        """Have what the next step will ask for drawn; best just before a pass, during which no Python runs."""
        if self._draws_ahead and self._next not in self._ahead:
            self._ahead[self._next] = _background().submit(self._draw_later, self._next)

    def _draw_later(self, step: int) -> Tensor:
        """After a moment, in which a pass is prepared: two threads that take turns at Python's lock hold up both."""
        self._asked.wait(_MOMENT)
        return self._draw("step", step)

    def _draw(self, stream: str, step: int) -> Tensor:
        noise = standard_normal(self.seed, stream, self.indices, self.shape, step, self.samples)
        return noise.pin_memory() if self.device.type == "cuda" else noise

    def _deliver(self, noise: Tensor) -> Tensor:
        return noise.to(self.device, self.dtype, non_blocking=True)

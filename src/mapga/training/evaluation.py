"""The evaluation of a network that learns: a row of figures and a picture of samples now and then."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from mapga.priors.networks.preconditioning import Kind, precondition
from mapga.training.sampling import flow_end, noised, rmse, sample_consistency, sample_heun, write_grid
from mapga.training.trajectories import Denoiser

__all__ = ["Evaluation", "add_row"]


def add_row(path: Path, row: dict[str, float]) -> None:
    """Add a row of figures, first column ``step``, to a table; a row of the same or a later step is dropped."""
    kept: list[list[str]] = []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as old:
            kept = [line for line in list(csv.reader(old))[1:] if int(float(line[0])) < row["step"]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(row)
        writer.writerows(kept)
        writer.writerow([f"{value:.6g}" for value in row.values()])


class Evaluation:
    """A row of ``figures.csv`` and ``samples-<step>.png`` whenever called.

    A denoiser's figures are the RMSE of D at four noise levels. A consistency function's are the RMSE between C and
    the end of its teacher's flow, or the clean image where it has no teacher.

    Args:
        folder: Where they go.
        kind: What the network is.
        teacher: The denoiser it is distilled from, or None.
        clean: Held-out images (B, C, H, W) in [-1, 1].
        seed: Of the noise, the same at every call.
    """

    IMAGES: ClassVar[int] = 32
    FLOW_STEPS: ClassVar[int] = 24
    SAMPLING_STEPS: ClassVar[int] = 18
    LEVELS: ClassVar[dict[Kind, tuple[float, ...]]] = {
        "edm": (0.1, 0.3, 1.0, 3.0),
        "consistency": (0.5, 2.0, 10.0, 80.0),
    }

    def __init__(self, folder: Path, kind: Kind, teacher: Denoiser | None, clean: Tensor, seed: int) -> None:
        self.folder, self.kind, self.teacher, self.clean, self.seed = folder, kind, teacher, clean, seed
        self._wanted: list[Tensor] | None = None

    @torch.no_grad()
    def __call__(self, network: nn.Module, step: int) -> None:
        answer = partial(precondition, self.kind, network)
        row: dict[str, float] = {"step": step}
        for sigma, wanted in zip(self.LEVELS[self.kind], self._answers(), strict=True):
            got = answer(noised(self.clean, sigma, self.seed), torch.tensor(sigma))
            row[f"rmse_{sigma:g}"] = rmse(got, wanted)
        add_row(self.folder / "figures.csv", row)
        if self.kind == "edm":
            samples = sample_heun(answer, self.clean, self.seed, self.SAMPLING_STEPS)
        else:
            samples = sample_consistency(answer, self.clean, self.seed, 1)
        write_grid(self.folder / f"samples-{step:06d}.png", samples)

    def _answers(self) -> list[Tensor]:
        """The right answer at each level; the flow is integrated once."""
        if self._wanted is None:
            levels = self.LEVELS[self.kind]
            starts = [noised(self.clean, sigma, self.seed) for sigma in levels]
            self._wanted = [
                self.clean if self.teacher is None else flow_end(self.teacher, x, sigma, self.FLOW_STEPS)
                for x, sigma in zip(starts, levels, strict=True)
            ]
        return self._wanted

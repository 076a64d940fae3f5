"""What a run works with: its components, built and checked, and how it is to be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from mapga.datasets.base import Dataset
from mapga.metrics.base import Metric
from mapga.operators.base import Operator
from mapga.pixels import Rounding
from mapga.priors.base import Prior
from mapga.records import WHOLE, RunFolder, Shard
from mapga.run.pace import Compute
from mapga.run.scoring import Scoring
from mapga.solvers.base import Solver
from mapga.tracking.base import Tracker

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """Everything a run needs.

    Attributes:
        folder: Where it is recorded.
        dataset, operator, sigma_y, prior, solver, metrics, trackers: The components; sigma_y on [-1, 1].
        seed: Of all noise.
        batch_size: Images solved together, >= 1.
        device, dtype: Where and in what the solver computes.
        compute: How fast its networks do.
        shard: The rows this process works on.
        rounding: How restored images become uint8.
        start: None: solvers start from noise; ``"truth"``: from the truth plus noise of the schedule's first level.
        trace: Whether each state's PSNR is noted, for convergence curves.
    """

    folder: RunFolder
    dataset: Dataset
    operator: Operator
    sigma_y: float
    prior: Prior
    solver: Solver
    metrics: Sequence[Metric]
    trackers: Sequence[Tracker]
    seed: int = 0
    batch_size: int = 32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    compute: Compute = "eager"
    shard: Shard = WHOLE
    rounding: Rounding = "round"
    start: Literal["truth"] | None = None
    trace: bool = False

    @property
    def scoring(self) -> Scoring:
        """The part of it that scores."""
        return Scoring(
            self.folder,
            self.metrics,
            self.operator,
            self.sigma_y,
            self.dataset.training,
            self.prior if self.dataset.prior is None else self.dataset.prior,
            self.seed,
            self.batch_size,
            self.dtype,
            self.shard,
        )

"""How an answer stands to the exact posterior p(x | y): for exact priors, and in no need of the truth.

The posterior is that of the prior which the images are drawn from (``dataset=from_prior``), else of the run's own.

Answers are scored as stored, in 8 bits. Rounding alone, in a level of 2 / 255, puts a log density down by
(2 / 255)^2 / 24 sum_i 1 / w_i^2 nats on average, w_i the posterior's standard deviations in its free directions: 0.07
nats where 1,024 of them are 0.2, 1.1 where they are 0.05, 26 where they are 0.01. To a squared error it adds 5.1e-6 a
pixel.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mapga.card import MetricCard
from mapga.lazy import torch
from mapga.metrics.base import ImageMetric
from mapga.metrics.scored import Scored
from mapga.pixels import from_uint8
from mapga.posteriors.estimates import best_component, gap_to_mmse, gap_to_mode, mass_reached, usual_log_density

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.posteriors.exact import Exact

__all__ = [
    "BestComponent",
    "GapToMMSE",
    "GapToMode",
    "GapToSamples",
    "MassReached",
    "ModeCertified",
    "PosteriorEntropy",
]


class _OfPosterior(ImageMetric):
    """What they share: each image is asked about by itself, so that its number is the same in any company."""

    lower_is_better = True
    needs_problem = True
    needs_posterior = True

    @abstractmethod
    def number(self, posterior: Exact, x: Tensor, index: int) -> Tensor:
        """Of one answer x (1, C, H, W), float64 (1,)."""

    def __call__(self, batch: Scored) -> np.ndarray:
        if batch.problem is None or batch.posteriors is None:
            raise ValueError(f"{self.name} needs the exact posterior; score it inside a run with an exact prior")
        images, rows = from_uint8(batch.restored).double(), zip(batch.posteriors, batch.problem.numbers, strict=True)
        with torch.no_grad():
            found = [self.number(one, x[None], k) for x, (one, k) in zip(images, rows, strict=True)]
        return torch.cat(found).double().cpu().numpy()


class GapToMMSE(_OfPosterior):
    """Expected squared error above that of the posterior mean, the least there is, dB. Exact samples: about 3 dB."""

    card = MetricCard(digits=2, order=10, unit="dB", titles={"gap_to_mmse": "Above the MMSE"})
    name = "gap_to_mmse"

    def number(self, posterior: Exact, x: Tensor, index: int) -> Tensor:
        return gap_to_mmse(posterior, x)


class GapToMode(_OfPosterior):
    """log p(mode | y) - log p(x | y), nats, of the best mode found. Exact samples: about half the free dimensions."""

    card = MetricCard(digits=1, order=11, unit="nats", titles={"gap_to_mode": "Below the mode"})
    name = "gap_to_mode"

    def number(self, posterior: Exact, x: Tensor, index: int) -> Tensor:
        return gap_to_mode(posterior, x)


class GapToSamples(_OfPosterior):
    """Mean log p(. | y) of exact samples less log p(x | y), nats. Exact samples: 0; below it is nearer a mode.

    Args:
        draws: Exact samples of each measurement, >= 1; functions of its index.
    """

    card = MetricCard(
        digits=1, order=12, check=True, ordered=False, unit="nats", titles={"gap_to_samples": "Below samples"}
    )
    name = "gap_to_samples"

    def __init__(self, draws: int = 32) -> None:
        if draws < 1:
            raise ValueError(f"draws={draws}: at least 1 exact sample is compared with")
        self.draws = draws

    def number(self, posterior: Exact, x: Tensor, index: int) -> Tensor:
        return _usual(posterior, self.draws, index) - posterior.log_density(x)


@lru_cache(maxsize=1)
def _usual(posterior: Exact, draws: int, index: int) -> Tensor:
    """What samples of an image share."""
    return usual_log_density(posterior, posterior.sample(draws, seed=0, indices=[index]))


class MassReached(_OfPosterior):
    """Posterior probability of the component that x belongs to most. Exact samples: sum pi^2; the best: max pi."""

    card = MetricCard(digits=3, order=13, titles={"mass_reached": "Mass reached"})
    name = "mass_reached"
    lower_is_better = False

    def number(self, posterior: Exact, x: Tensor, index: int) -> Tensor:
        return mass_reached(posterior, x)


class BestComponent(_OfPosterior):
    """Whether that component is the most probable one, 0 or 1. Exact samples: max pi on average."""

    card = MetricCard(digits=3, order=14, titles={"best_component": "Best component"})
    name = "best_component"
    lower_is_better = False

    def number(self, posterior: Exact, x: Tensor, index: int) -> Tensor:
        return best_component(posterior, x)


class ModeCertified(_OfPosterior):
    """Whether it is proved that nothing is higher than the mode which ``gap_to_mode`` starts from, 0 or 1."""

    card = MetricCard(digits=2, order=15, check=True, ordered=False, titles={"mode_certified": "Mode certified"})
    name = "mode_certified"
    lower_is_better = False

    def number(self, posterior: Exact, x: Tensor, index: int) -> Tensor:
        return posterior.mode.certified.to(x)


class PosteriorEntropy(_OfPosterior):
    """Of the component given y, nats: how ambiguous the measurement is, whatever the answer."""

    card = MetricCard(
        digits=2, order=16, check=True, ordered=False, unit="nats", titles={"posterior_entropy": "Posterior entropy"}
    )
    name = "posterior_entropy"

    def number(self, posterior: Exact, x: Tensor, index: int) -> Tensor:
        return posterior.entropy()

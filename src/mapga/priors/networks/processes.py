r"""How a raw network F of another convention becomes a denoiser D(x, sigma) or a consistency function.

* ``DiscreteVP``: x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) n at times t = 0, 1, ..., of which F predicts n (``epsilon``),
  x_0 (``sample``) or sqrt(a_t) n - sqrt(1 - a_t) x_0 (``v_prediction``). With sigma_t^2 = (1 - a_t) / a_t it is asked
  at x / sqrt(1 + sigma^2) and at the time, between two whole ones where need be, whose log sigma_t is log sigma:

      epsilon: D = x - sigma F,    sample: D = F,    v: D = x / (1 + sigma^2) - sigma F / sqrt(1 + sigma^2)

* ``ContinuousVE``: F(u, s) is the score of images u in [0, 1]: D(x, sigma) = 2 (u + s^2 F(u, s)) - 1 with
  u = (x + 1) / 2 and s = sigma / 2.
* ``Preconditioned``: F is scaled as ``mapga.priors.networks.preconditioning`` says.

Sources: Ho et al., 2020, arXiv 2006.11239; Salimans, Ho, 2022, arXiv 2202.00512 (v); Song et al., 2021, arXiv
2011.13456 (VE), all as diffusers has them (DDPMScheduler, ScoreSdeVePipeline, CMStochasticIterativeScheduler).
**Differs from diffusers:** its schedulers clip or threshold x_0, which has no gradient; here nothing is clipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from mapga.lazy import torch
from mapga.pixels import to_sym, to_unit
from mapga.priors.base import expand_sigma
from mapga.priors.networks.preconditioning import SIGMA_DATA, Kind, precondition
from mapga.schedules.base import SIGMA_MAX, SIGMA_MIN

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ContinuousVE", "DiscreteVP", "Network", "Preconditioned", "Prediction", "Process"]

Network = Callable[["Tensor", "Tensor"], "Tensor"]  # F: images (B, C, H, W), time inputs (B,) -> (B, C, H, W)
Prediction = Literal["epsilon", "sample", "v_prediction"]


class Process(Protocol):
    """A convention: F and what it is asked about, to what is wanted of it.

    Attributes:
        sigma_min, sigma_max: The levels that F was trained on.
    """

    @property
    def sigma_min(self) -> float: ...

    @property
    def sigma_max(self) -> float: ...

    def __call__(self, network: Network, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x, sigma), or C(x, sigma), of images (B, C, H, W) in [-1, 1] at one level, or one per image (B,)."""


@dataclass(frozen=True)
class DiscreteVP:
    """Noise levels sigma_t of whole times t = 0, 1, ..., strictly increasing, and what F predicts."""

    levels: tuple[float, ...]
    prediction: Prediction = "epsilon"

    @classmethod
    def of_alphas(cls, alphas: Tensor, prediction: Prediction = "epsilon") -> DiscreteVP:
        """From the cumulative products a_t (T,), decreasing; a time that leaves nothing of the image is left out."""
        a = alphas.double()
        levels = ((1 - a) / a).sqrt()
        return cls(tuple(levels[levels.isfinite()].tolist()), prediction)

    @classmethod
    def linear(cls) -> DiscreteVP:
        """1,000 times, beta from 1e-4 to 0.02 (Ho et al., 2020)."""
        return cls.of_alphas(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0))

    @classmethod
    def cosine(cls) -> DiscreteVP:
        """1,000 times, a_t as cos^2, no beta above 0.999 (Nichol, Dhariwal, 2021, arXiv 2102.09672)."""
        t = torch.linspace(0, 1, 1001, dtype=torch.float64)
        a = ((t + 0.008) / 1.008 * math.pi / 2).cos().square()
        return cls.of_alphas(torch.cumprod((a[1:] / a[:-1]).clamp(min=0.001), 0))

    @property
    def sigma_min(self) -> float:
        return self.levels[0]

    @property
    def sigma_max(self) -> float:
        return self.levels[-1]

    def time(self, level: Tensor) -> Tensor:
        """The time of levels (B,), linear in log sigma between whole times; the first, or last, one beyond them."""
        known = torch.tensor(self.levels, dtype=level.dtype, device=level.device).log()
        log = level.log().clamp(known[0], known[-1])
        after = torch.searchsorted(known, log).clamp(1, len(known) - 1)
        low, high = known[after - 1], known[after]
        return after - 1 + (log - low) / (high - low)

    def __call__(self, network: Network, x: Tensor, sigma: float | Tensor) -> Tensor:
        level = expand_sigma(sigma, x)
        scale = (1 + level.square()).sqrt()
        out = network(x / scale, self.time(level.reshape(-1)).expand(len(x)))
        if self.prediction == "sample":
            return out
        return x - level * out if self.prediction == "epsilon" else (x / scale - level * out) / scale


@dataclass(frozen=True)
class ContinuousVE:
    """Levels from ``lowest`` to ``highest`` of noise on images in [0, 1], of which F is the score."""

    lowest: float
    highest: float

    @property
    def sigma_min(self) -> float:
        return 2 * self.lowest

    @property
    def sigma_max(self) -> float:
        return 2 * self.highest

    def __call__(self, network: Network, x: Tensor, sigma: float | Tensor) -> Tensor:
        unit, level = to_unit(x), expand_sigma(sigma, x) / 2
        return to_sym(unit + level.square() * network(unit, level.reshape(-1).expand(len(x))))


@dataclass(frozen=True)
class Preconditioned:
    """EDM's scalings, or a consistency model's."""

    kind: Kind
    sigma_min: float = SIGMA_MIN
    sigma_max: float = SIGMA_MAX
    sigma_data: float = SIGMA_DATA

    def __call__(self, network: Network, x: Tensor, sigma: float | Tensor) -> Tensor:
        return precondition(self.kind, network, x, sigma, sigma_data=self.sigma_data, sigma_min=self.sigma_min)

r"""How one answer x for each measurement stands to its exact posterior.

None of these needs the truth: what an answer can be blamed for is a function of p(x | y). Where a posterior is one of
patches, what is asked of a component is asked of each patch and averaged over them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.posteriors.exact import Exact

__all__ = [
    "best_component",
    "density_level",
    "gap_to_mmse",
    "gap_to_mode",
    "gap_to_samples",
    "mass_reached",
    "usual_log_density",
]


def gap_to_mmse(posterior: Exact, x: Tensor) -> Tensor:
    """How far x's expected squared error is above the least possible one, dB, (B,).

    10 log10((MMSE + |x - E[x | y]|^2 / n) / MMSE): 0 for the posterior mean; of exact samples the ratio is 2 on
    average, 3.01 dB.

    Args:
        posterior: Of B measurements.
        x: Answers (B, C, H, W).
    """
    off, mmse = (x - posterior.mean()).flatten(1).square().mean(1), posterior.mmse()
    return 10 / math.log(10) * torch.log1p(off / mmse)


def gap_to_mode(posterior: Exact, x: Tensor) -> Tensor:
    """log p(mode | y) - log p(x | y) in nats, (B,): 0 at the mode, about half the dimension for an exact sample.

    Not negative where the mode is certified; without noise, of x projected on {A x = y}.
    """
    return posterior.mode.log_density - posterior.log_density(x)


def gap_to_samples(posterior: Exact, x: Tensor, samples: Tensor) -> Tensor:
    """How far log p(x | y) is below the mean of that of exact samples (B, M, C, H, W), nats, (B,).

    0 on average for exact samples, about minus half the dimension at the mode.
    """
    return usual_log_density(posterior, samples) - posterior.log_density(x)


def usual_log_density(posterior: Exact, samples: Tensor) -> Tensor:
    """Mean of log p(. | y) over exact samples (B, M, C, H, W), (B,)."""
    return torch.stack([posterior.log_density(one) for one in samples.unbind(1)], 1).mean(1)


def density_level(posterior: Exact, x: Tensor, samples: Tensor) -> Tensor:
    """The share of exact samples (B, M, C, H, W) whose log density is higher, (B,), in 0..1.

    The mass of the highest-density region at whose border x lies: even over 0..1 for exact samples, 0 for the mode,
    1 for what is nothing like a sample.
    """
    own = posterior.log_density(x)
    above = [posterior.log_density(one) > own for one in samples.unbind(1)]
    return torch.stack(above, 1).to(x.dtype).mean(1)


def mass_reached(posterior: Exact, x: Tensor) -> Tensor:
    """Posterior probability of the component that x belongs to most, (B,); its mean for exact samples is sum pi^2."""
    reached = posterior.responsibilities(x).argmax(1, keepdim=True)
    return _over_patches(posterior.weights.gather(1, reached)[:, 0])


def best_component(posterior: Exact, x: Tensor) -> Tensor:
    """Whether the component that x belongs to most is the one that y speaks for most, 0 or 1, (B,)."""
    found = posterior.responsibilities(x).argmax(1) == posterior.weights.argmax(1)
    return _over_patches(found.to(x.dtype))


def _over_patches(values: Tensor) -> Tensor:
    """Numbers (B,), or the mean of those of patches (B, G)."""
    return values.flatten(1).mean(1) if values.ndim > 1 else values

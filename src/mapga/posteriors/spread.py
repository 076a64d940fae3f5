r"""How K samples of each measurement differ from exact ones: their variance, their distribution, their components.

Two finite sets of exact samples differ too: each distance is to be read beside the same distance between K exact
samples and the M exact ones that it is measured against, its floor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.posteriors.exact import Exact

__all__ = ["energy_distance", "mode_weights_distance", "sliced_wasserstein", "variance_ratio"]

_EXACT = "donot_use_mm_for_euclid_dist"  # differences, not squares that cancel


def variance_ratio(posterior: Exact, samples: Tensor) -> Tensor:
    """Variance of samples (B, K, C, H, W) over that of the posterior, both summed over pixels, (B,); 1 if exact.

    Raises:
        ValueError: Fewer than two samples.
    """
    if samples.shape[1] < 2:
        raise ValueError(f"samples={samples.shape[1]}: a variance takes at least 2 samples of each measurement")
    return samples.flatten(2).var(1).mean(1) / posterior.mmse()


def mode_weights_distance(posterior: Exact, samples: Tensor) -> Tensor:
    """Total variation between the components' weights in samples (B, K, C, H, W) and in the posterior, (B,), 0..1.

    Of patches the mean over them.
    """
    shares = torch.stack([posterior.responsibilities(one) for one in samples.unbind(1)]).mean(0)
    apart = (shares - posterior.weights).abs().sum(1) / 2
    return apart if apart.ndim == 1 else apart.mean(1)


def energy_distance(samples: Tensor, exact: Tensor) -> Tensor:
    """2 E|x - e| - E|x - x'| - E|e - e'| of samples (B, K, C, H, W) and (B, M, C, H, W), (B,); 0 on average if exact.

    Pairs of a sample with itself are left out, so that it has no bias, and may be below 0.

    Raises:
        ValueError: Fewer than two samples.

    Source: Szekely, Rizzo, "Energy statistics", 2013.
    """
    x, e = samples.flatten(2), exact.flatten(2)
    if min(x.shape[1], e.shape[1]) < 2:
        raise ValueError(f"{x.shape[1]} and {e.shape[1]} samples: an energy distance takes at least 2 of each")
    return 2 * torch.cdist(x, e, compute_mode=_EXACT).mean((1, 2)) - _within(x) - _within(e)


def sliced_wasserstein(samples: Tensor, exact: Tensor, directions: Tensor) -> Tensor:
    """Root of the mean squared distance of sorted projections, (B,), of as many samples as exact ones (B, K, C, H, W).

    Args:
        samples: Of each measurement.
        exact: As many.
        directions: (P, n), of unit length.

    Raises:
        ValueError: Other numbers of samples.

    Source: Bonneel et al., "Sliced and Radon Wasserstein barycenters of measures", 2015.
    """
    if samples.shape != exact.shape:
        raise ValueError(f"{samples.shape[1]} and {exact.shape[1]} samples: the sorted ones are paired, give as many")
    along, wanted = ((part.flatten(2) @ directions.T).sort(1).values for part in (samples, exact))
    return (along - wanted).square().mean((1, 2)).sqrt()


def _within(x: Tensor) -> Tensor:
    """Mean distance of two different samples."""
    count = x.shape[1]
    return torch.cdist(x, x, compute_mode=_EXACT).sum((1, 2)) / (count * (count - 1))

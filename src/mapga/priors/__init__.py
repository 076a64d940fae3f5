"""Priors: analytic ones and networks, equals to a solver. One kind, one file."""

from typing import TYPE_CHECKING

from mapga.lazy import importer

if TYPE_CHECKING:
    from mapga.priors.base import SIGMA_MAX, SIGMA_MIN, Prior
    from mapga.priors.gaussian import GaussianPrior
    from mapga.priors.mixture import MixturePrior
    from mapga.priors.network import NetworkPrior
    from mapga.priors.none import NoPrior
    from mapga.priors.published import PublishedPrior
    from mapga.priors.unit_range import UnitRangePrior

__all__ = [
    "SIGMA_MAX",
    "SIGMA_MIN",
    "GaussianPrior",
    "MixturePrior",
    "NetworkPrior",
    "NoPrior",
    "Prior",
    "PublishedPrior",
    "UnitRangePrior",
]

_HOMES = {
    "GaussianPrior": "gaussian",
    "MixturePrior": "mixture",
    "NetworkPrior": "network",
    "NoPrior": "none",
    "Prior": "base",
    "PublishedPrior": "published",
    "SIGMA_MAX": "base",
    "SIGMA_MIN": "base",
    "UnitRangePrior": "unit_range",
}
__getattr__ = importer(__name__, _HOMES)

r"""How a raw network F becomes a denoiser or a consistency function.

    out(x, sigma) = c_skip(sigma) x + c_out(sigma) F(c_in(sigma) x, 250 ln sigma)
    c_in = 1 / sqrt(sigma^2 + sigma_data^2)

* ``edm``          c_skip = sigma_data^2 / (sigma^2 + sigma_data^2)
                   c_out  = sigma sigma_data / sqrt(sigma^2 + sigma_data^2)
* ``consistency``  the same with (sigma - sigma_min) in the place of sigma, except under the root of c_out,
                   so that out(x, sigma_min) = x whatever F says.

The two differ by less than 1 % at most levels, so a network of one kind run as the other gives pictures that
are wrong without looking wrong: the kind travels with every weights file and is checked.

Sources: Karras et al., 2022, arXiv 2206.00364, table 1; Song et al., 2023, arXiv 2303.01469, appendix C.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

from mapga.lazy import torch
from mapga.priors.base import expand_sigma
from mapga.schedules.base import SIGMA_MIN

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KINDS", "ROLES", "SIGMA_DATA", "Kind", "precondition", "scalings", "time_input"]

Kind = Literal["edm", "consistency"]
KINDS: tuple[str, ...] = get_args(Kind)
ROLES: dict[str, Kind] = {"denoiser": "edm", "consistency": "consistency"}  # of a prior's networks, with their kinds
SIGMA_DATA = 0.5  # standard deviation of the images the published networks assume
TIME_SCALE = 250.0  # 1000 / 4: EDM's ln(sigma) / 4 on the 0..1000 scale of sinusoidal embeddings


def scalings(
    kind: Kind, sigma: Tensor, *, sigma_data: float = SIGMA_DATA, sigma_min: float = SIGMA_MIN
) -> tuple[Tensor, Tensor, Tensor]:
    """(c_skip, c_out, c_in) at noise levels sigma > 0 of any shape.

    Raises:
        ValueError: An unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
    spread = (sigma.square() + sigma_data**2).sqrt()
    distance = sigma if kind == "edm" else sigma - sigma_min
    return sigma_data**2 / (distance.square() + sigma_data**2), distance * sigma_data / spread, 1 / spread


def time_input(sigma: Tensor) -> Tensor:
    """250 ln sigma, the number the network's sinusoidal embedding sees, for levels of any shape."""
    return TIME_SCALE * sigma.log()


def precondition(
    kind: Kind,
    network: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    sigma: float | Tensor,
    *,
    sigma_data: float = SIGMA_DATA,
    sigma_min: float = SIGMA_MIN,
) -> Tensor:
    """out(x, sigma) for images (B, C, H, W) and one level, or one per image (B,), sigma > 0.

    Args:
        kind: Which scalings the network was trained with.
        network: F: (scaled images (B, C, H, W), time inputs (B,)) -> (B, C, H, W).
        x: Noisy images.
        sigma: Noise level.
        sigma_data: Standard deviation of the images that the network assumes.
        sigma_min: Where the trajectories of a consistency model end.
    """
    level = expand_sigma(sigma, x)
    c_skip, c_out, c_in = scalings(kind, level, sigma_data=sigma_data, sigma_min=sigma_min)
    time = time_input(level).reshape(-1).expand(len(x))
    return c_skip * x + c_out * network(c_in * x, time).to(torch.promote_types(x.dtype, torch.float32))

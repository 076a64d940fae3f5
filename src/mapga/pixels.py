"""Ranges and rounding: the two places where a picture changes its scale.

Inside the suite every image is a float tensor (B, C, H, W) in [-1, 1] ("sym"). Files, records and pictures
are uint8 (N, H, W, C). Some networks and papers use [0, 1] ("unit").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Rounding", "SigmaUnit", "from_uint8", "sigma_to_sym", "to_sym", "to_uint8", "to_unit"]

Rounding = Literal["round", "truncate"]
SigmaUnit = Literal["[-1,1]", "[0,1]"]

# Added before flooring. Truncation forgives the float32 error (1.5e-5) of an image that is whole levels already.
_OFFSETS: dict[Rounding, float] = {"round": 0.5, "truncate": 1e-4}


def to_unit(x: Tensor) -> Tensor:
    """[-1, 1] to [0, 1]."""
    return (x + 1) / 2


def to_sym(x: Tensor) -> Tensor:
    """[0, 1] to [-1, 1]."""
    return 2 * x - 1


def sigma_to_sym(sigma: float, unit: SigmaUnit) -> float:
    """A noise standard deviation stated in ``unit`` as one on [-1, 1]: it doubles from [0, 1].

    Raises:
        ValueError: A negative or non-finite sigma, or an unknown unit.
    """
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"sigma_y={sigma}: a noise standard deviation is finite and >= 0")
    if unit not in ("[-1,1]", "[0,1]"):
        raise ValueError(f"sigma_y_unit={unit!r}: choose '[-1,1]' or '[0,1]'")
    return 2 * sigma if unit == "[0,1]" else sigma


def from_uint8(images: np.ndarray) -> Tensor:
    """uint8 (B, H, W, C) to float64 (B, C, H, W) in [-1, 1]."""
    if images.dtype != np.uint8:
        raise TypeError(f"expected uint8 images, got {images.dtype}")
    return to_sym(torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).double() / 255)


def to_uint8(x: Tensor, rounding: Rounding = "round") -> np.ndarray:
    """[-1, 1] (B, C, H, W) to uint8 (B, H, W, C); values outside are clipped.

    Args:
        x: Images.
        rounding: ``"round"`` (half up, what image viewers assume) or ``"truncate"`` (what several peers do;
            darker by half a level). Images that are whole levels already keep them either way.

    Raises:
        ValueError: An unknown rounding.
    """
    if rounding not in _OFFSETS:
        raise ValueError(f"rounding={rounding!r}: choose 'round' or 'truncate'")
    x = x.detach().cpu() if x.device.type == "mps" else x.detach()  # which has no float64
    levels = (255 * to_unit(x.double()).clamp(0, 1) + _OFFSETS[rounding]).floor()
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()

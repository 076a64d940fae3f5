"""Half precision as the networks were released for: convolutions and attention in half, the rest in float32.

Norms, embeddings, the first and the last convolution compute in float32; what flows between blocks is half. A sum of
a half and a float32 tensor would be float32, so every float32 part hands its result on in half.

Source: openai/consistency_models, 2023 (cm/fp16_util.py, cm/nn.py: weights of the torso in half, GroupNorm32).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["NetworkPrecision", "set_precision"]

NetworkPrecision = Literal["float32", "bfloat16", "float16"]
_FULL = ("conv_in", "conv_out", "time_embedding", "class_embedding", "time_emb_proj")


def set_precision(body: nn.Module, precision: NetworkPrecision) -> None:
    """Turn a U-Net's convolutions and attention to half, in place; float32 leaves everything float32.

    Args:
        body: A ``UNet2DModel`` of diffusers.
        precision: What convolutions and attention compute in.
    """
    body.float()
    if precision == "float32":
        return
    nn, half = torch.nn, torch.bfloat16 if precision == "bfloat16" else torch.float16
    for name, module in body.named_modules():
        full = any(part in _FULL for part in name.split("."))
        if isinstance(module, nn.GroupNorm) or name == "conv_out" or name.endswith("time_emb_proj"):
            module.register_forward_pre_hook(partial(_enter, torch.float32))
        if isinstance(module, nn.GroupNorm) or name == "conv_in" or name.endswith("time_emb_proj"):
            module.register_forward_hook(partial(_leave, half))
        if isinstance(module, nn.Conv2d | nn.Linear) and not full:
            module.to(half)


def _enter(dtype: torch.dtype, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.to(dtype) if isinstance(value, torch.Tensor) else value for value in inputs)


def _leave(dtype: torch.dtype, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.to(dtype)

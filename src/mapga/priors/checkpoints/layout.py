"""From the names of a published state dict to those of diffusers: strict, every key once.

Attention: the published ``qkv`` (3C, C, 1, 1) is laid out (three, heads, channels of a head), so its three thirds are
diffusers' ``to_q``, ``to_k`` and ``to_v`` as they stand, heads included. Older networks have (heads, three, channels of
a head), which is transposed.

Sources of the published names: openai/consistency_models, 2023 (cm/unet.py), openai/guided-diffusion, 2021; of the
others: diffusers, UNet2DModel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from torch import Tensor

from mapga.priors.checkpoints.architecture import PublishedArchitecture
from mapga.priors.checkpoints.network import empty_network

__all__ = ["differences", "diffusers_shapes", "is_published", "published_names", "published_shapes", "to_diffusers"]

_RES = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_SHOWN = 3  # keys named in a refusal


@cache
def diffusers_shapes(architecture: PublishedArchitecture) -> dict[str, tuple[int, ...]]:
    """Every key of the network in diffusers' names, with its shape."""
    state = empty_network(architecture).body.state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


@cache
def published_names(architecture: PublishedArchitecture) -> dict[str, tuple[str, ...]]:
    """Every key of a published file, with the one (of ``qkv``: three) diffusers keys that its numbers go to."""
    pairs: list[tuple[str, tuple[str, ...]]] = [(old, (new,)) for old, new in _ENDS.items()]
    for kind, old, new in architecture.modules():
        if kind == "res":
            pairs += [(f"{old}.{part}", (f"{new}.{name}",)) for part, name in _RES.items()]
        else:
            pairs.append((f"{old}.norm", (f"{new}.group_norm",)))
            pairs.append((f"{old}.qkv", tuple(f"{new}.to_{letter}" for letter in "qkv")))
            pairs.append((f"{old}.proj_out", (f"{new}.to_out.0",)))
    known = diffusers_shapes(architecture)
    names = {
        f"{old}.{leaf}": tuple(f"{name}.{leaf}" for name in new)
        for old, new in pairs
        for leaf in ("weight", "bias")
        if f"{new[0]}.{leaf}" in known
    }
    if architecture.classes is not None:
        names["label_emb.weight"] = ("class_embedding.weight",)
    return names


@cache
def published_shapes(architecture: PublishedArchitecture) -> dict[str, tuple[int, ...]]:
    """Every key of a published file with its shape; those of attention without their trailing ones."""
    known = diffusers_shapes(architecture)
    return {
        old: (len(new) * known[new[0]][0], *known[new[0]][1:]) for old, new in published_names(architecture).items()
    }


def is_published(keys: Sequence[str]) -> bool:
    """Whether the keys are in the published names rather than in diffusers'."""
    return any(key.startswith(("input_blocks.", "output_blocks.", "time_embed.")) for key in keys)


def differences(state: Mapping[str, Tensor], architecture: PublishedArchitecture) -> str | None:
    """None if the keys and shapes are exactly those of the architecture, else one line that names what differs."""
    published = is_published(list(state))
    wanted = published_shapes(architecture) if published else diffusers_shapes(architecture)
    lacks, extra = [key for key in wanted if key not in state], [key for key in state if key not in wanted]
    parts = []
    if lacks:
        parts.append(f"lacks {_named(lacks)}")
    if extra:
        parts.append(f"has {_named(extra)} that the network has not")
    wrong = [
        f"{key} is {tuple(state[key].shape)} instead of {shape}"
        for key, shape in wanted.items()
        if key in state and _squeezed(tuple(state[key].shape), len(shape)) != shape
    ]
    if wrong:
        parts.append(_named(wrong))
    return "; ".join(parts) or None


def to_diffusers(state: Mapping[str, Tensor], architecture: PublishedArchitecture) -> dict[str, Tensor]:
    """The same numbers under diffusers' names; a state dict that has them already is returned as it is.

    Args:
        state: A state dict without ``differences`` to the architecture.
        architecture: Which network it is.
    """
    if not is_published(list(state)):
        return dict(state)
    shapes, converted = diffusers_shapes(architecture), {}
    for old, names in published_names(architecture).items():
        whole = state[old]
        if len(names) == 3 and architecture.heads_first:
            whole = whole.unflatten(0, (-1, 3, architecture.head)).transpose(0, 1).flatten(0, 2)
        for name, part in zip(names, torch.chunk(whole, len(names)), strict=True):
            converted[name] = part.reshape(shapes[name])
    return converted


def _squeezed(shape: tuple[int, ...], axes: int) -> tuple[int, ...]:
    """A 1x1 convolution's shape as a matrix's."""
    return shape[:axes] if all(side == 1 for side in shape[axes:]) else shape


def _named(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more

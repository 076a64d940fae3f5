"""The U-Net of the priors trained here, and its weights file.

The network is diffusers' ``UNet2DModel``. It may look at the image through a pixel-unshuffle: with patch 2
each 2x2 block of pixels becomes one place of four times the channels, which halves a pass's time on a CPU.

A weights file is one safetensors file: the tensors, and as metadata the kind of preconditioning (``edm`` or
``consistency``) and the architecture. No code is ever read from it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mapga.files.durable import write_bytes
from mapga.priors.networks.preconditioning import Kind

__all__ = ["Architecture", "UNet", "read_network", "write_network", "write_tensors"]

FORMAT = "mapga-unet-1"
KEY = "mapga"


@dataclass(frozen=True)
class Architecture:
    """What a network's shape depends on.

    Attributes:
        channels: Image channels, 1 or 3.
        size: Height and width of an image, a multiple of patch * 2^(len(widths) - 1).
        patch: Side of the pixel block that becomes one place, >= 1.
        widths: Channels at each resolution, finest first; multiples of ``groups``.
        attention: Whether there is attention at each resolution; as long as ``widths``.
        blocks: Residual blocks at each resolution, >= 1.
        head: Channels of one attention head.
        groups: Groups of the group normalisation.
    """

    channels: int
    size: int
    patch: int = 1
    widths: tuple[int, ...] = (32, 64, 96)
    attention: tuple[bool, ...] = (False, False, True)
    blocks: int = 1
    head: int = 32
    groups: int = 8

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.size, self.size

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.widths):
            raise ValueError(f"attention={list(self.attention)} needs one entry for each of widths={list(self.widths)}")
        step = self.patch * 2 ** (len(self.widths) - 1)
        if self.size < step or self.size % step:
            raise ValueError(
                f"image size {self.size} is no multiple of {step} = patch * 2^(levels - 1); "
                f"resize the images, or use fewer widths than {list(self.widths)}"
            )
        if any(width % self.groups for width in self.widths):
            raise ValueError(f"widths={list(self.widths)}: each must be a multiple of groups={self.groups}")


class UNet(nn.Module):
    """F(x, time): (B, C, H, W) and (B,) to (B, C, H, W)."""

    def __init__(self, architecture: Architecture) -> None:
        from diffusers import UNet2DModel

        super().__init__()
        self.architecture = architecture
        inner = architecture.channels * architecture.patch**2
        body: Any = UNet2DModel(
            sample_size=architecture.size // architecture.patch,
            in_channels=inner,
            out_channels=inner,
            layers_per_block=architecture.blocks,
            block_out_channels=architecture.widths,
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in architecture.attention),
            up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(architecture.attention)),
            attention_head_dim=architecture.head,
            norm_num_groups=architecture.groups,
        )
        self.body: nn.Module = body

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        patch = self.architecture.patch
        out = self.body(functional.pixel_unshuffle(x, patch), time).sample
        return functional.pixel_shuffle(out, patch)


def write_network(path: Path, network: UNet, kind: Kind, *, dtype: torch.dtype = torch.float16) -> None:
    """Write a weights file, whole or not at all.

    Args:
        path: The file; replaced if it is there.
        network: The network.
        kind: The preconditioning it was trained with.
        dtype: How the weights are stored.
    """
    described = {"format": FORMAT, "kind": kind, "architecture": asdict(network.architecture)}
    write_tensors(path, network, json.dumps(described), dtype=dtype)


def write_tensors(path: Path, network: nn.Module, described: str, *, dtype: torch.dtype) -> None:
    """Write a module's tensors and a description as one safetensors file, whole or not at all.

    The description is one entry of the metadata: of several, the library keeps no order, and equal weights would
    make unequal files.
    """
    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in network.state_dict().items()}
    write_bytes(path, save(tensors, metadata={KEY: described}))


def read_network(path: Path, kind: Kind) -> UNet:
    """The network in a weights file, in float32, frozen and in evaluation mode.

    Args:
        path: A file written by ``write_network``.
        kind: The preconditioning it will be run with.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not such a file, a cut or damaged one, or one of the other kind.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights file; train one with `mapga train`, or mend the path")
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = json.loads((file.metadata() or {}).get(KEY, "{}"))
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged or cut weights file ({error}); fetch or train it again") from None
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: format {metadata.get('format')!r} is not {FORMAT!r}; write it with `mapga train`")
    if metadata["kind"] != kind:
        raise ValueError(
            f"{path}: these are {metadata['kind']} weights, asked for as {kind}; the scalings differ and the "
            f"images would be silently wrong: give this file as the {metadata['kind']} network instead"
        )
    fields: dict[str, Any] = metadata["architecture"]
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    network = UNet(Architecture(**(fields | lists)))
    network.load_state_dict(tensors)
    return network.requires_grad_(False).eval()

"""The network of a published architecture, as diffusers' ``UNet2DModel``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mapga.priors.checkpoints.architecture import PublishedArchitecture

__all__ = ["PublishedNetwork", "empty_network"]


class PublishedNetwork(nn.Module):
    """F(x, time, labels): images (B, 3, H, W), time inputs (B,), int64 labels (B,) -> (B, 3, H, W)."""

    def __init__(self, architecture: PublishedArchitecture) -> None:
        from diffusers import UNet2DModel

        super().__init__()
        self.architecture = architecture
        kinds = ["Attn" if attended else "Resnet" for attended in architecture.attention]
        down = {"Attn": "AttnDownBlock2D", "Resnet": "ResnetDownsampleBlock2D"}
        up = {"Attn": "AttnUpBlock2D", "Resnet": "ResnetUpsampleBlock2D"}
        body: Any = UNet2DModel(
            sample_size=architecture.image_size,
            in_channels=3,
            out_channels=6 if architecture.variance else 3,
            layers_per_block=architecture.blocks,
            block_out_channels=architecture.widths,
            down_block_types=tuple(down[kind] for kind in kinds),
            up_block_types=tuple(up[kind] for kind in reversed(kinds)),
            downsample_type="resnet",
            upsample_type="resnet",
            attention_head_dim=architecture.head,
            attn_norm_num_groups=32,
            norm_num_groups=32,
            norm_eps=1e-5,
            resnet_time_scale_shift="scale_shift" if architecture.scale_shift else "default",
            num_class_embeds=architecture.classes,
        )
        self.body: nn.Module = body

    def forward(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        out: Tensor = self.body(x, time, class_labels=labels, return_dict=False)[0]
        return out[:, :3]


def empty_network(architecture: PublishedArchitecture) -> PublishedNetwork:
    """The network without numbers, on the meta device."""
    with torch.device("meta"):
        return PublishedNetwork(architecture)

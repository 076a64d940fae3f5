"""The U-Net of the published networks, in the form of diffusers' ``UNet2DModel``.

Sources: Dhariwal, Nichol, "Diffusion models beat GANs on image synthesis", 2021, arXiv 2105.05233 (ADM), whose weights
these are, with those of DPS for faces (Chung et al., 2023, arXiv 2209.14687); and the two settings that Song et al.,
"Consistency models", 2023, arXiv 2303.01469, released weights for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PublishedArchitecture"]


@dataclass(frozen=True)
class PublishedArchitecture:
    """What the shapes of a network follow from.

    Attributes:
        image_size: Side of an image in pixels.
        widths: Channels at each resolution, finest first.
        attention: Whether there is attention at each resolution; as long as ``widths``.
        blocks: Residual blocks at each resolution on the way down (one more on the way up).
        classes: Number of classes of a class-conditional network, else None.
        scale_shift: Whether the time embedding scales and shifts a normalised layer, or is added to it.
        head: Channels of one attention head.
        parameters: Number of parameters, for checking.
        variance: Whether it answers with a variance too, in three more channels, of which nothing is taken.
        heads_first: Whether ``qkv`` of a published file is laid out (heads, three, channels of a head), as it was in
            ADM before its "new attention order", which is (three, heads, channels of a head).
    """

    image_size: int
    widths: tuple[int, ...]
    attention: tuple[bool, ...]
    blocks: int
    classes: int | None
    scale_shift: bool
    head: int
    parameters: int
    variance: bool = False
    heads_first: bool = False

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return 3, self.image_size, self.image_size

    def modules(self) -> Iterator[tuple[str, str, str]]:
        """(kind, name in a published file, name in diffusers) of every block; kind is ``"res"`` or ``"attn"``."""
        levels, place = len(self.widths), 1
        for level, attended in enumerate(self.attention):
            for j in range(self.blocks):
                yield "res", f"input_blocks.{place}.0", f"down_blocks.{level}.resnets.{j}"
                if attended:
                    yield "attn", f"input_blocks.{place}.1", f"down_blocks.{level}.attentions.{j}"
                place += 1
            if level < levels - 1:
                yield "res", f"input_blocks.{place}.0", f"down_blocks.{level}.downsamplers.0"
                place += 1
        yield "res", "middle_block.0", "mid_block.resnets.0"
        yield "attn", "middle_block.1", "mid_block.attentions.0"
        yield "res", "middle_block.2", "mid_block.resnets.1"
        for up, attended in enumerate(reversed(self.attention)):
            for j in range(self.blocks + 1):
                place = up * (self.blocks + 1) + j
                yield "res", f"output_blocks.{place}.0", f"up_blocks.{up}.resnets.{j}"
                if attended:
                    yield "attn", f"output_blocks.{place}.1", f"up_blocks.{up}.attentions.{j}"
            if up < levels - 1:
                yield "res", f"output_blocks.{place}.{1 + attended}", f"up_blocks.{up}.upsamplers.0"

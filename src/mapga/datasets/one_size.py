"""That pictures of anywhere have one size and one number of channels, seen from their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.datasets.pictures import bands, objection, upright_size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["CHANNELS", "OneSize"]

CHANNELS = (1, 3)


class OneSize:
    """Pictures of one size, or large enough for squares of one.

    Args:
        channels: 1 (grey) or 3 (RGB) of all pictures.
        side: Of the square that is made of each; None for pictures as they are.

    Raises:
        ValueError: Other channels, or no side.
    """

    def __init__(self, channels: int, side: int | None = None) -> None:
        if channels not in CHANNELS:
            raise ValueError(f"dataset.channels={channels}: choose 1 (grey) or 3 (RGB)")
        if side is not None and side < 1:
            raise ValueError(f"dataset.size={side}: the side of a picture in pixels, at least 1; null for as they are")
        self.channels, self.side = channels, side
        self._first: tuple[str, tuple[int, int]] | None = None

    def add(self, name: str, picture: Image) -> None:
        """Look at one more.

        Raises:
            ValueError: It has another size than the first, or is smaller than the square; it has other channels; or
                its pixels cannot be had as uint8.
        """
        size, found = upright_size(picture), bands(picture.mode)
        self._first = self._first or (name, size)
        first, wanted = self._first
        shown = f"{name} has {size[0]}x{size[1]} pixels"
        if self.side is None and size != wanted:
            raise ValueError(
                f"{shown}, {first} {wanted[0]}x{wanted[1]}; resize or crop the pictures to one size, or have squares "
                f"made of them, such as dataset.size={min(*size, *wanted)}"
            )
        if self.side is not None and min(size) < self.side:
            raise ValueError(
                f"{shown}, dataset.size={self.side} would enlarge it; choose a smaller dataset.size, or remove it"
            )
        if found != self.channels:
            raise ValueError(
                f"{name} has {found} channels, expected dataset.channels={self.channels}; convert it, or "
                f"set dataset.channels to {'1 or 3' if found not in CHANNELS else found}"
            )
        if wrong := objection(picture):
            raise ValueError(f"{name}: {wrong}, or remove it")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images."""
        assert self._first is not None
        width, height = self._first[1] if self.side is None else (self.side, self.side)
        return self.channels, height, width

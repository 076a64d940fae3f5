"""How pictures of any size become the squares that the published networks were trained on.

* ImageNet: the short side is halved by box averages while it is at least twice the wanted size, then resized by
  bicubic interpolation, then the centre is cut out, with the offset rounded down.
* LSUN: the short side is resized by box averages at once, then the centre is cut out likewise.
* ``square``, for pictures of one's own: by bicubic interpolation at once, whose kernel grows with the reduction so that
  nothing aliases, then the centre is cut out likewise. Nothing is enlarged.

Sources: Dhariwal, Nichol, "Diffusion models beat GANs on image synthesis", 2021, arXiv 2105.05233 (guided-diffusion,
image_datasets.py and datasets/lsun_bedroom.py); the networks of "Consistency models" follow it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from mapga.datasets.base import UnreadableImageError
from mapga.datasets.pictures import to_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["decode", "imagenet_square", "lsun_square", "square"]


def decode(content: bytes, name: str) -> Image:
    """The RGB picture in an encoded file's bytes (JPEG, PNG, WebP, ...), as stored; grey ones three times.

    Raises:
        UnreadableImageError: Cut or damaged bytes, no picture, or one whose pixels are not known
            (``mapga.datasets.pictures``); one line with ``name``.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            return Image.fromarray(to_bytes(picture, 3))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error).replace(str(io.BytesIO), "bytes").split(" <_io")[0]
        raise UnreadableImageError(f"{name}: unreadable picture ({reason}); replace the file") from None


def imagenet_square(picture: Image, side: int) -> np.ndarray:
    """ADM's preparation, uint8 (side, side, 3).

    Args:
        picture: RGB, of any size.
        side: Side of the result in pixels.
    """
    from PIL.Image import Resampling

    while min(picture.size) >= 2 * side:
        picture = picture.resize((picture.width // 2, picture.height // 2), Resampling.BOX)
    return _centre(_shrunk(picture, side, Resampling.BICUBIC), side)


def lsun_square(picture: Image, side: int) -> np.ndarray:
    """The preparation of the LSUN networks, uint8 (side, side, 3).

    Args:
        picture: RGB, of any size.
        side: Side of the result in pixels.
    """
    from PIL.Image import Resampling

    return _centre(_shrunk(picture, side, Resampling.BOX), side)


def square(pixels: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture at another size, uint8 (side, side, C).

    Args:
        pixels: uint8 (H, W, C), C = 1 or 3, neither H nor W below ``side``.
        side: Side of the result in pixels.
    """
    from PIL import Image

    grey = pixels.shape[2] == 1
    picture = Image.fromarray(pixels[..., 0] if grey else pixels)
    return _centre(_shrunk(picture, side, Image.Resampling.BICUBIC), side).reshape(side, side, -1)


def _shrunk(picture: Image, side: int, method: Any) -> Image:
    """The picture with its short side resized to ``side``."""
    scale = side / min(picture.size)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), method)


def _centre(picture: Image, side: int) -> np.ndarray:
    pixels = np.asarray(picture, dtype=np.uint8)
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top : top + side, left : left + side].copy()

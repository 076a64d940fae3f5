"""Pictures: which files below a folder are some, and their pixels as uint8: right, or refused by name.

* 8 bits and bilevel: as they are. A palette without transparency: its colours.
* 16 bits (PNG, TIFF, PGM): v -> round(v / 257), so that 0 and 65535 become 0 and 255.
* Transparency, floating-point numbers and 32-bit whole numbers are refused: nobody knows the background, or the scale.
* Orientation (EXIF): ``upright`` turns a picture as its camera meant it; else pixels are as stored.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["bands", "objection", "pictures_below", "to_bytes", "upright_size"]

_ORIENTATION = 0x0112  # in EXIF
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
_GREY = ("1", "L", "I", *_SIXTEEN)


def pictures_below(root: Path, suffixes: Sequence[str]) -> list[Path]:
    """The pictures at any depth, sorted by path: linked folders are entered, hidden files and folders passed over.

    Raises:
        ValueError: The name of one is no text, so that no record could hold it.
    """
    found: list[Path] = []
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(folder) / name for name in files if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in suffixes and path.is_file()]
    for path in found:
        try:
            path.as_posix().encode()
        except UnicodeEncodeError:
            raise ValueError(f"{path.as_posix()!a}: its name is not UTF-8; rename the file") from None
    return sorted(found)


def bands(mode: str) -> int:
    """Channels of a picture's mode: a palette counts as RGB, bilevel as grey."""
    return 1 if mode in (*_GREY, "F") else {"LA": 2, "P": 3, "RGB": 3}.get(mode, 4)


def objection(picture: Image) -> str | None:
    """Why a picture's pixels cannot be had as uint8; None if they can. Its header is enough."""
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        return "it is transparent in places; put it on a background"
    if picture.mode == "F":
        return "its pixels are floating-point numbers of no known scale; store it with 8 or 16 bits"
    if picture.mode == "I" and picture.format not in ("PPM", "PNG"):
        return "its pixels are 32-bit whole numbers of no known scale; store it with 8 or 16 bits"
    return None


def upright_size(picture: Image) -> tuple[int, int]:
    """(width, height) of a picture once it is turned as its EXIF orientation says."""
    width, height = picture.size
    return (height, width) if _orientation(picture) in (5, 6, 7, 8) else (width, height)


def to_bytes(picture: Image, channels: int, *, upright: bool = False) -> np.ndarray:
    """The pixels, uint8 (H, W, C), C = 1 or 3; a grey picture three times where C = 3.

    Raises:
        ValueError: What ``objection`` says.
        OSError, SyntaxError: Cut or damaged pixels.
    """
    from PIL import ImageOps

    if wrong := objection(picture):
        raise ValueError(wrong)
    turned = upright and _orientation(picture) != 1
    picture.load()
    if turned:
        picture = ImageOps.exif_transpose(picture)
    if picture.mode == "I" or picture.mode in _SIXTEEN:
        grey = ((np.asarray(picture).astype(np.int64) + 128) // 257).astype(np.uint8)
        return grey[..., None].repeat(channels, axis=-1)
    pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels).copy()


def _orientation(picture: Image) -> int:
    """As the header says: a PNG that says it behind its pixels would have to be read whole."""
    if picture.format == "PNG" and "exif" not in picture.info:
        return 1
    return int(picture.getexif().get(_ORIENTATION, 1))

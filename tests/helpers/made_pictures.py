"""Pictures made of numbers, encoded as files of any size."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mapga.datasets import Item

__all__ = ["as_bytes", "encoded", "made", "write_lmdb"]


def made(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A smooth colourful picture, uint8 (height, width, 3)."""
    phase = np.random.default_rng(seed).uniform(0, 6.28, 3)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [np.sin(6 * x + p) * np.cos(5 * y - p) for p in phase]
    return np.rint(127.5 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    """The bytes of a file of that form."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **({"quality": 90} if form != "PNG" else {}))
    return buffer.getvalue()


def write_lmdb(path: Path, values: Mapping[str, bytes]) -> Path:
    """An LMDB as LSUN publishes them: a folder with data.mdb, one value a key."""
    import lmdb

    path.mkdir(parents=True)
    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key.encode(), value)
    (path / "lock.mdb").unlink()
    return path


def as_bytes(items: Sequence[Item]) -> tuple[int, bytes, int | None]:
    """The only item of a batch, comparable; a collate function that spawned workers can import."""
    (item,) = items
    return item.index, item.image.tobytes(), item.label

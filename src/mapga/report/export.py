"""Restored images of a run as PNG files, on demand."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from mapga.errors import ConfigError
from mapga.records.journal import Journal
from mapga.records.store import ImageStore

__all__ = ["export_images"]


def export_images(folder: Path, to: Path | None = None) -> Path:
    """Write every restored image as ``<index>.png``; the folder they lie in.

    Args:
        folder: A run's folder.
        to: Where to; default ``png/`` in the run's folder.

    Raises:
        ConfigError: The folder is not a run's, or the pictures cannot be written.
    """
    if not (folder / "images.npy").exists():
        raise ConfigError(f"{folder} holds no images.npy; name the folder that 'mapga run' printed")
    to = folder / "png" if to is None else to
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--to={to}: cannot be written ({error.strerror}); choose another folder") from error
    images = ImageStore.open(folder / "images.npy")
    for journal in sorted(folder.glob("journal*.jsonl")):
        for row in Journal(journal).rows():
            if row.status == "done":
                picture = images.read([row.row])[0]
                grey = picture.shape[-1] == 1
                Image.fromarray(picture[..., 0] if grey else picture).save(to / f"{row.index:06d}.png")
    return to

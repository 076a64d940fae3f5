"""Which images of a dataset: the first, some at random, or those of a list."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Listed", "choose", "read_list"]


@dataclass(frozen=True)
class Listed:
    """One line of a list: a file's name below the dataset's root, and its label if stated."""

    file: str
    label: int | None


def choose(total: int, limit: int | None, subset_seed: int | None = None, skip: int = 0) -> np.ndarray:
    """Indices of the chosen images, int64, ascending.

    Args:
        total: Number of images.
        limit: How many; None for all.
        subset_seed: None for the first ones, else the seed of a random choice without repetition.
        skip: So many images at the beginning are never chosen: two choices, one of which skips what the other's
            limit reaches, are disjoint.

    Raises:
        ValueError: A skip outside 0..total-1, or a limit outside 1..total-skip.
    """
    if not 0 <= skip < total:
        raise ValueError(f"dataset.skip={skip}: choose 0..{total - 1}; there are {total} images")
    left = total - skip
    if limit is not None and not 1 <= limit <= left:
        after = f" after dataset.skip={skip}" if skip else ""
        raise ValueError(f"dataset.limit={limit}: choose 1..{left}{after}, or null for all")
    if subset_seed is None or limit is None:
        return skip + np.arange(left if limit is None else limit)
    return skip + np.sort(np.random.Generator(np.random.PCG64(subset_seed)).choice(left, limit, replace=False))


def read_list(path: Path, n_classes: int | None = None) -> list[Listed]:
    """A list file: CSV with a header ``file`` or ``file,model_label``, one image a line.

    Args:
        path: The file.
        n_classes: Labels must lie in 0..n_classes-1.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Another header, no lines, or a label that is none; one line with path and line number.
    """
    if not path.is_file():
        raise FileNotFoundError(f"dataset.list={path}: no such file; give a CSV with the header file,model_label")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if "file" not in columns:
            raise ValueError(f"dataset.list={path}: its first line is {','.join(columns)}, not file,model_label")
        entries = [
            Listed(line["file"], _label(line.get("model_label"), n_classes, f"{path}:{number}"))
            for number, line in enumerate(reader, start=2)
        ]
    if not entries:
        raise ValueError(f"dataset.list={path}: it names no file")
    return entries


def _label(text: str | None, n_classes: int | None, where: str) -> int | None:
    if text is None or n_classes is None:
        return None
    try:
        label = int(text)
    except ValueError:
        label = -1
    if not 0 <= label < n_classes:
        raise ValueError(f"{where}: model_label={text!r} must be one of 0..{n_classes - 1}")
    return label

"""Lists of images: which files of a dataset, in which order. Imports no numpy, so that a plan can count them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mapga.files.fetch import sha256_of

__all__ = ["VAL_1K", "Listed", "chosen_of_list", "hash_of_list", "list_path", "read_list"]

VAL_1K = "val_1k"  # the shipped list: one validation image of each of ImageNet's 1,000 classes
_SHIPPED = Path(__file__).parent / "data" / "imagenet_val_1k_list.csv"


@dataclass(frozen=True)
class Listed:
    """One line of a list: a file's name below the dataset's root, and its label if stated."""

    file: str
    label: int | None


def list_path(name: str | None, sha256: str | None = None) -> Path | None:
    """The list file of a name: a path, or ``val_1k``; None for no list.

    Raises:
        ValueError: Another SHA-256 than stated.
    """
    if name is None:
        return None
    path = _SHIPPED if name == VAL_1K else Path(name).expanduser()
    if sha256 is not None and path.is_file():
        found = sha256_of(path)
        if found != sha256:
            raise ValueError(f"dataset.list={path}: SHA-256 {found[:16]} instead of {sha256[:16]}; another list")
    return path


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
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns, lines = reader.fieldnames or [], list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"dataset.list={path}: no CSV in UTF-8 ({error}); mend the file") from error
    if "file" not in columns:
        raise ValueError(f"dataset.list={path}: its first line is {','.join(columns)}, not file,model_label")
    entries = [
        Listed(line["file"], _label(line.get("model_label"), n_classes, f"{path}:{number}"))
        for number, line in enumerate(lines, start=2)
    ]
    if not entries:
        raise ValueError(f"dataset.list={path}: it names no file")
    return entries


def hash_of_list(a: Any) -> dict[str, str]:
    """The hash argument of a dataset whose arguments name a list, where the list is here and its hash not stated."""
    path = None if a.list_sha256 else list_path(a.list)
    return {"list_sha256": sha256_of(path)} if path is not None and path.is_file() else {}


def chosen_of_list(a: Any) -> int | None:
    """How many images a dataset's arguments choose; None where only the data can tell."""
    listed = list_path(a.list)
    if listed is None or (total := _length(listed)) is None:
        return a.limit
    left = total - a.skip
    return left if a.limit is None else min(a.limit, left)


@cache
def _length(listed: Path) -> int | None:
    try:
        return len(read_list(listed))
    except (OSError, ValueError):  # the run will say so
        return None


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

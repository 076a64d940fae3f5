"""A stand-in for the library ``datasets``: what ``mapga.datasets.hugging_face`` asks of it, over folders of PNGs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

__all__ = ["stand_in"]


@dataclass(frozen=True)
class Image:
    decode: bool = True


@dataclass(frozen=True)
class Value:
    dtype: str = "int64"


class Table:
    """Rows of encoded pictures, in the order of their names, labelled by their place."""

    features: ClassVar[dict[str, object]] = {"image": Image(), "label": Value(), "name": Value("string")}

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | str) -> Any:
        return self.rows[key] if isinstance(key, int) else [row[key] for row in self.rows]

    def select(self, rows: Sequence[int]) -> Table:
        return Table([self.rows[int(row)] for row in rows])

    def cast_column(self, column: str, kind: Image) -> Table:
        assert not kind.decode
        return self


def load_dataset(path: str, name: str | None = None, *, split: str, cache_dir: str) -> Table:
    if split != "test":
        raise ValueError(f"Unknown split \"{split}\". Should be one of ['test'].")
    files = sorted(Path(path).glob("*.png"))
    pictures = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    return Table([{"image": picture, "label": k, "name": str(k)} for k, picture in enumerate(pictures)])


def load_from_disk(path: str) -> dict[str, Table]:
    return {"test": load_dataset(path, split="test", cache_dir="")}


def stand_in(patch: pytest.MonkeyPatch) -> None:
    """Have ``import datasets`` find this one."""
    module = ModuleType("datasets")
    vars(module).update(Image=Image, load_dataset=load_dataset, load_from_disk=load_from_disk)
    patch.setitem(sys.modules, "datasets", module)

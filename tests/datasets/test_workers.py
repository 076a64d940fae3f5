"""Datasets in workers of their own processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import ConcatDataset, DataLoader

from helpers.made_pictures import as_bytes, encoded, made, write_lmdb
from mapga.datasets import LSUN, ImageNet64


def test_spawned_workers_yield_the_same_bytes_as_none(tmp_path: Path):
    """Acceptance 18, for every source at once."""
    pytest.importorskip("lmdb")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    values = {f"{k}": encoded(made(270, 260, k), "JPEG") for k in range(3)}
    for key, value in values.items():
        (pictures / f"{key}.jpg").write_bytes(value)
    np.savez(tmp_path / "a.npz", np.stack([made(64, 64, k) for k in range(3)]), np.arange(3))
    every: list[Any] = [
        ImageNet64(str(pictures)),
        ImageNet64(str(tmp_path / "a.npz"), "reference"),
        LSUN(str(write_lmdb(tmp_path / "cat", values))),
        LSUN(str(pictures), "folder"),
    ]
    assert every[2][0].image.any()  # opened here, and not to be carried over
    data: Any = ConcatDataset(every)
    loader = DataLoader(data, num_workers=2, multiprocessing_context="spawn", collate_fn=as_bytes)
    assert list(loader) == [as_bytes([data[k]]) for k in range(12)]

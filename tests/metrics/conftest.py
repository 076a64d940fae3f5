"""Images and weights that every test of metrics can make itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.pictures import save_inception


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Small convolutions on a shared machine lose more to waiting for threads than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def photos() -> np.ndarray:
    """24 crops of photographs, uint8 (24, 64, 64, 3)."""
    from skimage import data

    crops = []
    for picture in (data.astronaut(), data.chelsea(), data.coffee()):
        for row in range(0, 256, 128):
            for column in range(0, 384, 96):
                crops.append(picture[row : row + 64, column : column + 64])
    return np.stack(crops)


@pytest.fixture(scope="session")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand-in with 16 features, so that 24 images have a regular covariance."""
    return save_inception(tmp_path_factory.mktemp("inception") / "stand-in.pt", 16)

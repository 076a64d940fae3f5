"""A mask that is read from a file. The file's content is part of a run's id, and its path is not."""

from pathlib import Path

import numpy as np

from mapga.card import OperatorCard
from mapga.files.fetch import sha256_of
from mapga.files.need import Need
from mapga.lazy import torch
from mapga.operators.masks import Diagonal
from mapga_example import pinned


class MaskFile(Diagonal):
    """y = mask * x, with a mask (H, W) of a .npy file."""

    card = OperatorCard(
        pinned={"path": "sha256"},
        pin=lambda a: pinned(a.sha256, Path(a.path)),
        files=lambda a: [Need.of_place("task.operator.path", a.path)],
    )

    def __init__(self, image_shape: tuple[int, int, int], path: str, sha256: str | None = None) -> None:
        if sha256 not in (None, sha256_of(Path(path))):
            raise ValueError(f"task.operator.path={path}: its content is not what the run was planned with")
        super().__init__(torch.from_numpy(np.load(path, allow_pickle=False).astype(float)), image_shape)

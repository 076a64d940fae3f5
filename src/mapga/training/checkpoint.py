"""Checkpoints: all that an interrupted training needs to go on bit for bit, in one file, whole or absent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mapga.errors import first_line
from mapga.files.durable import replacing
from mapga.training.config import TrainingConfig

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]

NAME = "checkpoint.pt"


@dataclass
class Checkpoint:
    """The state after ``step`` optimiser steps."""

    step: int
    network: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    target: dict[str, torch.Tensor]
    optimizer: dict[str, Any]


def save_checkpoint(folder: Path, config: TrainingConfig, state: Checkpoint) -> None:
    """Write the checkpoint in the place of the last one, so that one of the two is always whole.

    Raises:
        OSError: The disk is full or the folder is not writable; the last checkpoint is untouched.
    """
    path = folder / NAME
    content = {"identity": config.identity(), "steps": config.steps, "decay": config.decay, **vars(state)}
    try:
        with replacing(path) as part:
            torch.save(content, part)
    except (OSError, RuntimeError) as error:  # torch reports a short write as RuntimeError
        raise OSError(
            f"{path}: cannot write the checkpoint of step {state.step} ({first_line(error)}); "
            "the last good one is kept: free some space and start the same command again"
        ) from None


def load_checkpoint(folder: Path, config: TrainingConfig) -> Checkpoint | None:
    """The folder's checkpoint, or None if there is none.

    ``steps`` and ``decay`` may differ from the checkpoint's as long as the learning rate falls in neither.

    Raises:
        ValueError: The checkpoint is of another configuration, or damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: unreadable checkpoint ({first_line(error)}); choose another output folder") from None
    if content.pop("identity", None) != config.identity():
        raise ValueError(
            f"{path}: this checkpoint is of another configuration; restore that one to go on with it, or "
            "choose another output folder"
        )
    steps, decay = content.pop("steps"), content.pop("decay")
    level_until = min(steps - decay, config.steps - config.decay)
    if (steps, decay) != (config.steps, config.decay) and content["step"] > level_until:
        raise ValueError(
            f"{path}: at step {content['step']} the learning rate falls already, so this training of {steps} "
            f"steps cannot become one of train.steps={config.steps}, train.decay={config.decay}; set {steps} and "
            f"{decay}, or choose another output folder"
        )
    return Checkpoint(**content)

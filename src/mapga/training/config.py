"""What a training depends on. One stage, one ``TrainingConfig``; a recipe is a list of stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

__all__ = ["Stage", "TrainingConfig", "read_stages"]

Stage = Literal["denoiser", "distillation", "consistency", "classifier"]


@dataclass(frozen=True)
class TrainingConfig:
    """One stage of a training.

    Attributes:
        stage: ``denoiser`` (EDM), ``distillation`` (consistency, from a denoiser), ``consistency`` (without a
            teacher) or ``classifier`` (labels of the images).
        name: The stage's folder below the output, and the stem of its weights file.
        seed: Everything random is a function of it and the step.
        steps: Optimiser steps in all.
        batch: Images per step, over all processes.
        learning_rate: Its highest value.
        warmup: Steps over which the learning rate rises from 0.
        decay: Last steps, over which it falls linearly to 0.
        clip: Largest gradient norm.
        weight_decay: AdamW's.
        ema: Decay of the average of the weights that is kept in the end.
        precision: ``bf16`` (autocast) or ``fp32``.
        device: ``cpu``, ``cuda``, or ``auto`` for what accelerate finds.
        augment: Largest rotation and shear (degrees), scaling (percent) and half the shift (1/8 pixel) of
            small affine maps of the images; 0 for none.
        flip: Whether images are mirrored at random (no for digits).
        patch, widths, attention, blocks, head, groups: The network, as in ``mapga.priors.networks.unet.Architecture``.
        log_mean, log_std: Of ln sigma in the denoiser's loss.
        teacher: Name of the denoiser's stage in the same output, or path of its weights file (distillation).
        start: Weights a prior's network starts from, named as the teacher is; empty for the teacher's, or, without
            one, for random ones.
        grid_start, grid_end: Intervals of the rho-7 grid of the consistency loss, first and last.
        grid_doubling: Steps after which their number doubles.
        target_decay: Decay of the target network; 0 for the network itself without gradient.
        distance: What the consistency loss measures by: ``pseudo_huber`` or ``lpips`` (AlexNet's; extra ``metrics``).
        huber: c of the pseudo-Huber distance sqrt(|d|^2 + c^2) - c; 0 for the squared distance.
        lpips_resize: Side in pixels to which LPIPS resizes images first.
        lpips_weights, lpips_sha256: AlexNet's weights and their hash; empty for the cached, published file.
        trajectory_fraction: Part of a batch that regresses on the end of the teacher's whole trajectory.
        trajectory_steps: Multistep steps of such a trajectory, one teacher evaluation each.
        trajectory_pool: Trajectories computed at once.
        trajectory_reuse: Steps a pool of trajectories serves.
        log_every, sample_every, checkpoint_every: Steps between lines of the loss table, pictures with
            figures, and checkpoints.

    Raises:
        ValueError: A value out of its range, an unknown key, or a value of another kind.
    """

    stage: Stage
    name: str
    seed: int = 0
    steps: int = 5000
    batch: int = 64
    learning_rate: float = 0.001
    warmup: int = 200
    decay: int = 1000
    clip: float = 1.0
    weight_decay: float = 0.0
    ema: float = 0.999
    precision: Literal["bf16", "fp32"] = "bf16"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    augment: float = 0.0
    flip: bool = False
    patch: int = 2
    widths: tuple[int, ...] = (64, 96, 96)
    attention: tuple[bool, ...] = (False, True, False)
    blocks: int = 1
    head: int = 32
    groups: int = 8
    log_mean: float = -1.2
    log_std: float = 1.2
    teacher: str = "denoiser"
    start: str = ""
    grid_start: int = 10
    grid_end: int = 80
    grid_doubling: int = 1000
    target_decay: float = 0.0
    distance: Literal["pseudo_huber", "lpips"] = "pseudo_huber"
    huber: float = 1.0
    lpips_resize: int = 224
    lpips_weights: str = ""
    lpips_sha256: str = ""
    trajectory_fraction: float = 0.0
    trajectory_steps: int = 18
    trajectory_pool: int = 512
    trajectory_reuse: int = 100
    log_every: int = 20
    sample_every: int = 1000
    checkpoint_every: int = 200

    def __post_init__(self) -> None:
        if self.stage not in get_args(Stage):
            raise ValueError(f"train.stage={self.stage!r}: choose one of {', '.join(get_args(Stage))}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"train.{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}")
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"train.{name}={getattr(self, name)}: must be positive")
        for name in ("ema", "target_decay", "trajectory_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"train.{name}={getattr(self, name)}: must lie in 0..1")
        for name in ("augment", "huber", "weight_decay", "warmup", "decay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"train.{name}={getattr(self, name)}: must not be negative")
        if self.warmup + self.decay > self.steps:
            raise ValueError(
                f"train.warmup={self.warmup} + train.decay={self.decay} exceed train.steps={self.steps}; shorten them"
            )

    @classmethod
    def from_mapping(cls, name: str, values: Mapping[str, Any]) -> Self:
        """The stage called ``name`` from a file's mapping; unknown keys and other kinds are refused."""
        known = {field.name: field for field in fields(cls)}
        for key, value in values.items():
            if key not in known:
                raise ValueError(f"train.{name}.{key}: no such key; choose among {', '.join(known)}")
            _check_kind(f"train.{name}.{key}", str(known[key].type), value)
        if "stage" not in values:
            raise ValueError(f"train.{name}.stage is missing: choose one of {', '.join(get_args(Stage))}")
        arguments: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**({"name": name} | arguments))

    def identity(self) -> str:
        """Hash of all that the weights depend on before the learning rate falls; default values count as absent."""
        free = ("steps", "decay", "log_every", "sample_every", "checkpoint_every", "device")
        plain = {field.name: field.default for field in fields(self)}
        science = {key: value for key, value in asdict(self).items() if key not in free and value != plain[key]}
        return hashlib.sha256(json.dumps(science, sort_keys=True).encode()).hexdigest()


def read_stages(stages: Mapping[str, Mapping[str, Any]]) -> list[TrainingConfig]:
    """The stages of a recipe, {name: {key: value}}, in their order; all are checked before any runs."""
    for name, values in stages.items():
        if not isinstance(values, Mapping):
            raise ValueError(
                f"stages.{name}={values}: a stage has keys, such as stages.{name}.steps; leave out by only=..."
            )
    return [TrainingConfig.from_mapping(name, values) for name, values in stages.items()]


_CHOICES = {
    "precision": ("bf16", "fp32"),
    "device": ("auto", "cpu", "cuda"),
    "distance": ("pseudo_huber", "lpips"),
}
_POSITIVE = (
    "steps",
    "batch",
    "learning_rate",
    "clip",
    "log_std",
    "grid_start",
    "grid_end",
    "grid_doubling",
    "trajectory_steps",
    "trajectory_pool",
    "trajectory_reuse",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "patch",
    "blocks",
    "head",
    "groups",
)


def _check_kind(key: str, kind: str, value: object) -> None:
    """Refuse a value that is not of the field's kind (a bool is no number, a whole number is a float)."""
    if kind.startswith("tuple"):
        inner = bool if "bool" in kind else int
        right = isinstance(value, list | tuple) and all(type(entry) is inner for entry in value)
    elif kind == "float":
        right = type(value) in (int, float)
    elif kind in ("int", "bool"):
        right = type(value).__name__ == kind
    else:
        right = isinstance(value, str)
    if not right:
        raise ValueError(f"{key}={value!r}: expected {kind}")

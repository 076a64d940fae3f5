"""The training loop: optimiser, average of the weights, table of losses, checkpoints, resume.

A step depends on the state and on (seed, step) only, so a training that was killed and started again ends with
the bits of one that was not, and one of several processes differs from one of a single process by rounding only.
"""

from __future__ import annotations

import copy
import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn

from mapga.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mapga.training.config import TrainingConfig
from mapga.training.data import step_generator

__all__ = ["Objective", "OnAverage", "OnRow", "learning_rate", "train"]

Objective = Callable[[Callable[..., Tensor], Callable[..., Tensor], int], Tensor]
"""(network, target network, step) -> loss of the step."""

OnAverage = Callable[[nn.Module, int], None]
"""(average network, step): pictures and figures of it."""

OnRow = Callable[[Mapping[str, float]], None]
"""(row of the table of losses): a tracker, for instance."""


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear rise over ``warmup`` steps, then level, then linear fall to 0 over the last ``decay`` steps."""
    rise = (step + 1) / config.warmup if step < config.warmup else 1.0
    left = config.steps - step
    return config.learning_rate * min(rise, left / config.decay if left < config.decay else 1.0)


def train(
    config: TrainingConfig,
    network: nn.Module,
    objective: Objective,
    accelerator: Accelerator,
    folder: Path,
    on_average: OnAverage,
    on_row: OnRow,
) -> nn.Module:
    """Train, or go on training, and return the averaged network.

    Args:
        config: The stage.
        network: Its fresh network, on the device.
        objective: Its loss.
        accelerator: Device and processes.
        folder: Where checkpoint and table of losses live.
        on_average: Called every ``sample_every`` steps, on the main process.
        on_row: Told every row of the table of losses, on the main process.

    Raises:
        FloatingPointError: The loss or its gradient is no longer finite.
        OSError: A checkpoint cannot be written.
        ValueError: The folder's checkpoint is of another configuration.
    """
    state = load_checkpoint(folder, config)
    first = 0 if state is None else state.step
    learner = _Learner(config, network, accelerator, state)
    table = _LossTable(folder / "losses.csv", first) if accelerator.is_main_process else None
    with _progress(enabled=table is not None) as progress:
        bar = progress.add_task(config.name, total=config.steps, completed=first)
        for step in range(first, config.steps):
            row = learner.learn(objective, step)
            done, last = step + 1, step + 1 == config.steps
            progress.update(bar, completed=done, description=f"{config.name} loss {row['loss']:.4f}")
            if table is None:
                continue
            if done % config.log_every == 0 or last:
                table.add(row)
                on_row(row)
            if done % config.sample_every == 0 or last:
                on_average(learner.average, done)
            if done % config.checkpoint_every == 0 or last:
                save_checkpoint(folder, config, learner.checkpoint(done))
    accelerator.wait_for_everyone()
    return learner.average


class _Learner:
    """A network with its optimiser, its running average, and the target network of its loss.

    Args:
        config: The stage.
        network: The network, on the device.
        accelerator: Device and processes.
        state: What it goes on from; None for a fresh start.
    """

    def __init__(
        self, config: TrainingConfig, network: nn.Module, accelerator: Accelerator, state: Checkpoint | None
    ) -> None:
        self.config, self.network, self.accelerator = config, network, accelerator
        self.average, self.target = copy.deepcopy(network), copy.deepcopy(network)
        for frozen in (self.average, self.target):
            frozen.requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=config.weight_decay,
            fused=True,
        )
        if state is not None:
            self.network.load_state_dict(state.network)
            self.average.load_state_dict(state.average)
            self.optimizer.load_state_dict(state.optimizer)
            if config.target_decay:
                self.target.load_state_dict(state.target)
        self.wrapped = accelerator.prepare_model(network)

    def learn(self, objective: Objective, step: int) -> dict[str, float]:
        """Take one step; its row of the table of losses.

        Raises:
            FloatingPointError: The loss or its gradient is not finite; the weights are as they were.
        """
        config, accelerator = self.config, self.accelerator
        rate = learning_rate(config, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(step_generator(config.seed, "dropout", step).initial_seed())
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            loss = objective(self.wrapped, self.target if config.target_decay else self.wrapped, step)
        self.optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        value = float(accelerator.reduce(loss.detach(), "mean"))
        norm = float(accelerator.clip_grad_norm_(self.wrapped.parameters(), config.clip))
        _check_finite(config, step, value, norm)
        self.optimizer.step()
        _follow(self.average, self.network, min(config.ema, (1 + step) / (10 + step)))
        if config.target_decay:
            _follow(self.target, self.network, config.target_decay)
        return {"step": step + 1, "loss": value, "gradient_norm": norm, "learning_rate": rate}

    def checkpoint(self, done: int) -> Checkpoint:
        """All of it after ``done`` steps."""
        kept = self.target.state_dict() if self.config.target_decay else {}
        weights = self.network.state_dict(), self.average.state_dict(), kept, self.optimizer.state_dict()
        return Checkpoint(done, *weights)


def _check_finite(config: TrainingConfig, step: int, loss: float, norm: float) -> None:
    for name, value in (("loss", loss), ("gradient", norm)):
        if not math.isfinite(value):
            raise FloatingPointError(
                f"train.{config.name}: the {name} is {value} at step {step}; the last good checkpoint is kept: "
                f"lower train.learning_rate={config.learning_rate} and choose a new output folder"
            )


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average <- decay average + (1 - decay) network."""
    own, new = list(average.state_dict().values()), list(network.state_dict().values())
    torch._foreach_lerp_(own, new, 1 - decay)


def _progress(*, enabled: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not enabled,
    )


class _LossTable:
    """``losses.csv``; rows of steps that a resumed training does again are dropped."""

    def __init__(self, path: Path, first: int) -> None:
        kept: list[list[str]] = []
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as old:
                kept = [row for row in list(csv.reader(old))[1:] if len(row) == 4 and int(row[0]) <= first]
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["step", "loss", "gradient_norm", "learning_rate"])
        self._writer.writerows(kept)

    def add(self, row: Mapping[str, float]) -> None:
        self._writer.writerow([f"{value:.6g}" for value in row.values()])
        self._file.flush()

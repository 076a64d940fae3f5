"""Stages end to end on the micro network: resume, refusals, survival."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mapga.datasets import Dataset
from mapga.files.fetch import sha256_of
from mapga.metrics.extractors.digits_net import DigitClassifier
from mapga.priors.network import NetworkPrior
from mapga.training import TrainingConfig, run_stage
from mapga.training import loop as loop_module
from mapga.training.checkpoint import load_checkpoint


class Killed(BaseException):
    """Stands for kill -9: nothing catches it and nothing is written after it."""


def die_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    def fatal(config: TrainingConfig, at: int) -> float:
        if at == step:
            raise Killed
        return rate(config, at)

    rate = loop_module.learning_rate
    monkeypatch.setattr(loop_module, "learning_rate", fatal)


def same_files(one: Path, other: Path, names: tuple[str, ...]) -> None:
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_killed_denoiser_training_ends_with_the_same_bits(
    step: int, micro: TrainingConfig, blobs: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(micro, tmp_path / "whole", blobs, blobs)
    with monkeypatch.context() as patch:
        die_at(patch, step)
        with pytest.raises(Killed):
            run_stage(micro, tmp_path / "cut", blobs, blobs)
    run_stage(micro, tmp_path / "cut", blobs, blobs)
    names = ("denoiser.safetensors", "losses.csv", "figures.csv", "samples-000008.png")
    same_files(tmp_path / "whole/denoiser", tmp_path / "cut/denoiser", names)


def test_a_killed_distillation_ends_with_the_same_bits_and_loads(
    micro: TrainingConfig,
    distillation: TrainingConfig,
    blobs: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teacher = run_stage(micro, tmp_path, blobs, blobs)
    student = replace(distillation, teacher=str(teacher))
    whole = run_stage(student, tmp_path / "whole", blobs, blobs)
    with monkeypatch.context() as patch:
        die_at(patch, 5)
        with pytest.raises(Killed):
            run_stage(student, tmp_path / "cut", blobs, blobs)
    cut = run_stage(student, tmp_path / "cut", blobs, blobs)
    assert whole.read_bytes() == cut.read_bytes()
    prior = NetworkPrior.from_files(str(teacher), str(whole))
    x = torch.randn(2, 1, 8, 8)
    assert torch.isfinite(prior.consistency(x, 80.0)).all() and torch.equal(prior.consistency(x, 0.002), x)


def test_a_finished_stage_is_not_done_again(micro: TrainingConfig, blobs: Dataset, tmp_path: Path) -> None:
    path = run_stage(micro, tmp_path, blobs, blobs)
    before = path.stat().st_mtime_ns
    assert run_stage(micro, tmp_path, blobs, blobs) == path
    assert path.stat().st_mtime_ns == before


def test_consistency_training_needs_no_teacher(micro: TrainingConfig, blobs: Dataset, tmp_path: Path) -> None:
    path = run_stage(replace(micro, stage="consistency", name="ct"), tmp_path, blobs, blobs)
    assert NetworkPrior.from_files(consistency=str(path)).has_consistency
    with pytest.raises(ValueError, match=r"trajectory_fraction=0\.5: trajectories need a teacher"):
        run_stage(replace(micro, stage="consistency", name="x", trajectory_fraction=0.5), tmp_path, blobs, blobs)


def test_a_checkpoint_of_another_configuration_is_refused(
    micro: TrainingConfig, blobs: Dataset, tmp_path: Path
) -> None:
    run_stage(micro, tmp_path, blobs, blobs)
    with pytest.raises(ValueError, match="this checkpoint is of another configuration"):
        run_stage(replace(micro, learning_rate=0.5), tmp_path, blobs, blobs)
    with pytest.raises(
        ValueError, match=r"falls already, so this training of 8 steps cannot become one of train\.steps=20"
    ):
        run_stage(replace(micro, steps=20), tmp_path, blobs, blobs)


def test_more_steps_are_taken_while_the_learning_rate_is_level(
    micro: TrainingConfig, blobs: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(replace(micro, steps=12), tmp_path / "whole", blobs, blobs)
    with monkeypatch.context() as patch:
        die_at(patch, 5)
        with pytest.raises(Killed):
            run_stage(replace(micro, steps=9), tmp_path / "longer", blobs, blobs)
    run_stage(replace(micro, steps=12), tmp_path / "longer", blobs, blobs)
    same_files(tmp_path / "whole/denoiser", tmp_path / "longer/denoiser", ("denoiser.safetensors", "losses.csv"))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(
    micro: TrainingConfig, blobs: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Poisoned:
        def __init__(self, config: TrainingConfig, source: object, device: object) -> None:
            pass

        def __call__(self, network: nn.Module, target: nn.Module, step: int) -> Tensor:
            out = network(torch.ones(1, 1, 8, 8), torch.zeros(1)).mean()
            return out * float("nan") if step == 4 else out

    monkeypatch.setattr("mapga.training.stages.DenoiserLoss", Poisoned)
    with pytest.raises(FloatingPointError, match="the loss is nan at step 4; the last good checkpoint is kept") as e:
        run_stage(micro, tmp_path, blobs, blobs)
    assert "\n" not in str(e.value)
    state = load_checkpoint(tmp_path / "denoiser", micro)
    assert state is not None and state.step == 3
    assert all(torch.isfinite(value).all() for value in state.network.values())


def test_a_full_disk_keeps_the_last_checkpoint(
    micro: TrainingConfig, blobs: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    sync = os.fsync
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"cannot write the checkpoint of step 6 .*No space left") as caught:
        run_stage(micro, tmp_path, blobs, blobs)
    assert "\n" not in str(caught.value)
    state = load_checkpoint(tmp_path / "denoiser", micro)
    assert state is not None and state.step == 3
    assert not list(tmp_path.rglob("*.part"))


def test_a_disk_full_of_pictures_says_so_too(
    micro: TrainingConfig, blobs: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="denoiser: the disk is full; the last good checkpoint is kept"):
        run_stage(micro, tmp_path, blobs, blobs)
    state = load_checkpoint(tmp_path / "denoiser", micro)
    assert state is not None and state.step == 6


def test_losses_are_reported(micro: TrainingConfig, blobs: Dataset, tmp_path: Path) -> None:
    rows: list[Mapping[str, float]] = []
    run_stage(micro, tmp_path, blobs, blobs, on_row=rows.append)
    assert [row["step"] for row in rows] == list(range(1, 9)) and rows[0].keys() >= {"loss", "learning_rate"}


def test_a_damaged_checkpoint_is_refused(micro: TrainingConfig, blobs: Dataset, tmp_path: Path) -> None:
    run_stage(micro, tmp_path, blobs, blobs)
    path = tmp_path / "denoiser/checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint\.pt: unreadable checkpoint"):
        run_stage(micro, tmp_path, blobs, blobs)


def test_teachers_that_do_not_fit_are_refused(
    micro: TrainingConfig, distillation: TrainingConfig, blobs: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="denoiser: no such weights file"):
        run_stage(distillation, tmp_path, blobs, blobs)
    run_stage(micro, tmp_path, blobs, blobs)
    with pytest.raises(ValueError, match=r"the teacher is Architecture.*the student Architecture"):
        run_stage(replace(distillation, widths=(8, 16)), tmp_path, blobs, blobs)


def test_a_student_can_start_from_another(
    micro: TrainingConfig, distillation: TrainingConfig, blobs: Dataset, tmp_path: Path
) -> None:
    run_stage(micro, tmp_path, blobs, blobs)
    first = run_stage(distillation, tmp_path, blobs, blobs)
    still = replace(distillation, name="second", start="consistency", steps=1, warmup=0, decay=0, learning_rate=1e-9)
    tensors = [load_file(path) for path in (first, run_stage(still, tmp_path, blobs, blobs))]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    with pytest.raises(ValueError, match=r"denoiser\.safetensors.*edm"):
        run_stage(replace(still, name="third", start="denoiser"), tmp_path, blobs, blobs)


def test_distillation_by_lpips(
    micro: TrainingConfig,
    distillation: TrainingConfig,
    blobs: Dataset,
    random_backbones: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    run_stage(micro, tmp_path, blobs, blobs)
    weights = random_backbones["alex"]
    student = replace(distillation, distance="lpips", lpips_resize=32, steps=60, warmup=0, decay=0, learning_rate=0.01)
    with pytest.raises(ValueError, match=r"train\.consistency\.distance=lpips: .*alexnet"):
        run_stage(student, tmp_path, blobs, blobs)
    run_stage(replace(student, lpips_weights=str(weights), lpips_sha256=sha256_of(weights)), tmp_path, blobs, blobs)
    with (tmp_path / "consistency/losses.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_the_classifier_reads_labelled_digits_only(micro: TrainingConfig, blobs: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"reads 32x32 grey digits of 10 classes, not \(1, 8, 8\)"):
        run_stage(replace(micro, stage="classifier", name="digits"), tmp_path, blobs, blobs)


def test_a_killed_classifier_training_ends_with_the_same_bits(
    micro: TrainingConfig, digit_sized: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(micro, stage="classifier", name="digits")
    whole = run_stage(config, tmp_path / "whole", digit_sized, digit_sized)
    with monkeypatch.context() as patch:
        die_at(patch, 5)
        with pytest.raises(Killed):
            run_stage(config, tmp_path / "cut", digit_sized, digit_sized)
    assert whole.read_bytes() == run_stage(config, tmp_path / "cut", digit_sized, digit_sized).read_bytes()
    assert DigitClassifier(whole).logits(np.zeros((1, 32, 32, 1), np.uint8)).shape == (1, 10)


def test_losses_are_a_table_of_every_step(micro: TrainingConfig, blobs: Dataset, tmp_path: Path) -> None:
    run_stage(micro, tmp_path, blobs, blobs)
    with (tmp_path / "denoiser/losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert all(float(row["loss"]) > 0 for row in rows)

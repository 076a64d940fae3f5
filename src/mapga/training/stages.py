"""The stages of a training: which network, which loss, which pictures and figures."""

from __future__ import annotations

import errno
import json
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from accelerate import Accelerator
from torch import nn

from mapga.datasets.base import Dataset
from mapga.metrics.extractors.digits_net import FORMAT, DigitNet
from mapga.priors.networks.preconditioning import Kind, precondition
from mapga.priors.networks.unet import Architecture, UNet, read_network, write_network, write_tensors
from mapga.training.config import TrainingConfig
from mapga.training.data import ImageSource, first_images
from mapga.training.evaluation import Evaluation, add_row
from mapga.training.loop import OnRow, train
from mapga.training.objectives import ClassifierLoss, ConsistencyLoss, DenoiserLoss

__all__ = ["run_stage"]


def run_stage(
    config: TrainingConfig,
    output: Path,
    dataset: Dataset,
    heldout: Dataset,
    *,
    on_row: OnRow = lambda row: None,
) -> Path:
    """Train one stage, or go on with it, and return its weights file ``output/<name>/<name>.safetensors``.

    A stage that is done is not done again. Beside the weights there are ``losses.csv``, ``figures.csv``,
    ``samples-<step>.png`` and ``checkpoint.pt``.

    Args:
        config: The stage.
        output: Folder of all stages of the training.
        dataset: The images it learns from.
        heldout: Images for the figures, never learned from.
        on_row: Told every row of the table of losses: a tracker, for instance.

    Raises:
        FileNotFoundError: The teacher's weights are not there.
        ValueError: A checkpoint of another configuration, images or a teacher that the network does not fit, or no
            CUDA device where one is asked for.
        FloatingPointError: The loss is no longer finite.
        OSError: The disk is full.
    """
    folder = output / config.name
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(cpu=config.device == "cpu" or not torch.cuda.is_available())
    if config.device == "cuda" and accelerator.device.type != "cuda":
        raise ValueError("train.device='cuda', but no CUDA device is visible; set train.device=cpu")
    torch.manual_seed(config.seed)
    stage = _train_classifier if config.stage == "classifier" else _train_prior
    try:
        stage(config, folder, accelerator, dataset, heldout, on_row)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(
            f"{folder}: the disk is full; the last good checkpoint is kept: free some space and start the same "
            "command again"
        ) from None
    return folder / f"{config.name}.safetensors"


def _train_prior(
    config: TrainingConfig,
    folder: Path,
    accelerator: Accelerator,
    dataset: Dataset,
    heldout: Dataset,
    on_row: OnRow,
) -> None:
    device = accelerator.device
    kind: Kind = "edm" if config.stage == "denoiser" else "consistency"
    network = UNet(_architecture(config, dataset)).to(device)
    teacher: UNet | None = None
    if config.stage == "distillation":
        teacher = _trained(config, "teacher", "edm", folder.parent, network.architecture).to(device)
        network.load_state_dict(teacher.state_dict())
    if config.start:
        network.load_state_dict(_trained(config, "start", kind, folder.parent, network.architecture).state_dict())
    denoiser = None if teacher is None else partial(precondition, "edm", teacher)
    source = _source(config, accelerator, dataset)
    objective = (
        DenoiserLoss(config, source, device)
        if kind == "edm"
        else ConsistencyLoss(config, source, device, denoiser, accelerator.gather)
    )
    evaluate = Evaluation(folder, kind, denoiser, first_images(heldout, Evaluation.IMAGES).to(device), config.seed)

    def on_average(average: nn.Module, step: int) -> None:
        evaluate(average, step)
        assert isinstance(average, UNet)
        write_network(folder / f"{config.name}.safetensors", average, kind)

    train(config, network, objective, accelerator, folder, on_average, on_row)


def _train_classifier(
    config: TrainingConfig,
    folder: Path,
    accelerator: Accelerator,
    dataset: Dataset,
    heldout: Dataset,
    on_row: OnRow,
) -> None:
    for images in (dataset, heldout):
        if images.image_shape != (1, 32, 32) or images.n_classes != 10:
            raise ValueError(
                f"train.stage='classifier' reads 32x32 grey digits of 10 classes, not {images.image_shape} "
                f"images of {images.n_classes} classes; set dataset=mnist"
            )
    source = _source(config, accelerator, dataset)
    clean = first_images(heldout, len(heldout)).to(accelerator.device)
    labels = torch.tensor([heldout[i].label for i in range(len(heldout))])

    @torch.no_grad()
    def on_average(average: nn.Module, step: int) -> None:
        right = average(clean).argmax(1).cpu() == labels
        add_row(folder / "figures.csv", {"step": step, "accuracy": float(right.double().mean())})
        path = folder / f"{config.name}.safetensors"
        write_tensors(path, average, json.dumps({"format": FORMAT}), dtype=torch.float16)

    network = DigitNet().to(accelerator.device)
    train(config, network, ClassifierLoss(config, source, accelerator.device), accelerator, folder, on_average, on_row)


def _source(config: TrainingConfig, accelerator: Accelerator, dataset: Dataset) -> ImageSource:
    return ImageSource(
        dataset,
        seed=config.seed,
        augment=config.augment,
        flip=config.flip,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
    )


def _architecture(config: TrainingConfig, dataset: Dataset) -> Architecture:
    channels, height, width = dataset.image_shape
    if height != width:
        raise ValueError(f"images of {width}x{height} pixels: the network takes squares; crop the dataset to squares")
    return Architecture(
        channels=channels,
        size=height,
        patch=config.patch,
        widths=config.widths,
        attention=config.attention,
        blocks=config.blocks,
        head=config.head,
        groups=config.groups,
    )


def _trained(
    config: TrainingConfig, key: Literal["teacher", "start"], kind: Kind, output: Path, wanted: Architecture
) -> UNet:
    """Weights that a key of the configuration names: a stage of the same output, or a weights file by path."""
    name: str = getattr(config, key)
    stage = output / name / f"{name}.safetensors"
    path = stage if stage.is_file() else Path(name).expanduser()
    trained = read_network(path, kind)
    if trained.architecture != wanted:
        raise ValueError(
            f"{path}: the {key} is {trained.architecture}, the student {wanted}; give train.{config.name} its "
            "patch, widths, attention, blocks, head and groups, and images of its shape"
        )
    return trained

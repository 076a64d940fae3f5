"""The stages of a training: which network, which loss, which pictures and figures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from mapga.datasets import Dataset
from mapga.metrics.digits_net import FORMAT, DigitNet
from mapga.priors.preconditioning import Kind, precondition
from mapga.priors.unet import Architecture, UNet, read_network, write_network, write_tensors
from mapga.training import evaluation
from mapga.training.config import TrainingConfig
from mapga.training.data import ImageSource
from mapga.training.loop import train
from mapga.training.objectives import ClassifierLoss, ConsistencyLoss, DenoiserLoss

__all__ = ["run"]

FIGURE_LEVELS = (0.5, 2.0, 10.0, 80.0)
FIGURE_IMAGES, FIGURE_STEPS, GRID_IMAGES = 32, 24, 32


def run(config: TrainingConfig, output: Path, dataset: Dataset, heldout: Dataset) -> Path:
    """Train one stage, or go on with it, and return its weights file ``output/<name>/<name>.safetensors``.

    A stage that is done is not done again. Beside the weights there are ``losses.csv``, ``figures.csv``,
    ``samples-<step>.png`` and ``checkpoint.pt``.

    Args:
        config: The stage.
        output: Folder of all stages of the training.
        dataset: The images it learns from.
        heldout: Images for the figures, never learned from.

    Raises:
        ValueError: A checkpoint of another configuration, or images the network cannot take.
        FloatingPointError: The loss is no longer finite.
        OSError: The disk is full.
    """
    folder = output / config.name
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(cpu=config.device == "cpu" or not torch.cuda.is_available())
    if config.device == "cuda" and accelerator.device.type != "cuda":
        raise ValueError("train.device='cuda', but no CUDA device is visible; set train.device=cpu")
    torch.manual_seed(config.seed)
    if config.stage == "classifier":
        return _train_classifier(config, folder, accelerator, dataset, heldout)
    return _train_prior(config, folder, accelerator, dataset, heldout)


def _source(config: TrainingConfig, accelerator: Accelerator, dataset: Dataset) -> ImageSource:
    return ImageSource(
        dataset,
        seed=config.seed,
        augment=config.augment,
        flip=config.flip,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
    )


def _train_prior(
    config: TrainingConfig, folder: Path, accelerator: Accelerator, dataset: Dataset, heldout: Dataset
) -> Path:
    source = _source(config, accelerator, dataset)
    device = accelerator.device
    kind: Kind = "edm" if config.stage == "denoiser" else "consistency"
    path = folder / f"{config.name}.safetensors"
    teacher: UNet | None = None
    if config.stage == "distillation":
        teacher = read_network(_teacher_path(config, folder.parent), "edm").to(device)
    channels, size, _ = dataset.image_shape
    network = UNet(
        Architecture(
            channels,
            size,
            config.patch,
            config.widths,
            config.attention,
            config.blocks,
            config.head,
            config.groups,
        )
    )
    if teacher is not None:
        network.load_state_dict(teacher.state_dict())
    network.to(device)
    denoiser = None if teacher is None else partial(precondition, "edm", teacher)
    objective = (
        DenoiserLoss(config, source, device)
        if kind == "edm"
        else ConsistencyLoss(config, source, device, denoiser, accelerator.gather)
    )
    clean = held_images(heldout, FIGURE_IMAGES).to(device)
    figures = _Figures(folder, kind, denoiser, clean, config.seed)

    def observe(average: nn.Module, step: int) -> None:
        figures(average, step)
        write_network(path, average, kind, dtype=torch.float16)  # type: ignore[arg-type]

    train(config, network, objective, accelerator, folder, observe)
    return path


def _train_classifier(
    config: TrainingConfig, folder: Path, accelerator: Accelerator, dataset: Dataset, heldout: Dataset
) -> Path:
    if dataset.image_shape != (1, 32, 32) or dataset.n_classes != 10:
        raise ValueError(
            f"train.stage='classifier' reads 32x32 grey digits of 10 classes, not {dataset.image_shape} "
            f"images of {dataset.n_classes} classes; set dataset=mnist"
        )
    path = folder / f"{config.name}.safetensors"
    source = _source(config, accelerator, dataset)
    clean = held_images(heldout, len(heldout)).to(accelerator.device)
    labels = torch.tensor([heldout[i].label for i in range(len(heldout))])

    @torch.no_grad()
    def observe(average: nn.Module, step: int) -> None:
        right = average(clean).argmax(1).cpu() == labels
        append_row(folder / "figures.csv", {"step": step, "accuracy": float(right.double().mean())})
        write_tensors(path, average, {"format": FORMAT}, dtype=torch.float16)

    network = DigitNet().to(accelerator.device)
    train(config, network, ClassifierLoss(config, source, accelerator.device), accelerator, folder, observe)
    return path


def _teacher_path(config: TrainingConfig, output: Path) -> Path:
    stage = output / config.teacher / f"{config.teacher}.safetensors"
    return stage if stage.is_file() else Path(config.teacher)


def held_images(dataset: Dataset, count: int) -> Tensor:
    pixels = [torch.from_numpy(dataset[i].image) for i in range(min(count, len(dataset)))]
    return torch.stack(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def append_row(path: Path, row: dict[str, float]) -> None:
    """Add a row of figures to a table, with a header if it is new."""
    fresh = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(row)
        writer.writerow([f"{value:.6g}" for value in row.values()])


class _Figures:
    """A row of ``figures.csv`` and a picture of samples whenever called."""

    def __init__(
        self,
        folder: Path,
        kind: Kind,
        teacher: Callable[[Tensor, Tensor], Tensor] | None,
        clean: Tensor,
        seed: int,
    ) -> None:
        self.folder, self.kind, self.teacher, self.clean, self.seed = folder, kind, teacher, clean, seed
        self._ends: list[Tensor] | None = None

    @torch.no_grad()
    def __call__(self, network: nn.Module, step: int) -> None:
        answer = partial(precondition, self.kind, network)
        shape = (GRID_IMAGES, *self.clean.shape[1:])
        if self.kind == "edm":
            levels: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
            wanted = [self.clean for _ in levels]
            samples = evaluation.sample_heun(answer, shape, self.seed, 18)
        else:
            levels = FIGURE_LEVELS
            wanted = self._flow_ends()
            samples = evaluation.sample_consistency(answer, shape, self.seed, 1)
        got = [answer(evaluation.noised(self.clean, s, self.seed), torch.tensor(s)) for s in levels]
        row = {f"rmse_{s:g}": evaluation.rmse(a, b) for s, a, b in zip(levels, got, wanted, strict=True)}
        evaluation.write_grid(self.folder / f"samples-{step:06d}.png", samples)
        append_row(self.folder / "figures.csv", {"step": step, **row})

    def _flow_ends(self) -> list[Tensor]:
        """Ends of the teacher's flow; without a teacher the clean images."""
        if self._ends is None:
            starts = [evaluation.noised(self.clean, s, self.seed) for s in FIGURE_LEVELS]
            self._ends = [
                self.clean if self.teacher is None else evaluation.flow_end(self.teacher, x, s, FIGURE_STEPS)
                for x, s in zip(starts, FIGURE_LEVELS, strict=True)
            ]
        return self._ends

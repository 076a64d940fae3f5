"""How metrics run networks: frozen, in evaluation mode, float32 without TF32, no image seeing another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "as_rgb",
    "frozen",
    "load_state",
    "not_installed",
    "on_meta",
    "optional",
    "package_folder",
    "per_image",
    "precise",
    "resized",
    "state_on",
]

_CUDA_BATCH = 64


def optional(module: str, *, extra: str, needed_by: str) -> ModuleType:
    """Import a library of an extra.

    Raises:
        ImportError: It is not installed; one line with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{needed_by} needs {module} ({error}): pip install 'mapga[{extra}]'") from error


def package_folder(package: str, *, extra: str, needed_by: str) -> Path:
    """The folder of an installed package, for the weights in it; its code is not run.

    Raises:
        ImportError: It is not installed; one line with the command that installs it.
    """
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # a module that was hidden, by an import hook or by setting it to None
        spec = None
    if spec is None or spec.origin is None:
        raise ImportError(f"{needed_by} needs the package {package}: pip install 'mapga[{extra}]'")
    return Path(spec.origin).parent


def not_installed(packages: Iterable[str], *, extra: str, needed_by: str) -> list[str]:
    """One line for each package that is not installed; nothing is imported, so the answer comes at once."""
    lines = []
    for package in packages:
        try:
            package_folder(package, extra=extra, needed_by=needed_by)
        except ImportError as error:
            lines.append(str(error))
    return lines


def load_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file on the CPU; anything else in it is refused by torch (``weights_only``)."""
    return dict(torch.load(path, map_location="cpu", weights_only=True))


@cache
def state_on(path: Path, device: str) -> dict[str, Tensor]:
    """``load_state`` on ``device``, loaded once."""
    return {name: tensor.to(device) for name, tensor in load_state(path).items()}


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """A network without numbers: nothing random is drawn, so nothing random can stay in it unnoticed."""
    with torch.device("meta"):
        return build()


def frozen(network: nn.Module, device: str) -> nn.Module:
    """The network on ``device``, in evaluation mode, without gradients.

    Raises:
        RuntimeError: A parameter or buffer was never loaded.
    """
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if tensor.is_meta:
            raise RuntimeError(f"{type(network).__name__}: {name} was not in the weights file")
    return network.to(device).requires_grad_(False).eval()


def as_rgb(images: np.ndarray, device: str) -> Tensor:
    """uint8 (B, H, W, C) to float32 (B, 3, H, W) in 0..255; a grey image three times."""
    tensor = torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float()
    return tensor.expand(-1, 3, -1, -1).contiguous()


def resized(images: Tensor, size: int) -> Tensor:
    """Images (B, C, H, W) as (B, C, size, size): bilinear, antialiased where it shrinks."""
    return torch.nn.functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


@contextmanager
def precise() -> Iterator[None]:
    """No gradients, no TF32, no autocast: the same numbers on every device generation."""
    matmul, convolution = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with torch.no_grad(), torch.autocast(device, enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, convolution


def per_image(function: Callable[..., Tensor], *images: Tensor) -> Tensor:
    """``function`` of batches (B, ...), result (B, ...), computed so that an image's value is its own.

    On the CPU one image at a time: a convolution of more images sums in another order, and a run that went
    on after an interruption would differ in the last digit. That costs nothing there. On CUDA in small
    batches.
    """
    size = 1 if images[0].device.type == "cpu" else _CUDA_BATCH
    with precise():
        parts = [
            function(*(batch[start : start + size] for batch in images)) for start in range(0, len(images[0]), size)
        ]
    return torch.cat(parts)

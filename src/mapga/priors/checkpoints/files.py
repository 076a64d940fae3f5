"""Tensors from a file or folder, whatever its form; the form is seen from the content, and no code is ever run.

* a PyTorch file (zip or legacy) is read with ``weights_only``: tensors and nothing else
* a safetensors file
* a folder of diffusers: the weights file in it, or in its folder ``unet``
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Weights", "diffusers_kind", "flaw", "read_weights", "weights_path"]

_LIMIT = 100 << 20  # of a safetensors header
# In the order in which one is taken where several are there: full precision before half.
_DIFFUSERS = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.fp16.bin",
)


@dataclass(frozen=True)
class Weights:
    """What a weights file holds: tensors by key, and what is written beside them."""

    tensors: dict[str, Tensor]
    metadata: Mapping[str, str]


def weights_path(source: Path) -> Path:
    """The weights file that a path stands for: itself, or the one in a folder of diffusers.

    Raises:
        FileNotFoundError: Nothing there, or a folder without weights; one line with the path.
    """
    if source.is_dir():
        for folder in (source, source / "unet"):
            for name in _DIFFUSERS:
                if (folder / name).is_file():
                    return folder / name
        raise FileNotFoundError(f"{source}: no {_DIFFUSERS[0]} or .bin in this folder; give a diffusers folder")
    if not source.is_file():
        raise FileNotFoundError(f"{source}: no such file or folder")
    return source


def diffusers_kind(source: Path) -> str | None:
    """``"consistency"`` for a folder of diffusers that says it is a consistency model's, else None."""
    for folder in (source, source.parent) if source.is_dir() else ():
        index = folder / "model_index.json"
        if index.is_file() and "ConsistencyModel" in str(
            json.loads(index.read_text(encoding="utf-8")).get("_class_name")
        ):
            return "consistency"
    return None


def flaw(path: Path) -> str | None:
    """What is wrong with a weights file, seen from its frame alone; None if nothing is."""
    form = _form(path)
    if form == "zip" and not zipfile.is_zipfile(path):
        return f"{path}: {path.stat().st_size} bytes, cut short"
    if form == "safetensors":
        try:
            with safe_open(path, framework="pt"):
                return None
        except (SafetensorError, OSError):
            return f"{path}: {path.stat().st_size} bytes, cut short or damaged"
    if form == "other":
        return f"{path}: no weights file, neither of PyTorch nor safetensors"
    return None


def _form(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    if 8 < int.from_bytes(head[:8], "little") < _LIMIT and head[8:9] == b"{":
        return "safetensors"
    return "zip" if head[:4] == b"PK\x03\x04" else "pickle" if head[:1] == b"\x80" else "other"


def read_weights(path: Path) -> Weights:
    """The tensors of a weights file, on the CPU.

    Raises:
        ValueError: A file that is cut, no weights file, or one with anything but tensors in it; one line.
    """
    if _form(path) == "safetensors":
        return _safetensors(path)
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path}: not a plain state dict, it asks for code to be run or is damaged ({reason[:120]}); "
            "fetch the file from its publisher"
        ) from None
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, KeyError, AttributeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: cut, damaged or no weights file ({reason[:120]}); fetch it again") from None
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ValueError(f"{path}: holds {type(content).__name__}, not a plain state dict of tensors")
    return Weights({str(key): value for key, value in content.items()}, {})


def _safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            return Weights({key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: cut or damaged weights file ({error}); fetch it again") from None

"""What a run computes with."""

from __future__ import annotations

import os
import re
from types import ModuleType
from typing import Any

import torch

from mapga.errors import ConfigError

__all__ = ["device_of", "machine"]

_OTHERS: dict[str, ModuleType] = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.mps}


def device_of(name: str, dtype: str) -> torch.device:
    """The device of a name: ``cuda``, ``xpu`` (Intel) or ``mps`` (Apple), perhaps with a number, or ``cpu``.

    ``auto`` is the GPU of CUDA if there is one, of several that of the process (``LOCAL_RANK``), else the CPU: the
    other kinds are there for who asks for them, and nothing here was measured on them.

    Raises:
        ConfigError: No such device here, or one without numbers of that dtype.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cuda" and (rank := os.environ.get("LOCAL_RANK", "")).isdigit():  # torchrun: a process a GPU
            name = f"cuda:{int(rank) % torch.cuda.device_count()}"
    if not re.fullmatch(r"cpu|(cuda|xpu)(:\d+)?|mps(:0)?", name):
        raise ConfigError(f"device={name!r}: choose auto, cpu, cuda, cuda:<n>, xpu, xpu:<n> or mps")
    device = torch.device(name)
    if device.type == "cpu":
        return device
    kind = _OTHERS[device.type]
    if not (torch.backends.mps.is_available() if device.type == "mps" else kind.is_available()):
        raise ConfigError(f"device={name!r}: no such GPU is visible here; use device=cpu or device=auto")
    if (device.index or 0) >= (count := kind.device_count()):
        raise ConfigError(f"device={name!r}: the last GPU visible here is {device.type}:{count - 1}")
    if device.type == "mps" and dtype == "float64":
        raise ConfigError("device='mps' has no float64; use dtype=float32, or device=cpu")
    return device


def machine(device: torch.device) -> dict[str, Any]:
    """The device, threads, the CUDA that torch was built for, and the GPUs that are visible, by name."""
    return {
        "device": str(device),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "gpus": [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())],
    }

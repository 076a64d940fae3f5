"""What a run computes with."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["machine"]


def machine(device: torch.device) -> dict[str, Any]:
    """The device, threads, the CUDA that torch was built for, and the GPUs that are visible, by name."""
    return {
        "device": str(device),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "gpus": [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())],
    }

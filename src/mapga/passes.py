"""How many network passes a solver makes an image, from its config alone, for planning. Tests hold it to the counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["passes_per_image"]


def passes_per_image(solver: Mapping[str, Any], schedule: Mapping[str, Any]) -> int | None:
    """Forward passes plus vector-Jacobian products an image; None for a solver that is not known here.

    Args:
        solver: The config's ``solver`` node.
        schedule: Its ``schedule`` node.
    """
    steps = int(schedule["steps"])
    match str(solver["_target_"]).rpartition(".")[2]:
        case "MAPGA":
            gradients = 2 + bool(solver["use_prior"])  # forward, vjp, and the prior's denoiser
            return steps * (int(solver["num_iter"]) * gradients + 1)
        case "MAPGAPGDM":
            return steps * (int(solver["num_iter"]) * 2 + 1) + int(solver["pgdm_steps"]) * 2
        case "PGDM":
            return steps * 2
        case "DDRM" | "CTZSIE":
            return steps
        case "PseudoInverse":
            return 0
    return None

"""How many network passes a solver makes an image, from its config alone, and how many steps some passes buy.

Tests hold it to the counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["passes_per_image", "steps_within"]


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


def steps_within(passes: int, solver: Mapping[str, Any], schedule: Mapping[str, Any]) -> int:
    """The most steps with which a solver makes at most ``passes`` network passes an image.

    Raises:
        ValueError: Not even one step is that cheap, or the solver is not known here.
    """
    one, two = (passes_per_image(solver, {**schedule, "steps": steps}) for steps in (1, 2))
    if one is None or two is None:
        raise ValueError(f"passes={passes}: the passes of {solver['_target_']} are not known; set schedule.steps")
    if one == two:  # it makes no steps
        return int(schedule["steps"])
    if passes < one:
        raise ValueError(f"passes={passes}: one step takes {one} passes; give more, or a smaller num_iter")
    return 1 + (passes - one) // (two - one)

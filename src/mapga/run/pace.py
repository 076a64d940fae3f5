"""How fast a prior's networks compute: as they are, or as fast as they can be made, with the gain measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from statistics import median
from typing import Literal

import torch

from mapga.errors import ConfigError, first_line
from mapga.priors.base import Prior

__all__ = ["Compute", "paced"]

Compute = Literal["eager", "auto", "fast"]

_REPEATS = 3
_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)  # what was gained is told, whatever else is


def paced(prior: Prior, compute: Compute, *, images: int, device: torch.device, dtype: torch.dtype) -> Prior:
    """The prior as ``compute`` asks for it, with what was gained told.

    Args:
        prior: On its device.
        compute: ``eager``: as it is. ``fast``: networks compiled, channels last, in bfloat16. ``auto``: compiled in
            their own precision, if that is measured to be faster here.
        images: Of a batch, which the pass is timed with.
        device, dtype: Of the images.

    Raises:
        ConfigError: ``fast``, and the networks cannot be compiled here.
    """
    if compute == "eager":
        return prior
    _log.info("compute=%s: compiling networks, a minute or more", compute)
    try:
        quick = prior.quick(half=compute == "fast")
        if quick is prior:
            _log.warning("compute=%s: this prior has no networks to make faster", compute)
            return prior
        after = _seconds(quick, images, device, dtype)
    except Exception as error:  # of the compiler, or of whatever it calls
        reason = f"torch.compile does not work here ({first_line(error)})"
        if compute == "fast":
            raise ConfigError(f"compute=fast: {reason}; choose eager, or auto") from error
        _log.warning("compute=auto: %s; networks compute as they are", reason)
        return prior
    before = _seconds(prior, images, device, dtype)
    _log.info(
        "compute=%s: %.0f ms for a pass of %d images with its gradient, %.0f ms as networks are: %.2f times as fast%s",
        *(compute, 1000 * after, images, 1000 * before, before / after),
        "" if after < before else ", so they stay as they are" if compute == "auto" else "; choose eager, or auto",
    )
    return prior if compute == "auto" and after >= before else quick


def _seconds(prior: Prior, images: int, device: torch.device, dtype: torch.dtype) -> float:
    """Median of a forward pass and its vector-Jacobian product; both kinds of pass are compiled before."""
    asked = prior.conditioned(None if prior.n_classes is None else torch.zeros(images, dtype=torch.int64))
    answer = asked.denoise if asked.has_denoiser else asked.consistency
    x = torch.randn(images, *prior.image_shape, device=device, dtype=dtype)

    def work() -> None:
        z = x.clone().requires_grad_()
        with torch.enable_grad():
            value = answer(z, 1.0)
        torch.autograd.grad(value, z, x)

    with torch.no_grad():
        answer(x, 1.0)
    work()
    return median(_timed(work, device) for _ in range(_REPEATS))


def _timed(work: Callable[[], None], device: torch.device) -> float:
    begun = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun

"""The first question to a network, or a prior, of somebody else: whether it takes images, and answers with such."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mapga.errors import ConfigError, first_line
from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["answered", "tried", "with_gradient"]


def tried(what: str, ask: Callable[[Tensor], Any], x: Tensor) -> Tensor:
    """What it answers to images x (B, C, H, W).

    Args:
        what: How messages call it.
        ask: The network, or whatever it is.
        x: Images.

    Raises:
        ConfigError: It cannot take them, or as ``answered``.
    """
    try:
        answer = ask(x)
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError | torch.OutOfMemoryError):
            raise
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise ConfigError(
            f"{what} cannot take images of {tuple(x.shape[1:])} in {x.dtype}: {reason}; "
            "give the shape, and the dtype, that it was made for"
        ) from error
    return answered(what, x, answer)


def answered(what: str, x: Tensor, answer: Any) -> Tensor:
    """The answer to images x (B, C, H, W), if it is one.

    A NaN in some images alone is those images' trouble, as with every prior.

    Raises:
        ConfigError: It has another shape or kind, or nothing but NaN.
    """
    if not isinstance(answer, torch.Tensor):
        raise ConfigError(f"{what} answers with {type(answer).__name__}; a tensor like x is wanted")
    if answer.shape != x.shape:
        raise ConfigError(
            f"{what} answers with the shape {tuple(answer.shape)} to x of {tuple(x.shape)}; "
            "both must be (B, C, H, W), the same"
        )
    if not answer.is_floating_point():
        raise ConfigError(f"{what} answers in {answer.dtype}; floating-point images in [-1, 1] are wanted")
    if bool(x.isfinite().all()) and not bool(answer.flatten(1).sum(1).isfinite().any()):
        raise ConfigError(f"{what} answers with NaN or infinity to finite images; look at its weights, and its dtype")
    found: Tensor = answer
    return found


def with_gradient(what: str, x: Tensor, answer: Tensor) -> Tensor:
    """The answer to x.

    Raises:
        ConfigError: It has no gradient with respect to x, and one is wanted.
    """
    if x.requires_grad and torch.is_grad_enabled() and not answer.requires_grad:
        raise ConfigError(f"{what} has no gradient with respect to x; drop its torch.no_grad or detach")
    return answer

"""How a check says what is wrong."""

from __future__ import annotations

import pickle
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ["CheckFailedError", "close", "require", "travelled"]

_Sent = TypeVar("_Sent")


class CheckFailedError(AssertionError):
    """A component is not what the suite takes for granted. The message is one line: what, and by how much."""


def require(holds: bool, message: str) -> None:
    """Raise ``CheckFailedError`` unless something holds."""
    if not holds:
        raise CheckFailedError(message)


def close(found: Tensor, wanted: Tensor, what: str, *, atol: float = 1e-10, rtol: float = 1e-10) -> None:
    """Raise unless two tensors are of one shape and equal to within ``atol + rtol |wanted|``, NaN equal to NaN."""
    require(found.shape == wanted.shape, f"{what}: shape {tuple(found.shape)}, not {tuple(wanted.shape)}")
    found, wanted = found.double(), wanted.double()
    if not torch.allclose(found, wanted, rtol=rtol, atol=atol, equal_nan=True):
        off = float((found - wanted).abs().max())
        raise CheckFailedError(f"{what}: off by up to {off:.3g}, of values up to {float(wanted.abs().max()):.3g}")


def travelled(component: _Sent) -> _Sent:
    """A component after a journey to another process.

    Raises:
        CheckFailedError: It cannot be pickled.
    """
    try:
        there: _Sent = pickle.loads(pickle.dumps(component))
    except Exception as error:
        raise CheckFailedError(f"it cannot be pickled, as jobs and workers need: {error}") from error
    return there

"""torch, imported when it is first used: cards, plans and reports must not wait seconds for it.

In a module that a card stands in::

    from mapga.lazy import torch
    if TYPE_CHECKING:
        from torch import Tensor
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["torch"]


class _Late(ModuleType):
    """A module that is imported by the first look into it."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        setattr(self, name, value)  # the next look finds it at once
        return value


if TYPE_CHECKING:
    import torch
else:
    torch = _Late("torch")

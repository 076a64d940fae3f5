"""How a component shows itself: as its class called with its arguments, so that a notebook says what one works with."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

__all__ = ["Shown"]

_ITEMS = 12  # of a list, before it is cut


class Shown:
    """Notes in words what its constructor was called with, defaults included, and shows that.

    Tensors and arrays are shown by their shapes, networks and functions by their names: nothing is kept alive for it.
    """

    _arguments: Mapping[str, str] = {}  # replaced, never changed

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__init__" in vars(cls):
            cls.__init__ = _noting(cls.__init__)  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={text}' for name, text in self._arguments.items())})"

    def _changed(self, **arguments: Any) -> Self:
        """Itself, with other arguments noted than it was made of."""
        self._arguments = {**self._arguments, **{name: _brief(value) for name, value in arguments.items()}}
        return self


def _noting(init: Callable[..., None]) -> Callable[..., None]:
    """A constructor that notes its arguments, unless it is called by that of a subclass."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def noting(self: Shown, *arguments: Any, **keywords: Any) -> None:
        init(self, *arguments, **keywords)
        if type(self).__init__ is noting:
            bound = signature.bind(self, *arguments, **keywords)
            bound.apply_defaults()
            self._changed(**dict(list(bound.arguments.items())[1:]))

    return noting


def _brief(value: Any) -> str:
    if isinstance(value, Shown | str | int | float | None):
        return repr(value)
    if isinstance(value, Path):
        return repr(str(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_brief(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple) and len(value) > _ITEMS:
        return f"[{', '.join(map(_brief, value[:_ITEMS]))}, ...]"
    if (shape := getattr(value, "shape", None)) is not None and not callable(value):
        return f"{type(value).__name__}{tuple(shape)}"
    if hasattr(value, "state_dict"):  # a network, whose own words fill pages
        return type(value).__name__
    return str(value.__name__) if hasattr(value, "__name__") else repr(value)

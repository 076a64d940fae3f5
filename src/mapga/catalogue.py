"""What there is in a room: every name that its modules export, found by looking, so that a file is enough to add one.

A room is a package whose modules hold one component each; machinery lies in folders below it. Modules of a room are
imported when a name of it is asked for, and import no torch (``mapga.lazy``).
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["door", "exported", "kinds"]


@cache
def exported(package: str) -> dict[str, Any]:
    """Every name in the ``__all__`` of a package's modules.

    Raises:
        ImportError: Two modules export one name.
    """
    room = import_module(package)
    inside = pkgutil.iter_modules(getattr(room, "__path__", ()))
    modules = [f"{package}.{found.name}" for found in inside if not found.ispkg]
    found: dict[str, Any] = {}
    for name in modules or [package]:  # a small room is one module
        module = import_module(name)
        for key in getattr(module, "__all__", ()):
            value = getattr(module, key)
            if found.setdefault(key, value) is not value:
                raise ImportError(f"{package}: two modules export {key!r}, the second is {name}; rename one")
    return found


@cache
def kinds(package: str, base: str) -> dict[str, type]:
    """The components of a room by name: its exported classes that derive from ``base`` and can be made."""
    names = exported(package)
    return {
        name: item
        for name, item in sorted(names.items())
        if isinstance(item, type)
        and issubclass(item, names[base])
        and item is not names[base]
        and not inspect.isabstract(item)
    }


def door(package: str) -> Callable[[str], Any]:
    """A room's ``__getattr__`` (PEP 562): ``from mapga.solvers import DDRM``, whatever module DDRM is in."""

    def get(name: str) -> Any:
        if not name.startswith("_") and name in exported(package):
            return exported(package)[name]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get

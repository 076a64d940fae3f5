"""What there is in a room: every name that its modules export, found by looking, so that a file is enough to add one.

A room is a package whose modules hold one component each; machinery lies in folders below it. Modules of a room are
imported when a name of it is asked for, and import no torch (``mapga.lazy``).
"""

from __future__ import annotations

import inspect
import pkgutil
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from mapga.errors import BrokenModuleError

__all__ = ["door", "exported", "kinds", "unexported"]


@cache
def exported(package: str) -> dict[str, Any]:
    """Every name in the ``__all__`` of a package's modules.

    Raises:
        BrokenModuleError: A module that cannot be imported, or two that export one name.
    """
    found: dict[str, Any] = {}
    for module in _modules(package):
        for key in getattr(module, "__all__", ()):
            value = getattr(module, key)
            if found.setdefault(key, value) is not value:
                raise BrokenModuleError(
                    f"{package}: two modules export {key!r}, the second is {module.__name__}; rename one"
                )
    return found


def unexported(package: str, name: str) -> str | None:
    """The module of a package that defines a class which its ``__all__`` does not name; None if there is none."""
    for module in _modules(package):
        defined = getattr(vars(module).get(name), "__module__", None) == module.__name__
        if defined and name not in getattr(module, "__all__", ()):
            return module.__name__
    return None


def _modules(package: str) -> Iterator[ModuleType]:
    inside = pkgutil.iter_modules(_imported(package).__path__)
    yield from (_imported(f"{package}.{found.name}") for found in inside if not found.ispkg)


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except BrokenModuleError:
        raise
    except Exception as error:  # whatever someone's file does when it is read
        what, last = str(error), traceback.extract_tb(error.__traceback__)[-1]
        file, line = last.filename, last.lineno
        if isinstance(error, SyntaxError):
            what, file, line = error.msg, error.filename or name, error.lineno
        raise BrokenModuleError(
            f"{name} cannot be imported: {type(error).__name__}: {what} ({file}, line {line}); mend it, or move it away"
        ) from error


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

"""MAP-GA and its rivals on image restoration: an experiment and benchmark suite, and a library (docs/library.md)."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapga.library import load_images, load_metrics, load_prior, load_results, load_solver, load_task

__version__ = "0.1.0"
__all__ = ["__version__", "load_images", "load_metrics", "load_prior", "load_results", "load_solver", "load_task"]


def __getattr__(name: str) -> Any:
    """The library's functions, and rooms such as ``mapga.priors``, imported when they are first asked for (PEP 562)."""
    if name in __all__:
        return getattr(import_module(f"{__name__}.library"), name)
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What may be asked for, imported or not."""
    return [*__all__, *(one.name for one in iter_modules(__path__))]

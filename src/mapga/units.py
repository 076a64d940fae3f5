"""Amounts in units that people read."""

from __future__ import annotations

__all__ = ["duration"]

_UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0), ("days", 86400.0))
_MOST = 100.0  # of a unit, before the next one is used


def duration(seconds: float) -> str:
    """A time in the unit that suits it, to two digits: ``"4.1 s"``, ``"45 s"``, ``"4.5 min"``, ``"3 h"``."""
    name, size = next(((name, size) for name, size in _UNITS if seconds < _MOST * size), _UNITS[-1])
    amount = seconds / size
    return f"{amount:.1f}".removesuffix(".0") + f" {name}" if amount < 9.95 else f"{amount:.0f} {name}"

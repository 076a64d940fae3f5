"""``mapga prefetch``: what a run, or the runs of a sweep, need from elsewhere is fetched into the cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mapga.config.sweep import runs
from mapga.files.download import Told
from mapga.files.fetch import FileRefusedError
from mapga.files.need import Need
from mapga.units import duration

__all__ = ["needs", "obtain"]

_PAUSE = 10.0  # seconds between two lines about a download


def needs(overrides: Sequence[str]) -> list[Need]:
    """Everything from elsewhere that a run, or the runs of a sweep, work with: once each.

    Raises:
        ConfigError: A sweep that cannot be composed, or a component that there is not.
    """
    specs = {str([spec.config[key] for key in ("dataset", "prior", "metrics")]): spec for spec in runs(overrides)}
    return list({(need.key, need.what): need for spec in specs.values() for need in spec.needs()}.values())


def obtain(found: Sequence[Need], tell: Callable[[str], None]) -> list[str]:
    """Fetch what is not here, one after another; an address that fails does not stop the others.

    Args:
        found: What is needed.
        tell: Called with one line for each thing that is here or was fetched.

    Returns:
        One line for each thing that is still missing.
    """
    failures = []
    for need in found:
        if need.problem is None:
            tell(f"{need.key}: {need.what}: here")
            continue
        if need.get is None:
            failures.append(f"[{need.key}] {need.problem}")
            continue
        tell(f"{need.key}: fetching {need.what}")
        try:
            tell(f"{need.key}: {need.get(_said(tell))}")
        except FileRefusedError as error:
            failures.append(f"[{need.key}] {error}")
    return failures


def _said(tell: Callable[[str], None]) -> Told:
    """Says how far a download is, and how long it goes on, every ten seconds."""
    begun = spoke = time.monotonic()
    before: int | None = None  # what a call of before had left, or the first piece

    def told(have: int, whole: int | None) -> None:
        nonlocal spoke, before
        before, now = have if before is None else before, time.monotonic()
        if now - spoke < _PAUSE:
            return
        spoke = now
        line = f"  {have / 1e6:,.0f} MB"
        if whole is not None and have > before:
            left = (now - begun) / (have - before) * (whole - have)
            line = f"  {have / 1e6:,.0f} of {whole / 1e6:,.0f} MB, about {duration(left)} left"
        tell(line)

    return told

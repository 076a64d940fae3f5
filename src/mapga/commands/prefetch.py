"""``mapga prefetch``: what a run, or the runs of a sweep, need from elsewhere is fetched into the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mapga.config.sweep import runs
from mapga.files.fetch import FileRefusedError
from mapga.files.need import Need

__all__ = ["needs", "obtain"]


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
            tell(f"{need.key}: {need.get()}")
        except FileRefusedError as error:
            failures.append(f"[{need.key}] {error}")
    return failures

"""A run by the beginning of its name: of its id, or of the hash that ends it."""

from __future__ import annotations

from pathlib import Path

from mapga.errors import ConfigError

__all__ = ["RESULTS", "located"]

RESULTS = Path("results")  # where runs lie that were not told otherwise
_NAMED = 4  # runs that a message names


def located(given: Path) -> Path:
    """The folder that is meant: itself if it is there, else that of the one run whose name begins so.

    It is looked for beside it (``results/mnist-half-dd``); a bare name (``a63a``) in ``results`` and in this folder.

    Raises:
        ConfigError: Several begin so.
    """
    given = given.expanduser()
    if given.exists():
        return given
    places = [RESULTS, Path()] if given.parent == Path() else [given.parent]
    found = [run for place in places for run in _runs(place) if _begins(run.name, given.name)]
    if len(found) > 1:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        names = ", ".join(run.name for run in found[:_NAMED])
        raise ConfigError(f"{given}: {len(found)} runs begin so: {names}{more}; write more of it")
    return found[0] if found else given


def _runs(place: Path) -> list[Path]:
    return sorted(path.parent for path in place.glob("*/config.yaml")) if place.is_dir() else []


def _begins(run_id: str, given: str) -> bool:
    return run_id.startswith(given) or run_id.rpartition("-")[2].startswith(given)

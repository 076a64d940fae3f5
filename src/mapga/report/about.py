"""Where the numbers of a study come from, in two lines above its tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mapga.node import DATASET
from mapga.records.collect import Run
from mapga.records.origins import command_of, origins
from mapga.report.passes import passes_text
from mapga.report.repeats import seeds_text
from mapga.report.studies import Study

__all__ = ["about"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAMED = 2  # versions, or commands, that a line names


def about(study: Study) -> list[str]:
    """What was restored, with which prior and how many passes; by which code, when, by what command."""
    done = [run for run in study.runs if run.status == "done"]
    if not done:
        return []
    images = sorted({int(run.metrics["n_images"]) for run in done})
    count = f"{images[0]}" if len(images) == 1 else f"{images[0]} to {images[-1]}"
    noise = "" if done[0].spec.sigma_y else ", noiseless"
    chosen = done[0].spec.without(DATASET, ["_target_", *done[0].spec.card(DATASET).places])
    which = " ".join(f"{key}={value}" for key, value in chosen.items() if value not in (None, 0) and _plain(value))
    priors = ", ".join(dict.fromkeys(_prior(run) for run in done))
    first = f"{study.heading}{noise}: {count} images{f' ({which})' if which else ''}, {seeds_text(study.seeds)}; "
    first += f"prior {priors}; {passes_text(done)} passes per image"
    known = [origins(run.folder)[0] for run in done if origins(run.folder)]
    dates = sorted({str(one["date"])[:10] for one in known if one.get("date")})
    made = [*_several(map(_version, known)), *([" to ".join(dict.fromkeys((dates[0], dates[-1])))] if dates else [])]
    commands = _several(command_of(run.folder) for run in done)
    second = ", ".join(made) + (f"; made by: {'; '.join(commands)}" if commands else "")
    return [first, second] if second else [first]


def _plain(value: Any) -> bool:
    return not isinstance(value, Mapping | Sequence) or isinstance(value, str)


def _prior(run: Run) -> str:
    """The prior's name, and the first digits of the hashes in its node: of the files that it works with."""
    values = (run.spec.config.get("prior") or {}).values()
    hashes = [value[:8] for value in values if isinstance(value, str) and _SHA256.fullmatch(value)]
    return run.names["prior"] + (f" ({', '.join(hashes)})" if hashes else "")


def _version(origin: Mapping[str, Any]) -> str:
    git, versions = origin.get("git"), origin.get("versions")
    commit = f" @ {str(git['commit'])[:7]}{'+' * bool(git.get('dirty'))}" if isinstance(git, dict) else ""
    torch = f", torch {versions['torch']}" if isinstance(versions, dict) and "torch" in versions else ""
    return f"mapga {origin.get('mapga', '?')}{commit}{torch}"


def _several(found: Iterable[str]) -> list[str]:
    """Each once, the first few of them."""
    once = list(dict.fromkeys(filter(None, found)))
    return once[:_NAMED] + ([f"and {len(once) - _NAMED} more"] if len(once) > _NAMED else [])

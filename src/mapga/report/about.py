"""Where the numbers of a study come from: one by one, and in two lines above its tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from mapga.card import DatasetCard
from mapga.node import DATASET
from mapga.records.collect import Run
from mapga.records.origins import command_of, origins
from mapga.report.passes import passes_text
from mapga.report.repeats import seeds_text
from mapga.report.studies import Study

__all__ = ["about", "facts"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAMED = 2  # versions, or commands, that a line names


def facts(study: Study) -> dict[str, str]:
    """Where its numbers come from, one by one, as far as it is known; {} of a study without a finished run."""
    done = [run for run in study.runs if run.status == "done"]
    if not done:
        return {}
    known = [origins(run.folder)[0] for run in done if origins(run.folder)]
    dates = sorted({str(one["date"])[:10] for one in known if one.get("date")})
    count, chosen = _images(done)
    found = {
        "dataset": study.dataset + chosen,
        "images": count,
        "noise": done[0].problem.noise or "none",
        "seeds": seeds_text(study.seeds).partition(" ")[2],
        "prior": ", ".join(dict.fromkeys(_prior(run) for run in done)),
        "passes per image": passes_text(done),
        "code": ", ".join(_several(map(_version, known))),
        "date": " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "",
        "command": "; ".join(_several(command_of(run.folder) for run in done)),
    }
    return {name: text for name, text in found.items() if text}


def about(study: Study) -> list[str]:
    """The same in two lines of text."""
    known = facts(study)
    if not known:
        return []
    noise = ", noiseless" if known["noise"] == "none" else ""
    first = f"{study.heading}{noise}: {known['images']} images{known['dataset'].removeprefix(study.dataset)}, "
    first += f"{seeds_text(study.seeds)}; prior {known['prior']}; {known['passes per image']} passes per image"
    made = ", ".join(known[name] for name in ("code", "date") if name in known)
    command = f"made by: {known['command']}" if "command" in known else ""
    second = "; ".join(filter(None, [made, command]))
    return [first, second] if second else [first]


def _images(done: Sequence[Run]) -> tuple[str, str]:
    """How many images of how many there are to choose from, and which part of the dataset those are of."""
    counts = sorted({int(run.metrics["n_images"]) // run.spec.samples for run in done})
    text = " to ".join(dict.fromkeys(map(str, (counts[0], counts[-1]))))
    spec, card = done[0].spec, done[0].spec.card(DATASET)
    if isinstance(card, DatasetCard):
        node = spec.node(DATASET)
        rest = {key: value for key, value in node.arguments.items() if key not in card.choosing}
        total = card.count(SimpleNamespace(**{**dict.fromkeys(card.choosing), **node.defaults, **rest}))
        text += f" of {total}" if total is not None else ""
    chosen = spec.without(DATASET, ["_target_", "limit", *card.places])
    which = " ".join(f"{key}={value}" for key, value in chosen.items() if value not in (None, 0) and _plain(value))
    return text, f" ({which})" if which else ""


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

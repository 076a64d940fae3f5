"""The origins of a run: under which code and versions it was begun, and under which it went on."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mapga.files.durable import write_json
from mapga.records.provenance import results_code

__all__ = ["add_origin", "command_of", "mixtures", "origins", "other_code"]

_TOLD_APART = ("git", "code", "python", "versions")  # what makes an origin another one
_NAMED = 3  # runs that a note names

_Origin = Mapping[str, Any]


def origins(folder: Path) -> list[_Origin]:
    """Of a run's ``provenance.json`` the first origin, then those under which it went on; [] where none is known."""
    try:
        record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        return [record, *record.get("continued", ())]
    except (OSError, ValueError, AttributeError):
        return []


def command_of(folder: Path) -> str:
    """What a run was begun by, as it was typed; "" if nobody knows."""
    known = [origin["command"] for origin in origins(folder) if isinstance(origin.get("command"), list)]
    return shlex.join(["mapga", *map(str, known[0][1:])]) if known else ""


def other_code(folder: Path) -> str:
    """When and under which sources a run was begun, if they are not those of today; "" if they are, or nobody knows.

    Where it went on under others, the last count.
    """
    known = [origin for origin in origins(folder) if _code(origin)]
    if not known or known[-1]["code"] == (today := results_code(known[-1]["code"])):
        return ""
    date = str(known[-1].get("date", ""))[:10]
    return f"begun{f' on {date}' if date else ''} under other sources ({_code(known[-1])}, now {_text(today)})"


def add_origin(folder: Path, now: _Origin, *, anew: bool) -> None:
    """Note under what a begun run goes on, if it is not what it was last at work under.

    Args:
        folder: The run's.
        now: What ``provenance`` says.
        anew: Whether nothing is recorded yet: then it is the first origin, whatever was there.
    """
    path = folder / "provenance.json"
    known = origins(folder)
    if not known or all(known[-1].get(key) == now.get(key) for key in _TOLD_APART):
        return
    first = dict(known[0])
    if anew:
        write_json(path, {**now, "dataset": first.get("dataset")})
    else:
        write_json(path, {**first, "continued": [*first.get("continued", ()), now]})


def mixtures(runs: Mapping[str, Sequence[_Origin]]) -> list[str]:
    """A note for each of sources, torch and working tree in which runs, by name, differ; the unknown is no fault."""
    asked = {"sources": _code, "sources of numbers": _scoring, "versions of torch": _torch,
             "states of the checkout": _tree}  # fmt: skip
    notes = []
    for what, told in asked.items():
        made: dict[str, list[str]] = {}
        for name, known in runs.items():
            for value in dict.fromkeys(value for origin in known if (value := told(origin))):
                made.setdefault(value, []).append(name)
        if len(made) > 1:
            several = sorted(made.items(), key=lambda one: (-len(one[1]), one[0]))
            notes.append(f"made under {len(made)} {what}: " + "; ".join(f"{v}: {_names(n)}" for v, n in several))
    return notes


def _names(names: Sequence[str]) -> str:
    return f"{len(names)} runs" if len(names) > _NAMED else ", ".join(names)


def _code(origin: _Origin) -> str:
    code = origin.get("code")
    return _text(code) if isinstance(code, dict) else ""


def _scoring(origin: _Origin) -> str:
    code = origin.get("scoring")
    return _text(code) if isinstance(code, dict) else ""


def _text(code: Mapping[str, str]) -> str:
    return " ".join(digits if package == "mapga" else f"{package} {digits}" for package, digits in code.items())


def _torch(origin: _Origin) -> str:
    versions = origin.get("versions")
    return str(versions.get("torch", "")) if isinstance(versions, dict) else ""


def _tree(origin: _Origin) -> str:
    git = origin.get("git")
    return ("with changes" if git.get("dirty") else "as committed") if isinstance(git, dict) else ""

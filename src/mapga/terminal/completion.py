"""Completion for bash, zsh and fish: a script each, which asks ``mapga complete`` what may stand at the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mapga.terminal.parser import options, parser

__all__ = ["SCRIPTS", "candidates"]

_BASH = r"""# eval "$(mapga completion bash)", in ~/.bashrc
_mapga() {
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} words found
    IFS=' ' read -ra words <<< "$line"
    [[ $line == *' ' ]] && words+=('')
    found=$(mapga complete -- "${words[@]:1}" 2> /dev/null)
    COMPREPLY=($found)
    [[ ${COMPREPLY[0]} == *[=/] ]] && compopt -o nospace
    [[ ${words[-1]} == *=* && $COMP_WORDBREAKS == *=* ]] && COMPREPLY=("${COMPREPLY[@]#*=}")
}
complete -F _mapga mapga
"""
_ZSH = r"""#compdef mapga
# eval "$(mapga completion zsh)", in ~/.zshrc after compinit
_mapga() {
    local -a found
    found=("${(@f)$(mapga complete -- "${(@)words[2,CURRENT]}" 2> /dev/null)}")
    compadd -S '' -- ${(M)found:#*[=/]}
    compadd -- ${found:#*[=/]}
}
compdef _mapga mapga
"""
_FISH = r"""# mapga completion fish | source, in ~/.config/fish/config.fish
complete -c mapga -f -a '(mapga complete -- (commandline -opc)[2..] (commandline -ct) 2> /dev/null)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def candidates(words: Sequence[str]) -> list[str]:
    """What the last of some words may become, the words before it being typed."""
    *typed, last = words or [""]
    commands = parser()[1]
    if not typed:
        return _beginning(last, [*(name for name in commands if name != "complete"), "--help", "--version"])
    if (command := commands.get(typed[0])) is None:
        return []
    if last.startswith("-"):
        return _beginning(last, options(command))
    named = {action.dest for action in command._actions}
    known = [*(_overrides(last) if named & {"overrides", "component"} else ())]
    known += [f"{one}s" for one in _groups()] if "group" in named else []
    known += _folders(last) if named & {"folder", "folders", "component"} and "=" not in last else []
    return _beginning(last, known)


def _beginning(last: str, known: Sequence[str]) -> list[str]:
    return [one for one in known if one.startswith(last)]


def _groups() -> tuple[str, ...]:
    from mapga.config.groups import GROUPS

    return GROUPS


def _overrides(last: str) -> Iterator[str]:
    """Groups with their choices, of a list the last one; keys of a run."""
    from mapga.config.files import options as choices
    from mapga.config.groups import GROUPS, keys

    group, equals, value = last.partition("=")
    if equals:
        before = value.rpartition(",")[0]
        yield from (f"{group}={before}{',' if before else ''}{name}" for name in choices(group))
    else:
        yield from (f"{one}=" for one in [*GROUPS, *keys()])


def _folders(last: str) -> list[str]:
    """Runs, and folders that hold runs, at the place that is typed."""
    start = last.rpartition("/")[0]
    place = Path(start or ".") if not last.startswith("/") or start else Path("/")
    if not place.is_dir():
        return []
    inside = [path for path in sorted(place.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    prefix = f"{start}/" if "/" in last else ""
    runs = [f"{prefix}{path.name}" for path in inside if (path / "config.yaml").exists()]
    return runs + [f"{prefix}{path.name}/" for path in inside if any(path.glob("*/config.yaml"))]

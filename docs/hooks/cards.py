"""The pages of components: their YAML, their cards and their docstrings, as ``mapga show`` prints them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from mapga.commands.show import arguments, facts, nodes
from mapga.config.files import options
from mapga.config.groups import about, stated_by
from mapga.node import resolved

BAR = "\\|"  # a bar that ends no cell
GROUPS = {
    "solver": "Solvers",
    "task": "Tasks",
    "prior": "Priors",
    "dataset": "Datasets",
    "schedule": "Schedules",
    "step": "Steps",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page a choice, and one that lists them, to the files and to the navigation."""
    components = next(item["Components"] for item in config.nav if "Components" in item)
    for group, heading in GROUPS.items():
        titles = {name: _title(group, name) for name in options(group)}
        texts = {name: "\n".join(_page(group, name, titles[name])) for name in titles}
        texts["index"] = "\n".join(_index(group, heading, titles))
        for name, text in texts.items():
            files.append(File.generated(config, f"{group}s/{name}.md", content=text))
        pages = [{title: f"{group}s/{name}.md"} for name, title in titles.items()]
        components.append({heading: [f"{group}s/index.md", *pages]})
    return files


def _title(group: str, name: str) -> str:
    stated = stated_by(group, name)
    return str((stated["operator"] if group == "task" else stated)["title"])


def _index(group: str, heading: str, titles: Mapping[str, str]) -> Iterator[str]:
    yield from (
        f"# {heading}",
        "",
        f"`mapga list {group}s` prints this table; a page each is `mapga show {group}=...`.",
        "",
    )
    yield from (f"| | `{group}=` | |", "| --- | --- | --- |")
    for name, title in titles.items():
        yield _row(f"[{title}]({name}.md)", f"`{name}`", about(group, name))


def _page(group: str, name: str, title: str) -> Iterator[str]:
    stated = stated_by(group, name)
    yield from (f"# {title}", "", f"`{group}={name}`. {about(group, name)}", "")
    for slot, node in nodes(group, stated):
        if told := list(facts(slot, node)):
            yield from ("| | |", "| --- | --- |", *(_row(what, _linked(fact)) for what, fact in told), "")
        if own := list(arguments(slot, node)):
            yield from ("| in a config | value in its file, else the default | kind |", "| --- | --- | --- |")
            yield from (_row(f"`{key}`", f"`{value}`", str(kind)) for key, value, kind in own)
            yield ""
        make, _ = resolved(slot, node)
        module = inspect.getmodule(make)
        assert module is not None
        if "Source:" in (module.__doc__ or ""):
            yield from (inspect.cleandoc(module.__doc__ or ""), "")
        yield from (f"::: {module.__name__}.{make.__qualname__}", "    options:", "      members: false", "")


def _row(*cells: str) -> str:
    """A line of a table; a bar within a cell does not end it."""
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def _linked(fact: str) -> str:
    """Tasks of a solver's card, each with its page."""
    words = fact.split(" ")
    tasks: Any = options("task")
    return " ".join(f"[{word}](../tasks/{word}.md)" for word in words) if set(words) <= set(tasks) else fact

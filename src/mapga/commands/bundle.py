"""``mapga bundle``: a results folder as one archive, from which ``mapga report`` makes the same files elsewhere."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from mapga.errors import ConfigError
from mapga.files.durable import replacing
from mapga.records.collect import check_folder, collect
from mapga.records.origins import command_of
from mapga.spec import PROBLEMS, REPLACED

__all__ = ["bundle"]

_LEFT = re.compile(r"^\.|^lock")  # what processes hold or have left behind
_BEGUN = (1980, 1, 1, 0, 0, 0)  # the date of every file: of the same files the same archive


def bundle(root: Path, archive: Path | None) -> Path:
    """Write an archive (zip) of a results folder: its runs, their problems and sweeps, its report, ``commands.txt`` and
    ``environment.txt`` (the versions of all that is installed here). Nothing outside of the folder gets in.

    Args:
        root: A results folder.
        archive: The file, which is replaced; None: ``<name of the folder>.zip`` here.

    Raises:
        ConfigError: No folder, or no run in it.
        OSError: The archive cannot be written.
    """
    check_folder(root)
    runs, _ = collect(root)
    if not runs or (root / "config.yaml").exists():
        raise ConfigError(f"{root} holds no folders of runs; name the results_dir of your runs")
    name = root.resolve().name
    to = archive if archive is not None else Path(f"{name}.zip")
    said = {
        "commands.txt": sorted({command for run in runs if (command := command_of(run.folder))}),
        "environment.txt": [f"# Python {platform.python_version()} on {platform.platform()}", *_installed()],
    }
    with replacing(to) as neighbour, zipfile.ZipFile(neighbour, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for path in _files(root):
            entry = _entry(f"{name}/{path.relative_to(root).as_posix()}")
            with path.open("rb") as source, file.open(entry, "w", force_zip64=True) as inside:
                shutil.copyfileobj(source, inside)
        for title, lines in said.items():
            file.writestr(_entry(f"{name}/{title}"), "".join(f"{line}\n" for line in lines))
    return to


def _files(root: Path) -> Iterator[Path]:
    """What belongs to the folder: files of runs, problems, sweeps and the report; no links out of it, no locks."""
    runs = {run.folder for run in collect(root)[0]}
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        if not path.is_file() or any(_LEFT.match(part) for part in place.parts):
            continue
        own = place.parts[0] in (PROBLEMS, "report", "sweeps") or path.name == "submissions.jsonl"
        inside = any(parent.name == PROBLEMS or parent in runs for parent in path.parents)
        if (own or inside) and REPLACED not in str(place) and path.resolve().is_relative_to(root.resolve()):
            yield path


def _entry(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name, _BEGUN)
    found.compress_type, found.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return found


def _installed() -> list[str]:
    """Every package that is installed here, as pip takes it."""
    return sorted(
        {f"{one.metadata['Name']}=={one.version}" for one in importlib.metadata.distributions()}, key=str.lower
    )

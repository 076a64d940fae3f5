"""The published networks by name: what each is, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from mapga.priors.checkpoints.architecture import PublishedArchitecture
from mapga.priors.networks.preconditioning import Kind

__all__ = ["PublishedFile", "architectures", "published", "published_files"]

_MANIFEST = Path(__file__).with_name("manifest.yaml")


@dataclass(frozen=True)
class PublishedFile:
    """One released network.

    Attributes:
        name: Its published name.
        kind: ``edm`` a denoiser, ``cd`` a distilled, ``ct`` a trained consistency model.
        architecture: Name of its architecture.
        prior: The file of conf/prior that it belongs to.
        address: Where its publisher serves it.
        grid: Noise levels of the last stage of a consistency model's training; None for EDM.
        size: Bytes, where known.
        sha256: In hexadecimal, where known.
        hub: Hub id of a diffusers copy, if there is one.
    """

    name: str
    kind: Literal["edm", "cd", "ct"]
    architecture: str
    prior: str
    address: str
    grid: int | None = None
    size: int | None = None
    sha256: str | None = None
    hub: str | None = None

    @property
    def preconditioning(self) -> Kind:
        """The scalings it was trained with."""
        return "edm" if self.kind == "edm" else "consistency"


@cache
def _read() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(_MANIFEST.read_text(encoding="utf-8"))
    return content


@cache
def architectures() -> dict[str, PublishedArchitecture]:
    """The released architectures by name."""
    entries: dict[str, dict[str, Any]] = _read()["architectures"]
    lists = ("widths", "attention")
    return {
        name: PublishedArchitecture(**{**entry, **{key: tuple(entry[key]) for key in lists}})
        for name, entry in entries.items()
    }


@cache
def published_files() -> dict[str, PublishedFile]:
    """The released networks by name."""
    address, entries = _read()["address"], _read()["networks"]
    return {name: PublishedFile(name, address=address.format(name=name), **entry) for name, entry in entries.items()}


def published(name: str) -> PublishedFile:
    """The released network of that name.

    Raises:
        ValueError: There is none; the names are listed.
    """
    known = published_files()
    if name not in known:
        raise ValueError(f"{name!r} is no published network; choose one of {', '.join(known)}")
    return known[name]

"""The published networks by name: what each is, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from mapga.priors.checkpoints.architecture import PublishedArchitecture
from mapga.priors.networks.processes import DiscreteVP, Preconditioned, Process

__all__ = ["PublishedFile", "architectures", "published", "published_files"]

_MANIFEST = Path(__file__).with_name("manifest.yaml")


@dataclass(frozen=True)
class PublishedFile:
    """One released network.

    Attributes:
        name: Its published name.
        kind: ``edm`` and ``adm`` denoisers, ``cd`` a distilled, ``ct`` a trained consistency model.
        architecture: Name of its architecture.
        prior: The file of conf/prior that it belongs to.
        address: Where its publisher serves it.
        grid: Noise levels of the last stage of a consistency model's training; None for EDM.
        size: Bytes, where known.
        sha256: In hexadecimal, where known.
        hub: Hub id of a diffusers copy, if there is one.
        betas: Of an ``adm``'s training: ``linear`` or ``cosine``.
    """

    name: str
    kind: Literal["edm", "adm", "cd", "ct"]
    architecture: str
    prior: str
    address: str
    grid: int | None = None
    size: int | None = None
    sha256: str | None = None
    hub: str | None = None
    betas: Literal["linear", "cosine"] = "linear"

    @property
    def role(self) -> str:
        """``denoiser`` or ``consistency``."""
        return "denoiser" if self.kind in ("edm", "adm") else "consistency"

    @property
    def convention(self) -> str:
        """What it was trained as, without which its images are silently wrong: ``edm``, ``adm``, ``consistency``."""
        return self.kind if self.role == "denoiser" else "consistency"

    @property
    def process(self) -> Process:
        """What becomes of its answer."""
        if self.kind == "adm":
            return DiscreteVP.linear() if self.betas == "linear" else DiscreteVP.cosine()
        return Preconditioned("edm" if self.kind == "edm" else "consistency")


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
    return {
        name: PublishedFile(name, **{"address": address.format(name=name), **entry}) for name, entry in entries.items()
    }


def published(name: str) -> PublishedFile:
    """The released network of that name.

    Raises:
        ValueError: There is none; the names are listed.
    """
    known = published_files()
    if name not in known:
        raise ValueError(f"{name!r} is no published network; choose one of {', '.join(known)}")
    return known[name]

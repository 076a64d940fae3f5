"""A network that diffusers has saved: where its three files are, and what identifies them. Imports no torch.

A pipeline's folder holds ``unet/`` and ``scheduler/``; older ones, and a folder made by hand, hold all files at once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mapga.errors import ConfigError
from mapga.files.download import Told
from mapga.files.fetch import FileRefusedError, sha256_of
from mapga.files.hub import is_hub_id, snapshot
from mapga.files.need import Need

__all__ = ["Saved"]

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_UNET, _SCHEDULER = "config.json", "scheduler_config.json"
_PATTERNS = [_UNET, _WEIGHTS, _SCHEDULER, f"unet/{_UNET}", f"unet/{_WEIGHTS}", f"scheduler/{_SCHEDULER}"]


@dataclass(frozen=True)
class Saved:
    """A folder of diffusers, or a hub id that stands for one.

    Attributes:
        path: As a person gives it.
        revision: Of a hub id.
    """

    path: str
    revision: str | None = None

    @classmethod
    def of(cls, a: Any) -> Self:
        """That of a node's arguments ``path`` and ``revision``."""
        return cls(a.path, a.revision)

    def folder(self, *, fetched: bool = True) -> Path:
        """Where it is.

        Raises:
            FileNotFoundError: A hub id's files that were not fetched yet.
            FileRefusedError: They cannot be fetched.
        """
        if is_hub_id(self.path):
            return snapshot(self.path, _PATTERNS, revision=self.revision, fetched=fetched)
        return Path(self.path).expanduser()

    def files(self) -> dict[str, Path]:
        """``unet`` and ``scheduler``, their configs, and ``weights``.

        Raises:
            FileNotFoundError: One that is missing; its line says what is wanted in its place.
        """
        folder = self.folder()
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder; give one that save_pretrained of diffusers wrote")
        unet = folder / "unet" if (folder / "unet").is_dir() else folder
        scheduler = folder / "scheduler" if (folder / "scheduler").is_dir() else folder
        found = {"unet": unet / _UNET, "weights": unet / _WEIGHTS, "scheduler": scheduler / _SCHEDULER}
        for path in found.values():
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file; {_remedy(path)}")
        return found

    def digest(self) -> str | None:
        """SHA-256 of what the network is: its weights, its config and its scheduler's; None if it is not here."""
        try:
            found = self.files()
        except (FileNotFoundError, FileRefusedError):
            return None
        lines = [f"{name} {sha256_of(path)}\n" for name, path in sorted(found.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def need(self) -> Need:
        """What there must be before it can be read."""
        try:
            self.files()
            problem = None
        except (FileNotFoundError, FileRefusedError) as error:
            problem = f"{error}; fetch it with `mapga prefetch prior=diffusers prior.path={self.path}`"
            if not is_hub_id(self.path):
                problem = f"prior.path={self.path}: {error}"
        what = f"{self.path} from hub:{self.path}" if is_hub_id(self.path) else self.path
        return Need("prior", what, problem, self._fetch if is_hub_id(self.path) else None)

    def read_config(self, name: str) -> dict[str, Any]:
        """A config that ``files`` names.

        Raises:
            FileNotFoundError: It is missing.
            ConfigError: It is no JSON object.
        """
        path = self.files()[name]
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path}: no JSON ({error}); save it again") from None
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: a JSON object is wanted; save it again")
        return content

    def _fetch(self, told: Told) -> Path:  # the hub's own client tells
        folder = self.folder(fetched=False)
        try:
            self.files()
        except FileNotFoundError as error:
            raise FileRefusedError(str(error)) from None
        return folder


def _remedy(path: Path) -> str:
    if path.name == _WEIGHTS and path.with_suffix(".bin").is_file():
        return "weights are read from safetensors alone; save it again with safe_serialization=True"
    if path.name == _SCHEDULER:
        return "the scheduler says what the network predicts; save it beside, or the whole pipeline"
    return "save the network with save_pretrained of diffusers"

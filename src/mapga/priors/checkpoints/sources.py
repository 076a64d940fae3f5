"""Where the weights of a published network come from: its publisher, a mirror, a file, a folder, a hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapga.errors import ConfigError
from mapga.files.download import Told
from mapga.files.fetch import FileRefusedError, RemoteFile, check_file, fetch, sha256_of
from mapga.files.hub import is_hub_id, snapshot
from mapga.priors.checkpoints.files import flaw, weights_path
from mapga.priors.checkpoints.manifest import PublishedFile, architectures, published
from mapga.priors.networks.preconditioning import ROLES

__all__ = ["WeightsSource", "sources_of"]

_HUB_FILES = ["model_index.json", *(f"unet/diffusion_pytorch_model.{end}" for end in ("safetensors", "bin"))]


@dataclass(frozen=True)
class WeightsSource:
    """The place of one network's weights.

    Attributes:
        entry: Which network.
        given: None for its publisher; an http(s) address; the path of a file or of a folder of diffusers; a hub id
            (``owner/name``, if no such path exists), or ``hub`` for that of the manifest.
        sha256: SHA-256 that the weights file must have, or None.
        command: What a user types to fetch it.
    """

    entry: PublishedFile
    given: str | None
    sha256: str | None
    command: str

    @property
    def hub_id(self) -> str | None:
        """The hub id, if the source is one."""
        if self.given == "hub" and self.entry.hub is not None:
            return self.entry.hub
        return self.given if self.given is not None and is_hub_id(self.given) else None

    def described(self) -> str:
        """Where it comes from, for a person."""
        return f"hub:{self.hub_id}" if self.hub_id else self._file().origin() if self._remote else str(self.given)

    def problem(self) -> str | None:
        """None if the weights are there, else one line: what is missing, where it comes from, how to get it.

        Sizes and, where one is known, the SHA-256 are checked; nothing is read into memory.
        """
        remedy = "give the path of the whole file or folder"
        if self._remote:
            remedy = f"fetch it from {self._file().origin()} with `{self.command}`"
        elif self.hub_id is not None:
            remedy = f"fetch it with `{self.command}`"
        try:
            file = weights_path(self.path())
            check_file(file, self.sha256 or self.entry.sha256, self.entry.size)
        except (FileNotFoundError, FileRefusedError) as error:
            return f"{error}; {remedy}"
        wrong = flaw(file)
        return None if wrong is None else f"{wrong}; {remedy}"

    def path(self) -> Path:
        """The file or folder, present or not.

        Raises:
            FileNotFoundError: A hub's files that were not fetched yet.
        """
        if self._remote:
            return self._file().path()
        if self.hub_id is None:
            return Path(str(self.given)).expanduser()
        return snapshot(self.hub_id, _HUB_FILES, fetched=True)

    def digest(self) -> str | None:
        """SHA-256 of the weights file; None if it is not there, or not whole."""
        try:
            path = weights_path(self.path())
            return None if flaw(path) else sha256_of(path)
        except (FileNotFoundError, FileRefusedError):
            return None

    def fetch(self, told: Told = lambda have, whole: None) -> Path:
        """Bring it here unless it is, telling how far a download is, and return its path.

        Raises:
            FileRefusedError: It cannot be had, or is another file.
        """
        if self._remote:
            if self._file().problem() is None and self.problem() is not None:
                self.path().unlink()  # passed as whole, for want of a hash
            path = fetch(self._file(), told=told)
            if wrong := flaw(path):
                path.unlink()
                raise FileRefusedError(f"{self._file().origin()} does not serve {self.entry.name}: {wrong}")
            return path
        if self.hub_id is not None:
            snapshot(self.hub_id, _HUB_FILES, fetched=False)
        if problem := self.problem():
            raise FileRefusedError(problem)
        return self.path()

    @property
    def _remote(self) -> bool:
        return self.given is None or "://" in self.given

    def _file(self) -> RemoteFile:
        name, stated = self.entry.name, self.sha256 or self.entry.sha256
        address = self.given or self.entry.address
        return RemoteFile(name, f"{name}.pt", address, stated, self.entry.size, command=self.command)


def sources_of(node: Mapping[str, Any]) -> dict[str, WeightsSource]:
    """The sources, by role, that a prior's keys name: ``architecture`` and for each role ``<role>``,
    ``<role>_source``, ``<role>_sha256``.

    Raises:
        ConfigError: An unknown name, a network in the wrong role or of another architecture, or no network at all.
    """
    architecture = node.get("architecture")
    if architecture not in architectures():
        raise ConfigError(f"prior.architecture={architecture!r}: choose {', '.join(architectures())}")
    found = {}
    for role in ROLES:
        if (name := node.get(role)) is None:
            continue
        try:
            entry = published(name)
        except ValueError as error:
            raise ConfigError(f"prior.{role}={error}; its file or folder goes into prior.{role}_source") from None
        if entry.role != role:
            what = "a denoiser" if entry.role == "denoiser" else "a consistency model"
            raise ConfigError(f"prior.{role}={name} is {what} ({entry.kind}); give it as prior.{entry.role}")
        if entry.architecture != architecture:
            raise ConfigError(
                f"prior.{role}={name} is of architecture {entry.architecture}, prior.architecture is {architecture}; "
                "choose networks of one architecture"
            )
        command = f"mapga prefetch prior={entry.prior} prior.{role}={name}"
        found[role] = WeightsSource(entry, node.get(f"{role}_source"), node.get(f"{role}_sha256"), command)
    if not found:
        raise ConfigError("prior.denoiser and prior.consistency are both null; name one, or use prior=none")
    return found

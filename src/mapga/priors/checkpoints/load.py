"""From a source of weights to a network: recognised by content, converted once, kept as safetensors."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from safetensors.torch import save_file

from mapga.files.durable import replacing
from mapga.files.fetch import cache_folder, sha256_of
from mapga.priors.checkpoints.files import Weights, diffusers_kind, read_weights, weights_path
from mapga.priors.checkpoints.layout import differences, to_diffusers
from mapga.priors.checkpoints.manifest import PublishedFile, architectures, published_files
from mapga.priors.checkpoints.network import PublishedNetwork, empty_network

__all__ = ["FORMAT", "converted_path", "load_network"]

FORMAT = "mapga-published-1"
_log = logging.getLogger(__name__)


def converted_path(sha256: str) -> Path:
    """Where the converted copy of the weights file with that SHA-256 is, or will be."""
    return cache_folder() / "converted" / f"{sha256[:32]}.safetensors"


def load_network(source: Path, entry: PublishedFile) -> PublishedNetwork:
    """The network in a file or folder, in the precision it is stored in, frozen and in evaluation mode.

    Args:
        source: A published ``.pt`` file, a folder of diffusers, or safetensors of either layout.
        entry: What it should be.

    Raises:
        FileNotFoundError: Nothing there.
        ValueError: Damaged, of another architecture, or known to be another network or of another kind.
    """
    path, architecture = weights_path(source), architectures()[entry.architecture]
    digest = sha256_of(path)
    _check_digest(path, digest, entry)
    copy = converted_path(digest)
    weights = read_weights(copy if copy.is_file() else path)
    _check_kind(path, copy, weights, diffusers_kind(source), entry)
    if unlike := differences(weights.tensors, architecture):
        others = [name for name, other in architectures().items() if not differences(weights.tensors, other)]
        found = f"these are weights of architecture {others[0]}" if others else f"the file {unlike}"
        raise ValueError(f"{path}: no {entry.architecture} network: {found}; give the file of {entry.name}")
    tensors = to_diffusers(weights.tensors, architecture)
    if weights.metadata.get("format") != FORMAT:
        _keep(copy, tensors, entry, digest)
    network = empty_network(architecture)
    network.body.load_state_dict({name: value.detach() for name, value in tensors.items()}, strict=True, assign=True)
    return network.requires_grad_(False).eval()


def _check_digest(path: Path, digest: str, entry: PublishedFile) -> None:
    known = {other.sha256: other.name for other in published_files().values() if other.sha256 is not None}
    if known.get(digest, entry.name) != entry.name:
        raise ValueError(f"{path}: these are the weights {known[digest]}, asked for as {entry.name}; name them so")


def _check_kind(path: Path, copy: Path, weights: Weights, folder: str | None, entry: PublishedFile) -> None:
    """Refuse weights that say, or were used before, as the other kind: the images would be silently wrong."""
    stated = weights.metadata.get("kind") or folder
    if stated is not None and stated != entry.convention:
        where = f" (as {copy} says; remove that file if they were named wrongly before)" if copy.is_file() else ""
        raise ValueError(
            f"{path}: these are {stated} weights, asked for as {entry.name}, which is {entry.convention}; the "
            f"scalings differ and the images would be silently wrong: give the file under its own name{where}"
        )


def _keep(copy: Path, tensors: dict[str, torch.Tensor], entry: PublishedFile, digest: str) -> None:
    """Write the converted copy, whole or not at all; two processes that do so at once write the same bytes."""
    metadata = {
        "format": FORMAT,
        "kind": entry.convention,
        "name": entry.name,
        "architecture": entry.architecture,
        "source_sha256": digest,
    }
    own = {name: value.contiguous().clone() for name, value in tensors.items()}  # safetensors takes no shared storage
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with replacing(copy) as part:
            save_file(own, part, metadata=metadata)
            part.chmod(0o644)  # the library makes it private, but a cache may be a group's
    except OSError as error:
        _log.warning("%s: the converted weights cannot be kept (%s); they are converted anew each time", copy, error)

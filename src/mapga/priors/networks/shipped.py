"""The weights that come with the package, pairs of networks and fits, and how they are told apart. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mapga.files.fetch import sha256_of
from mapga.priors.networks.preconditioning import ROLES

__all__ = ["SHIPPED", "fingerprint", "shipped_digests", "shipped_fingerprint", "shipped_paths"]

SHIPPED = Path(__file__).parents[1] / "weights"


def fingerprint(digests: Mapping[str, str]) -> str:
    """What identifies a pair: a hash of its roles and of the SHA-256 of their files."""
    return hashlib.sha256("".join(f"{role}{digest}" for role, digest in digests.items()).encode()).hexdigest()


def shipped_fingerprint(name: str) -> str:
    """The fingerprint of a shipped pair, from the manifest.

    Raises:
        ValueError: An unknown name.
    """
    return fingerprint(shipped_digests(name))


def shipped_digests(name: str, roles: Iterable[str] = ROLES) -> dict[str, str]:
    """The SHA-256 of the files that are shipped under a name, by role, from the manifest.

    Raises:
        ValueError: Nothing of that name has those roles.
    """
    return {role: entry["sha256"] for role, entry in _entries(name, roles).items()}


def shipped_paths(name: str, roles: Iterable[str] = ROLES) -> dict[str, Path]:
    """The files that are shipped under a name, by role, whole.

    Args:
        name: As in the manifest.
        roles: Those of its files: a pair of networks, unless said otherwise.

    Raises:
        ValueError: Nothing of that name has those roles, or a file is cut or altered.
        FileNotFoundError: A file is missing from the installation.
    """
    paths = {}
    for role, entry in _entries(name, roles).items():
        path = SHIPPED / entry["file"]
        if not path.is_file():
            raise FileNotFoundError(f"{path}: missing from the installation; reinstall mapga")
        if sha256_of(path) != entry["sha256"]:
            raise ValueError(
                f"{path}: {path.stat().st_size} bytes of {entry['size']}, or altered (SHA-256 differs "
                "from the manifest's); restore the file with `git checkout` or reinstall mapga"
            )
        paths[role] = path
    return paths


def _entries(name: str, roles: Iterable[str]) -> dict[str, Any]:
    manifest = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))
    alike = {known: entries for known, entries in manifest.items() if set(entries) == set(roles)}
    if name not in alike:
        raise ValueError(f"prior.name={name!r}: the package ships {', '.join(alike)}")
    entries: dict[str, Any] = alike[name]
    return entries

"""The pairs of networks whose weights come with the package, and how weights are told apart. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mapga.files.fetch import sha256_of

__all__ = ["SHIPPED", "fingerprint", "shipped_fingerprint", "shipped_paths"]

SHIPPED = Path(__file__).parents[1] / "weights"


def fingerprint(digests: Mapping[str, str]) -> str:
    """What identifies a pair: a hash of its roles and of the SHA-256 of their files."""
    return hashlib.sha256("".join(f"{role}{digest}" for role, digest in digests.items()).encode()).hexdigest()


def shipped_fingerprint(name: str) -> str:
    """The fingerprint of a shipped pair, from the manifest.

    Raises:
        ValueError: An unknown name.
    """
    return fingerprint({role: entry["sha256"] for role, entry in _entries(name).items()})


def shipped_paths(name: str) -> dict[str, Path]:
    """The files of a shipped pair by role, whole.

    Raises:
        ValueError: An unknown name, or a file that is cut or altered.
        FileNotFoundError: A file is missing from the installation.
    """
    paths = {}
    for role, entry in _entries(name).items():
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


def _entries(name: str) -> dict[str, Any]:
    manifest = json.loads((SHIPPED / "manifest.json").read_text())
    if name not in manifest:
        raise ValueError(f"prior.name={name!r}: the package ships {', '.join(manifest)}")
    entries: dict[str, Any] = manifest[name]
    return entries

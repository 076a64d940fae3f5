"""Put a trained pair among the package's weights: ``python -m mapga.training.ship NAME DENOISER CONSISTENCY``.

Copies both files to ``mapga/priors/weights`` and lists their sizes and SHA-256 in its ``manifest.json``, where
``NetworkPrior.shipped(NAME)`` looks them up.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mapga.files.durable import write_bytes, write_json
from mapga.files.fetch import sha256_of
from mapga.priors.network import NetworkPrior
from mapga.priors.networks.preconditioning import ROLES
from mapga.priors.networks.shipped import SHIPPED

__all__ = ["ship"]


def ship(name: str, denoiser: Path, consistency: Path, folder: Path = SHIPPED) -> None:
    """Copy a pair and list it.

    Args:
        name: What it will be called.
        denoiser: Weights of kind ``edm``.
        consistency: Weights of kind ``consistency``.
        folder: Where the manifest is.

    Raises:
        ValueError: Files of other kinds, or of two image shapes.
        FileNotFoundError: No such file.
    """
    NetworkPrior.from_files(str(denoiser), str(consistency))
    listing = folder / "manifest.json"
    manifest = json.loads(listing.read_text(encoding="utf-8")) if listing.is_file() else {}
    manifest[name] = {}
    for role, source in zip(ROLES, (denoiser, consistency), strict=True):
        path = folder / f"{name}_{role}.safetensors"
        write_bytes(path, source.read_bytes())
        manifest[name][role] = {"file": path.name, "size": path.stat().st_size, "sha256": sha256_of(path)}
    write_json(listing, manifest)


if __name__ == "__main__":
    ship(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

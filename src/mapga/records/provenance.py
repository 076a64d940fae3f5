"""Where a result came from: code, versions, machine."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

from mapga import __version__

__all__ = ["provenance"]

_PACKAGES = ("torch", "numpy", "hydra-core", "omegaconf", "diffusers", "torchmetrics", "lpips", "clean-fid")


def provenance(device: str) -> dict[str, Any]:
    """Package version, git commit and dirty flag of the code, versions, and the machine's kind."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "mapga": __version__,
        "git": _git(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device,
        "versions": versions,
    }


def _git() -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout this package runs from; None outside of one."""
    here = Path(__file__).parent

    def ask(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        tracked = ask("ls-files", Path(__file__).name)
        if not tracked:
            return None
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None

"""Where a result came from: code, versions, machine."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

from mapga import __version__

__all__ = ["code_identity", "provenance", "submitted_code"]

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
        "sources": code_identity(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device,
        "versions": versions,
    }


def submitted_code() -> dict[str, Any]:
    """What code a sweep is submitted under: commit and dirty flag, and the hash that jobs are held to."""
    return {"git": _git(), "sources": code_identity()}


@functools.cache
def code_identity() -> str:
    """Twelve hex digits of the SHA-256 of our sources and config files, as they were when this process first asked.

    It tells apart what a commit and a dirty flag do not: two states of a checkout that is being worked on.
    """
    package = Path(__file__).parents[1]
    total = hashlib.sha256()
    for root in (package, package.parents[1] / "conf"):  # a checkout keeps conf there, a wheel inside the package
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".yaml"):
                total.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return total.hexdigest()[:12]


@functools.cache
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

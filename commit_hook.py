"""Writes ``mapga/commit.json`` into a wheel: the commit it was built of, so that its runs can say so. Hatch runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "commit.json"


class CommitHook(BuildHookInterface):
    """A wheel of a checkout has its commit; one of an sdist that of the sdist; one of neither has none."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # it asks git itself
            return
        root = Path(self.root)
        inside = "mapga/" if self.target_name == "wheel" else ""
        if (root / NAME).exists():  # an sdist
            build_data["force_include"][str(root / NAME)] = f"{inside}{NAME}"
        elif (commit := _commit(root)) is not None:
            self._written.parent.mkdir(parents=True, exist_ok=True)
            self._written.write_text(json.dumps(commit))
            build_data["force_include"][str(self._written)] = f"{inside}{NAME}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._written.unlink(missing_ok=True)

    @property
    def _written(self) -> Path:
        return Path(self.directory) / f".{self.target_name}-{NAME}"


def _commit(root: Path) -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout, None without git or where the folder is no checkout of its own."""

    def ask(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        if ask("ls-files", "pyproject.toml"):
            return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        pass
    return None

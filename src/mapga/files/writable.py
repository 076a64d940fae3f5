"""Whether a folder can be written, asked before anything is made."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mapga.errors import ConfigError

__all__ = ["check_writable"]


def check_writable(key: str, folder: Path) -> None:
    """Refuse a folder that cannot be written, without making it.

    Args:
        key: What a person calls it.
        folder: The folder, there or not.

    Raises:
        ConfigError: Naming the part of the path that is in the way.
    """
    there = folder
    try:
        while not (there.exists() or there.is_symlink()) and there != there.parent:
            there = there.parent
        if not there.is_dir():
            what = "a file" if there.exists() else "a link that leads nowhere"
            raise ConfigError(f"{key}={folder}: {there} is {what}; choose another folder")
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise ConfigError(
            f"{key}={folder}: {there} cannot be written ({error.strerror}); choose another folder"
        ) from error

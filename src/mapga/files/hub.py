"""Files of a hub of models and datasets, by the id ``owner/name``: in the cache, or where another place stands for it.

Environment:
    MAPGA_URL_<ID>: Another source of that id (``MAPGA_URL_GOOGLE_DDPM_CIFAR10_32``): a folder that holds its files,
        or the http(s) address of a server that answers as the hub does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mapga.errors import first_line
from mapga.files.fetch import FileRefusedError, cache_folder

__all__ = ["is_hub_id", "snapshot"]

_ID = re.compile(r"[\w-]+/[\w.-]+")


def is_hub_id(text: str) -> bool:
    """Whether it reads ``owner/name`` and is no path of this machine."""
    return _ID.fullmatch(text) is not None and not Path(text).exists()


def snapshot(
    hub_id: str,
    patterns: Sequence[str],
    *,
    revision: str | None = None,
    kind: Literal["model", "dataset"] = "model",
    fetched: bool,
) -> Path:
    """The folder that holds a repository's files.

    Args:
        hub_id: ``owner/name``.
        patterns: Which of its files are wanted.
        revision: Branch, tag or commit; None for the newest.
        kind: What kind of repository it is.
        fetched: Whether only what was fetched before counts; else what lacks is fetched.

    Raises:
        FileNotFoundError: It was not fetched.
        FileRefusedError: It cannot be.
    """
    source = os.environ.get("MAPGA_URL_" + re.sub(r"\W", "_", hub_id.replace("-", "_")).upper())
    if source is not None and "://" not in source:
        return Path(source).expanduser()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    place: dict[str, Any] = {"cache_dir": cache_folder() / "hub", "allow_patterns": list(patterns), "repo_type": kind}
    if revision is not None:
        place["revision"] = revision
    if source is not None:
        place["endpoint"] = source
    try:
        return Path(snapshot_download(hub_id, local_files_only=fetched, **place))
    except LocalEntryNotFoundError:
        raise FileNotFoundError(f"hub:{hub_id}: not in {cache_folder() / 'hub'}") from None
    except Exception as error:  # the hub's client raises a dozen kinds, of several libraries
        raise FileRefusedError(f"hub:{hub_id}: {first_line(error)}") from None

"""Components of one's own for mapga: the entry points in pyproject.toml name them."""

from pathlib import Path

from mapga.files.fetch import sha256_of


def pinned(sha256: str | None, path: Path) -> dict[str, str]:
    """The hash of a file that is here, unless it is stated: it stands in a run's id, and the path does not."""
    return {"sha256": sha256_of(path)} if sha256 is None and path.is_file() else {}

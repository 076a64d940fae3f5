"""Files that come from elsewhere: weights and statistics, checked by size and SHA-256, kept in one cache.

A file reaches the cache whole or not at all: it is downloaded beside its place, resumed where a connection
broke, checked, and renamed into place under a lock that two processes can ask for at once.

Environment:
    MAPGA_CACHE: The cache folder; ``~/.cache/mapga`` if unset.
    MAPGA_URL_<KEY>: Another source of the file with that key (``MAPGA_URL_ALEXNET``): an http(s) address, or
        the path of a file. Size and SHA-256 are checked all the same. User and password may stand in it
        (``https://user:password@host/file``), or in ``~/.netrc``; they are never shown or written down.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from mapga.files.address import bare, shown
from mapga.files.download import DownloadError, Limits, Told, UntoldError, download
from mapga.files.durable import settle
from mapga.files.system import alone

__all__ = ["FileRefusedError", "RemoteFile", "cache_folder", "check_file", "fetch", "sha256_of"]

_MIN_DIGEST = 8  # hexadecimal digits of a SHA-256 that torchvision's file names carry


class FileRefusedError(RuntimeError):
    """A file that is absent, cut short or not the one that was asked for."""


@dataclass(frozen=True)
class RemoteFile:
    """One file, where it comes from, and how it is recognised.

    Attributes:
        key: Short name; ``MAPGA_URL_<KEY>`` (upper case, ``-`` and ``.`` as ``_``) overrides the source.
        name: File name in the cache.
        url: Published source, an http(s) address.
        sha256: Its SHA-256 in lower-case hexadecimal; at least the first 8 digits, where no more is known;
            None where its publisher states none, so that only the transfer is checked.
        size: Its size in bytes, where known.
        command: What a user types to get it.
        local: A file to use in place of the cache, checked like a download.
    """

    key: str
    name: str
    url: str
    sha256: str | None
    size: int | None = None
    command: str = "mapga prefetch"
    local: Path | None = None

    def __post_init__(self) -> None:
        if self.sha256 is None:
            return
        digits = set(self.sha256) <= set("0123456789abcdef")
        if not digits or not _MIN_DIGEST <= len(self.sha256) <= 64:
            raise ValueError(f"{self.name}: sha256={self.sha256!r} is not a SHA-256 (8 to 64 lower-case hex digits)")

    def at(self, path: str | Path, sha256: str | None = None) -> RemoteFile:
        """The same file at ``path``; another file if its own ``sha256`` is stated."""
        other = sha256 is not None and sha256 != self.sha256
        return replace(
            self,
            local=Path(path).expanduser(),
            sha256=self.sha256 if sha256 is None else sha256,
            size=None if other else self.size,
        )

    def known_sha256(self) -> str | None:
        """What is stated of it or, where nothing is, found in the file; None if that is not here."""
        return self.sha256 or (sha256_of(self.path()) if self.path().is_file() else None)

    def source(self) -> str:
        """The address or path it is fetched from, the environment's override first."""
        variable = "MAPGA_URL_" + self.key.upper().replace("-", "_").replace(".", "_")
        return os.environ.get(variable) or self.url

    def origin(self) -> str:
        """Its source as messages and files may show it, without passwords."""
        return shown(self.source())

    def path(self) -> Path:
        """Where it is, or will be."""
        return cache_folder() / self.name if self.local is None else self.local

    def problem(self) -> str | None:
        """None if the file is there and whole, else one line: path, what is wrong, how to get it."""
        try:
            check_file(self.path(), self.sha256, self.size)
        except FileRefusedError as error:
            if self.local is not None:
                return f"{error}; give the path of the whole file, or its own sha256 if it is meant to differ"
            return f"{error}; fetch it from {self.origin()} with `{self.command}`"
        return None

    def verified(self) -> Path:
        """Its path.

        Raises:
            FileRefusedError: The file is absent, of another size or of another SHA-256.
        """
        problem = self.problem()
        if problem is not None:
            raise FileRefusedError(problem)
        return self.path()


def cache_folder() -> Path:
    """The folder that fetched files are kept in: MAPGA_CACHE, or ``~/.cache/mapga``."""
    return Path(os.environ.get("MAPGA_CACHE") or "~/.cache/mapga").expanduser()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; computed once for an unchanged file."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, sha256: str | None, size: int | None = None) -> None:
    """Refuse a file that is not the one described.

    Raises:
        FileRefusedError: No such file, another size or SHA-256; one line with the path and both values.
    """
    if not path.is_file():
        raise FileRefusedError(f"{path}: no such file")
    found = path.stat().st_size
    if size is not None and found != size:
        raise FileRefusedError(f"{path}: {found} bytes instead of {size}, cut short or another file")
    if sha256 is None:
        return
    digest = sha256_of(path)
    if not digest.startswith(sha256):
        raise FileRefusedError(f"{path}: SHA-256 {digest[: max(16, len(sha256))]} instead of {sha256}")


def fetch(file: RemoteFile, limits: Limits | None = None, told: Told = lambda have, whole: None) -> Path:
    """Bring a file into the cache unless it is there, and return its path.

    Args:
        file: What to fetch. One with a ``local`` path is only checked.
        limits: When a download is given up; None for the usual.
        told: How far a download is.

    Raises:
        FileRefusedError: The source cannot be reached, what it serves is not the file, or the cache cannot be
            written; nothing is left in the file's place.
    """
    if file.local is not None or file.problem() is None:
        return file.verified()
    target = file.path()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with alone(target.with_name(target.name + ".lock")):
            if file.problem() is not None:  # else another process fetched it while this one waited
                _obtain(file, target, limits or Limits(), told)
    except DownloadError as error:
        raise FileRefusedError(str(error)) from None
    except UntoldError as error:
        raise error.of from None
    except OSError as error:
        where = f"{error.filename or target}: {error.strerror}"
        raise FileRefusedError(f"{where}; set MAPGA_CACHE to a folder that can be written") from None
    return target


def _obtain(file: RemoteFile, target: Path, limits: Limits, told: Told) -> None:
    source = file.source()
    part = target.with_name(f"{target.name}.{hashlib.sha256(bare(source).encode()).hexdigest()[:8]}.part")
    try:
        if "://" in source:
            download(source, part, file.size, limits, told)
        else:
            _copy(Path(source).expanduser(), part)
    except DownloadError:
        if not part.stat().st_size:  # nothing to go on with
            part.unlink()
        raise
    try:
        check_file(part, file.sha256, file.size)
    except FileRefusedError as error:
        part.unlink()
        found = str(error).removeprefix(f"{part}: ")
        raise FileRefusedError(f"{file.origin()} does not serve {file.name}: {found}") from None
    settle(part, target)


def _copy(source: Path, part: Path) -> None:
    if source.exists() and not source.is_file():
        raise FileRefusedError(f"{source}: no plain file; name a file or an http(s) address")
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        raise FileRefusedError(f"{source}: {error.strerror}; name a file or an http(s) address") from None

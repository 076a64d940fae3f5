"""Encoded pictures in an LMDB, as LSUN is published: key -> JPEG or WebP bytes.

Nothing is written, not even a lock; keys are read from the database itself, in its own (sorted) order, and never kept
in a file. A database is opened once a process: the library refuses to open it twice, and a handle must not be carried
into another process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["LMDBReader"]


class LMDBReader:
    """A read-only view of an LMDB. Holds no handle, so that it pickles.

    Args:
        path: The folder with ``data.mdb`` in it, or a database file.

    Raises:
        FileNotFoundError: No such database.
        ValueError: A cut file, or no LMDB.
        ImportError: The library lmdb is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        file = path / "data.mdb" if path.is_dir() else path
        if not file.is_file():
            raise FileNotFoundError(f"dataset.root={path}: no data.mdb in it; give the folder of an LMDB")
        info, page = self._environment().info(), self._environment().stat()["psize"]
        whole, found = (info["last_pgno"] + 1) * page, file.stat().st_size
        if found < whole:  # reading beyond the file's end would kill the process
            raise ValueError(f"{file}: cut, {found} bytes of {whole}; fetch it again")

    def __len__(self) -> int:
        return int(self._environment().stat()["entries"])

    def __getitem__(self, key: bytes) -> bytes:
        """The value of a key.

        Raises:
            KeyError: There is none.
        """
        with self._environment().begin() as transaction:
            value = transaction.get(key)
        if value is None:
            raise KeyError(key)
        return bytes(value)

    def __contains__(self, key: bytes) -> bool:
        with self._environment().begin() as transaction:
            return transaction.get(key) is not None

    def keys_at(self, places: np.ndarray) -> list[bytes]:
        """The keys at the given ascending places of the sorted order; reads no further than the last one."""
        wanted: Iterator[int] = iter(places.tolist())
        keys, place = [], next(wanted, None)
        with self._environment().begin() as transaction, transaction.cursor() as cursor:
            for k, key in enumerate(cursor.iternext(keys=True, values=False)):
                if place is None:
                    break
                if k == place:
                    keys.append(bytes(key))
                    place = next(wanted, None)
        return keys

    def missing(self, keys: Sequence[bytes]) -> list[bytes]:
        """Those keys that the database does not hold."""
        return [key for key in keys if key not in self]

    def _environment(self) -> Any:
        return _open(str(self.path), os.getpid())


@lru_cache(maxsize=8)
def _open(path: str, process: int) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise ImportError(f"LSUN's databases need lmdb ({error}): pip install 'mapga[lsun]'") from error

    try:
        return lmdb.open(
            path,
            subdir=Path(path).is_dir(),
            readonly=True,
            lock=False,
            readahead=False,
            meminit=False,
            max_readers=1,
        )
    except lmdb.Error as error:
        raise ValueError(f"{path}: cut, damaged or no LMDB ({error}); fetch it again") from None

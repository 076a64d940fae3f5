"""A run on disk: identity, journal, image store, lock, provenance. Knows no torch and deletes no folder."""

from mapga.records.folder import Progress, RunFolder
from mapga.records.identity import run_identity
from mapga.records.journal import Journal, Row
from mapga.records.lock import Lock, LockedError
from mapga.records.shards import WHOLE, Shard
from mapga.records.store import ImageStore

__all__ = [
    "WHOLE",
    "ImageStore",
    "Journal",
    "Lock",
    "LockedError",
    "Progress",
    "Row",
    "RunFolder",
    "Shard",
    "run_identity",
]

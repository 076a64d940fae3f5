"""A run on disk: identity, journal, image store, lock, provenance. Knows no torch and deletes no folder.

What needs numpy (``store``, ``trace``) is imported by itself: a plan takes less time than that import.
"""

from mapga.records.folder import Progress, RunFolder
from mapga.records.identity import run_identity
from mapga.records.journal import Journal, Row
from mapga.records.lock import Lock, LockedError
from mapga.records.shards import WHOLE, Shard

__all__ = [
    "WHOLE",
    "Journal",
    "Lock",
    "LockedError",
    "Progress",
    "Row",
    "RunFolder",
    "Shard",
    "run_identity",
]

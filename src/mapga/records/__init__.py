"""A run on disk: journal, image store, lock, provenance. Knows no torch and deletes no folder."""

from mapga.records.folder import RunFolder
from mapga.records.journal import Journal, Row
from mapga.records.lock import Lock, LockedError
from mapga.records.recorded import Recorded
from mapga.records.shards import WHOLE, Shard

__all__ = ["WHOLE", "Journal", "Lock", "LockedError", "Recorded", "Row", "RunFolder", "Shard"]

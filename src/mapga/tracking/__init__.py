"""Mirrors of runs elsewhere. Never the store, and nothing waits for them."""

from mapga.tracking.trackers import CSVTracker, Tracker, WandbTracker

__all__ = ["CSVTracker", "Tracker", "WandbTracker"]

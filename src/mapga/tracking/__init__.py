"""Mirrors of runs elsewhere. Never the store, and nothing waits for them. One tracker, one file."""

from mapga.catalogue import door

__getattr__ = door(__name__)

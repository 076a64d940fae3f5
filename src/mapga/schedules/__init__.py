"""Noise schedules: a number of points -> strictly decreasing noise levels sigma. Nothing else. One kind, one file."""

from mapga.catalogue import door

__getattr__ = door(__name__)

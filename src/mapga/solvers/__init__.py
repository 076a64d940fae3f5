"""Restoration algorithms. One method, one file: its class, with its card. Shared update steps stand in ``steps``."""

from mapga.catalogue import door

__getattr__ = door(__name__)

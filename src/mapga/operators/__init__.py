"""Forward operators of image restoration. One kind of degradation, one file: its classes, with their cards."""

from mapga.catalogue import door

__getattr__ = door(__name__)

"""Datasets: ordered uint8 images with stable indices. One dataset, one file: its class, with its card."""

from mapga.catalogue import door

__getattr__ = door(__name__)

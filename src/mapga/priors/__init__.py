"""Priors: analytic ones and networks, equals to a solver. One kind, one file: its class, with its card."""

from mapga.catalogue import door

__getattr__ = door(__name__)

"""Exact posteriors p(x | y) of exact priors: what solvers are held to. No solver sees them."""

from mapga.catalogue import door

__getattr__ = door(__name__)

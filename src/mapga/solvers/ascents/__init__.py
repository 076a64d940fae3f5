"""How MAP-GA may move z at a noise level, instead of by the paper's gradient steps. One way, one file."""

from mapga.catalogue import door

__getattr__ = door(__name__)

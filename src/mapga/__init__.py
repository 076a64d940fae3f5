"""MAP-GA and its rivals on image restoration: an experiment and benchmark suite."""

__version__ = "0.1.0"

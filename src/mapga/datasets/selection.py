"""Which images of a dataset: the first, or some at random."""

from __future__ import annotations

import numpy as np

__all__ = ["choose"]


def choose(total: int, limit: int | None, subset_seed: int | None = None, skip: int = 0) -> np.ndarray:
    """Indices of the chosen images, int64, ascending.

    Args:
        total: Number of images.
        limit: How many; None for all.
        subset_seed: None for the first ones, else the seed of a random choice without repetition.
        skip: So many images at the beginning are never chosen: two choices, one of which skips what the other's
            limit reaches, are disjoint.

    Raises:
        ValueError: A skip outside 0..total-1, or a limit outside 1..total-skip.
    """
    if not 0 <= skip < total:
        raise ValueError(f"dataset.skip={skip}: choose 0..{total - 1}; there are {total} images")
    left = total - skip
    if limit is not None and not 1 <= limit <= left:
        after = f" after dataset.skip={skip}" if skip else ""
        raise ValueError(f"dataset.limit={limit}: choose 1..{left}{after}, or null for all")
    if subset_seed is None or limit is None:
        return skip + np.arange(left if limit is None else limit)
    return skip + np.sort(np.random.Generator(np.random.PCG64(subset_seed)).choice(left, limit, replace=False))

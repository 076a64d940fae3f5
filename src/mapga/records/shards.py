"""Splitting a run's images over processes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

__all__ = ["WHOLE", "Shard"]


@dataclass(frozen=True)
class Shard:
    """Shard i of n owns the rows k with k = i modulo n, so i/n may be counted from 0 or from 1.

    Attributes:
        number: i in 0..n-1.
        of: n >= 1.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] = os.environ) -> Self:
        """``"i/n"`` with 0 <= i <= n, n >= 1; n/n is the same shard as 0/n. ``"auto"``: ``RANK`` of ``WORLD_SIZE``,
        which torchrun sets for each of its processes; without them the whole.

        Raises:
            ValueError: Anything else.
        """
        if text == "auto":
            ranked = "RANK" in environment and "WORLD_SIZE" in environment
            text = f"{environment['RANK']}/{environment['WORLD_SIZE']}" if ranked else "0/1"
        match = re.fullmatch(r"(\d+)/(\d+)", str(text).strip())
        number, of = (int(match[1]), int(match[2])) if match else (-1, 0)
        if of < 1 or not 0 <= number <= of:
            raise ValueError(f"shard={text}: write i/n, from 0/n to n-1/n (or from 1/n to n/n), for example shard=0/4")
        return cls(number % of, of)

    def rows(self, n: int) -> range:
        """The rows of 0..n-1 that belong to this shard."""
        return range(self.number, n, self.of)

    @property
    def whole(self) -> bool:
        return self.of == 1

    def beside(self, name: str) -> bool:
        """Whether a file of this name, such as ``lock-0-of-4``, is of the same division: the whole, or the same n."""
        match = re.search(r"-of-(\d+)$", name)
        return (int(match[1]) if match else 1) == self.of

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


WHOLE = Shard(0, 1)

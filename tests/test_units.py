"""A time is said in the unit in which people think of it."""

from __future__ import annotations

import pytest

from mapga.units import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (4.12, "4.1 s"),
        (3.0, "3 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (270, "4.5 min"),
        (5400, "90 min"),
        (3 * 3600, "3 h"),
        (9 * 86400, "9 days"),
        (400 * 86400, "400 days"),
    ],
)
def test_a_duration(seconds: float, said: str):
    assert duration(seconds) == said

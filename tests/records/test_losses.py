"""What a run lost, in one line, from its journal and from its summary alike."""

from __future__ import annotations

import pytest

from helpers.folders import summary
from mapga.records import Row
from mapga.records.losses import Losses


def _rows(**counts: int) -> list[Row]:
    statuses = [status for status, n in counts.items() for _ in range(n)]
    return [Row(k, k, None, status, None, {}) for k, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"done": 6}, ""),
        ({"done": 4, "diverged": 1, "failed": 1}, "2 of 6 images lost: 1 diverged, 1 could not be read"),
        ({"done": 1, "failed": 3}, "3 of 4 images lost: 3 could not be read"),
        ({"diverged": 2}, "all 2 images lost: 2 diverged"),
        ({}, ""),
    ],
)
def test_numbers_and_reasons(counts, said):
    losses = Losses.among(_rows(**counts))
    assert str(losses) == said and losses.all == said.startswith("all")


def test_a_summary_tells_the_same():
    told = summary(n_images=6, n_failed=2, n_diverged=1, n_unreadable=1)
    assert Losses.told(told) == Losses.among(_rows(done=4, diverged=1, failed=1))


def test_a_summary_of_earlier_versions_tells_how_many():
    assert str(Losses.told(summary(n_images=6, n_failed=2))) == "2 of 6 images lost"

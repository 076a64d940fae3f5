"""Shards: every image in exactly one of them, counted from zero or from one."""

from __future__ import annotations

import pytest

from mapga.records.shards import WHOLE, Shard


@pytest.mark.parametrize("n", [1, 2, 7, 64])
@pytest.mark.parametrize("of", [1, 2, 3, 5])
@pytest.mark.parametrize("first", [0, 1])
def test_together_they_own_every_row_once(n, of, first):
    shards = [Shard.parse(f"{k}/{of}") for k in range(first, first + of)]
    assert sorted(row for shard in shards for row in shard.rows(n)) == list(range(n))


def test_sizes_differ_by_one_at_most():
    sizes = [len(Shard(k, 3).rows(8)) for k in range(3)]
    assert sorted(sizes) == [2, 3, 3]


def test_the_last_counted_from_one_is_the_first_counted_from_zero():
    assert Shard.parse("4/4") == Shard.parse("0/4") and Shard.parse(" 3/4 ") == Shard(3, 4)


@pytest.mark.parametrize("text", ["0/1", "1/1"])
def test_the_whole(text):
    assert Shard.parse(text) == WHOLE and Shard.parse(text).whole and not Shard(0, 2).whole


@pytest.mark.parametrize("text", ["", "1", "5/4", "-1/4", "1/0", "0/0", "a/b", "1/2/3", "1.0/2", "1-of-2"])
def test_what_is_no_shard_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="for example shard=0/4") as caught:
        Shard.parse(text)
    assert str(caught.value).startswith(f"shard={text}")

"""A sweep at work elsewhere: runs are told of once, as soon as they have ended, with what is left by what was done."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from mapga.commands import following
from mapga.commands.following import Following
from mapga.commands.outcome import Outcome


def _spec(name: str, passes: int = 1, images: int | None = 10) -> SimpleNamespace:
    return SimpleNamespace(run_id=name, shard="0/1", passes=passes, images=images)


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(following.time, "monotonic", lambda: clock.now)
    return clock


def test_what_is_left_goes_by_passes(clock):
    told = []
    specs = [_spec("a-1", passes=9), _spec("b-1", passes=29), _spec("c-1", passes=99)]
    one = Following(specs, {"a-1"}, told.append)
    clock.now = 30.0
    one.after(specs[1], Outcome("done", ""))
    one.after(specs[1], Outcome("done", ""))
    one.after(specs[2], Outcome("skipped", ""))
    assert [(ended.place, ended.total, ended.name, ended.left) for ended in told] == [
        (2, 3, "b", 100.0),
        (3, 3, "c", None),
    ]


def test_who_has_done_nothing_yet_knows_no_time(clock):
    told = []
    specs = [_spec("a-1"), _spec("b-1")]
    Following(specs, (), told.append).after(specs[0], Outcome("refused", ""))
    assert told[0].left is None


def test_runs_of_other_processes_are_told_of_while_one_waits(monkeypatch):
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.01)
    told, heard = [], threading.Event()
    specs = [_spec("a-1"), _spec("a-2"), _spec("a-3")]
    done = {"a-3"}  # was done before, and is done again
    one = Following(specs, (), lambda ended: (told.append(ended.name), heard.set()))
    with one.watching(lambda spec: Outcome("done", "") if spec.run_id in done else None):
        done.add("a-2")
        assert heard.wait(60)
    assert told == ["a-2"]
    for spec in specs:
        one.after(spec, Outcome("done", ""))
    assert told == ["a-2", "a-1", "a-3"]

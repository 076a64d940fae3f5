"""What is shown of long work: nothing on standard output, lines in a log now and then, an ETA that adds up."""

from __future__ import annotations

import logging
import re

import pytest

from mapga.run import progress
from mapga.run.progress import ProgressDisplay


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_a_log_speaks_now_and_then_with_what_is_left(capsys, clock):
    with ProgressDisplay().run("title", done=10, total=70) as advance:
        for _ in range(20):
            clock.now += 5
            advance(1)
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert said.out == "" and len(lines) == 3
    # six images in 30 seconds, 54 to go
    assert lines[0] == "title: 16.0 of 70 images, about 4.5 min left"
    assert re.fullmatch(r"title: 28\.0 of 70 images, about 3.5 min left", lines[2])


def test_fractions_of_images_add_up(capsys, clock):
    with ProgressDisplay().run("title", done=0, total=2) as advance:
        for _ in range(4):
            advance(0.25)
        clock.now += 40
        advance(0.25)
    assert capsys.readouterr().err.startswith("title: 1.2 of 2 images, about 24 s left")


def test_short_work_says_nothing(capsys, clock):
    with ProgressDisplay().run("title", done=0, total=2) as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")


def test_nothing_is_said_where_warnings_alone_are(capsys, clock, caplog):
    caplog.set_level(logging.WARNING, "mapga")
    with ProgressDisplay().run("title", done=0, total=2) as advance:
        clock.now += 100
        advance(1)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with ProgressDisplay().run("title", done=1, total=4) as advance:
        advance(3)
    said = capsys.readouterr()
    assert said.out == "" and "title" in said.err and "4/4" in said.err

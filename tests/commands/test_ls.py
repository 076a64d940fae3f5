"""``mapga ls``: what tells runs apart, a number, a date; filtered by what they chose."""

from __future__ import annotations

import json

import pytest

from helpers.commands import mapga
from helpers.folders import finished, summary, unfinished


@pytest.fixture
def results(tmp_path):
    for solver, psnr, date in (("beta", 21.0, "2026-02-02T10:00:00Z"), ("alpha", 20.5, "2026-03-03T10:00:00Z")):
        folder = finished(tmp_path, solver, summary(psnr), schedule={"steps": int(psnr)})
        (folder.path / "provenance.json").write_text(json.dumps({"date": date}))
    unfinished(tmp_path, "alpha", schedule={"steps": 7})
    return tmp_path


def test_runs_stand_in_the_order_of_their_dates(results, capsys):
    head, *lines = mapga(capsys, "ls", str(results)).out.splitlines()
    assert head.split() == ["run", "settings", "state", "psnr", "images", "begun"]
    words = [line.split() for line in lines]
    assert [(one[0].split("-")[2], one[1]) for one in words] == [
        ("alpha", "steps=7"),
        ("beta", "done"),
        ("alpha", "steps=20"),
    ]
    assert " ".join(words[2][2:]) == "done 20.50 +- 0.50 dB 3 2026-03-03 10:00"


@pytest.mark.parametrize(("text", "n"), [("solver=alpha", 2), ("schedule.steps=20", 1), ("dataset=tiny", 3)])
def test_a_filter_is_of_what_was_chosen(results, capsys, text, n):
    assert len(mapga(capsys, "ls", str(results), text).out.splitlines()) == 1 + n


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["solver=alfa"], "no run has solver=alfa; did you mean 'alpha'? there are alpha, beta"),
        (["sched=3"], "no run has a key 'sched'"),
        (["--metric", "psnrr"], "no run has a metric 'psnrr'; did you mean 'psnr'?"),
        (["there"], "one folder is listed at a time"),
    ],
)
def test_what_no_run_has_is_one_line(results, capsys, argv, says):
    said = mapga(capsys, "ls", str(results), *argv)
    assert said.code == 2 and said.out == "" and says in said.err and said.err.count("\n") == 1


def test_folders_without_runs(tmp_path, capsys, monkeypatch):
    assert "holds no runs; make one with" in mapga(capsys, "ls", str(tmp_path)).err
    monkeypatch.chdir(tmp_path)
    assert "results is not a folder" in mapga(capsys, "ls").err
    (tmp_path / "resuls").mkdir()
    for command in ("ls", "status", "report", "verify", "bundle", "sync"):
        said = mapga(capsys, command)
        assert said.code == 2 and said.err.count("\n") == 1 and said.out == ""
        assert "results is not a folder; did you mean 'resuls'? name the results_dir of your runs" in said.err

"""Every benchmark runs, in miniature: what is not run rots."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"
SMALL = {
    "overhead": ["--batch", "2", "--steps", "2", "--repeats", "1", "prior=gaussian"],
    "report": ["--runs", "9", "--images", "4", "--size", "8"],
    "scale": ["--sizes", "6", "--digits", "0"],
    "passes": ["--batches", "1", "--repeats", "1", "--ways", "eager"],
    "metrics": ["--help"],  # it needs weights that are fetched
}
FOREIGN = {"peers"}  # it needs packages of others


def test_none_is_forgotten():
    assert set(SMALL) | FOREIGN == {path.stem for path in FOLDER.glob("*.py")}


@pytest.mark.parametrize("name", SMALL)
def test_it_runs(name, tmp_path, monkeypatch):
    where = ["--output", str(tmp_path / f"{name}.json")] if name in ("overhead", "passes", "scale") else []
    assert started(name, monkeypatch, *SMALL[name], *where) == 0
    if name == "overhead":
        assert len(json.loads((tmp_path / "overhead.json").read_text())["solvers"]) >= 9


@pytest.mark.parametrize("absent", ["azula", "deepinv"])
def test_peers_that_are_not_here_are_named_with_their_extra(absent, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, absent, None)
    assert started("peers", monkeypatch) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.out == ""
    assert said.err.endswith("is not here; pip install 'mapga[peers]'\n")


def started(name, monkeypatch, *argv) -> int:
    """A script as it runs by itself, in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *argv])
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    except SystemExit as ended:
        return ended.code or 0
    finally:
        torch.set_num_threads(threads)
    return 0

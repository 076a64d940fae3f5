"""Every benchmark runs, in miniature: what is not run rots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SMALL = {
    "overhead": ["--batch", "2", "--steps", "2", "--repeats", "1", "prior=gaussian"],
    "report": ["--runs", "9", "--images", "4", "--size", "8"],
    "passes": ["--batches", "1", "--repeats", "1", "--ways", "eager"],
    "metrics": ["--help"],  # it needs weights that are fetched
}
FOREIGN = {"peers"}  # it needs packages of others


def test_none_is_forgotten():
    assert set(SMALL) | FOREIGN == {path.stem for path in FOLDER.glob("*.py")}


@pytest.mark.parametrize("name", SMALL)
def test_it_runs(name, tmp_path):
    where = ["--output", str(tmp_path / f"{name}.json")] if name in ("overhead", "passes") else []
    command = [sys.executable, str(FOLDER / f"{name}.py"), *SMALL[name], *where]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if name == "overhead":
        assert len(json.loads((tmp_path / "overhead.json").read_text())["solvers"]) >= 9


@pytest.mark.parametrize("absent", ["azula", "deepinv"])
def test_peers_that_are_not_here_are_named_with_their_extra(absent):
    code = f"import runpy, sys; sys.modules[{absent!r}] = None; runpy.run_path({str(FOLDER / 'peers.py')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.endswith("is not here; pip install 'mapga[peers]'\n") and done.stdout == ""

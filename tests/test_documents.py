"""What documents show in Python is run as it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.documents import blocks, run
from helpers.folders import finished

ROOT = Path(__file__).parents[1]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_library_page_and_its_figures(elsewhere: Path, capsys):
    names = run(ROOT / "docs/library.md")
    assert "prior mnist is for (1, 32, 32), got (1, 28, 28)" in capsys.readouterr().out
    assert all(np.isfinite(names["numbers"]["ddrm"]["psnr"]))
    shown = {path.name for path in (ROOT / "docs/images").glob("library-*.png")}
    assert {path.name for path in elsewhere.iterdir()} == shown


def test_the_page_of_results(elsewhere: Path, capsys):
    finished(elsewhere / "results", "alpha")
    run(ROOT / "docs/results.md")
    assert capsys.readouterr().out.splitlines()[-1].split()[:3] == ["half", "alpha", "psnr"]


def test_the_readme(elsewhere: Path):
    names = run(ROOT / "README.md")
    assert names["restored"].shape == names["truth"].shape == (4, 1, 32, 32)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_pages_have_python_that_is_found(page: str):
    assert blocks(ROOT / page)

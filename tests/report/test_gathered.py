"""Several results folders in one report: each run once, and never two versions of it."""

from __future__ import annotations

import shutil

import pytest

from helpers.commands import mapga
from helpers.folders import finished, summary

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finished(tmp_path / "one", "alpha")
    finished(tmp_path / "two", "beta")
    return ["one", "two"]


def test_runs_of_several_folders_are_reported_here_and_named(folders, tmp_path, capsys):
    said = mapga(capsys, "report", *folders)
    assert said.code == 0 and "* runs of one: 1, two: 1" in said.out
    page = (tmp_path / "report/index.html").read_text()
    assert "<h1>one + two</h1>" in page and "alpha" in page and "beta" in page
    assert said.last.endswith("mapga report one two --to report --open")
    assert mapga(capsys, "report", *folders, "--to", "there").code == 0 and (tmp_path / "there/table.csv").exists()


def test_a_run_that_both_have_counts_once_and_in_two_versions_not_at_all(folders, tmp_path, capsys):
    shutil.copytree(tmp_path / "one", tmp_path / "two", dirs_exist_ok=True)
    assert "runs of one: 1, two: 1" in mapga(capsys, "report", *folders).out
    run = next((tmp_path / "two").glob("tiny-half-alpha-*"))
    shutil.move(run, tmp_path / "kept")
    finished(tmp_path / "two", "alpha", summary(25.0))
    said = mapga(capsys, "report", *folders)
    assert said.code == 2 and said.err.count("\n") == 1
    assert f"{run.name} is in one and in two, with different numbers; 'mapga compare one two' shows them" in said.err


def test_a_folder_of_nobodys(folders, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    said = mapga(capsys, "report", "photos")
    assert said.code == 2 and "photos holds no runs; make one with: mapga run results_dir=photos" in said.err
    assert "nowhere is not a folder" in mapga(capsys, "report", *folders, "nowhere").err

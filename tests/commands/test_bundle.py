"""``mapga bundle``: one archive, of which the same report is made elsewhere, and nothing from outside the folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from helpers.commands import mapga
from helpers.folders import finished


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("alpha", "beta"):
        finished(Path("results"), name)
    return Path("results")


def test_the_same_report_is_made_of_it_elsewhere(results, tmp_path, capsys):
    assert mapga(capsys, "report").code == 0
    said = mapga(capsys, "bundle")
    assert (said.code, said.out) == (0, "results.zip\n")
    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile("results.zip") as archive:
        assert all(name.startswith("results/") and ".." not in name for name in archive.namelist())
        assert {"results/commands.txt", "results/environment.txt"} <= set(archive.namelist())
        archive.extractall(elsewhere)
    before = {path.name: path.read_bytes() for path in (results / "report").rglob("*") if path.is_file()}
    assert mapga(capsys, "report", str(elsewhere / "results")).code == 0
    after = {path.name: path.read_bytes() for path in (elsewhere / "results/report").rglob("*") if path.is_file()}
    assert after == before


def test_links_locks_and_strangers_stay_out(results, tmp_path, capsys):
    (tmp_path / "secret").write_text("secret")
    (run, other) = sorted(path.parent for path in results.glob("*/config.yaml"))
    (run / "link.txt").symlink_to(tmp_path / "secret")
    (run / "lock").write_text("{}")
    (results / ".submitit").mkdir()
    (results / ".submitit/job.pkl").write_text("")
    (results / "notes.txt").write_text("mine")
    other.rename(f"{other}.replaced-1")
    assert mapga(capsys, "bundle", "--to", "one.zip").code == 0
    with zipfile.ZipFile("one.zip") as archive:
        names = archive.namelist()
    assert f"results/{run.name}/images.npy" in names and any(name.startswith("results/problems/") for name in names)
    assert not [name for name in names if any(one in name for one in ("link", "lock", "job", "notes", "replaced"))]


def test_of_the_same_folder_the_same_archive(results, capsys):
    for name in ("one.zip", "two.zip"):
        assert mapga(capsys, "bundle", "results", "--to", name).code == 0
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()


def test_what_is_no_results_folder_is_one_line(results, capsys):
    run = next(results.glob("*/config.yaml")).parent
    Path("empty").mkdir()
    for folder, says in ((run, "holds no folders of runs"), ("empty", "holds no folders"), ("no", "is not a folder")):
        said = mapga(capsys, "bundle", str(folder))
        assert said.code == 2 and says in said.err and said.err.count("\n") == 1

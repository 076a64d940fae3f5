"""Runs know their code: what a finished and a begun run answer under other sources, and what ``redo`` does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.commands import mapga
from mapga.records import origins as origins_module
from mapga.records import provenance as provenance_module
from mapga.records.collect import collect
from mapga.run import batch

RUN = ("run", "prior=none", "solver=pinv", "device=cpu", "dataset.limit=4", "batch_size=2", "schedule.steps=2")


@pytest.fixture
def edited(monkeypatch):
    """Pretends that a solver was edited since; called again, once more."""

    def edit(digits: str) -> None:
        for module in (provenance_module, origins_module):
            monkeypatch.setattr(module, "results_code", lambda packages=(): {"mapga": digits})

    edit("aaaaaaaaaaaa")
    return edit


def _record(folder: Path) -> dict:
    return json.loads((folder / "provenance.json").read_text())


def _begun(capsys, monkeypatch, run: list[str]) -> Path:
    """A run that died after its first batch of two."""
    real = batch.Restorer.restore

    def dying(self, rows, on_step):
        if 2 in rows:
            raise ArithmeticError("the power failed")
        return real(self, rows, on_step)

    with monkeypatch.context() as patch:
        patch.setattr(batch.Restorer, "restore", dying)
        assert mapga(capsys, *run).code == 1
    (folder,) = Path(run[-1].partition("=")[2]).glob("mnist-*")
    assert len((folder / "journal.jsonl").read_text().splitlines()) == 2
    return folder


def test_a_finished_run_under_other_sources_says_so_and_stands(tmp_path, capsys, edited):
    run = [*RUN, f"results_dir={tmp_path}"]
    folder = Path(mapga(capsys, *run).last)
    assert "sources" not in mapga(capsys, *run).err
    edited("bbbbbbbbbbbb")
    said = mapga(capsys, *run)
    assert said.code == 0 and said.last == str(folder) and said.err.count("mapga: ") == 1
    assert "under other sources (aaaaaaaaaaaa, now bbbbbbbbbbbb), and its numbers are theirs" in said.err
    assert f"begun on {_record(folder)['date'][:10]}" in said.err and "redo=true runs it again" in said.err
    swept = mapga(capsys, *RUN[:1], "-m", *RUN[1:], f"results_dir={tmp_path}")
    assert swept.code == 0 and "redo=true runs it again" in swept.err


def test_a_begun_run_under_other_sources_is_refused_until_it_is_allowed(tmp_path, capsys, monkeypatch, edited):
    run = [*RUN, f"results_dir={tmp_path}"]
    folder = _begun(capsys, monkeypatch, run)
    before = (folder / "journal.jsonl").read_text(), (folder / "provenance.json").read_text()
    edited("bbbbbbbbbbbb")
    said = mapga(capsys, *run)
    assert said.code == 2 and said.err.count("\n") == 1
    assert "redo=true restores all of it again, allow_code_change=true goes on, and notes both" in said.err
    assert before == ((folder / "journal.jsonl").read_text(), (folder / "provenance.json").read_text())
    said = mapga(capsys, *run, "allow_code_change=true")
    assert said.code == 0 and (folder / "done").exists()
    record = _record(folder)
    assert [one["code"]["mapga"] for one in (record, *record["continued"])] == ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]
    assert "dataset" in record and "dataset" not in record["continued"][0]


def test_a_begun_run_goes_on_under_its_own_sources(tmp_path, capsys, monkeypatch, edited):
    run = [*RUN, f"results_dir={tmp_path}"]
    folder = _begun(capsys, monkeypatch, run)
    assert mapga(capsys, *run).code == 0 and "continued" not in _record(folder)


def test_a_run_of_which_nothing_is_recorded_begins_under_todays_sources(tmp_path, capsys, monkeypatch, edited):
    """A solver that fails at once is mended, and the same command begins."""
    run = [*RUN, f"results_dir={tmp_path}"]
    with monkeypatch.context() as patch:
        patch.setattr(batch.Restorer, "restore", lambda *_: 1 / 0)
        assert mapga(capsys, *run).code == 1
    edited("bbbbbbbbbbbb")
    said = mapga(capsys, *run)
    record = _record(Path(said.last))
    assert said.code == 0 and record["code"] == {"mapga": "bbbbbbbbbbbb"} and "continued" not in record


def test_a_run_of_earlier_versions_is_no_fault(tmp_path, capsys, monkeypatch, edited):
    run = [*RUN, f"results_dir={tmp_path}"]
    folder = _begun(capsys, monkeypatch, run)
    old = {key: value for key, value in _record(folder).items() if key in ("dataset", "mapga", "git", "sources")}
    (folder / "provenance.json").write_text(json.dumps(old))
    edited("bbbbbbbbbbbb")
    assert mapga(capsys, *run).code == 0
    assert [one["code"]["mapga"] for one in _record(folder)["continued"]] == ["bbbbbbbbbbbb"]
    assert _record(folder)["sources"] == old["sources"]


def test_who_began_a_run_is_not_made_up(tmp_path, capsys, monkeypatch, edited):
    run = [*RUN, f"results_dir={tmp_path}"]
    folder = _begun(capsys, monkeypatch, run)
    (folder / "provenance.json").unlink()
    edited("bbbbbbbbbbbb")
    assert mapga(capsys, *run).code == 0
    record = _record(folder)
    assert "code" not in record and [one["code"]["mapga"] for one in record["continued"]] == ["bbbbbbbbbbbb"]


@pytest.mark.parametrize("begun", [False, True])
def test_redo_keeps_what_was_and_does_it_again(tmp_path, capsys, monkeypatch, edited, begun):
    run = [*RUN, f"results_dir={tmp_path}"]
    folder = _begun(capsys, monkeypatch, run) if begun else Path(mapga(capsys, *run).last)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    edited("bbbbbbbbbbbb")
    said = mapga(capsys, *run[:-1], "redo=true", run[-1])
    aside = folder.with_name(f"{folder.name}.replaced-1")
    assert said.code == 0 and said.last == str(folder) and (folder / "done").exists()
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == kept
    assert _record(folder)["code"] == {"mapga": "bbbbbbbbbbbb"} and _record(aside)["code"] == {"mapga": "aaaaaaaaaaaa"}
    assert [one.folder for one in collect(tmp_path)[0]] == [folder]
    assert [one.folder for one in collect(aside)[0]] == [aside]
    assert "sources" not in mapga(capsys, *run).err
    assert mapga(capsys, *run[:-1], "redo=true", run[-1]).code == 0  # a finished run, whatever its sources
    assert folder.with_name(f"{folder.name}.replaced-2").exists()


def test_redo_goes_on_with_what_it_began_itself(tmp_path, capsys, monkeypatch, edited):
    run = [*RUN, "redo=true", f"results_dir={tmp_path}"]
    folder = _begun(capsys, monkeypatch, run)
    (first, _) = (folder / "journal.jsonl").read_text().splitlines()
    assert mapga(capsys, *run).code == 0 and not list(tmp_path.glob("*.replaced-*"))
    assert (folder / "journal.jsonl").read_text().startswith(first)


def test_redo_moves_nothing_that_cannot_be_done_again(tmp_path, capsys, edited):
    run = [*RUN, f"results_dir={tmp_path}"]
    folder = Path(mapga(capsys, *run).last)
    said = mapga(capsys, *run, "redo=true", "shard=0/2")
    assert said.code == 2 and "one of several shards cannot begin anew" in said.err
    (problem,) = tmp_path.glob("problems/*/provenance.json")
    problem.write_text(json.dumps({"dataset": _record(folder)["dataset"][:-4] + "...."}))
    assert "with other images" in mapga(capsys, *run, "redo=true").err
    assert (folder / "done").exists() and not list(tmp_path.glob("*.replaced-*"))


def test_status_and_report_name_what_is_mixed(tmp_path, capsys, edited):
    run = [*RUN, f"results_dir={tmp_path}"]
    one = Path(mapga(capsys, *run).last).name
    assert "made under" not in mapga(capsys, "status", str(tmp_path)).out
    edited("bbbbbbbbbbbb")
    other = Path(mapga(capsys, *run, "task=half").last).name
    note = f"made under 2 sources: aaaaaaaaaaaa: {one}; bbbbbbbbbbbb: {other}"
    assert note in " ".join(mapga(capsys, "status", str(tmp_path)).out.split())
    assert note in " ".join(mapga(capsys, "report", str(tmp_path)).out.split())
    for name in ("table.md", "index.html"):
        assert note in (tmp_path / "report" / name).read_text().replace("\\", "")

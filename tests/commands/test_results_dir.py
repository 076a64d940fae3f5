"""Results lie where the composed config says, wherever that was written; nothing is left anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.commands import TINY, mapga

SWEEP = (*TINY, "task=half,box50")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def test_an_experiment_file_may_say_where(tmp_path, capsys):
    results, study = tmp_path / "out", tmp_path / "conf/experiment/own.yaml"
    study.parent.mkdir(parents=True)
    study.write_text(f"# @package _global_\nresults_dir: {results}\n")
    given = [f"hydra.searchpath=[file://{tmp_path / 'conf'}]", "experiment=own", *SWEEP]
    said = mapga(capsys, "run", "-m", *given)
    assert said.code == 0 and said.last == str(results)
    assert len(list(results.glob("mnist-*/done"))) == 2 and (results / "submissions.jsonl").exists()
    assert "2 runs: 2 done" in mapga(capsys, "plan", *given).out
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("name", ["plain", "two words", "ünïcode", 'qu"ote', "{braces}"])
def test_a_name_of_any_letters(tmp_path, capsys, name):
    quoted = str(tmp_path / name).replace('"', '\\"')
    said = mapga(capsys, "run", "-m", *SWEEP, f'results_dir="{quoted}"')
    assert said.code == 0 and said.last == str(tmp_path / name)
    assert len(list((tmp_path / name).glob("mnist-*/done"))) == 2
    assert not list(Path.cwd().iterdir())


def test_it_may_be_read_from_the_environment(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OURS", str(tmp_path / "out"))
    said = mapga(capsys, "run", "-m", *SWEEP, "results_dir=${oc.env:OURS}")
    assert said.code == 0 and said.last == str(tmp_path / "out")
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("argv", [("run",), ("run", "-m"), ("plan",)])
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("results_dir=é x", """'results_dir="é x"'"""),
        ("results_dir={a b", """'results_dir="{a b"'"""),
        ("results_dir=", "results_dir is empty"),
    ],
)
def test_what_cannot_be_a_folder_is_one_line(capsys, argv, override, message):
    said = mapga(capsys, *argv, *SWEEP[:-1], override)
    assert said.code == 2 and said.err.count("\n") == 1 and message in said.err
    assert not list(Path.cwd().iterdir())


def test_all_runs_of_a_sweep_lie_in_one_folder(capsys):
    said = mapga(capsys, "run", "-m", *SWEEP, "results_dir=a,b")
    assert said.code == 2 and "results_dir takes one folder" in said.err and not list(Path.cwd().iterdir())

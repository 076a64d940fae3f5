"""A run is named by the beginning of its id or of its hash, everywhere a run is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.commands import mapga
from helpers.folders import finished
from mapga.errors import ConfigError
from mapga.terminal.naming import located


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return [finished(Path("results"), name, schedule={"steps": k}).path for k, name in enumerate(("alpha", "beta"), 3)]


def test_the_beginning_of_an_id_or_hash_is_a_name(runs):
    for run in runs:
        hashed = run.name.rpartition("-")[2]
        for text in (run.name[:-6], hashed[:6], f"results/{run.name[:-6]}", f"results/{hashed[:6]}", str(run)):
            assert located(Path(text)) == run


def test_what_several_begin_with_names_them(runs):
    with pytest.raises(ConfigError, match=r"2 runs begin so: tiny-half-alpha-\w+, tiny-half-beta-\w+; write more"):
        located(Path("results/tiny"))


def test_what_is_there_or_nowhere_stays_as_it_is(runs):
    assert located(Path("results")) == Path("results") and located(Path("nowhere")) == Path("nowhere")


def test_commands_take_such_names(runs, capsys):
    said = mapga(capsys, "show", "tiny-half-al")
    assert said.code == 0 and said.out.startswith(f"{runs[0].name}: 3 images, 6 passes each, 1.2 s\n  psnr")
    assert "solver=alpha" in said.out and f"folder: {runs[0]}" in said.out
    said = mapga(capsys, "export", "tiny-half-be")
    assert said.code == 0 and Path(said.last) == Path("results/png", runs[1].name)
    said = mapga(capsys, "show", "nowhere")
    assert (
        said.code == 2 and said.err == "mapga: nowhere is no run's folder; mapga ls lists those of a results folder\n"
    )

"""What a terminal shows of a report: one metric of each study, where it comes from, and where everything is."""

from __future__ import annotations

import json

import pytest

from helpers.commands import mapga
from helpers.folders import finished
from helpers.tables import called, measured

pytestmark = pytest.mark.usefixtures("undrawn")

NUMBERS = {"psnr": [20.0, 21.0, 22.0], "lpips_alex": [0.1, 0.2, 0.3]}


@pytest.fixture
def results(tmp_path):
    for solver in ("alpha", "beta"):
        run = measured(tmp_path, solver, NUMBERS)
    called(run, "BETA-X")
    return tmp_path


def test_one_metric_is_shown_by_default(results, capsys):
    said = mapga(capsys, "report", str(results)).out
    assert "tiny: PSNR (dB), higher is better" in said and "LPIPS" not in said
    assert "LPIPS" in mapga(capsys, "report", str(results), "--metric", "lpips_alex").out
    both = mapga(capsys, "report", str(results), "--metric", "all").out
    assert "PSNR (dB)" in both and "LPIPS" in both


def test_titles_stand_in_tables_and_names_in_the_lines_of_runs(results, capsys):
    said = mapga(capsys, "report", str(results)).out
    assert "BETA-X" in said and "beta " not in said
    text = (results / "report/table.md").read_text()
    assert "| BETA-X |" in text and "| tiny half | beta |" in text
    page = (results / "report/index.html").read_text()
    assert '<span class="name">BETA-X</span>' in page and '<tr data-method="beta">' in page


def test_where_the_numbers_come_from_stands_above_them(results, capsys):
    for path in results.glob("*/config.yaml"):
        origin = {"date": "2026-02-03T04:05:06Z", "command": ["x", "run", "solver=alpha"], "mapga": "0.1.0"}
        origin |= {"git": {"commit": "a" * 40, "dirty": True}, "versions": {"torch": "2.9.0"}}
        (path.parent / "provenance.json").write_text(json.dumps(origin))
        text = path.read_text()
        path.write_text(text.replace("mapga.priors.NoPrior", "mapga.priors.NoPrior\n  sha256: " + "b" * 64))
    first, second, *_ = mapga(capsys, "report", str(results)).out.splitlines()
    assert first == "tiny, noiseless: 3 of 250 images, seed 0; prior gauss (bbbbbbbb); 6 passes per image"
    assert second == "mapga 0.1.0 @ aaaaaaa+, torch 2.9.0, 2026-02-03; made by: mapga run solver=alpha"
    for name in ("table.md", "table.tex", "index.html"):
        assert "@ aaaaaaa+, torch 2.9.0" in (results / "report" / name).read_text()


def test_a_metric_that_no_run_has_is_one_line(results, capsys):
    said = mapga(capsys, "report", str(results), "--metric", "pnsr")
    assert said.code == 2 and "no run has a metric 'pnsr'; did you mean 'psnr'?" in said.err
    assert not (results / "report").exists()


def test_a_browser_that_cannot_open_is_one_line(tmp_path, capsys, monkeypatch):
    finished(tmp_path)
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or len(opened) == 1)
    assert mapga(capsys, "report", str(tmp_path), "--open").code == 0
    assert opened == [(tmp_path / "report/index.html").as_uri()]
    said = mapga(capsys, "report", str(tmp_path), "--open")
    assert said.code == 1 and said.err.count("\n") == 1 and "no browser could be opened; copy" in said.err

"""``mapga run`` started again: what a folder that says ``done`` is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.commands import mapga

RUN = ("run", "mode=smoke", "prior=none", "solver=pinv", "device=cpu")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}"])
def test_a_finished_run_without_its_numbers_writes_them_again(tmp_path, capsys, text):
    run = [*RUN, f"results_dir={tmp_path}"]
    metrics = Path(mapga(capsys, *run).last) / "metrics.json"
    before = metrics.read_text()
    if text is None:
        metrics.unlink()
    else:
        metrics.write_text(text)
    assert mapga(capsys, *run).code == 0 and metrics.read_text() == before

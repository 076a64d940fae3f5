"""The ids of some thirty runs, of all groups, places, shards and hashes: a change here orphans recorded results."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mapga.config.compose import compose_run, spec_of

CASES = yaml.safe_load((Path(__file__).parents[1] / "data/golden/runs.yaml").read_text())


@pytest.mark.parametrize("name", CASES)
def test_a_run_is_found_again(name, monkeypatch, tmp_path):
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path))
    spec = spec_of(compose_run(CASES[name]["overrides"]))
    assert (spec.run_id, spec.problem_id) == (CASES[name]["run"], CASES[name]["problem"])

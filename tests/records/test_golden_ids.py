"""The ids of some thirty runs, of all groups, places, shards and hashes: a change here orphans recorded results."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mapga.config.compose import compose_run, spec_of

FILE = Path(__file__).parents[1] / "data/golden/runs.yaml"
CASES = yaml.safe_load(FILE.read_text())


@pytest.mark.parametrize("name", CASES)
def test_a_run_is_found_again(name, monkeypatch, tmp_path):
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path))
    spec = spec_of(compose_run(CASES[name]["overrides"]))
    assert (spec.run_id, spec.problem_id) == (CASES[name]["run"], CASES[name]["problem"])
    assert spec.former_id == CASES[name].get("former", spec.former_id)


def made_anew():
    """The file with the ids of today: ``MAPGA_CACHE=<an empty folder> python tests/records/test_golden_ids.py``."""
    text = FILE.read_text()
    for case in CASES.values():
        spec = spec_of(compose_run(case["overrides"]))
        for before, now in ((case["run"], spec.run_id), (case["problem"], spec.problem_id)):
            text = text.replace(f": {before}\n", f": {now}\n")
    return text


if __name__ == "__main__":
    FILE.write_text(made_anew())

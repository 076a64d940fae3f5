"""A run of frames of sequences: flicker of whole ones, from what is stored; what is no sequence is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mapga import load_metrics
from mapga.cli import main
from mapga.metrics import Flicker
from mapga.pixels import from_uint8
from mapga.records.influence import read_influence

RUN = ["run", "prior=none", "solver=pinv", "metrics=sequence", "device=cpu", "dataset.limit=5"]


def _stored(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    (problem,) = (folder.parent / "problems").iterdir()
    return np.load(folder / "images.npy"), np.load(problem / "truth.npy")


def test_a_run_has_the_flicker_of_its_whole_sequences(tmp_path, capsys):
    assert main([*RUN, "task.sigma_y=0.1", "metrics.flicker.frames=2", f"results_dir={tmp_path}"]) == 0
    folder = Path(capsys.readouterr().out.split()[-1])
    restored, truth = _stored(folder)
    numbers = [Flicker(frames=2).number(restored[k : k + 2], truth[k : k + 2]) for k in (0, 2)]
    cell = json.loads((folder / "metrics.json").read_text())["metrics"]["flicker"]
    assert cell["mean"] == pytest.approx(np.mean(numbers)) and cell["n"] == 4, "the fifth image is no sequence"
    assert cell["interval"][0] <= cell["mean"] <= cell["interval"][1]
    added = read_influence(folder, cell["key"])
    np.testing.assert_allclose(added, [numbers[0] - cell["mean"], np.nan, numbers[1] - cell["mean"], np.nan, np.nan])
    scored = load_metrics("sequence", flicker={"frames": 2})(from_uint8(restored), from_uint8(truth))
    assert scored["flicker"] == pytest.approx(cell["mean"])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["metrics.flicker.frames=1"], "frames=1: a sequence has two at least"),
        (["metrics.flicker.frames=6"], "no sequence with all of its 6 frames among the 5 images"),
        (["metrics.flicker.frames=2", "samples=2"], "metrics.flicker compares frames of sequences"),
    ],
)
def test_what_is_no_sequence_is_refused_before_anything_runs(tmp_path, capsys, overrides, said):
    assert main([*RUN, *overrides, f"results_dir={tmp_path}"]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("*/journal.jsonl"))

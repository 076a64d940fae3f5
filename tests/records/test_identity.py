"""Same science, same hash: what must change a run's identity, and what must not."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from helpers.runs import NAMES, tiny_config
from mapga.records import RunFolder, run_identity
from mapga.records.identity import digest, problem_science


def _changed(path: str, value) -> dict:
    config = deepcopy(BASE)
    *parents, last = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[last] = value
    return config


BASE = tiny_config(Path("results")) | {
    "dataset": {"_target_": "d", "root": "/here", "limit": 8},
    "prior": {"_target_": "p", "std": 0.2},
    "solver": {"_target_": "s", "num_iter": 1, "levels": [80, 1.0]},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("batch_size", 99),
        ("device", "cuda:3"),
        ("tracker", {"_target_": "other"}),
        ("shard", "3/7"),
        ("results_dir", "/somewhere/else"),
        ("dataset.root", "../there"),
    ],
)
def test_how_and_where_do_not_matter(path, value):
    assert run_identity(_changed(path, value)) == run_identity(BASE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 1),
        ("dtype", "float32"),
        ("rounding", "truncate"),
        ("dataset.limit", 9),
        ("dataset._target_", "e"),
        ("task.sigma_y", 0.2),
        ("task.sigma_y_unit", "[0,1]"),
        ("task.operator", {"width": 0.5}),
        ("prior.std", 0.3),
        ("solver.num_iter", 2),
        ("solver.levels", [1.0, 80]),
        ("schedule.steps", 4),
        ("metrics", {"psnr": {}}),
    ],
)
def test_science_matters(path, value):
    assert run_identity(_changed(path, value)) != run_identity(BASE)


def test_the_order_of_keys_does_not_matter():
    turned = {key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in BASE.items()}
    assert run_identity(dict(reversed(turned.items()))) == run_identity(BASE)


def test_a_whole_number_may_be_written_with_a_point():
    assert digest({"sigma_max": 80, "x": [1, 2]}) == digest({"sigma_max": 80.0, "x": [1.0, 2]})
    assert digest(80.5) != digest(80) and digest(True) != digest(1) and digest("80") != digest(80)


def test_a_problem_is_shared_by_whatever_does_not_change_the_measurement():
    for path, value in [("solver.num_iter", 5), ("schedule.steps", 9), ("prior.std", 1.0), ("metrics", {"a": {}})]:
        assert digest(problem_science(_changed(path, value))) == digest(problem_science(BASE)), path
    for path, value in [("seed", 1), ("task.sigma_y", 0.3), ("dataset.limit", 9)]:
        assert digest(problem_science(_changed(path, value))) != digest(problem_science(BASE)), path


def test_the_folder_is_named_by_what_it_holds():
    folder = RunFolder(Path("results"), BASE, NAMES)
    assert folder.run_id == f"tiny-box50-map_ga-{run_identity(BASE)}"
    assert folder.path == Path("results") / folder.run_id and folder.problem_path.parent == Path("results/problems")


def test_the_hash_is_pinned():
    """A change here orphans every result that was ever recorded."""
    assert digest({"b": [1, None, 0.5, True], "a": "é"}) == "f4e30f330fb4"


def test_where_a_metric_finds_its_weights_is_no_science_but_their_hash_is():
    def config(weights: str | None, sha256: str | None) -> dict:
        return {"dataset": {}, "metrics": {"fid": {"weights": weights, "sha256": sha256}}}

    assert run_identity(config("a.pt", "1")) == run_identity(config("b.pt", "1"))
    assert run_identity(config("a.pt", "1")) != run_identity(config("a.pt", "2"))

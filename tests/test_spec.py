"""What a run is: same science, same id; what must change it, and what must not; what follows from a config."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from helpers.runs import tiny_spec
from mapga.card import Card
from mapga.config.compose import compose_run, spec_of
from mapga.errors import ConfigError
from mapga.identity import digest
from mapga.node import DATASET, SOLVER
from mapga.records import RunFolder
from mapga.spec import RunSpec

BASE = tiny_spec(
    Path("results"),
    dataset={"_target_": "mapga.datasets.LSUN", "root": "/here", "limit": 8},
    prior={"_target_": "mapga.priors.MixturePrior.from_images", "std": 0.2},
    solver={"_target_": "mapga.solvers.MAPGA", "num_iter": 1, "learning_rate": 1.0},
    schedule={"_target_": "mapga.schedules.Explicit", "levels": [80, 1.0], "steps": 1},
)


def _changed(path: str, value: Any) -> RunSpec:
    config: Any = deepcopy(BASE.config)
    *parents, last = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[last] = value
    return RunSpec(config, BASE.names)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("batch_size", 99),
        ("device", "cuda:3"),
        ("tracker", {"csv": {"_target_": "mapga.tracking.CSVTracker"}}),
        ("shard", "3/7"),
        ("results_dir", "/somewhere/else"),
        ("trace", True),
        ("dataset.root", "../there"),
        ("metrics", {"ssim": {"_target_": "mapga.metrics.SSIM"}}),
    ],
)
def test_how_and_where_do_not_matter(path, value):
    assert _changed(path, value).run_id == BASE.run_id


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 1),
        ("dtype", "float32"),
        ("rounding", "truncate"),
        ("start", "truth"),
        ("objective", "psnr"),
        ("dataset.limit", 9),
        ("dataset.list_sha256", "1234"),
        ("dataset._target_", "mapga.datasets.ImageFolder"),
        ("task.sigma_y", 0.2),
        ("task.sigma_y_unit", "[0,1]"),
        ("task.operator", {"_target_": "mapga.operators.CentralBox", "width": 0.5}),
        ("prior.std", 0.3),
        ("solver.num_iter", 2),
        ("schedule.levels", [1.0, 80]),
        ("schedule.steps", 4),
    ],
)
def test_science_matters(path, value):
    assert _changed(path, value).run_id != BASE.run_id


def test_the_order_of_keys_does_not_matter():
    turned = {key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in
              reversed(BASE.config.items())}  # fmt: skip
    assert RunSpec(turned, BASE.names).run_id == BASE.run_id


def test_a_whole_number_may_be_written_with_a_point():
    assert digest({"sigma_max": 80, "x": [1, 2]}) == digest({"sigma_max": 80.0, "x": [1.0, 2]})
    assert digest(80.5) != digest(80) and digest(True) != digest(1) and digest("80") != digest(80)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("schedule.steps=4", "schedule.steps='04'"),
        ("schedule.sigma_max=40", "schedule.sigma_max='40'"),
        ("schedule.sigma_min=1e-3", "schedule.sigma_min='0.001'"),
        ("num_iter=3", "solver.num_iter='3'"),
        ("dataset.limit=7", "dataset.limit='7'"),
        ("seed=3", "seed=${oc.env:OURS}"),
    ],
)
def test_a_value_is_what_it_is_however_it_is_written(one, other, monkeypatch):
    monkeypatch.setenv("OURS", "3")
    ids = {spec_of(compose_run(["solver=map_ga_np", text])).run_id for text in (one, other)}
    assert len(ids) == 1


def test_what_an_interpolation_brings_has_to_be_of_the_kind(monkeypatch):
    monkeypatch.setenv("OURS", "home")
    with pytest.raises(ConfigError, match="seed='home': a whole number is wanted"):
        spec_of(compose_run(["seed=${oc.env:OURS}"]))


def test_a_problem_is_shared_by_whatever_does_not_change_the_measurement():
    for path, value in [("solver.num_iter", 5), ("schedule.steps", 9), ("prior.std", 1.0), ("metrics", {})]:
        assert _changed(path, value).problem_id == BASE.problem_id, path
    for path, value in [("seed", 1), ("task.sigma_y", 0.3), ("dataset.limit", 9)]:
        assert _changed(path, value).problem_id != BASE.problem_id, path


def test_the_folder_is_named_by_what_it_holds():
    folder = RunFolder(BASE)
    assert folder.run_id == BASE.run_id and BASE.run_id.startswith("tiny-box50-map_ga-")
    assert folder.path == Path("results") / folder.run_id and folder.problem_path.parent == Path("results/problems")


def test_the_hash_is_pinned():
    """A change here orphans every result that was ever recorded."""
    assert digest({"b": [1, None, 0.5, True], "a": "é"}) == "f4e30f330fb4"


def test_where_a_metric_finds_its_weights_is_no_science_but_their_hash_is():
    def spec(weights: str | None, sha256: str | None) -> RunSpec:
        return _changed("metrics", {"fid": {"_target_": "mapga.metrics.FID", "weights": weights, "sha256": sha256}})

    one, elsewhere, other = (spec(*file).metrics["fid"].science for file in (("a", "1"), ("b", "1"), ("a", "2")))
    assert one == elsewhere != other


def test_it_is_frozen_and_travels():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BASE.config = {}
    assert pickle.loads(pickle.dumps(BASE)).run_id == BASE.run_id


def test_what_follows_from_a_config():
    spec = spec_of(compose_run(["solver=map_ga", "num_iter=3", "schedule.steps=5", "dataset.limit=7", "seed=2"]))
    assert (spec.passes, spec.images, spec.seed, spec.steps) == (5 * (3 * 3 + 1), 7, 2, 5)
    assert (spec.sigma_y, spec.sigma_y_unit, spec.start, spec.objective) == (0.0, "[-1,1]", None, None)
    assert spec.needs() == [] and spec.folder == Path("results") / spec.run_id and not spec.places


def test_an_older_config_that_lacks_later_keys_is_read():
    spec = tiny_spec(Path("x"))
    assert (spec.start, spec.trace, spec.objective) == (None, False, None)


def test_what_was_stored_and_is_no_component_here_has_a_blank_card():
    spec = tiny_spec(Path("x"), dataset={"_target_": "elsewhere.Images", "root": "r"})
    assert spec.card(DATASET) == Card() or type(spec.card(DATASET)) is Card
    with pytest.raises(ConfigError, match="is not one of ours"):
        spec.node(DATASET)
    assert spec.without(SOLVER, ["num_iter"]) == {"_target_": "mapga.solvers.MAPGA"}


@pytest.mark.parametrize("solver", ["map_ga", "map_ga_np", "map_ga_pgdm", "pgdm", "ddrm", "ct_zsie"])
@pytest.mark.parametrize(("passes", "num_iter"), [(200, 1), (200, 8), (61, 3)])
def test_passes_buy_as_many_steps_as_they_can(solver, passes, num_iter):
    spec = spec_of(compose_run([f"solver={solver}", f"passes={passes}", f"num_iter={num_iter}"]))
    more = {**spec.config, "schedule": {**spec.config["schedule"], "steps": spec.steps + 1}}
    assert spec.passes <= passes < RunSpec(more, spec.names).passes


def test_passes_that_buy_no_step_are_refused():
    with pytest.raises(ConfigError, match=r"passes=10: one step takes 25 passes; give more, or a smaller num_iter"):
        spec_of(compose_run(["solver=map_ga", "passes=10", "num_iter=8"]))
    assert spec_of(compose_run(["solver=pinv", "passes=10"])).steps == 20  # it makes no steps, so none are bought


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["metrics.psnr._target_=mapga.metrics.SSIM"], "metrics.psnr: what this computes is called ssim; write it"),
        (["+metrics.again._target_=mapga.metrics.PSNR"], "metrics.again: what this computes is called psnr"),
        (["+metrics.ssim.border=crop"], "metrics.ssim: what this computes is called ssim_crop; write it under"),
    ],
)
def test_a_metric_stands_under_its_own_name(overrides, message):
    with pytest.raises(ConfigError, match=message):
        spec_of(compose_run(overrides))


def test_two_distances_that_differ_in_their_reference_alone_do_not_win_over_each_other():
    again = "+metrics.again={_target_: mapga.metrics.FDDigits, reference: training}"
    with pytest.raises(ConfigError, match=r"metrics\.again: what this computes is called fd_digits"):
        spec_of(compose_run(["metrics=digits", again]))


def test_it_is_known_without_torch():
    code = (
        "import sys; from mapga.config.compose import compose_run, spec_of; "
        "spec = spec_of(compose_run(['task=half', 'prior=mnist', 'metrics=paper'])); "
        "spec.run_id, spec.problem_id, spec.passes, spec.images, spec.needs(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_title_is_said_and_is_no_part_of_an_id():
    usual, mine, none = (
        spec_of(compose_run(["solver=pgdm", *more])) for more in ([], ["solver.title=Mine"], ["~solver.title"])
    )
    assert [spec.title(SOLVER) for spec in (usual, mine, none)] == ["PGDM", "Mine", ""]
    assert usual.run_id == mine.run_id == none.run_id and usual.problem_id == mine.problem_id
    assert usual.without(SOLVER, []) == none.without(SOLVER, []) and "title" not in usual.node(SOLVER).arguments
    with pytest.raises(ConfigError, match=r"solver\.title=3: text is wanted"):
        spec_of(compose_run(["solver.title=3"]))

"""The config: kinds at the root, one line an error, and plain values of what was composed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mapga.config.compose import compose_run, of_group, spec_of
from mapga.config.files import conf_dir, options
from mapga.config.schema import RootConfig
from mapga.errors import ConfigError


def _value(*overrides: str) -> dict:
    return dict(spec_of(compose_run(overrides)).config)


def test_every_key_of_the_root_is_resolved():
    config = _value()
    assert set(config) == set(RootConfig.__dataclass_fields__)
    assert (config["seed"], config["batch_size"], config["dtype"]) == (0, 32, "float32")
    assert config["task"]["sigma_y"] == 0.0 and config["task"]["sigma_y_unit"] == "[-1,1]"


def test_values_are_plain():
    def plain(value) -> bool:
        if isinstance(value, dict):
            return all(type(key) is str and plain(item) for key, item in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return type(value) in (str, int, float, bool, type(None))

    assert plain(_value("schedule=explicit", "metrics=paper", "tracker=wandb"))


@pytest.mark.parametrize("text", ["1e-3", "0.001", "1.0e-3", "'1e-3'"])
def test_a_small_number_is_a_number_however_written(text):
    assert _value(f"task.sigma_y={text}")["task"]["sigma_y"] == 0.001


def test_a_whole_sigma_is_a_float():
    sigma = _value("task.sigma_y=1")["task"]["sigma_y"]
    assert sigma == 1.0 and type(sigma) is float


def test_chosen_groups_are_named():
    names = spec_of(compose_run(["task=half", "solver=pgdm", "schedule=linear", "prior=gaussian"])).names
    expected = {"dataset": "mnist", "task": "half", "solver": "pgdm", "schedule": "linear", "prior": "gaussian"}
    assert expected.items() <= names.items()


def test_the_last_override_wins():
    assert _value("seed=1", "seed=2")["seed"] == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sead=1", "unknown key 'sead'; did you mean 'seed'? the top-level keys are dataset, task"),
        ("task.sigma=1", "unknown key 'task.sigma'; did you mean 'sigma_y'? task has operator, sigma_y, sigma_y_unit"),
        ("+extra=1", "unknown key 'extra'"),
        ("+task.sigma_yy=1", "unknown key 'task.sigma_yy'; did you mean 'sigma_y'?"),
        ("batch_size=1.5", "batch_size='1.5': a whole number is wanted"),
        ("solver=ddrn", "solver=ddrn: there is none of that name; did you mean 'ddrm'? choose ct_zsie, ddnm, ddrm"),
        ("dataset=image_folder", "missing key 'dataset.root': write dataset.root=..."),
        ("seed=${nothing}", "nothing"),
        ("seed=[1", "seed=[1 cannot be read; a value with spaces, brackets, signs or letters beyond a to z is written"),
        ("results_dir=é x", """quotes of its own: 'results_dir="é x"'"""),
        ("results_dir={a", """'results_dir="{a"'"""),
        ("half", "'half' is no override; write KEY=VALUE, such as task=half"),
        ("task=null", "task=null: choose one of altlines, box25"),
        ("solver=", "solver=: choose one of ct_zsie, ddnm, ddrm"),
        ("~seed", "missing key 'seed'"),
    ],
)
def test_what_hydra_refuses_is_one_line(override, message):
    with pytest.raises(ConfigError) as caught:
        _value(override)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_composing_twice_is_the_same_and_leaves_no_state():
    first = _value("seed=5")
    with pytest.raises(ConfigError):
        compose_run(["nonsense=1"])
    assert _value("seed=5") == first and _value()["seed"] == 0


def test_composing_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _value()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_groups_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (conf_dir() / "run.yaml").is_file() and conf_dir().is_absolute()
    assert options("mode") == ["full", "smoke"] and options("nothing") == []


def test_the_files_of_a_group_take_what_they_need_from_the_run():
    run = spec_of(compose_run(["num_iter=7"]))
    assert {of_group("solver", name, run).get("num_iter") for name in options("solver")} == {7, None}


def test_composing_needs_no_torch():
    code = (
        "import sys; from mapga.config.compose import compose_run, spec_of; "
        "spec_of(compose_run(['task=half'])); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

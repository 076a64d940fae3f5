"""Nothing of Hydra's own node runs foreign code, wherever it is written."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from helpers.commands import TINY, mapga
from mapga.config.compose import compose_run
from mapga.errors import ConfigError


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


TRIES = {  # VICTIM is a file that must stay as it is, TRAP a pickle that must not be read
    "callbacks": ["+hydra.callbacks.x._target_=pathlib.Path.unlink", "+hydra.callbacks.x.self=VICTIM"],
    "callbacks of joblib": ["+hydra.callbacks.x._target_=joblib.load", "+hydra.callbacks.x.filename=TRAP"],
    "launcher": ["hydra.launcher._target_=os.remove"],
    "sweeper": ["hydra.sweeper._target_=os.remove"],
    "within the launcher": ["+hydra.launcher.x._target_=os.remove"],
    "in a list": ["+hydra.sweeper.x=[{_target_: os.remove}]"],
    "a sampler": ["experiment=tune", "hydra.sweeper.sampler._target_=os.remove"],
    "a study elsewhere": ["experiment=tune", "hydra.sweeper.storage=sqlite:///VICTIM"],
    "a search space of code": ["experiment=tune", "hydra.sweeper.custom_search_space=os.remove"],
    "logging": ["+hydra.job_logging.handlers.f={class: logging.FileHandler, filename: VICTIM, mode: w}"],
    "logging of hydra": ["+hydra.hydra_logging.handlers.f.class=logging.FileHandler"],
    "another logging": ["hydra/job_logging=default"],
    "environment": ["+hydra.job.env_set.PATH=/nowhere"],
    "environment that is copied": ["hydra.job.env_copy=[HOME]"],
}


@pytest.mark.parametrize("name", TRIES)
@pytest.mark.parametrize("argv", [("run",), ("run", "-m"), ("plan",)], ids=" ".join)
def test_it_is_refused_by_name_and_nothing_has_happened(tmp_path, capsys, victim, argv, name):
    trap = tmp_path / "trap.pkl"
    trap.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    given = [text.replace("VICTIM", str(victim)).replace("TRAP", str(trap)) for text in TRIES[name]]
    said = mapga(capsys, *argv, *TINY, f"results_dir={tmp_path / 'results'}", *given)
    assert said.code == 2 and said.err.count("\n") == 1 and "mapga: hydra." in said.err, said.err
    assert victim.read_text() == "precious" and not (tmp_path / "sprung").exists()
    assert not (tmp_path / "results").exists()


def test_an_experiment_of_a_foreign_folder_is_no_way_in(tmp_path, capsys, victim):
    study = tmp_path / "conf/experiment/own.yaml"
    study.parent.mkdir(parents=True)
    callbacks = f"x: {{_target_: pathlib.Path.unlink, self: {victim}}}"
    study.write_text(f"# @package _global_\nhydra:\n  callbacks:\n    {callbacks}\n")
    given = [f"hydra.searchpath=[file://{tmp_path / 'conf'}]", "experiment=own", *TINY, "task=half,box50"]
    said = mapga(capsys, "run", "-m", *given, f"results_dir={tmp_path / 'results'}")
    assert said.code == 2 and "hydra.callbacks cannot be set here" in said.err and victim.exists()


def test_what_is_hydras_own_is_not_swept(tmp_path, capsys):
    said = mapga(capsys, "run", "-m", *TINY, "hydra/launcher=basic,joblib", f"results_dir={tmp_path / 'results'}")
    assert said.code == 2 and "hydra/launcher: what is Hydra's own takes one value" in said.err


@pytest.mark.parametrize("launcher", ["basic", "joblib", "slurm", "submitit_local"])
def test_our_launchers_pass(launcher):
    compose_run([f"hydra/launcher={launcher}"])


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "grid"])
def test_optunas_samplers_pass(sampler):
    compose_run(["hydra/sweeper=optuna", f"hydra/sweeper/sampler={sampler}"])


def test_settings_of_ours_pass():
    compose_run(["hydra/launcher=slurm", "hydra.launcher.partition=gpu", "+hydra.launcher.account=lab"])
    with pytest.raises(ConfigError, match=r"hydra\.callbacks cannot be set"):
        compose_run(["+hydra.callbacks.x=1"])

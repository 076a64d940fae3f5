"""What a person types and what is answered: folders, one line an error, exit codes 0, 1 and 2."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers.commands import mapga, tiny
from mapga import __version__
from mapga.cli import main


def test_a_run_prints_its_folder_as_its_last_line(tmp_path, capsys):
    said = mapga(capsys, "run", *tiny(tmp_path))
    folder = Path(said.last)
    assert said.code == 0 and folder.parent == tmp_path and folder.name.startswith("mnist-box50-ct_zsie-")
    assert {"config.yaml", "journal.jsonl", "images.npy", "metrics.json", "done"} <= {
        path.name for path in folder.iterdir()
    }
    images = np.load(folder / "images.npy")
    assert images.shape == (2, 32, 32, 1) and images.dtype == np.uint8 and images.std() > 0


def test_the_summary_holds_what_others_read(tmp_path, capsys):
    folder = Path(mapga(capsys, "run", *tiny(tmp_path, "seed=3", "solver=map_ga", "solver.num_iter=3")).last)
    summary = json.loads((folder / "metrics.json").read_text())
    assert summary["run_id"] == folder.name
    assert [summary[key] for key in ("dataset", "task", "solver", "schedule")] == ["mnist", "box50", "map_ga", "karras"]
    assert (summary["seed"], summary["n_images"], summary["n_failed"]) == (3, 2, 0)
    assert set(summary["metrics"]) == {"psnr", "ssim", "consistency"}
    for cell in summary["metrics"].values():
        assert isinstance(cell["mean"], float) and isinstance(cell["sem"], float)
    # two levels with three gradient steps: 2 (3 + 1) passes of C, 2 * 3 of D, 2 * 3 vector-Jacobian products
    assert (summary["compute"]["forward"], summary["compute"]["vjp"]) == (14, 6)
    assert 0 < summary["compute"]["seconds_network"] < summary["compute"]["seconds"]


@pytest.mark.parametrize(
    ("solver", "forward", "vjp"),
    [("map_ga_np", 4, 2), ("map_ga_d", 6, 2), ("pgdm", 2, 2), ("ddrm", 2, 0), ("ct_zsie", 2, 0), ("pinv", 0, 0)],
)
def test_counts_are_the_algorithms(tmp_path, capsys, solver, forward, vjp):
    folder = Path(mapga(capsys, "run", *tiny(tmp_path, f"solver={solver}", "batch_size=1")).last)
    compute = json.loads((folder / "metrics.json").read_text())["compute"]
    assert (compute["forward"], compute["vjp"]) == (forward, vjp)


def test_the_noise_unit_is_written_in_the_result(tmp_path, capsys):
    folder = Path(mapga(capsys, "run", *tiny(tmp_path, "task.sigma_y=0.05")).last)
    summary = json.loads((folder / "metrics.json").read_text())
    assert (summary["sigma_y"], summary["sigma_y_unit"]) == (0.05, "[-1,1]")


def test_the_config_is_printed_whole_and_nothing_is_made(tmp_path, capsys):
    said = mapga(capsys, "run", "--cfg", *tiny(tmp_path / "results", "schedule.sigma_min=2e-3"))
    config = yaml.safe_load(said.out)
    assert said.code == 0 and config["schedule"]["sigma_min"] == 0.002 and config["dataset"]["limit"] == 2
    assert "hydra" not in config and "experiment" not in config
    assert list(tmp_path.iterdir()) == []


# Bad input: (overrides, what the line must hold)
BAD = {
    "unknown key": (["nonsense=1"], r"unknown key 'nonsense'"),
    "a near miss": (["sede=1"], r"'sede'.*did you mean 'seed'\?"),
    "unknown key of a component": (["schedule.stpes=3"], r"'schedule\.stpes'; did you mean 'steps'\?"),
    "added key of a component": (["+solver.nonsense=1"], r"'solver\.nonsense'.* takes "),
    "added key of the task": (["+task.nonsense=1"], r"unknown key 'task\.nonsense'"),
    "added key of the root": (["+batch_sizes=1"], r"unknown key 'batch_sizes'; did you mean 'batch_size'"),
    "wrong kind of the root": (["seed=many"], r"seed='many'.*a whole number"),
    "wrong kind of a component": (["schedule.steps=few"], r"schedule\.steps='few'.*a whole number"),
    "wrong kind of sigma": (["task.sigma_y=loud"], r"task\.sigma_y='loud'.*a number"),
    "negative sigma": (["task.sigma_y=-0.1"], r"task\.sigma_y=-0\.1: .*>= 0"),
    "sigma that is none": (["task.sigma_y=nan"], r"task\.sigma_y=nan"),
    "unknown unit": (["task.sigma_y_unit=cm"], r"sigma_y_unit='cm'.*\[0,1\]"),
    "no steps": (["schedule.steps=0"], r"schedule\.steps=0"),
    "levels that rise": (["schedule=explicit", "schedule.levels=[1,2,0.5]", "schedule.steps=2"], r"decreasing.*2\.0"),
    "sigmas the wrong way": (["schedule.sigma_max=0.001"], r"schedule\.sigma_max=0\.001"),
    "a sigma that is none": (["schedule.sigma_max=nan"], r"schedule\.sigma_max=nan"),
    "no batch": (["batch_size=0"], r"batch_size=0"),
    "unknown dtype": (["dtype=float16"], r"dtype='float16'.*float32 or float64"),
    "unknown rounding": (["rounding=up"], r"rounding='up'.*round or truncate"),
    "no such device": (["device=abacus"], r"device='abacus'.*cpu"),
    "no such shard": (["shard=5/4"], r"shard=5/4.*shard=0/4"),
    "too many images": (["dataset.limit=251"], r"dataset\.limit=251.*1\.\.250"),
    "unknown group": (["solver=map_gaa"], r"solver=map_gaa.*did you mean 'map_ga"),
    "foreign target": (["solver._target_=os.system"], r"solver\._target_='os\.system' is not one of ours"),
    "abstract target": (["prior._target_=mapga.priors.Prior"], r"prior\._target_"),
    "foreign metric": (["metrics.psnr._target_=mapga.solvers.PGDM"], r"metrics\.psnr\._target_"),
    "no component": (["task.operator=5"], r"task\.operator=5"),
    "no prior": (["prior=null"], r"prior=null"),
    "a sweep without -m": (["task=box50,half"], r"task=box50,half: several values are a sweep; add -m"),
    "an experiment without -m": (["experiment=demo"], r"is a sweep of 4 runs: add -m .*choose one: task=box50"),
    "a launcher without -m": (["hydra/launcher=joblib"], r"hydra/launcher=joblib: .*add -m"),
    "a key that nobody reads": (["num_iter=5"], r"num_iter=5: .*not by ct_zsie; drop it"),
    "steps beside passes": (["passes=9", "schedule.steps=2"], r"schedule\.steps=2: passes=9 sets it, to 9 here"),
    "an argument that the file does not state": (["solver.sched=1"], r"'solver\.sched'; solver has title, start, clip"),
    "not an override": (["half"], r"half"),
    "a missing key": (["dataset=image_folder"], r"dataset\.root"),
    "no such folder": (["dataset=image_folder", "dataset.root=/no/such/folder"], r"/no/such/folder.*no such"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_that_names_the_value(tmp_path, capsys, name):
    overrides, pattern = BAD[name]
    said = mapga(capsys, "run", *tiny(tmp_path / "results", *overrides))
    assert said.code == 2 and said.out == ""
    assert said.err.startswith("mapga: ") and said.err.count("\n") == 1 and "Traceback" not in said.err
    assert re.search(pattern, said.err), said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["unknown key", "negative sigma", "unknown group", "no prior", "foreign target"])
def test_bad_input_of_a_sweep(tmp_path, capsys, name):
    overrides, pattern = BAD[name]
    said = mapga(capsys, "run", "-m", *tiny(tmp_path / "results", *overrides))
    assert said.code == 2 and "Traceback" not in said.err
    assert re.search(pattern, said.err), said.err
    if name == "negative sigma":  # refused when the job is made
        assert not list((tmp_path / "results").glob("mnist-*"))
    else:
        assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_results(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for argv in (["run"], ["run", "-m"]):
        said = mapga(capsys, *argv, *tiny(tmp_path / "file" / "results"))
        assert said.code == 2 and said.err.count("\n") == 1
        assert f"{tmp_path / 'file'} is a file; choose another folder" in said.err


def test_results_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mapga.files.writable.tempfile.TemporaryFile", refuse)
    said = mapga(capsys, "run", *tiny(tmp_path / "results"))
    assert said.code == 2 and "cannot be written (Permission denied)" in said.err and list(tmp_path.iterdir()) == []


def test_an_unsupported_pair_is_refused_with_what_is_supported(tmp_path, capsys):
    said = mapga(capsys, "run", *tiny(tmp_path / "results", "solver=map_ga_pgdm"))  # needs noise
    assert said.code == 2 and said.err.count("\n") == 1
    assert "solver=map_ga_pgdm cannot serve task=box50" in said.err
    assert re.search(r"supported here: .*ct_zsie.*ddrm", said.err) and "map_ga_pgdm_d" not in said.err.split("here:")[1]
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_whose_axes_are_all_chosen_is_one_run(tmp_path, capsys):
    said = mapga(capsys, "run", *tiny(tmp_path, "experiment=demo", "prior=mixture", "task=half"))
    assert said.code == 0 and len(list(tmp_path.glob("mnist-*/done"))) == 1


def test_a_key_that_some_run_of_a_sweep_reads_is_taken(tmp_path, capsys):
    sweep = ("plan", "-m", *tiny(tmp_path, "solver=map_ga_np,ct_zsie", "num_iter=3"))
    assert mapga(capsys, *sweep).code == 0
    said = mapga(capsys, "run", "-m", *tiny(tmp_path / "results", "solver=pinv,ct_zsie", "num_iter=3"))
    assert said.code == 2 and "num_iter=3" in said.err and not (tmp_path / "results").exists()


def test_options_may_stand_anywhere(capsys):
    for argv in (["run", "--cfg", "seed=1", "seed=2"], ["run", "seed=1", "--cfg", "seed=2"]):
        assert yaml.safe_load(mapga(capsys, *argv).out)["seed"] == 2


@pytest.mark.parametrize("argv", [["dance"], ["run", "--fast"], ["export"], ["status", ".", "extra"]])
def test_what_is_no_command_line_exits_with_2(capsys, argv):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2 and capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["run", "--help"], ["report", "--help"]])
def test_help_and_version(capsys, argv):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    said = capsys.readouterr().out
    assert caught.value.code == 0 and (__version__ in said if argv == ["--version"] else "mapga" in said)


def test_an_interrupt_is_said_in_one_line(tmp_path, capsys, monkeypatch):
    def interrupt(self, problem, prior, noise):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("mapga.solvers.CTZSIE.iterate", interrupt)
    said = mapga(capsys, "run", *tiny(tmp_path))
    assert said.code == 75 and said.err.count("\n") == 1 and "the same command continues" in said.err

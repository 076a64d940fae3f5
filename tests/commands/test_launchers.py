"""One sweep in several places, one run over several processes: the same science, and one line where it cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore

from helpers.commands import mapga, tiny
from mapga.commands import sweep as sweep_module
from mapga.commands.run import run_one
from mapga.config.compose import compose_run, spec_of
from mapga.errors import ConfigError
from mapga.records import Shard
from mapga.records.provenance import code_identity


def results_of(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for name in ("images.npy", "journal.jsonl", "done")
        for path in root.glob(f"*/{name}")
    }


def test_a_sweep_in_processes_of_joblib_is_the_same(tmp_path, capsys):
    overrides = ["task=half,box50", "solver=ct_zsie,map_ga_pgdm"]  # the last one needs noise
    said = mapga(capsys, "run", "-m", *tiny(tmp_path / "here", *overrides))
    assert said.code == 0 and "4 runs: 2 done, 2 skipped" in said.err
    elsewhere = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "allow_code_change=true"]
    said = mapga(capsys, "run", "-m", *tiny(tmp_path / "there", *overrides, *elsewhere))
    assert said.code == 0 and "4 runs: 2 done, 2 skipped" in said.err and said.last == str(tmp_path / "there")
    assert len(results_of(tmp_path / "there")) == 6
    assert results_of(tmp_path / "here") == results_of(tmp_path / "there")


def test_a_sweep_of_which_a_process_died_is_told_from_its_folders(tmp_path, capsys, monkeypatch):
    class Dying:
        def launch(self, jobs, initial_job_idx):
            run_one(spec_of(compose_run(jobs[0])))
            raise RuntimeError("a worker was killed\nby the system")

    monkeypatch.setattr(sweep_module.Plugins, "instantiate_launcher", lambda *_: Dying())
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "seed=0,1", "hydra/launcher=joblib"))
    assert said.code == 1 and "2 runs: 1 done, 1 failed" in said.err
    assert "its process ended without a word (RuntimeError: a worker was killed)" in said.err


def test_a_search_of_which_a_process_died_has_failed(tmp_path, capsys, monkeypatch):
    def dying(self, *args, **kwargs):
        raise RuntimeError("a worker was killed")

    monkeypatch.setattr(sweep_module.Hydra, "multirun", dying)
    given = ["hydra/sweeper=optuna", "objective=psnr", "seed=choice(0,1)"]
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, *given))
    assert said.code == 1 and "the search has ended: its process ended without a word" in said.err


def test_a_launcher_that_is_not_installed(tmp_path, capsys, monkeypatch):
    compose_run([])  # Hydra finds its plugins
    launchers = ConfigStore.instance().repo["hydra"]["launcher"]
    for name, launcher in (("joblib", "joblib"), ("submitit_slurm", "slurm"), ("ray", "ray")):
        monkeypatch.delitem(launchers, f"{name}.yaml", raising=False)
        said = mapga(capsys, "run", "-m", *tiny(tmp_path / "results", "seed=0,1", f"hydra/launcher={launcher}"))
        assert said.code == 2 and said.err.count("\n") == 1
        assert f'hydra/launcher={launcher}: what it needs is not installed; pip install "mapga[{launcher}]"' in said.err
    said = mapga(capsys, "run", "-m", *tiny(tmp_path / "results", "seed=0,1", "hydra/launcher=slum"))
    assert said.code == 2 and "hydra/launcher=slum: there is none of that name; did you mean 'slurm'?" in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_sweeper_that_is_not_installed(tmp_path, capsys, monkeypatch):
    compose_run([])
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"]["sweeper"], "optuna.yaml", raising=False)
    for chosen in ("experiment=tune", "hydra/sweeper=optuna"):
        said = mapga(capsys, "run", "-m", *tiny(tmp_path / "results", chosen))
        assert said.code == 2 and said.err.count("\n") == 1
        assert 'hydra/sweeper=optuna: what it needs is not installed; pip install "mapga[optuna]"' in said.err
    assert list(tmp_path.iterdir()) == []


def test_slurm_where_there_is_none(tmp_path, capsys, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)
    said = mapga(capsys, "run", "-m", *tiny(tmp_path / "results", "seed=0,1", "hydra/launcher=slurm"))
    assert said.code == 2 and said.err.count("\n") == 1
    assert "hydra/launcher=slurm: sbatch is not on this machine; submit from a login node" in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_shard_that_there_is_not_is_refused_before_anything_is_begun(tmp_path, capsys):
    said = mapga(capsys, "run", "-m", *tiny(tmp_path / "results", "shard=5/4,0/4"))
    assert said.code == 2 and "shard=5/4: write i/n" in said.err
    assert len(list((tmp_path / "results").glob("*/journal*"))) == 1


def test_a_job_refuses_other_code_than_was_submitted(tmp_path):
    task = sweep_module.Task("of the past")
    outcome = task(compose_run(tiny(tmp_path)))
    assert outcome.status == "refused" and list(tmp_path.iterdir()) == []
    assert f"sources of the past, now {code_identity()}" in outcome.message
    assert "submit again, or allow_code_change=true" in outcome.message


def test_a_job_that_was_not_submitted_is_refused(tmp_path, capsys, monkeypatch):
    """As when a file that its id depends on was replaced after the sweep was submitted."""
    task = sweep_module.Task(code_identity(), frozenset({"mnist-box50-ct_zsie-000000000000"}))
    monkeypatch.setattr(sweep_module, "Task", lambda *_: task)
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "seed=0"))
    assert said.code == 2 and "no such run was submitted" in said.err and "submit again" in said.err
    assert not list(tmp_path.glob("mnist*"))


def test_with_leave_a_job_goes_on_under_other_code(tmp_path, capsys, monkeypatch):
    task = sweep_module.Task("of the past")
    monkeypatch.setattr(sweep_module, "Task", lambda *_: task)
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "seed=0"))
    assert said.code == 2 and "the code has changed since the sweep was submitted" in said.err
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "seed=0", "allow_code_change=true"))
    assert said.code == 0
    one, other = (json.loads(line) for line in (tmp_path / "submissions.jsonl").read_text().splitlines())
    assert one["sources"] == other["sources"] == code_identity() and len(one["git"]["commit"]) == 40
    assert "allow_code_change=true" in other["overrides"] and "allow_code_change=true" not in one["overrides"]
    (provenance,) = tmp_path.glob("mnist*/provenance.json")
    assert json.loads(provenance.read_text())["sources"] == code_identity()


def test_ranks_of_torchrun_are_shards():
    ranks = [Shard.parse("auto", {"RANK": str(k), "WORLD_SIZE": "3"}) for k in range(3)]
    assert [shard.rows(8) for shard in ranks] == [range(k, 8, 3) for k in range(3)]
    assert Shard.parse("auto", {}).whole and Shard.parse("auto", {"RANK": "2"}).whole
    assert Shard.parse("1/2", {"RANK": "0", "WORLD_SIZE": "3"}) == Shard(1, 2)


def test_ranks_make_the_whole_run_and_its_distances(tmp_path, capsys, monkeypatch):
    """Per-image numbers are equal to the last digit, distances of the set to 1e-9."""
    overrides = ("metrics=digits", "dataset.limit=7", "batch_size=2")
    whole = Path(mapga(capsys, "run", *tiny(tmp_path / "whole", *overrides)).last)
    for rank in (1, 2, 0):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        said = mapga(capsys, "run", *tiny(tmp_path / "parts", *overrides))
        assert said.code == 0
        assert (Path(said.last) / "done").exists() == (rank == 0)
    parts = Path(said.last)
    for name in ("images.npy", "journal.jsonl"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    one, other = (json.loads((folder / "metrics.json").read_text())["metrics"] for folder in (whole, parts))
    assert one["fd_digits"]["n"] == 7 and one["fd_digits"]["mean"] > 0
    assert other["fd_digits"]["mean"] == pytest.approx(one["fd_digits"]["mean"], rel=1e-9, abs=1e-9)
    for name in ("psnr", "ssim", "consistency", "digit_accuracy"):
        assert other[name] == one[name]


def test_a_launcher_is_no_science(tmp_path):
    with pytest.raises(ConfigError, match="there is none of that name"):
        compose_run(["hydra/launcher=none"])
    cfg = compose_run(["hydra/launcher=slurm", "hydra.launcher.partition=gpu", f"results_dir={tmp_path}"])
    launcher = cfg.hydra.launcher
    assert (launcher.partition, launcher.additional_parameters.requeue) == ("gpu", True)
    assert launcher.submitit_folder == f"{tmp_path}/.submitit" and launcher.array_parallelism == 64

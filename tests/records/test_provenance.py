"""What is written down of a run's making: which code counts, which versions, what is left out, and wheels."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mapga.records import provenance as module
from mapga.records.provenance import code_identity, provenance


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the package's text files that may be edited, hashed anew at every question."""
    source = Path(module.__file__).parents[1]
    copy = tmp_path / "src" / "mapga"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    shutil.copytree(source.parents[1] / "conf", tmp_path / "conf")
    monkeypatch.setattr(module, "_PACKAGE", copy)
    for cached in (module._own_code, code_identity):
        monkeypatch.setattr(module, cached.__name__, cached.__wrapped__)
    return copy


@pytest.fixture(autouse=True)
def _forget_the_commit():
    """A process asks git once."""
    forget = getattr(module._git, "cache_clear", lambda: None)
    forget()
    yield
    forget()


def test_provenance_knows_code_and_machine():
    record = provenance({"device": "cuda:1"})
    assert record["device"] == "cuda:1" and record["versions"]["torch"] and record["python"].count(".") == 2
    json.dumps(record, allow_nan=False)


def test_provenance_knows_the_commit_of_a_checkout(monkeypatch):
    answers = {"ls-files": "provenance.py\n", "rev-parse": "abc123\n", "status": " M file\n"}

    def run(command, **options):
        return subprocess.CompletedProcess(command, 0, answers[command[1]], "")

    monkeypatch.setattr(subprocess, "run", run)
    assert provenance({})["git"] == {"commit": "abc123", "dirty": True}
    answers["status"] = ""
    getattr(module._git, "cache_clear", lambda: None)()
    assert provenance({})["git"] == {"commit": "abc123", "dirty": False}
    getattr(module._git, "cache_clear", lambda: None)()
    answers["ls-files"] = ""  # installed somewhere inside another project's checkout
    assert provenance({})["git"] is None


def test_provenance_does_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance({})["git"] is None


@pytest.mark.parametrize(
    ("edited", "counts"),
    [
        *((name, True) for name in ("solvers/pgdm.py", "priors/networks/unet.py", "metrics/pixel.py", "run/batch.py")),
        *((name, True) for name in ("rng.py", "pixels.py", "problem.py", "schedules/ddpm.py", "operators/blur.py")),
        *((name, True) for name in ("datasets/mnist.py", "datasets/data/imagenet64_label_map.csv")),
        *((name, False) for name in ("report/table.py", "cli.py", "commands/status.py", "records/collect.py")),
        *((name, False) for name in ("tracking/mirror.py", "training/loop.py", "../../conf/solver/pgdm.yaml")),
    ],
)
def test_only_what_an_image_passes_counts(package, edited, counts):
    before = module.results_code()
    with (package / edited).open("a") as file:
        file.write("\n# another\n")
    assert (module.results_code() != before) == counts


def test_a_sweep_is_held_to_its_configs_too(package):
    before = module.code_identity()
    with (package / "../../conf/solver/pgdm.yaml").open("a") as file:
        file.write("\n# another\n")
    assert module.code_identity() != before


def test_every_module_of_the_rooms_counts(package):
    """A room that is added without a word here would change results unseen."""
    quiet = {
        "budget",
        "card",
        "catalogue",
        "errors",
        "garbage",
        "identity",
        "kind",
        "lazy",
        "node",
        "plugins",
        "settings",
        "slot",
        "spec",
    }
    quiet |= {"commands", "config", "files", "library", "posteriors", "records", "report", "tracking", "training"}
    quiet |= {"__init__", "__main__", "cli", "conf", "published", "shown", "terminal", "testing", "units"}
    counted = {*module._RESULTS, *(Path(name).stem for name in module._RESULTS_ALONE)}
    found = {path.stem for path in package.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert found == (counted | quiet) & found and counted <= found


def test_every_module_that_scores_counts_as_scoring(package):
    found = {f"run/{path.name}" for path in (package / "run").glob("*scor*.py")}
    assert found - {"run/rescore.py"} == {name for name in module._SCORES_ALONE if name.startswith("run/")}


def test_versions_are_of_all_that_is_required():
    versions = provenance({})["versions"]
    assert {"torch", "numpy", "hydra-core", "pillow", "safetensors", "matplotlib"} <= versions.keys()
    assert versions["torch"] == importlib.metadata.version("torch") and "mapga" not in versions


def test_a_package_that_was_never_installed_has_the_versions_that_matter_most(monkeypatch):
    def unknown(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", unknown)
    assert module._versions.__wrapped__().keys() == {"torch", "numpy"}


def test_time_command_and_machine_are_noted_but_no_name_and_no_password(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mapga", "run", "prior.denoiser_source=http://me:SECRET@host/x.pt"])
    monkeypatch.delenv("MAPGA_RECORD_HOST", raising=False)
    record = provenance({"device": "cuda:1", "threads": 3})
    assert record["command"] == ["mapga", "run", "prior.denoiser_source=http://host/x.pt"]
    assert (record["device"], record["threads"], record["host"]) == ("cuda:1", 3, None)
    assert record["date"].endswith("Z") and record["date"][4] == "-"
    monkeypatch.setenv("MAPGA_RECORD_HOST", "1")
    monkeypatch.setattr("platform.node", lambda: "node17")
    assert provenance({})["host"] == "node17"


def test_a_wheel_knows_the_commit_that_it_was_built_of(package, monkeypatch):
    monkeypatch.setattr(module, "_git", module._git.__wrapped__)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError("git")))
    assert module._git() is None
    (package / "commit.json").write_text(json.dumps({"commit": "abc", "dirty": False}))
    assert module._git() == {"commit": "abc", "dirty": False}

"""The package of examples/plugin, installed and used from the command line: checks, shards, going on, a report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

EXAMPLE = Path(__file__).parents[2] / "examples/plugin"
# One process for all: importing torch and diffusers takes longest.
COMMANDS = """
import json, sys
from diffusers import UNet2DModel
from mapga.cli import main

blocks = {"down_block_types": ["DownBlock2D"] * 2, "up_block_types": ["UpBlock2D"] * 2, "layers_per_block": 1}
small = {"block_out_channels": (8, 8), "norm_num_groups": 4, **blocks}
UNet2DModel(sample_size=16, in_channels=1, out_channels=1, **small).save_pretrained("unet")
sys.exit(max(main(argv) for argv in json.loads(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """An environment in which the package is installed, and its sources are a copy."""
    here = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, here / "sources")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    where = ["--disable-pip-version-check", "--target", str(here / "site"), str(here / "sources")]
    subprocess.run([*pip, *where], check=True, capture_output=True)
    paths = [str(here / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def test_the_example_is_short():
    files = [path for path in EXAMPLE.rglob("*") if path.suffix in (".py", ".yaml", ".toml")]
    assert sum(len(path.read_text().splitlines()) for path in files) <= 200


def test_it_runs_in_shards_goes_on_and_is_reported(environment, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), dtype=np.uint8)
    np.save(tmp_path / "x.npy", pictures)
    np.save(tmp_path / "mask.npy", np.arange(256).reshape(16, 16) % 3 > 0)
    given = ["prior=unet", "prior.path=unet", "dataset=npy", "dataset.path=x.npy", "metrics=mae", "device=cpu"]
    given += ["task=maskfile", "task.operator.path=mask.npy", "schedule.steps=3", "batch_size=2"]
    given += ["schedule.sigma_max=1"]  # the network is random, and diverges from more
    sweep = ["run", "-m", *given, "solver=diffpir,pinv", "shard=0/2,1/2"]
    commands = [
        ["run", *given, "solver=diffpir", "shard=0/2"],
        sweep,
        sweep,
        ["plan", *given, "solver=diffpir,pinv"],
        ["check", *given, "solver=diffpir"],
        ["report", "results"],
    ]
    run = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout and "solver=diffpir: counted passes: ok" in done.stdout
    assert "4 runs: 2 partial, 2 done" in done.stderr and "(4 were finished before)" in done.stderr, done.stderr
    assert "2 runs: 2 done" in done.stdout and "mae" in done.stdout
    (folder,) = (tmp_path / "results").glob("npy-maskfile-diffpir-*")
    record, scores = (json.loads((folder / name).read_text()) for name in ("provenance.json", "metrics.json"))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for node in (config["task"]["operator"], config["prior"]):
        assert node["_package_"] == "mapga-example 0.1.0" and len(node["sha256"]) == 64
    assert record["code"].keys() == {"mapga", "mapga-example"} and scores["metrics"]["mae"]["mean"] > 0
    restored, seen = np.load(folder / "images.npy"), np.load(tmp_path / "mask.npy")
    assert np.array_equal(restored[:, seen], pictures[:, seen]) and not np.array_equal(restored, pictures)
    assert (tmp_path / "results/report/table.md").exists()

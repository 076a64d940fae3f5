"""What the library does without: torch until something is made of it, Hydra, folders, and every optional package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys

HIDDEN = ("hydra", "omegaconf", "wandb", "lpips", "cleanfid", "torch_fidelity", "torchmetrics", "torchvision",
          "diffusers", "accelerate", "lmdb", "joblib", "submitit", "ray", "optuna", "rich", "pandas", "matplotlib",
          "jinja2")

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())

import mapga
task, solver = mapga.load_task("box50", sigma_y=0.05), mapga.load_solver("map_ga_np", steps=2)
metrics = mapga.load_metrics("basic")
repr(task), repr(metrics)
assert "torch" not in sys.modules, "names and settings need no torch"

truth = mapga.load_images("mnist", limit=2)
prior = mapga.load_prior("mixture", components=20, ode_steps=2)
restored = solver.restore(task.measure(truth, seed=0), prior, seed=0)
assert metrics(restored, truth)["psnr"].shape == (2,)
assert {*mapga.__all__, "priors", "solvers"} <= set(dir(mapga)), "what may be asked for is listed"
assert mapga.priors.Prior and mapga.pixels.to_uint8  # rooms, without being imported
assert not {"hydra", "omegaconf"} & set(sys.modules)
"""


def test_no_torch_before_something_is_used_no_hydra_at_all_and_no_folder(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []

"""The committed recipes: every one is valid, and the RGB one trains and resumes in miniature."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from mapga.cli import main
from mapga.datasets import Dataset
from mapga.priors.network import NetworkPrior
from mapga.training import TrainingConfig, read_stages, run_stage

RECIPES = sorted((Path(__file__).parents[2] / "conf/train").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_valid_and_its_networks_agree(path: Path) -> None:
    stages = read_stages(yaml.safe_load(path.read_text())["stages"])
    shape = ("patch", "widths", "attention", "blocks", "head", "groups")
    priors = [stage for stage in stages if stage.stage != "classifier"]
    assert priors[0].stage == "denoiser" and {stage.stage for stage in priors[1:]} == {"distillation"}
    assert len({tuple(getattr(stage, key) for key in shape) for stage in priors}) == 1
    assert all(stage.teacher == priors[0].name for stage in priors[1:])
    names = [stage.name for stage in priors]
    assert all(stage.start in ["", *names[1:place]] for place, stage in enumerate(priors))


def test_the_rgb_recipe_trains_and_resumes_in_miniature(
    micro: TrainingConfig, coloured: Dataset, tmp_path: Path
) -> None:
    small = {name: getattr(micro, name) for name in ("batch", "warmup", "decay", "precision", "device")}
    small |= {name: getattr(micro, name) for name in ("log_every", "sample_every", "checkpoint_every")}
    recipe = next(path for path in RECIPES if path.stem == "cifar10")
    paths = {}
    for stage in read_stages(yaml.safe_load(recipe.read_text())["stages"]):
        tiny = replace(stage, **small, steps=6, widths=(8, 8, 8), groups=4, head=8, trajectory_pool=8)
        paths[stage.name] = str(run_stage(tiny, tmp_path, coloured, coloured))
        assert run_stage(replace(tiny, steps=6), tmp_path, coloured, coloured).is_file()
    prior = NetworkPrior.from_files(**paths)
    assert prior.image_shape == (3, 8, 8)


def test_two_processes_train_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``torchrun`` splits every batch; sums in another order are all that differs."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(0)
    for k in range(12):
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(pictures / f"{k}.png")
    small = "steps=6 batch=4 warmup=1 decay=2 precision=fp32 device=cpu widths=[8,8] attention=[false,true] head=8"
    small += " groups=4 log_every=1 sample_every=6 checkpoint_every=6"
    overrides = [f"stages.denoiser.{pair}" for pair in small.split()]
    overrides += [f"stages.consistency.{pair}" for pair in [*small.split(), "trajectory_pool=8", "trajectory_steps=4"]]
    overrides += [f"{name}.{key}" for name in ("dataset", "heldout") for key in (f"root={pictures}", "channels=1")]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(["train", "prior=image_folder", f"output={tmp_path / '1'}", *overrides]) == 0
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "mapga.cli"]
    command = [sys.executable, "-m", *launch, "train", "prior=image_folder", f"output={tmp_path / '2'}"]
    subprocess.run([*command, *overrides], check=True, capture_output=True)
    for stage in ("denoiser", "consistency"):
        one, two = (tmp_path / str(processes) / stage for processes in (1, 2))
        losses = [np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1) for folder in (one, two)]
        assert losses[0].shape == (6, 4)
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
        weights = [load_file(folder / f"{stage}.safetensors") for folder in (one, two)]
        for name, tensor in weights[0].items():
            torch.testing.assert_close(tensor.float(), weights[1][name].float(), rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": "teacher"}, "train.stage='teacher': choose one of denoiser, distillation"),
        ({"steps": 0}, "train.steps=0: must be positive"),
        ({"steps": 1.5}, "train.x.steps=1.5: expected int"),
        ({"steps": True}, "train.x.steps=True: expected int"),
        ({"learning_rate": "fast"}, "train.x.learning_rate='fast': expected float"),
        ({"learning_rate": float("nan")}, "train.learning_rate=nan: must be positive"),
        ({"widths": [8, "8"]}, r"train.x.widths=\[8, '8'\]: expected tuple"),
        ({"ema": 1.5}, r"train.ema=1.5: must lie in 0..1"),
        ({"warmup": 6000}, "train.warmup=6000 .* exceed train.steps=5000"),
        ({"precision": "fp8"}, "train.precision='fp8': choose one of bf16, fp32"),
        ({"learning_rat": 0.1}, "train.x.learning_rat: no such key"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        TrainingConfig.from_mapping("x", {"stage": "denoiser"} | change)
    assert "\n" not in str(caught.value)


def test_a_stage_must_say_which_it_is() -> None:
    with pytest.raises(ValueError, match=r"train\.x\.stage is missing"):
        TrainingConfig.from_mapping("x", {"steps": 10})

"""The committed recipes: every one is valid, and the RGB one trains and resumes in miniature."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mapga.datasets import Dataset
from mapga.priors.network import NetworkPrior
from mapga.training import TrainingConfig, read_stages, run

RECIPES = sorted((Path(__file__).parents[2] / "conf/train").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_valid_and_its_networks_agree(path: Path) -> None:
    stages = read_stages(yaml.safe_load(path.read_text())["stages"])
    shape = ("patch", "widths", "attention", "blocks", "head", "groups")
    priors = [stage for stage in stages if stage.stage != "classifier"]
    assert [stage.stage for stage in priors] == ["denoiser", "distillation"]
    assert len({tuple(getattr(stage, key) for key in shape) for stage in priors}) == 1
    assert priors[1].teacher == priors[0].name


def test_the_rgb_recipe_trains_and_resumes_in_miniature(
    micro: TrainingConfig, coloured: Dataset, tmp_path: Path
) -> None:
    small = {name: getattr(micro, name) for name in ("batch", "warmup", "decay", "precision", "device")}
    small |= {name: getattr(micro, name) for name in ("log_every", "sample_every", "checkpoint_every")}
    recipe = next(path for path in RECIPES if path.stem == "cifar10")
    paths = {}
    for stage in read_stages(yaml.safe_load(recipe.read_text())["stages"]):
        tiny = replace(stage, **small, steps=6, widths=(8, 8, 8), groups=4, head=8, trajectory_pool=8)
        paths[stage.name] = str(run(tiny, tmp_path, coloured, coloured))
        assert run(replace(tiny, steps=6), tmp_path, coloured, coloured).is_file()
    prior = NetworkPrior.from_files(**paths)
    assert prior.image_shape == (3, 8, 8)


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

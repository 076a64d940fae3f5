"""``mapga train``: a recipe of conf/train composed, checked, and its stages run in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mapga.config.compose import compose_training
from mapga.errors import ConfigError
from mapga.files.writable import check_writable
from mapga.node import DATASET, Node, tracker
from mapga.run.assemble import dataset_of, make_trackers
from mapga.tracking.mirror import Mirror

__all__ = ["train"]

_OF_RECIPE = ("dataset.", "heldout.", "stages.")


def train(overrides: Sequence[str], say: Callable[[str], None]) -> Path:
    """Train what a recipe describes, or go on with it; the folder of its stages.

    Args:
        overrides: ``prior=<recipe>`` (or ``dataset=<recipe>``), keys of the recipe (``dataset.*``, ``heldout.*``,
            ``stages.<stage>.*``), ``tracker``, ``output`` and ``only``.
        say: Told one line a stage.

    Raises:
        ConfigError: Anything about the recipe, the data or a checkpoint that a person can put right.
    """
    config = compose_training([_translated(text) for text in overrides])
    recipe: dict[str, Any] = config["train"]
    output = _output(config)
    try:
        from mapga.training import read_stages, run_stage  # diffusers and accelerate take seconds to import
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'{error.name} is not installed, and training needs it; pip install "mapga[train]"'
        ) from error

    try:
        stages = read_stages(recipe["stages"])
        names = [stage.name for stage in stages]
        if config["only"] is not None and config["only"] not in names:
            raise ConfigError(f"only={config['only']}: the recipe's stages are {', '.join(names)}")
        dataset, heldout = (dataset_of(Node.read(DATASET, recipe[key]), seed=0) for key in ("dataset", "heldout"))
        # Of several processes the first has the losses.
        first = os.environ.get("RANK", "0") == "0"
        nodes = {name: Node.read(tracker(name), node) for name, node in config["tracker"].items()} if first else {}
        trackers = make_trackers(nodes)
        for stage in stages:
            if config["only"] in (None, stage.name):
                say(f"{stage.name}: {stage.steps} steps of {stage.batch} images, into {output / stage.name}")
                mirror = Mirror(trackers)
                mirror.tell("begin_training", f"{config['recipe']}/{stage.name}", asdict(stage), output / stage.name)
                try:
                    weights = run_stage(stage, output, dataset, heldout, on_row=lambda row: mirror.tell("step", row))  # noqa: B023
                    mirror.tell("end_training")
                finally:
                    mirror.close()
                say(f"{stage.name}: {weights}")
    except (ValueError, FloatingPointError, FileNotFoundError) as error:
        raise ConfigError(str(error)) from error
    return output


def _output(config: Mapping[str, Any]) -> Path:
    """The folder of its stages, which can be written."""
    stated = f"checkpoints/{config['recipe']}" if config["output"] is None else config["output"]
    if not isinstance(stated, str) or not stated:
        raise ConfigError(f"output={stated}: name a folder, or leave it out for checkpoints/<recipe>")
    output = Path(stated).expanduser()
    check_writable("output", output)
    return output


def _translated(text: str) -> str:
    """An override of ``mapga train`` in the words of conf/training.yaml."""
    key, _, value = text.partition("=")
    if key in ("prior", "dataset"):
        return f"train={value}"
    # "++": also keys that the recipe's file leaves at their defaults; those that there are not, are refused later.
    return f"++train.{text}" if key.startswith(_OF_RECIPE) else text

"""``python -m mapga.training RECIPE OUTPUT [STAGE]``: train the stages of a recipe in order."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from mapga.datasets import MNIST
from mapga.training.config import TrainingConfig
from mapga.training.stages import run

if __name__ == "__main__":
    recipe = yaml.safe_load(Path(sys.argv[1]).read_text())
    for values in recipe["stages"]:
        config = TrainingConfig.from_mapping(values)
        if len(sys.argv) < 4 or config.name == sys.argv[3]:
            print(run(config, Path(sys.argv[2]), MNIST("train"), MNIST("test")), flush=True)

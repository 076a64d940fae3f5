"""``python -m mapga.training RECIPE OUTPUT [STAGE]``: a recipe's stages on MNIST in order, or one."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from mapga.datasets import MNIST
from mapga.training.config import read_stages
from mapga.training.stages import run

if __name__ == "__main__":
    recipe, output, *wanted = sys.argv[1:]
    for config in read_stages(yaml.safe_load(Path(recipe).read_text())["stages"]):
        if not wanted or config.name in wanted:
            print(run(config, Path(output), MNIST("train"), MNIST("test")), flush=True)

"""For every test: one thread, because small tensors gain nothing from more and parallel test runs lose; and what a
command of one test says of the logger's level (``-q``) is nothing to the next."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that wait longest come first: at the end one worker would do them, and the others nothing."""
    items.sort(key=lambda item: item.path.parent.name not in ("slurm", "training"))


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    log = logging.getLogger("mapga")
    before = log.level
    yield
    log.setLevel(before)


@pytest.fixture(scope="session")
def random_backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random, fixed AlexNet and VGG16 convolutions in torchvision's format."""
    torchvision = pytest.importorskip("torchvision")
    folder = tmp_path_factory.mktemp("backbones")
    paths = {}
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        for name, build in (("alex", torchvision.models.alexnet), ("vgg", torchvision.models.vgg16)):
            torch.manual_seed(0)
            with torch.device("meta"):
                network = build()
            state = {
                key: torch.randn(value.shape) * (2 / value[0].numel()) ** 0.5
                if value.ndim > 1
                else torch.zeros(value.shape)
                for key, value in network.state_dict().items()
                if key.startswith("features.")
            }
            paths[name] = folder / f"{name}.pth"
            torch.save(state, paths[name])
    return paths

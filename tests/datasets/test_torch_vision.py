"""Classes of torchvision by their names, on small files: splits, labels, sizes, and what is refused."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mapga.datasets import TorchVision

pytest.importorskip("torchvision")


def _idx(path: Path, array: np.ndarray) -> None:
    """An array in MNIST's own format."""
    head = b"\0\0\x08" + bytes([array.ndim]) + b"".join(side.to_bytes(4) for side in array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, first in (("train", 100), ("t10k", 10)):
        _idx(raw / f"{name}-images-idx3-ubyte", np.full((4, 28, 28), first) + np.arange(4)[:, None, None])
        _idx(raw / f"{name}-labels-idx1-ubyte", np.arange(4) * 3)
    return tmp_path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for k, kind in enumerate(("cat", "cat", "dog")):
        (tmp_path / kind).mkdir(exist_ok=True)
        Image.new("RGB", (12 + k, 9), (k, 0, 0)).save(tmp_path / kind / f"{k}.png")
    return tmp_path


def test_its_splits_labels_and_channels(digits: Path) -> None:
    data = TorchVision("MNIST", str(digits), skip=1)
    assert data.image_shape == (1, 28, 28) and data.n_classes == 10
    assert [(item.index, int(item.image.min()), item.label) for item in map(data.__getitem__, range(3))] == [
        (1, 11, 3),
        (2, 12, 6),
        (3, 13, 9),
    ]
    assert int(TorchVision("MNIST", str(digits), "train")[3].image.max()) == 103
    assert TorchVision("MNIST", str(digits), channels=1, size=14).image_shape == (1, 14, 14)


def test_pictures_of_several_sizes_become_squares(pictures: Path) -> None:
    data = TorchVision("ImageFolder", str(pictures), None, size=8)
    assert data.image_shape == (3, 8, 8) and data.n_classes == 2 and [data[k].label for k in range(3)] == [0, 0, 1]
    with pytest.raises(ValueError, match=r"ImageFolder, picture\[1\] has 13x9 pixels, .*such as dataset\.size=9$"):
        TorchVision("ImageFolder", str(pictures), None)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": "CIFAR"}, r"dataset\.name=CIFAR: no class .*; did you mean 'CIFAR10'\? there are"),
        ({"name": "FakeData"}, r"dataset\.name=FakeData: no class"),
        ({"name": "LSUN"}, r"by way of pickles; use dataset=lsun$"),
        ({"name": "CocoDetection", "split": None}, r"name=CocoDetection .* required positional argument: 'annFile'$"),
        ({"name": "SVHN", "split": "validation"}, r"SVHN .*Unknown value 'validation' for argument split"),
        ({"split": "validation"}, r"dataset\.split=validation: MNIST has train and test"),
        ({"name": "Caltech256"}, r"dataset\.split=test: Caltech256 has no splits; set dataset\.split=null"),
        ({"name": "KMNIST"}, r"says: Dataset not found.*torchvision\.datasets\.KMNIST\('.*', download=True\)$"),
        ({"channels": 3}, r"has 1 channels, expected dataset\.channels=3"),
        ({"limit": 5}, r"dataset\.limit=5: choose 1\.\.4"),
    ],
)  # fmt: skip
def test_what_it_has_not_is_refused(digits: Path, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TorchVision(**{"name": "MNIST", "root": str(digits), **arguments})


def test_a_pickle_that_was_not_published_is_not_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("test_batch", "batches.meta", *(f"data_batch_{k}" for k in range(1, 6))):
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="not found or corrupted"):
        TorchVision("CIFAR10", str(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_without_the_library_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ValueError, match=r'"torchvision" is not installed; .* pip install "mapga\[torchvision\]"$'):
        TorchVision("MNIST", "anywhere")

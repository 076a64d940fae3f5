"""Datasets of Hugging Face, through a stand-in for their library: splits, columns, sizes, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.hugging_face import stand_in
from mapga.datasets import HuggingFace
from mapga.node import DATASET, Node


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stand_in(monkeypatch)
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    (place := tmp_path / "data").mkdir()
    for k in range(3):
        Image.new("RGB", (12 + k, 9), (k, 0, 0)).save(place / f"{k}.png")
    return place


def test_pictures_of_several_sizes_become_squares(folder: Path) -> None:
    data = HuggingFace(str(folder), size=8, skip=1)
    assert data.image_shape == (3, 8, 8) and data.n_classes == 3
    assert [(item.index, item.label, int(item.image[0, 0, 0])) for item in (data[0], data[1])] == [(1, 1, 1), (2, 2, 2)]
    with pytest.raises(ValueError, match=r"data, test\[1\] has 13x9 pixels, .*such as dataset\.size=9$"):
        HuggingFace(str(folder))


@pytest.mark.parametrize("marker", ["dataset_dict.json", "nothing"])
def test_a_folder_of_save_to_disk_and_one_of_files(folder: Path, marker: str) -> None:
    (folder / marker).touch()
    assert len(HuggingFace(str(folder), size=9)) == 3
    with pytest.raises(ValueError, match=r"dataset\.split=train: .*train.*; mend either"):
        HuggingFace(str(folder), split="train", size=9)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"column": "label"}, r"dataset\.column=label: no column of pictures; .* image \(Image\), label \(Value\)"),
        ({"labels": "name"}, r"dataset\.labels=name: labels are whole numbers"),
        ({"size": 10}, r"12x9 pixels, dataset\.size=10 would enlarge it"),
        ({"channels": 1}, r"has 3 channels, expected dataset\.channels=1"),
        ({"size": 0}, r"dataset\.size=0: the side"),
    ],
)  # fmt: skip
def test_what_it_has_not_is_refused(folder: Path, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        HuggingFace(str(folder), **{"size": 9, **arguments})


def test_a_hub_id_wants_a_revision_and_is_fetched_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def node(**arguments: Any) -> Node:
        target = {"_target_": "mapga.datasets.HuggingFace", "path": "owner/photos", "size": 9}
        return Node.read(DATASET, target | arguments)

    with pytest.raises(ValueError, match=r"dataset\.path=owner/photos: give dataset\.revision, best a commit"):
        node().build()
    pinned = node(revision="abc")
    (need,) = pinned.card.files(pinned.namespace)
    assert "`mapga prefetch dataset=hf dataset.path=owner/photos dataset.revision=abc`" in str(need.problem)
    monkeypatch.setenv("MAPGA_URL_OWNER_PHOTOS", str(folder))
    (need,) = pinned.card.files(pinned.namespace)
    assert need.problem is None and len(pinned.build()) == 3
    assert pinned.science["revision"] == "abc" and "path" not in pinned.science


def test_without_the_library_the_command_that_brings_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r'^the library "datasets" is not installed; .* pip install "mapga\[hf\]"$'):
        HuggingFace(str(folder))

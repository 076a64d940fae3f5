"""Every component of conf shows its arguments: one that does not keep one of them under its name fails here."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from helpers.datasets import CONF, FORMS
from mapga.config.files import conf_dir
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Node, Slot, metric
from mapga.priors import NetworkPrior, from_callable
from mapga.schedules import Karras

GIVEN: dict[str, Any] = {"schedule": Karras(3), "image_shape": (3, 16, 16), "seed": 0, "dataset_classes": None}
GIVEN |= {"images": torch.zeros(64, 1, 8, 8).double()}


def _nodes() -> Iterator[Any]:
    for group, slot in {"solver": SOLVER, "schedule": SCHEDULE, "prior": PRIOR, "task": OPERATOR}.items():
        for path in sorted((conf_dir() / group).glob("*.yaml")):
            node = yaml.safe_load(path.read_text(encoding="utf-8"))
            node = node["operator"] if group == "task" else node
            node = {key: value for key, value in node.items() if key != "defaults" and "${" not in str(value)}
            node |= {"labels": 3} if node.get("labels") == "truth" else {}  # nothing has labels here
            if path.stem not in ("trained", "diffusers"):  # of files that are not there
                yield pytest.param(slot, node, id=f"{group}={path.stem}")
    for path in sorted((conf_dir() / "metrics").glob("*.yaml")):
        for name, node in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items():
            if name != "defaults":
                yield pytest.param(metric(name), node, id=f"metrics={path.stem}-{name}")


def _check(node: Node, component: object) -> None:
    text = repr(component)
    assert text.startswith(f"{type(component).__name__}(") and text.endswith(")") and "\n" not in text
    assert " object at 0x" not in text and len(text) < 2000
    assert repr(copy.copy(component)) == text == repr(pickle.loads(pickle.dumps(component)))
    if node.target.count(".") > 2:  # of a named constructor, which makes others
        return
    for name, value in {**node.defaults, **node.arguments}.items():
        assert f"{name}=" in text, f"{type(component).__name__} shows no {name}: {text}"
        if isinstance(value, bool | int | float | str) and name not in node.card.given:
            assert f"{name}={value!r}" in text, text


@pytest.mark.parametrize(("slot", "node"), _nodes())
def test_a_component_shows_its_arguments(slot: Slot, node: dict[str, Any]) -> None:
    read = Node.read(slot, node)
    _check(read, read.build(GIVEN))


@pytest.mark.parametrize("name", CONF)
def test_a_dataset_shows_its_arguments(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = FORMS[CONF[name]["_target_"].rpartition(".")[2]][-1]
    written = form.write(tmp_path / "data", range(10), monkeypatch)
    read = Node.read(DATASET, CONF[name] | written | {"limit": 3})
    _check(read, read.build(form.parts(range(10))))


def test_tensors_networks_and_functions_are_shown_shortly() -> None:
    assert repr(NetworkPrior.shipped()).startswith(
        "NetworkPrior(denoiser=UNet, consistency=UNet, image_shape=(1, 32, 32)"
    )
    assert "functions={'denoiser': halved}" in repr(from_callable(halved, (1, 2, 2)))


def halved(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    return x / 2

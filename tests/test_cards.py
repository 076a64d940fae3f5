"""Every component has a complete card, and what it says is so: one that lacks something fails here by name."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from mapga.card import Card, DatasetCard, MetricCard, OperatorCard, PriorCard, SolverCard, StepCard
from mapga.catalogue import kinds
from mapga.config.files import conf_dir
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Slot, incomplete, metric, tracker
from mapga.slot import STEP

ROOMS: list[tuple[Slot, type[Card]]] = [
    (DATASET, DatasetCard),
    (OPERATOR, OperatorCard),
    (PRIOR, PriorCard),
    (SOLVER, SolverCard),
    (metric("x"), MetricCard),
    (SCHEDULE, Card),
    (STEP, StepCard),
    (tracker("x"), Card),
]


def _components() -> Iterator[tuple[str, Callable[..., Any], type[Card]]]:
    for slot, kind in ROOMS:
        for name, component in slot.choices().items():
            yield name, component, kind
            for key, value in vars(component).items():
                if isinstance(value, classmethod) and hasattr(value.__func__, "card"):
                    yield f"{name}.{key}", getattr(component, key), kind


COMPONENTS = {name: (make, kind) for name, make, kind in _components()}


@pytest.mark.parametrize("name", COMPONENTS)
def test_its_card_is_complete_and_of_its_kind(name):
    make, kind = COMPONENTS[name]
    assert incomplete(make) == []
    assert isinstance(make.card, kind)


@pytest.mark.parametrize("name", COMPONENTS)
def test_what_the_suite_hands_over_has_no_other_source(name):
    """An argument without a default that no config may set is never given, unless the suite gives it."""
    make, _ = COMPONENTS[name]
    known = {"schedule", "image_shape", "images", "seed", "dataset_classes"}
    by_code = {"weights", "means", "mean", "covariance", "covariances", "denoiser", "consistency"}  # tensors, networks
    by_code |= {"processes", "follow", "unet", "scheduler", "shape"}
    assert set(make.card.given) <= known | by_code


def _targets(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "_target_":
            yield value
        yield from _targets(value)


def test_every_component_is_named_by_a_file_of_conf():
    """A class without one would be tested by nothing that goes through the files; those of tensors are made by code."""
    files = [yaml.safe_load(path.read_text()) for path in conf_dir().rglob("*.yaml")]
    named = {part for file in files for target in _targets(file) for part in target.split(".")}
    assert {name for slot, _ in ROOMS for name in slot.choices()} - named == {"Diagonal"}


@pytest.mark.parametrize(("slot", "kind"), ROOMS, ids=lambda value: getattr(value, "key", ""))
def test_a_place_is_never_part_of_the_identity(slot, kind):
    for component in slot.choices().values():
        card = component.card
        node = dict.fromkeys(card.places, "anywhere") | {"else": 1} | dict.fromkeys(card.speed_only, True)
        node |= dict.fromkeys(card.pinned, "a path") | dict.fromkeys(card.pinned.values(), "1234")
        kept = card.science(node)
        assert set(kept) == {"else", *card.pinned.values()}


@pytest.mark.parametrize("name", kinds("mapga.datasets", "Dataset"))
def test_what_chooses_rows_is_what_the_datasets_share(name):
    taken = set(inspect.signature(COMPONENTS[name][0]).parameters) & {"limit", "skip", "subset_seed"}
    assert set(COMPONENTS[name][0].card.choosing) == taken


def test_cards_are_read_without_torch():
    rooms = ["datasets", "operators", "priors", "solvers", "metrics", "schedules", "tracking"]
    code = (
        "import sys; from mapga.catalogue import exported; "
        f"[exported('mapga.' + room) for room in {rooms}]; "
        "sys.exit(bool({'torch', 'diffusers', 'lpips', 'wandb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

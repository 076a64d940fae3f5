"""What holds for every dataset: places, choices, counts, fingerprints, and images that cannot be read."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from helpers.datasets import CONF, FORMS, Form
from helpers.made_pictures import as_bytes
from mapga.datasets import Dataset, UnreadableImageError
from mapga.node import DATASET, Node
from mapga.testing import datasets

SEEDS = range(10)  # as many as MNIST has classes
PARTS = [{}, {"limit": 4}, {"skip": 2}, {"skip": 1, "limit": 3}, {"limit": 3, "subset_seed": 1}]
PARTS += [{"skip": 2, "limit": 2, "subset_seed": 5}]


def _cases() -> Iterator[Any]:
    for name, node in CONF.items():
        kind = node["_target_"].rpartition(".")[2]
        for form in FORMS.get(kind, [None]):
            yield pytest.param((name, form), id=f"{name}-{form.name}" if form else name)


Read = Callable[..., Node]


@pytest.fixture(params=_cases())
def case(request: pytest.FixtureRequest) -> tuple[str, Form]:
    name, form = request.param
    if form is None:
        pytest.fail(
            f"no small data for {CONF[name]['_target_']}: add the forms that it reads to tests/helpers/datasets.py"
        )
    return name, form


@pytest.fixture
def form(case: tuple[str, Form]) -> Form:
    return case[1]


@pytest.fixture
def read(case: tuple[str, Form], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """The dataset's node, on images of these seeds at a place, with these choices of rows."""
    name, form = case
    kind = DATASET.choices()[CONF[name]["_target_"].rpartition(".")[2]]
    seeds_at: dict[str, Sequence[int | None]] = {}

    def node(place: str = "here", seeds: Sequence[int | None] = SEEDS, **choice: int) -> Node:
        written = form.write(tmp_path / place, seeds_at.setdefault(place, seeds), monkeypatch)
        rows = {key: choice.get(key, 0 if key == "skip" else None) for key in kind.card.choosing}
        read = Node.read(DATASET, CONF[name] | written | rows)
        parts = form.parts(seeds_at[place])
        own = {key: value for key, value in read.arguments.items() if key not in parts}
        return replace(read, make=partial(read.make, **parts), arguments=own) if parts else read

    return node


def items(data: Dataset) -> list[tuple[int, bytes, int | None]]:
    return [as_bytes([data[position]]) for position in range(len(data))]


def test_images_are_what_they_are_said_to_be(read: Read):
    data: Dataset = read().build()
    for check in datasets.checks(data):
        check(data)
    assert len(data) == len(set(items(data))) == len(SEEDS)


@pytest.mark.parametrize("choice", PARTS, ids=str)
def test_a_choice_keeps_the_places_of_the_whole(read: Read, choice: dict[str, int]):
    node = read(**choice)
    data, whole = node.build(), items(read().build())
    chosen = items(data)
    assert [index for index, *_ in chosen] == [data.index(position) for position in range(len(data))]
    assert chosen == [whole[index] for index, *_ in chosen]
    assert len(data) == min(choice.get("limit", len(SEEDS)), len(SEEDS) - choice.get("skip", 0))
    assert node.card.count(node.namespace) in (None, len(data))


def test_a_skip_and_a_limit_are_disjoint(read: Read):
    first, rest = items(read(limit=2).build()), items(read(skip=2).build())
    assert first + rest == items(read().build())


def test_made_twice_it_is_the_same(read: Read):
    assert items(read().build()) == items(read().build())


def test_it_travels_before_and_after_its_first_item(read: Read):
    data = read(skip=1).build()
    before = pickle.loads(pickle.dumps(data))
    wanted = items(data)
    after = pickle.loads(pickle.dumps(data))
    assert items(before) == wanted == items(after)
    assert before.fingerprint() == data.fingerprint() == after.fingerprint()


def test_the_fingerprint_is_that_of_the_chosen_images(read: Read):
    here, there = read(limit=4).build(), read("there", limit=4).build()
    assert here.fingerprint() == there.fingerprint() and items(here) == items(there)
    beyond = read("another beyond the limit", [*SEEDS[:9], 99], limit=4).build()
    assert beyond.fingerprint() == here.fingerprint()
    changed, swapped = [0, 1, 99, *SEEDS[3:]], [1, 0, *SEEDS[2:]]
    others = [read("changed", changed, limit=4).build(), read("swapped", swapped, limit=4).build()]
    others += [read(**choice).build() for choice in ({}, {"limit": 3}, {"limit": 4, "skip": 1})]
    assert len({data.fingerprint() for data in (here, *others)}) == 1 + len(others)


def test_an_image_that_cannot_be_read_fails_alone(read: Read, form: Form):
    data = read("damaged", [0, 1, None, *SEEDS[3:]]).build() if form.damageable else read().build()
    if form.damageable:
        with pytest.raises(UnreadableImageError) as error:
            data[2]
        assert "\n" not in str(error.value)
    sound = items(read().build())
    assert all(as_bytes([data[position]]) == sound[position] for position in SEEDS if position != 2)
    assert data.fingerprint() and data.index(2) == 2


def test_its_place_is_no_part_of_the_identity(read: Read):
    here, there = read(), read("there")
    assert here.science == there.science and read(limit=2).science != here.science


def test_what_priors_are_made_from_is_disjoint_from_the_items(read: Read):
    data = read().build()
    datasets.training_split(data)
    try:
        data.training()
    except ValueError as error:
        assert "no training split" in str(error)

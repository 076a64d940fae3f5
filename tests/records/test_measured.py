"""What a problem's runs share: which pixels of its measurements are unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mapga.records.measured import Measured

HALF = np.arange(4) >= np.full((3, 1), 2)


@pytest.fixture
def problem(tmp_path: Path) -> Measured:
    return Measured(tmp_path).create((2, 3, 4, 1))


def test_unknown_pixels_are_marked_once(problem: Measured, tmp_path: Path):
    assert problem.unseen() is None  # as in folders of earlier versions
    problem.mark(np.zeros((3, 4), dtype=bool))
    assert problem.unseen() is None and not (tmp_path / "unseen.npy").exists()
    problem.mark(HALF)
    problem.mark(~HALF)
    assert np.array_equal(problem.unseen(), HALF)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no array"),
        lambda path: np.save(path, np.ones((4, 4), dtype=bool)),
        lambda path: np.save(path, np.ones((3, 4))),
    ],
    ids=["damaged", "of another size", "of another kind"],
)
def test_a_mark_that_cannot_be_one_is_none(problem: Measured, tmp_path: Path, spoil):
    problem.mark(HALF)
    spoil(tmp_path / "unseen.npy")
    assert problem.unseen() is None

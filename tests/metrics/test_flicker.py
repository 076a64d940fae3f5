"""Flicker, by hand; and which images are a sequence."""

from __future__ import annotations

import numpy as np
import pytest

from mapga.metrics import Flicker
from mapga.metrics.sequence import sequences


def _truth() -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (4, 6, 5, 1), dtype=np.uint8)


def test_it_is_of_the_error_and_not_of_the_content():
    metric, truth = Flicker(frames=4), _truth()
    assert metric.number(truth + 30, truth) == 0, "an error that stays does not flicker"
    swings = np.array([10, -10, 10, -10]).reshape(4, 1, 1, 1)
    assert metric.number((truth + swings).astype(np.uint8), truth) == pytest.approx(20 / 127.5)


def test_independent_errors_flicker_by_the_root_of_two_times_their_rms():
    truth, errors = np.full((50, 16, 16, 1), 128, np.uint8), np.random.default_rng(1).integers(-20, 21, (50, 16, 16, 1))
    rms = np.sqrt(np.square(errors / 127.5).mean())
    assert Flicker(frames=50).number((truth + errors).astype(np.uint8), truth) == pytest.approx(
        np.sqrt(2) * rms, rel=0.02
    )


@pytest.mark.parametrize("frames", [1, 0])
def test_a_sequence_with_one_frame_is_refused(frames):
    with pytest.raises(ValueError, match=f"frames={frames}: a sequence has two at least"):
        Flicker(frames=frames)


def test_sequences_are_those_that_have_all_frames_in_order():
    assert sequences([0, 1, 2, 3, 4, 5], 3) == [[0, 1, 2], [3, 4, 5]]
    assert sequences([5, 3, 4, 0, 2], 3) == [[1, 2, 0]], "places of 3, 4, 5; of the first sequence 1 is missing"
    assert sequences([1, 2, 3, 7], 3) == []

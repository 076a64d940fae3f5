"""Noise is a function of (seed, stream, image index, step), and of nothing else."""

from __future__ import annotations

import itertools
import os
import signal
import threading

import numpy as np
import pytest
import torch

from mapga.rng import NoiseSource, generator, standard_normal

SHAPE = (2, 5, 3)


def test_pinned_values():
    """A change of these would change every result that was ever recorded."""
    values = standard_normal(0, "measurement", [0], (3,))[0]
    assert values.dtype == torch.float32
    again = generator(0, "measurement", 0).standard_normal(3, dtype=np.float32)
    assert values.tolist() == again.tolist()
    assert values.tolist() == pytest.approx([0.92770964, -2.03673363, -1.57398891], abs=2e-8)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batch_size_does_not_matter(batch: int):
    whole = standard_normal(7, "measurement", range(8), SHAPE)
    parts = [standard_normal(7, "measurement", range(k, min(k + batch, 8)), SHAPE) for k in range(0, 8, batch)]
    assert torch.equal(torch.cat(parts), whole)


def test_shards_and_order_do_not_matter():
    whole = standard_normal(7, "start", range(8), SHAPE)
    for indices in ([0, 2, 4, 6], [1, 3, 5, 7], [7, 6, 5, 4, 3, 2, 1, 0], [3, 3]):
        assert torch.equal(standard_normal(7, "start", indices, SHAPE), whole[indices])


def test_the_kind_of_the_index_does_not_matter():
    plain = standard_normal(7, "start", [5], SHAPE)
    assert torch.equal(plain, standard_normal(7, "start", list(np.array([5])), SHAPE))


def test_every_coordinate_of_the_key_matters():
    keys = itertools.product((0, 1), ("measurement", "start", "step"), (0, 1, 10), (0, 1, 10))
    draws = [standard_normal(seed, stream, [index], (4,), step)[0] for seed, stream, index, step in keys]
    distinct = {tuple(draw.tolist()) for draw in draws}
    assert len(distinct) == 2 * 3 * 3 * 3


def test_digits_of_neighbouring_keys_do_not_run_together():
    assert not torch.equal(standard_normal(1, "s", [12], (4,), 3), standard_normal(1, "s", [1], (4,), 23))
    assert not torch.equal(standard_normal(11, "s", [1], (4,)), standard_normal(1, "s", [11], (4,)))


def test_streams_are_standard_normal_and_independent():
    n = 40_000
    start, step = (standard_normal(0, stream, [0], (n,))[0].double() for stream in ("start", "step"))
    for draw in (start, step):
        assert abs(float(draw.mean())) < 4 / n**0.5
        assert abs(float(draw.var()) - 1) < 4 * (2 / n) ** 0.5
    assert abs(float((start * step).mean())) < 4 / n**0.5


def test_neighbouring_images_are_independent():
    n = 40_000
    a, b = standard_normal(0, "step", [0, 1], (n,)).double()
    assert abs(float((a * b).mean())) < 4 / n**0.5


def test_a_longer_draw_starts_like_a_shorter_one():
    long, short = standard_normal(0, "step", [3], (40,)), standard_normal(0, "step", [3], (10,))
    assert torch.equal(long[:, :10], short)


# The source that solvers see


def test_drawing_ahead_equals_drawing_directly():
    noise = NoiseSource(3, [4, 9], SHAPE, dtype=torch.float64)
    assert torch.equal(noise.start(1.0), standard_normal(3, "start", [4, 9], SHAPE).double())
    for step in range(6):
        noise.ahead()
        assert torch.equal(noise.step(step), standard_normal(3, "step", [4, 9], SHAPE, step).double())


@pytest.mark.parametrize(("cores", "ahead"), [(torch.get_num_threads(), False), (64, True)])
def test_noise_is_drawn_ahead_where_a_core_is_free(cores: int, ahead: bool, monkeypatch):
    by: dict[int, str] = {}

    def draw(seed, stream, indices, shape, step, samples):
        by[step] = threading.current_thread().name
        return standard_normal(seed, stream, indices, shape, step, samples)

    monkeypatch.setattr("mapga.rng.cores", lambda: cores)
    monkeypatch.setattr("mapga.rng.standard_normal", draw)
    noise = NoiseSource(3, [4], SHAPE)
    noise.start(1.0)  # from which on the first step's is drawn
    for step in (0, 1, 2):
        noise.step(step)
        noise.ahead()
    assert [by[step].startswith("mapga-noise") for step in (0, 1, 2)] == [ahead] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a forked child is what it is about")
def test_a_forked_child_draws_ahead_by_a_thread_of_its_own(monkeypatch):
    monkeypatch.setattr("mapga.rng.cores", lambda: 64)

    def drawn() -> torch.Tensor:
        noise = NoiseSource(3, [4], SHAPE)
        noise.ahead()
        return noise.step(0)

    wanted = drawn()  # from here on the thread lives
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # not that of the parent's tests
        signal.alarm(20)  # to wait for the parent's thread, which is not here, would be for ever
        try:
            os._exit(0 if torch.equal(drawn(), wanted) else 1)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_asking_in_any_order_and_twice_gives_the_same():
    noise = NoiseSource(3, [4, 9], SHAPE)
    for step in (5, 0, 1, 1, 5, 2, 0):
        noise.ahead()
        assert torch.equal(noise.step(step), standard_normal(3, "step", [4, 9], SHAPE, step))
    assert torch.equal(noise.start(80.0), noise.start(80.0))


def test_the_source_hands_out_its_dtype_and_its_own_memory():
    noise = NoiseSource(3, [4], SHAPE, dtype=torch.float64)
    first = noise.step(0)
    assert first.dtype == torch.float64 and first.shape == (1, *SHAPE)
    first.zero_()
    assert torch.equal(noise.step(0), standard_normal(3, "step", [4], SHAPE).double())


def test_double_precision_sees_the_same_noise_as_single():
    single, double = NoiseSource(3, [4], SHAPE), NoiseSource(3, [4], SHAPE, dtype=torch.float64)
    assert torch.equal(single.step(2).double(), double.step(2))


def test_start_and_step_noise_differ():
    noise = NoiseSource(3, [4], SHAPE)
    assert not torch.equal(noise.start(1.0), noise.step(0))


def test_a_row_is_what_its_own_generator_draws():
    rows = standard_normal(3, "step", [5, 0, 7], (2, 3), step=4)
    for row, index in zip(rows, [5, 0, 7], strict=True):
        drawn = generator(3, "step", index, 4).standard_normal((2, 3), dtype=np.float32)
        assert np.array_equal(row.numpy(), drawn)

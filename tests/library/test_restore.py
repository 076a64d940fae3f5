"""Restoring tensors: dtypes, single images, batches, other people's priors, and what is refused by name."""

from __future__ import annotations

import warnings

import pytest
import torch

import mapga
from mapga.operators import CentralBox
from mapga.priors import Prior
from mapga.problem import Problem, measure

SHAPE = (1, 8, 8)
TASK = mapga.load_task("box50", sigma_y=0.1)
SOLVER = mapga.load_solver("map_ga_np", steps=3)


def images(n: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return (torch.rand(n, *SHAPE, generator=torch.manual_seed(1), dtype=torch.float64) * 2 - 1).to(dtype)


PRIOR = mapga.load_prior("gaussian", images=images(80))


class Ours(Prior):
    """A network of anyone's: D(x, sigma) = x / (1 + sigma^2) plus what the test spoils it with."""

    image_shape = SHAPE
    has_consistency = False

    def __init__(self, spoil=lambda answer: answer) -> None:
        self.spoil = spoil

    def denoise(self, x, sigma):
        return self.spoil(x / (1 + sigma**2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_that_of_the_images(dtype: torch.dtype):
    problem = TASK.measure(images(3, dtype))
    restored = SOLVER.restore(problem, PRIOR)
    assert problem.y.dtype == restored.dtype == dtype and restored.shape == (3, *SHAPE)
    assert not restored.requires_grad


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_the_device_is_that_of_the_images(device: str):
    problem = TASK.measure(images(3).to(device))
    restored = SOLVER.restore(problem, PRIOR)
    assert problem.y.device.type == restored.device.type == device
    torch.testing.assert_close(restored.cpu(), SOLVER.restore(TASK.measure(images(3)), PRIOR), atol=1e-9, rtol=0)


def test_a_network_in_single_precision_serves_images_in_double():
    class Network(Ours):
        def __init__(self) -> None:
            self.network = torch.nn.Conv2d(1, 1, 1)
            self.tensors_of = 0

        def denoise(self, x, sigma):
            return self.network(x) * 0.1

    prior = Network()
    assert mapga.load_solver("pgdm", steps=2).restore(TASK.measure(images(2)), prior).dtype == torch.float64
    assert prior.network.weight.dtype == torch.float32  # a copy was moved, not hers


def test_a_single_image_is_a_batch_of_one():
    x = images(1)
    alone = SOLVER.restore(TASK.measure(x[0]), PRIOR)
    assert torch.equal(alone, SOLVER.restore(TASK.measure(x), PRIOR)) and alone.shape == (1, *SHAPE)
    psnr = mapga.load_metrics("basic", ssim={"sigma": 0.5})(alone, x[0])["psnr"]
    assert psnr.shape == (1,)


def test_batches_and_rows_have_the_noise_of_their_images():
    problem = TASK.measure(images(5))
    whole = SOLVER.restore(problem, PRIOR)
    torch.testing.assert_close(SOLVER.restore(problem, PRIOR, batch_size=2), whole, atol=1e-10, rtol=0)
    torch.testing.assert_close(SOLVER.restore(problem[3:5], PRIOR), whole[3:5], atol=1e-10, rtol=0)
    assert not torch.allclose(SOLVER.restore(problem, PRIOR, seed=1), whole)


def test_a_trajectory_is_the_states_one_by_one():
    problem = TASK.measure(images(2))
    states = SOLVER.trajectory(problem, PRIOR, seed=3)
    first = next(states)
    assert first.step == 1 and torch.is_grad_enabled()
    *_, last = states
    assert last.step == SOLVER.n_steps and torch.equal(last.x, SOLVER.restore(problem, PRIOR, seed=3))


def test_a_start_is_noised_to_the_first_level():
    x = images(2)
    low = mapga.load_solver("pgdm", steps=1, schedule="geometric", sigma_max=1e-3, sigma_min=1e-4)
    near = low.restore(TASK.measure(x), Ours(), start=x)
    assert float((near - low.restore(TASK.measure(x), Ours())).abs().max()) > 0.1


def test_someones_prior_needs_a_denoiser_and_nothing_else():
    problem = TASK.measure(images(2))
    assert mapga.load_solver("pgdm", steps=3).restore(problem, Ours()).isfinite().all()
    with pytest.raises(ValueError, match="it needs a consistency model, and this prior has none"):
        SOLVER.restore(problem, Ours())
    with pytest.raises(ValueError, match="Ours has no consistency"):
        Ours().consistency(images(1), 1.0)


SPOILT = {
    "denoise of prior Ours answers with the shape": lambda answer: answer[:, :, :4],
    "denoise of prior Ours answers with NaN or infinity": lambda answer: answer * float("nan"),
    "denoise of prior Ours answers with list": lambda answer: [answer],
}


@pytest.mark.parametrize("message", SPOILT)
def test_a_denoiser_that_answers_with_something_else_is_named(message: str):
    with pytest.raises(ValueError, match=message) as caught:
        mapga.load_solver("ddrm", steps=2).restore(TASK.measure(images(2)), Ours(SPOILT[message]))
    assert "\n" not in str(caught.value)


def test_images_that_diverge_later_are_warned_of_and_the_others_are_as_they_were():
    problem = TASK.measure(images(3))
    y = problem.y.clone()
    y[1, 0, 0, 0] = float("nan")
    with pytest.warns(RuntimeWarning, match=r"images \[1\] of 3 diverged"):
        spoilt = SOLVER.restore(Problem(y, problem.operator, problem.sigma_y), PRIOR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sound = SOLVER.restore(problem, PRIOR)
    assert torch.equal(spoilt[[0, 2]], sound[[0, 2]])
    numbers = mapga.load_metrics("basic", ssim={"sigma": 0.5})(spoilt, images(3), problem=problem)
    assert all(
        values.shape == (3,) and list(map(bool, values != values)) == [False, True, False]
        for values in numbers.values()
    )


MISFITS = {
    r"prior mixture is for \(3, 4, 4\), got \(1, 8, 8\)": lambda: SOLVER.restore(
        TASK.measure(images(1)), mapga.load_prior("mixture", images=torch.zeros(2, 3, 4, 4))
    ),
    r"images: values in \[0, 255\]": lambda: TASK.measure(torch.arange(64.0).reshape(1, *SHAPE) * 255 / 63),
    "images: torch.uint8 is no float": lambda: TASK.measure(torch.zeros(1, *SHAPE, dtype=torch.uint8)),
    r"images: \(N, C, H, W\) is wanted.*got \(8, 8\)": lambda: TASK.measure(torch.zeros(8, 8)),
    r"images: \(N, C, H, W\) is wanted.*got \(0, 1, 8, 8\)": lambda: TASK.measure(torch.zeros(0, *SHAPE)),
    "images: values in .*nan": lambda: TASK.measure(torch.full((1, *SHAPE), float("nan"))),
    "truth: values in": lambda: mapga.load_metrics("basic")(images(1), 9 * images(1)),
    "differ in shape": lambda: mapga.load_metrics("basic")(images(2), images(1)),
    "needs labels": lambda: mapga.load_metrics("digits")(torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)),
    "window does not fit 8x8": lambda: mapga.load_metrics("basic")(images(1), images(1)),
    "object is no mapga.priors.Prior": lambda: SOLVER.restore(TASK.measure(images(1)), object()),
    "PGDM cannot serve this problem: .* sigma_max": lambda: mapga.load_solver("pgdm", sigma_max=200).restore(
        TASK.measure(torch.zeros(1, 1, 32, 32)), mapga.load_prior("mnist")
    ),
    "start: DDRM starts from the measurement": lambda: mapga.load_solver("ddrm").restore(
        TASK.measure(images(1)), PRIOR, start=images(1)
    ),
    "start: images": lambda: SOLVER.restore(TASK.measure(images(2)), PRIOR, start=images(3)),
    "labels: 2 images need as many, got 3": lambda: SOLVER.restore(
        TASK.measure(images(2)), PRIOR, labels=torch.zeros(3, dtype=torch.int64)
    ),
    "as many indices": lambda: TASK.measure(images(2), indices=[3]),
    "batch_size=0": lambda: SOLVER.restore(TASK.measure(images(1)), PRIOR, batch_size=0),
}


@pytest.mark.parametrize("message", MISFITS)
def test_what_does_not_fit_is_refused_by_name(message: str):
    with pytest.raises(ValueError, match=message) as caught:
        MISFITS[message]()
    assert "\n" not in str(caught.value)


def test_a_problem_of_ones_own_is_measured_by_ones_own_operator():
    operator = CentralBox(SHAPE, 0.25)
    x = images(2)
    problem = measure(x, operator, 0.1, seed=4, indices=[7, 9])
    assert list(problem.numbers) == [7, 9] and list(problem[1:].numbers) == [9]
    bare = Problem(problem.y, operator, 0.1)
    assert list(bare.numbers) == [0, 1]
    assert not torch.allclose(SOLVER.restore(bare, PRIOR), SOLVER.restore(problem, PRIOR))

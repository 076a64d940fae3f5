"""Anyone's denoiser as a prior: exact where there is a closed form, and refused by name where it is no denoiser."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from azula.denoise import KarrasDenoiser
from azula.noise import CosineSchedule, VESchedule, VPSchedule
from torch import Tensor, nn

from mapga.errors import ConfigError
from mapga.priors import from_azula, from_callable, from_deepinv
from mapga.testing.exact import gaussian

SHAPE = (1, 4, 4)


def noisy(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(3, *SHAPE, dtype=dtype, generator=torch.manual_seed(1))


def standard(x: Tensor, sigma: Tensor) -> Tensor:
    """D of N(0, I)."""
    return x / (1 + sigma**2)


def test_a_function_is_the_prior_that_it_computes() -> None:
    exact, *_ = gaussian(SHAPE)
    prior = from_callable(lambda x, sigma: exact.denoise(x, sigma.flatten()), SHAPE, consistency=exact.consistency)
    x, levels = noisy(), torch.tensor([0.1, 1.0, 9.0], dtype=torch.float64)
    for sigma in (0.5, levels):
        assert torch.equal(prior.denoise(x, sigma), exact.denoise(x, sigma))
        wanted = (exact.denoise(x, sigma) - x) / torch.as_tensor(sigma).square().reshape(-1, 1, 1, 1)
        assert torch.equal(prior.score(x, sigma), wanted)
    assert torch.equal(prior.consistency(x, 2.0), exact.consistency(x, 2.0))
    x.requires_grad_()
    (grad,) = torch.autograd.grad(from_callable(standard, SHAPE).denoise(x, 2.0).sum(), x)
    assert torch.allclose(grad, torch.full_like(grad, 1 / 5))


def test_a_module_moves_with_the_prior_and_its_owner_keeps_it() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            return nn.functional.conv2d(x, self.factor.reshape(1, 1, 1, 1)) / (1 + sigma**2)

    module = Scaled()
    prior = from_callable(module, SHAPE)
    moved = prior.to("cpu", torch.float64)
    assert torch.equal(moved.denoise(noisy(), 2.0), standard(noisy(), torch.tensor(2.0)))
    assert module.factor.dtype == torch.float32 and prior.denoise(noisy(torch.float32), 2.0).dtype == torch.float32
    with pytest.raises(ConfigError, match=r"the denoiser of prior Scaled cannot take images .* in torch.float64"):
        from_callable(module, SHAPE).denoise(noisy(), 2.0)


WRONG: dict[str, tuple[Any, str]] = {
    "shape": (lambda x, sigma: x[..., :2], r"answers with the shape \(3, 1, 4, 2\) to x of \(3, 1, 4, 4\)"),
    "channels": (nn.Conv2d(3, 3, 1).double(), r"cannot take images of \(1, 4, 4\) .*TypeError"),
    "size": (lambda x, sigma: x + torch.zeros(1, 1, 5, 5), r"cannot take images .*RuntimeError: The size of tensor"),
    "nan": (lambda x, sigma: x * float("nan"), "answers with NaN or infinity to finite images"),
    "array": (lambda x, sigma: x.numpy(), "answers with ndarray; a tensor like x is wanted"),
    "levels": (lambda x, sigma: x > 0, r"answers in torch\.bool"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_denoiser_is_refused_by_name(name: str) -> None:
    f, told = WRONG[name]
    with pytest.raises(ValueError, match=rf"^the denoiser of prior wrong {told}") as error:
        from_callable(f, SHAPE, name="wrong").denoise(noisy(), 1.0)
    assert "\n" not in str(error.value)


def test_what_has_no_gradient_is_refused_where_one_is_wanted() -> None:
    prior = from_callable(torch.no_grad()(standard), SHAPE)
    prior.to("cpu", torch.float64).denoise(noisy(), 1.0)
    with pytest.raises(ConfigError, match="the denoiser of prior standard has no gradient with respect to x"):
        prior.denoise(noisy().requires_grad_(), 1.0)


def test_a_nan_in_one_image_is_that_images_own() -> None:
    answer = from_callable(lambda x, sigma: torch.where(x[:, :1, :1, :1] > 5, torch.nan, x), SHAPE)
    x = noisy()
    x[1, 0, 0, 0] = 9
    assert answer.denoise(x, 1.0).flatten(1).isnan().any(1).tolist() == [False, True, False]


def test_a_shape_is_three_numbers_and_images_have_it() -> None:
    with pytest.raises(ConfigError, match=r"^shape=\(28, 28\): give \(channels, height, width\)"):
        from_callable(standard, (28, 28))  # type: ignore[arg-type]
    prior = from_callable(standard, SHAPE)
    with pytest.raises(ConfigError, match=r"^prior standard is for \(1, 4, 4\), got \(3, 4, 4\); "):
        prior.denoise(torch.zeros(2, 3, 4, 4), 1.0)
    with pytest.raises(ConfigError, match="no consistency function"):
        prior.consistency(noisy(), 1.0)
    assert not prior.has_consistency and pickle.loads(pickle.dumps(prior)).denoise(noisy(), 1.0) is not None


@pytest.mark.parametrize("schedule", [VPSchedule(), VESchedule(), CosineSchedule()], ids=lambda one: type(one).__name__)
def test_a_denoiser_of_azula_is_asked_at_its_own_time(schedule: Any) -> None:
    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.linspace(0.5, 1.5, 16).reshape(SHAPE))

        def forward(self, x: Tensor, time: Tensor) -> Tensor:
            return torch.tanh(self.weight * x + time.reshape(-1, 1, 1, 1))

    denoiser = KarrasDenoiser(Backbone().double(), schedule)
    prior = from_azula(denoiser, SHAPE)
    times = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    alpha, sigma = schedule(times)
    x = noisy()
    wanted = denoiser(alpha.reshape(-1, 1, 1, 1) * x, times).mean
    assert torch.allclose(prior.denoise(x, sigma / alpha), wanted, rtol=1e-9, atol=1e-9)
    assert torch.autograd.gradcheck(lambda x: prior.denoise(x, 0.7), (noisy()[:1].requires_grad_(),))
    assert prior.name == "KarrasDenoiser"
    assert prior.to("cpu", torch.float32).denoise(x.float(), 0.7).dtype == torch.float32
    assert prior.sigma_max == pytest.approx(float(schedule(torch.ones(()))[1] / schedule(torch.ones(()))[0]), rel=1e-5)


def test_a_denoiser_of_deepinv_sees_images_in_zero_to_one() -> None:
    """E[u | u + s n] for u ~ N(1/2, I / 4), which is x ~ N(0, I) on that scale; levels come as (B,)."""

    def denoiser(u: Tensor, s: Tensor) -> Tensor:
        assert s.shape == (len(u),)
        return 0.5 + (u - 0.5) / (1 + 4 * s.reshape(-1, 1, 1, 1) ** 2)

    levels = torch.tensor([0.1, 1.0, 3.0], dtype=torch.float64)
    got = from_deepinv(denoiser, SHAPE).denoise(noisy(), levels)
    assert torch.allclose(got, standard(noisy(), levels.reshape(-1, 1, 1, 1)))


def test_what_is_of_neither_library_is_refused() -> None:
    with pytest.raises(ConfigError, match="SimpleNamespace is no Denoiser of azula"):
        from_azula(SimpleNamespace(), SHAPE)
    with pytest.raises(ConfigError, match="SimpleNamespace is no denoiser"):
        from_deepinv(SimpleNamespace(), SHAPE)

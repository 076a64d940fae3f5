"""What holds of whatever a prior is asked: wrong images are refused by its name, an answer has the dtype of x."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch

from mapga.priors import NetworkPrior, NoPrior, Prior
from mapga.testing.exact import gaussian, mixture

PRIORS: dict[str, Callable[[], Prior]] = {
    "gaussian": lambda: gaussian((1, 32, 32))[0],
    "mixture": lambda: mixture((1, 32, 32)),
    "mnist": NetworkPrior.shipped,
    "none": lambda: NoPrior((1, 32, 32)),
}


@pytest.fixture(scope="module", params=PRIORS)
def prior(request: pytest.FixtureRequest) -> Prior:
    return PRIORS[request.param]()


@pytest.mark.parametrize("answer", ["denoise", "consistency", "score"])
def test_other_images_are_refused_by_name(prior: Prior, answer: str) -> None:
    name = prior.name or type(prior).__name__
    for shape in ((1, 28, 28), (3, 32, 32), (32, 32)):
        told = re.escape(f"prior {name} is for (1, 32, 32), got {shape}; ")
        with pytest.raises(ValueError, match=f"^{told}"):
            getattr(prior, answer)(torch.zeros(2, *shape), 1.0)
    with pytest.raises(ValueError, match=f"^prior {name} is for floating-point images"):
        getattr(prior, answer)(torch.zeros(2, 1, 32, 32, dtype=torch.uint8), 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_answer_has_the_dtype_handed_in(prior: Prior, dtype: torch.dtype) -> None:
    if not prior.has_denoiser:
        return
    x = torch.randn(2, 1, 32, 32, dtype=dtype, generator=torch.manual_seed(0))
    for answer in (prior.denoise, prior.consistency, prior.score):
        assert answer(x, 0.8).dtype == dtype


def test_networks_compute_in_the_dtype_handed_in() -> None:
    """A float64 answer of float32 networks would be off by their rounding, 1e-7 and more."""
    prior = NetworkPrior.shipped()
    x = torch.randn(2, 1, 32, 32, dtype=torch.float64, generator=torch.manual_seed(0))
    for asked in ("denoise", "consistency"):
        exact = getattr(prior.to("cpu", torch.float64), asked)(x, 0.8)
        assert torch.equal(getattr(prior, asked)(x, 0.8), exact)
        rounded = getattr(prior, asked)(x.float(), 0.8)
        assert 1e-8 < float((rounded - exact).abs().max()) < 1e-4, "float32 images are as quick as before"

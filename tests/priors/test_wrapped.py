"""A wrapper passes on all that is known of the prior inside, whatever a prior comes to have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from mapga.catalogue import kinds
from mapga.priors.base import Prior
from mapga.priors.wrapped import WrappedPrior
from mapga.run.meter import MeteredPrior

ATTRIBUTES = set(Prior.__annotations__)
ANSWERS = {"denoise", "consistency", "score"}  # a wrapper's own
OWN = {"check"}  # of the attributes alone
METHODS = {"labels_for", "sample", "conditioned", "loaded", "to", "quick"}


class Inner(Prior):
    """Like no default; ``said`` is what it was last asked for."""

    name, image_shape, n_classes, least_std = "inner", (1, 2, 3), 7, 0.25
    sigma_min, sigma_max = 0.5, 9.0
    has_denoiser, has_consistency = False, False

    def __init__(self, *said: object) -> None:
        self.said = said
        self.sigma_max = 9.0 + len(said)

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x

    def labels_for(self, indices: Sequence[int], labels: Tensor | None) -> Tensor:
        return torch.tensor([*indices, 99])

    def sample(self, indices: Sequence[int], *, seed: int) -> Tensor:
        return torch.tensor([*indices, seed])

    def conditioned(self, labels: Tensor | None) -> Self:
        return type(self)("conditioned", labels)

    def loaded(self) -> Self:
        return type(self)("loaded")

    def quick(self, *, half: bool) -> Self:
        return type(self)("quick", half) if half else self

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return type(self)("to", device, dtype)


class Doubled(WrappedPrior):
    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return 2 * self.prior.denoise(x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return 2 * self.prior.consistency(x, sigma)


def test_everything_public_of_a_prior_is_looked_at_here() -> None:
    assert {
        name for name in vars(Prior) if not name.startswith("_")
    } | ATTRIBUTES == ATTRIBUTES | ANSWERS | OWN | METHODS


def test_attributes_are_those_of_the_prior_inside() -> None:
    inner = Inner()
    wrapped = Doubled(inner)
    for name in ATTRIBUTES:
        assert getattr(wrapped, name) == getattr(inner, name) != getattr(Prior, name, None), name


def test_methods_reach_the_prior_inside_and_keep_the_wrapper() -> None:
    wrapped = Doubled(Inner())
    assert wrapped.labels_for([3, 5], None).tolist() == [3, 5, 99]
    assert wrapped.sample([3, 5], seed=7).tolist() == [3, 5, 7]
    asked = {"conditioned": (None,), "loaded": (), "to": ("meta", torch.float64)}
    assert {"labels_for", "sample", "quick", *asked} == METHODS
    assert wrapped.quick(half=True).prior.said == ("quick", True) and wrapped.quick(half=False) is wrapped
    for name, arguments in asked.items():
        other = getattr(wrapped, name)(*arguments)
        assert type(other) is Doubled and other.prior.said == (name, *arguments)
        assert other.sigma_max == other.prior.sigma_max != wrapped.sigma_max, "attributes follow"
        assert wrapped.prior.said == ()


def test_score_is_that_of_the_wrapper() -> None:
    x = torch.ones(1, 1, 2, 3)
    assert torch.equal(Doubled(Inner()).score(x, 0.5), x / 0.25)


def test_a_wrapper_is_no_component_and_the_meter_is_one_of_them() -> None:
    assert "WrappedPrior" not in kinds("mapga.priors", "Prior")
    assert issubclass(MeteredPrior, WrappedPrior)

"""Numbers of stored images by their exact posterior: those of the mean, the mode and exact samples are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from mapga.metrics import (
    BestComponent,
    GapToMMSE,
    GapToMode,
    GapToSamples,
    MassReached,
    ModeCertified,
    PosteriorEntropy,
    Scored,
)
from mapga.operators import BlockMean
from mapga.pixels import from_uint8, to_uint8
from mapga.posteriors.exact import Exact, condition, exact_posterior, given
from mapga.priors import MixturePrior, PatchesPrior, Prior
from mapga.problem import Problem, measure
from mapga.testing.exact import mixture, patches

N = 30
PALE = 0.25  # so that 8 bits hold what is drawn


def pale_mixture() -> Prior:
    vivid = mixture((1, 4, 4))
    return MixturePrior(PALE * vivid.means.reshape(-1, 1, 4, 4), 0.1, vivid.log_weights.exp())


def pale_patches() -> Prior:
    vivid = patches((1, 4, 4), side=2).mixture
    means = PALE * vivid.means.reshape(-1, 1, 2, 2)
    return PatchesPrior(vivid.log_weights.exp(), means, PALE**2 * vivid.covariances, (1, 4, 4))


PRIORS = {"mixture": pale_mixture(), "patches": pale_patches()}
INDICES = range(100, 100 + N)


@cache
def setting(name: str) -> tuple[Problem, Exact, list[Exact]]:
    """Problems of N truths, their posterior, and the same of each image alone."""
    prior = PRIORS[name]
    problem = measure(prior.sample(INDICES, seed=0), BlockMean((1, 4, 4), 2), 0.1, seed=0, indices=INDICES)
    known = condition(prior, problem.operator, problem.sigma_y, problem.y)
    return problem, exact_posterior(problem, prior), [given(known, y[None], (1, 4, 4)) for y in problem.y]


def scored(name: str, x: Tensor) -> Scored:
    problem, _, posteriors = setting(name)
    return Scored(to_uint8(x), to_uint8(x), None, problem, posteriors)


@pytest.mark.parametrize("name", PRIORS)
def test_the_mean_the_mode_and_samples_have_the_numbers_that_they_must(name: str) -> None:
    _, posterior, _ = setting(name)
    answers = {"mean": posterior.mean(), "mode": posterior.mode.image}
    answers["sample"] = posterior.sample(1, seed=5, indices=INDICES)[:, 0]
    error = {kind: GapToMMSE()(scored(name, x)) for kind, x in answers.items()}
    assert error["mean"].max() < 0.05 < error["mode"].mean()
    assert 1.5 < (10 ** (error["sample"] / 10)).mean() < 2.5
    below = {kind: GapToMode()(scored(name, x)) for kind, x in answers.items()}
    assert np.abs(below["mode"]).max() < 0.2 < below["mean"].mean() < below["sample"].mean()
    usual = {kind: GapToSamples()(scored(name, x)) for kind, x in answers.items()}
    assert abs(usual["sample"].mean()) < 1.5 and usual["mode"].mean() < -3
    likely = {kind: MassReached()(scored(name, x)) for kind, x in answers.items()}
    best = {kind: BestComponent()(scored(name, x)) for kind, x in answers.items()}
    assert likely["sample"].mean() < likely["mode"].mean() and best["sample"].mean() < best["mode"].mean() <= 1
    np.testing.assert_allclose(PosteriorEntropy()(scored(name, answers["mean"])), posterior.entropy())
    assert PosteriorEntropy()(scored(name, answers["mean"])).mean() > 0.2
    assert (ModeCertified()(scored(name, answers["mean"])) == posterior.mode.certified.numpy()).all()


def test_of_patches_what_is_asked_of_components_is_the_mean_over_patches() -> None:
    _, posterior, _ = setting("patches")
    x = from_uint8(to_uint8(posterior.sample(1, seed=5, indices=INDICES)[:, 0]))
    reached = posterior.responsibilities(x).argmax(1)
    weights = posterior.weights.gather(1, reached[:, None])[:, 0]
    assert weights.shape == (N, 4)
    np.testing.assert_allclose(MassReached()(scored("patches", x)), weights.mean(1))
    right = (reached == posterior.weights.argmax(1)).double().mean(1)
    np.testing.assert_allclose(BestComponent()(scored("patches", x)), right)


def test_rounding_to_8_bits_costs_what_the_page_says() -> None:
    """At the mode alone it is no matter of chance: nowhere else is the slope zero."""
    _, posterior, _ = setting("mixture")
    inverse = 16 / 0.1**2 + 4 * 0.25 / 0.1**2  # trace of I / s^2 + A^T A / sigma_y^2
    cost = GapToMode()(scored("mixture", posterior.mode.image))
    assert cost.mean() == pytest.approx((2 / 255) ** 2 / 24 * inverse, rel=0.2)


def test_exact_samples_are_functions_of_the_index() -> None:
    problem, posterior, posteriors = setting("mixture")
    x = to_uint8(posterior.mean())
    some = Problem(problem.y[5:7], problem.operator, problem.sigma_y, INDICES[5:7])
    whole = GapToSamples(4)(Scored(x, x, None, problem, posteriors))
    assert (GapToSamples(4)(Scored(x[5:7], x[5:7], None, some, posteriors[5:7])) == whole[5:7]).all()


def test_without_a_posterior_it_says_so() -> None:
    x = to_uint8(torch.zeros(2, 1, 4, 4))
    with pytest.raises(ValueError, match="exact prior"):
        GapToMMSE()(Scored(x, x))
    with pytest.raises(ValueError, match="draws=0"):
        GapToSamples(0)

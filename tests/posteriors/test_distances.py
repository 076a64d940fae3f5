"""Distances to the exact posterior: exact samples pass all of them, samples that are too narrow or shifted fail."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Tensor

from mapga.operators import BlockMean
from mapga.posteriors import PatchesPosterior, Posterior, exact_posterior
from mapga.posteriors.estimates import best_component, density_level, gap_to_mmse, gap_to_mode, mass_reached
from mapga.posteriors.ranks import chi_square, coverage, density_ranks, distance_ranks, projection_ranks
from mapga.posteriors.spread import energy_distance, mode_weights_distance, sliced_wasserstein, variance_ratio
from mapga.priors import PatchesPrior
from mapga.problem import measure
from mapga.testing.exact import mixture, patches

SHAPE, N, K = (1, 4, 4), 240, 19


@cache
def setting() -> tuple[Posterior, Tensor, Tensor, Tensor]:
    """Posteriors of N truths of the prior, the truths, K exact samples of each, and K others."""
    prior, generator = mixture(SHAPE, std=0.3), torch.manual_seed(3)
    components = torch.multinomial(prior.log_weights.exp(), N, True, generator=generator)
    noise = torch.randn(N, 16, dtype=torch.float64, generator=generator)
    truth = (prior.means[components] + prior.std * noise).reshape(N, *SHAPE)
    problem = measure(truth, BlockMean(SHAPE, 4), 0.3, seed=0, indices=range(N))
    posterior = exact_posterior(problem, prior)
    both = posterior.sample(2 * K, seed=1, indices=range(N))
    return posterior, truth, both[:, :K], both[:, K:]


def narrow(samples: Tensor) -> Tensor:
    mean = setting()[0].mean()[:, None]
    return (samples + mean) / 2


def cold(samples: Tensor) -> Tensor:
    """Each sample at half its distance from the mean of its component."""
    posterior, *_ = setting()
    halves = []
    for one in samples.unbind(1):
        nearest = posterior.responsibilities(one).argmax(1)
        mean = posterior.mean(torch.nn.functional.one_hot(nearest, 5).double())
        halves.append((mean + one) / 2)
    return torch.stack(halves, 1)


def shifted(samples: Tensor) -> Tensor:
    return samples + 0.3


def directions(count: int = 6) -> Tensor:
    drawn = torch.randn(count, 16, dtype=torch.float64, generator=torch.manual_seed(8))
    drawn[0] = 1  # what was measured
    return drawn / drawn.norm(dim=1, keepdim=True)


def test_the_posteriors_are_truly_of_several_components():
    assert float(setting()[0].entropy().mean()) > 0.7


def test_an_exact_sample_has_twice_the_least_error():
    posterior, _, samples, _ = setting()
    ratio = 10 ** (gap_to_mmse(posterior, samples[:, 0]) / 10)
    error = float(ratio.std()) / N**0.5
    assert abs(float(ratio.mean()) - 2) < 4 * error and error < 0.1
    assert float(gap_to_mmse(posterior, posterior.mean()).max()) == 0
    assert float((10 ** (gap_to_mmse(posterior, narrow(samples)[:, 0]) / 10)).mean()) < 1.5
    off = (samples[:, 0] - posterior.mean()).flatten(1).square().mean(1)
    torch.testing.assert_close(ratio, 1 + off / posterior.mmse())


def test_nothing_is_above_a_certified_mode():
    posterior, truth, samples, _ = setting()
    some = posterior.mode.certified
    assert float(some.double().mean()) > 0.3
    for x in (truth, samples[:, 0], posterior.mean(), narrow(samples)[:, 0]):
        assert float(gap_to_mode(posterior, x)[some].min()) > -1e-9
    assert float(gap_to_mode(posterior, posterior.mode.image).abs().max()) < 1e-9
    assert 4 < float(gap_to_mode(posterior, samples[:, 0]).mean()) < 12  # half of 16, and the components


def test_density_levels_of_exact_samples_are_even():
    posterior, _, samples, others = setting()
    levels = density_level(posterior, samples[:, 0], others)
    assert abs(float(levels.mean()) - 0.5) < 4 * (1 / 12 / N) ** 0.5
    assert float(density_level(posterior, cold(samples)[:, 0], others).mean()) < 0.1
    assert float(density_level(posterior, shifted(samples)[:, 0], others).mean()) > 0.8
    assert float(density_level(posterior, posterior.mode.image, others).max()) == 0


def test_the_component_reached():
    posterior, _, samples, _ = setting()
    best = posterior.weights.max(1).values
    mode = posterior.mode.image
    assert float(mass_reached(posterior, samples[:, 0]).mean()) < float(best.mean())
    expected = posterior.weights.square().sum(1).mean()
    assert abs(float(mass_reached(posterior, samples[:, 0]).mean() - expected)) < 0.06
    found = best_component(posterior, mode) == 1
    torch.testing.assert_close(mass_reached(posterior, mode)[found], best[found])
    assert float(found.double().mean()) > 0.9


@pytest.mark.parametrize("kind", ["density", "projection", "distance"])
def test_ranks_of_truths_are_even_among_exact_samples_alone(kind: str):
    posterior, truth, samples, _ = setting()
    points = torch.randn(N, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(2))

    def ranks(of: Tensor) -> Tensor:
        if kind == "density":
            return density_ranks(posterior, of, truth)
        if kind == "distance":
            return distance_ranks(of, truth, points)
        return projection_ranks(of, truth, directions())[:, 0]

    assert chi_square(ranks(samples), K).p > 0.01
    wrong = cold if kind == "density" else narrow  # half way to the mean of all components densities are usual
    assert chi_square(ranks(wrong(samples)), K).p < 1e-6
    if kind != "distance":  # a shift moves a point nearer as often as farther
        assert chi_square(ranks(shifted(samples)), K).p < 1e-6


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_regions_hold_as_many_truths_as_they_should(level: float):
    posterior, truth, samples, _ = setting()

    def off(of: Tensor) -> float:
        found = coverage(density_ranks(posterior, of, truth), K, level)
        return (found.share - level) / found.error

    assert abs(off(samples)) < 3
    assert off(cold(samples)) < -5
    if level < 0.9:  # nearly all lie inside anyway
        assert off(shifted(samples)) > 5


def test_variances_and_weights():
    posterior, _, samples, _ = setting()
    ratio = variance_ratio(posterior, samples)
    assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / N**0.5
    torch.testing.assert_close(variance_ratio(posterior, narrow(samples)), ratio / 4)
    floor = mode_weights_distance(posterior, samples)
    one = samples[:, :1].expand_as(samples)
    assert float(floor.mean()) < 0.2 < float(mode_weights_distance(posterior, one).mean())


def test_distances_of_sets_stand_at_their_floor_for_exact_samples_alone():
    posterior, _, samples, others = setting()
    third = posterior.sample(K, seed=99, indices=range(N))
    for distance in (energy_distance, lambda a, b: sliced_wasserstein(a, b, directions())):
        floor, exact = distance(third, others), distance(samples, others)
        error = float((exact - floor).std()) / N**0.5
        assert abs(float((exact - floor).mean())) < 4 * error
        for wrong in (narrow(samples), shifted(samples)):
            assert float((distance(wrong, others) - floor).mean()) > 4 * error
    assert abs(float(energy_distance(samples, others).mean())) < 0.02


def test_sliced_wasserstein_in_one_dimension_is_the_distance_of_sorted_numbers():
    a, b = torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([[1.5, 2.0, 4.0]])
    a, b = (one.reshape(1, 3, 1, 1, 1).double() for one in (a, b))
    found = sliced_wasserstein(a, b, torch.ones(1, 1, dtype=torch.float64))
    assert float(found) == pytest.approx(math.sqrt((0.25 + 0 + 1) / 3))


def test_of_patches_exact_samples_stand_where_they_should_and_others_do_not():
    vivid = patches((1, 4, 4)).mixture
    prior = PatchesPrior(vivid.log_weights.exp(), vivid.means.reshape(-1, 1, 2, 2), vivid.covariances, (1, 4, 4))
    truth = prior.sample(range(60), seed=0)
    problem = measure(truth, BlockMean((1, 4, 4), 2), 0.3, seed=0, indices=range(60))
    posterior = exact_posterior(problem, prior)
    assert isinstance(posterior, PatchesPosterior)
    both = posterior.sample(2 * K, seed=1, indices=range(60))
    exact, others = both[:, :K], both[:, K:]
    same = exact[:, :1].expand_as(exact)
    half = (exact + posterior.mean()[:, None]) / 2
    ratio = variance_ratio(posterior, exact)
    assert ratio.shape == (60,) and abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / 60**0.5
    weights = mode_weights_distance(posterior, exact)
    assert weights.shape == (60,) and float(weights.mean()) < float(mode_weights_distance(posterior, same).mean()) / 2
    assert abs(float(energy_distance(exact, others).mean())) < float(energy_distance(half, others).mean()) / 4
    levels = density_level(posterior, exact[:, 0], others)
    assert levels.shape == (60,) and abs(float(levels.mean()) - 0.5) < 4 * (1 / 12 / 60) ** 0.5
    assert chi_square(density_ranks(posterior, exact, truth), K).p > 0.01
    assert chi_square(projection_ranks(exact, truth, directions())[:, 0], K).p > 0.01
    assert chi_square(projection_ranks(half, truth, directions())[:, 0], K).p < 1e-3


def test_what_takes_several_samples_refuses_one():
    posterior, truth, samples, others = setting()
    one = samples[:, :1]
    with pytest.raises(ValueError, match="at least 2 samples"):
        variance_ratio(posterior, one)
    with pytest.raises(ValueError, match="at least 2"):
        energy_distance(one, others)
    ranks = density_ranks(posterior, one, truth)
    with pytest.raises(ValueError, match="at least 2 samples"):
        coverage(ranks, 1, 0.5)
    with pytest.raises(ValueError, match="at least 2 samples"):
        chi_square(ranks, 1)
    with pytest.raises(ValueError, match="bins=30"):
        chi_square(density_ranks(posterior, samples, truth), K, bins=30)
    with pytest.raises(ValueError, match="level=1"):
        coverage(ranks, 19, 1.0)
    with pytest.raises(ValueError, match="paired"):
        sliced_wasserstein(samples, others[:, :3], directions())

"""Passes are counted and timed, and the values are those of the prior inside."""

from __future__ import annotations

import pytest
import torch

from helpers.runs import TinyImages, tiny_prior
from mapga.pixels import from_uint8
from mapga.priors import Prior
from mapga.run import meter as meter_module
from mapga.run.meter import Meter, MeteredPrior
from mapga.solvers.steps import vjp
from mapga.testing.exact import CountingPrior

X = from_uint8(TinyImages(2).training()[:2])


def _metered(prior: Prior) -> tuple[MeteredPrior, Meter]:
    meter = Meter(torch.device("cpu"))
    return MeteredPrior(prior, meter), meter


@pytest.mark.parametrize("name", ["denoise", "consistency", "score"])
def test_values_are_those_of_the_prior(name):
    prior, meter = _metered(tiny_prior())
    assert torch.equal(getattr(prior, name)(X, 0.7), getattr(prior.prior, name)(X, 0.7))
    assert (meter.forward, meter.vjp) == (1, 0)


def test_counts_are_what_the_prior_saw():
    inner = CountingPrior((1, 8, 8))
    prior, meter = _metered(inner)
    for _ in range(3):
        prior.denoise(X, 1.0)
        vjp(lambda z: prior.consistency(z, 2.0), X, lambda x: x)
        prior.score(X, 1.0)
    assert inner.counts == {"denoise": 6, "consistency": 3, "vjp": 3}
    assert (meter.forward, meter.vjp) == (9, 3)


def test_two_passes_in_one_graph_are_two_backward_passes():
    prior, meter = _metered(tiny_prior())
    vjp(lambda z: prior.denoise(prior.consistency(z, 2.0), 1.0), X, lambda x: x)
    assert (meter.forward, meter.vjp) == (2, 2)


def test_a_graph_that_is_not_used_is_no_backward_pass():
    prior, meter = _metered(tiny_prior())
    prior.denoise(X.clone().requires_grad_(), 1.0)
    assert (meter.forward, meter.vjp) == (1, 0)


def test_the_gradient_is_not_changed():
    prior, _ = _metered(tiny_prior())
    _, watched = vjp(lambda z: prior.denoise(z, 0.5), X, lambda x: x.square())
    _, plain = vjp(lambda z: prior.prior.denoise(z, 0.5), X, lambda x: x.square())
    assert torch.equal(watched, plain)


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


class _SlowStep(torch.autograd.Function):
    """2 x; a quarter of a second forward, half a second backward."""

    @staticmethod
    def forward(ctx, x, clock):
        ctx.clock = clock
        clock.now += 0.25
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        ctx.clock.now += 0.5
        return 2 * grad, None


class _Slow(CountingPrior):
    def __init__(self, clock: _Clock) -> None:
        super().__init__((1, 8, 8))
        self.clock = clock

    def denoise(self, x, sigma):
        return _SlowStep.apply(x, self.clock)


def test_time_is_that_of_the_passes_and_of_nothing_else(monkeypatch):
    clock = _Clock()
    monkeypatch.setattr(meter_module, "time", clock)
    prior, meter = _metered(_Slow(clock))
    prior.denoise(X, 1.0)
    assert meter.seconds() == 0.25

    def operator(x):
        clock.now += 64.0  # not the network's
        return x

    vjp(lambda z: prior.denoise(z, 1.0), X, operator)
    assert meter.seconds() == 0.25 + 0.25 + 0.5


def test_conditioning_keeps_the_meter():
    class Labelled(CountingPrior):
        def conditioned(self, labels):
            self.labels = labels
            return self

    prior, meter = _metered(Labelled((1, 8, 8)))
    other = prior.conditioned(torch.tensor([3, 4]))
    other.denoise(X, 1.0)
    assert meter.forward == 1 and other.prior.labels.tolist() == [3, 4]


def test_what_solvers_ask_of_a_prior_is_passed_on():
    inner = tiny_prior()
    prior, _ = _metered(inner)
    for name in Prior.__annotations__:
        assert getattr(prior, name) == getattr(inner, name)

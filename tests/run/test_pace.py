"""How fast networks compute: what is asked for, what is measured, and what becomes of the pixels."""

from __future__ import annotations

import logging

import pytest
import torch

import mapga
from mapga.errors import ConfigError
from mapga.priors import NetworkPrior
from mapga.run.pace import paced

CPU = {"images": 2, "device": torch.device("cpu"), "dtype": torch.float32}


class Broken(torch.nn.Module):
    """A network that cannot be compiled."""

    def compile(self) -> None:
        raise RuntimeError("no compiler\nand much else")

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture(autouse=True)
def eagerly():
    """Compiled modules that compute as they are: a compiler takes minutes here."""
    with torch.compiler.set_stance("force_eager"):
        yield


@pytest.fixture(scope="module")
def digits() -> NetworkPrior:
    return mapga.load_prior("mnist")


def test_as_they_are_is_the_prior_itself(digits):
    assert paced(digits, "eager", **CPU) is digits


def test_the_gain_is_measured_and_told(digits, caplog):
    with caplog.at_level(logging.INFO):
        quick = paced(digits, "fast", **CPU)
    assert quick.precision == "bfloat16" and digits.precision == "float32"
    assert "compute=fast: compiling networks" in caplog.text and "times as fast" in caplog.text


@pytest.mark.parametrize(("seconds", "kept"), [([2.0, 1.0], True), ([1.0, 2.0], False)])
def test_auto_takes_the_faster_in_their_own_precision(digits, seconds, kept, monkeypatch):
    times = iter(seconds)
    monkeypatch.setattr("mapga.run.pace._seconds", lambda *_: next(times))  # quick, then as they are
    chosen = paced(digits, "auto", **CPU)
    assert (chosen is digits) == kept and chosen.precision == "float32"


def test_what_cannot_be_compiled_is_refused_or_left(caplog):
    prior = NetworkPrior(Broken(), None, (1, 8, 8))
    refused = r"^compute=fast: torch.compile does not work here \(no compiler\); choose [^\n]*$"
    with pytest.raises(ConfigError, match=refused):
        paced(prior, "fast", **CPU)
    assert paced(prior, "auto", **CPU) is prior and "as they are" in caplog.text


def test_an_exact_prior_has_no_networks(caplog):
    prior = mapga.load_prior("gaussian")
    assert paced(prior, "fast", **CPU) is prior and "no networks" in caplog.text


def test_fast_restores_to_within_a_twentieth_of_a_decibel(digits):
    truth = mapga.load_images("mnist", split="validation", limit=4)
    problem = mapga.load_task("supres4x").measure(truth, seed=0)
    solver = mapga.load_solver("ddrm", steps=10)
    psnr = mapga.load_metrics("basic")
    restored = [solver.restore(problem, one, seed=0) for one in (digits, digits.quick(half=True))]
    means = [float(psnr(one, truth)["psnr"].mean()) for one in restored]
    assert 0 < abs(means[0] - means[1]) < 0.05, "half precision computes something else, and nearly the same"

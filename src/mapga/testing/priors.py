"""Checks of priors, on noise of their own image shape, at levels that they answer for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mapga.priors.base import Prior
from mapga.testing.failure import close, require, travelled

__all__ = ["batch_independence", "boundary", "checks", "differentiability", "nan_isolation", "pickling", "shapes"]

_Map = Callable[..., Tensor]


def checks(prior: Prior) -> list[Callable[[Prior], None]]:
    """Those that apply to what it has."""
    found: list[Callable[[Prior], None]] = [shapes, batch_independence, nan_isolation, differentiability, pickling]
    return [*found, boundary] if prior.has_consistency else found


def shapes(prior: Prior) -> None:
    """D and C give images of the shape and dtype that they took, finite."""
    x = _noised(prior, 2)
    for kind in (torch.float32, torch.float64):
        for name, function in _maps(prior, kind):
            found = function(x.to(kind), 1.0)
            require(found.shape == x.shape, f"{name} of {tuple(x.shape)} has shape {tuple(found.shape)}")
            require(found.dtype == kind, f"{name} of {kind} is {found.dtype}")
            require(bool(torch.isfinite(found).all()), f"{name} is not finite at sigma=1")


def batch_independence(prior: Prior) -> None:
    """An image, and its own noise level, count and not the company."""
    x, sigma = _noised(prior, 3), torch.tensor([0.1, 1.0, 5.0])
    for name, function in _maps(prior):
        together = function(x, sigma)
        for k in range(3):
            alone = function(x[k : k + 1], float(sigma[k]))
            close(alone, together[k : k + 1], f"{name} of image {k} alone and in a batch of 3", atol=2e-4, rtol=2e-4)


def nan_isolation(prior: Prior) -> None:
    """An image of NaN leaves the others as they are."""
    x = _noised(prior, 3)
    spoilt = x.clone()
    spoilt[1] = torch.nan
    for name, function in _maps(prior):
        found, wanted = function(spoilt, 1.0), function(x, 1.0)
        for k in (0, 2):
            require(torch.equal(found[k], wanted[k]), f"{name} of image {k} changes where image 1 of its batch is NaN")


def differentiability(prior: Prior) -> None:
    """Vector-Jacobian products of D and C are there and finite: solvers take them."""
    for name, function in _maps(prior):
        x = _noised(prior, 1).requires_grad_()
        found = function(x, 1.0)
        require(found.requires_grad, f"{name} has no gradient: it must not run under no_grad")
        (gradient,) = torch.autograd.grad(found.sum(), x)
        require(bool(torch.isfinite(gradient).all()), f"the gradient of {name} is not finite")


def pickling(prior: Prior) -> None:
    """It answers the same in another process."""
    x, there = _noised(prior, 1), travelled(prior)
    for (name, here), (_, other) in zip(_maps(prior), _maps(there), strict=True):
        close(other(x, 1.0), here(x, 1.0), f"once pickled, {name} is another", atol=1e-5, rtol=1e-5)


def boundary(prior: Prior) -> None:
    """C(x, sigma_min) = x."""
    x = _noised(prior, 2, prior.sigma_min)
    ready = prior.to("cpu", torch.float32)
    close(ready.consistency(x, prior.sigma_min), x, "C(x, sigma_min) is not x", atol=1e-3)


def _maps(prior: Prior, dtype: torch.dtype = torch.float32) -> Iterator[tuple[str, _Map]]:
    ready = prior.to("cpu", dtype)
    if prior.has_denoiser:
        yield "D(x, sigma)", ready.denoise
    if prior.has_consistency:
        yield "C(x, sigma)", ready.consistency


def _noised(prior: Prior, batch: int, sigma: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, *prior.image_shape, generator=generator) * sigma

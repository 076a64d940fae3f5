"""prior=none."""

from __future__ import annotations

import pytest
import torch

from mapga.priors import NoPrior


def test_no_prior_has_nothing():
    prior = NoPrior((3, 8, 8))
    assert not prior.has_denoiser and not prior.has_consistency and prior.image_shape == (3, 8, 8)
    for function in (prior.denoise, prior.consistency):
        with pytest.raises(ValueError, match="prior=none has no"):
            function(torch.zeros(1, 3, 8, 8), 1.0)

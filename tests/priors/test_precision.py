"""Networks in half precision: what stays in float32, and how far the outputs and gradients move."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.published import DATA, fixture_network
from mapga.priors.checkpoints.precision import set_precision


@pytest.mark.parametrize("name", ["unet_tiny_imagenet64", "unet_tiny_lsun256"])
@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.1), ("float16", 0.01)])
def test_half_precision_keeps_norms_and_embeddings_in_float32(name: str, precision: str, tolerance: float):
    full, half = fixture_network(name), fixture_network(name)
    set_precision(half.body, precision)  # type: ignore[arg-type]
    dtypes = {key: value.dtype for key, value in half.body.named_parameters()}
    wanted = {"bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    for key, dtype in dtypes.items():
        single = any(part in key for part in ("norm", "embedding", "time_emb_proj", "conv_in", "conv_out"))
        assert dtype == (torch.float32 if single else wanted), key
    recorded = np.load(DATA / f"{name}.npz")
    x, labels = torch.from_numpy(recorded["noise"])[:1, :, :32, :32], torch.from_numpy(recorded["labels"])[:1]
    given = labels if full.architecture.classes is not None else None
    time = torch.full((len(x),), 250 * float(np.log(0.5)))
    outcomes = []
    for network in (full, half):
        z = x.clone().requires_grad_()
        out = network(z, time, given)
        outcomes.append((out.detach(), torch.autograd.grad(out.sum(), z)[0]))
    for exact, rounded, factor in zip(*outcomes, (1, 3), strict=True):  # the output, and its gradient
        assert rounded.dtype == torch.float32
        assert 1e-6 < float((rounded - exact).norm() / exact.norm()) < factor * tolerance

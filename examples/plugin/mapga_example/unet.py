"""A UNet2DModel of diffusers that predicts the noise, as a prior: DDPM's 1,000 linear levels."""

import copy
import json
from pathlib import Path

from mapga.card import PriorCard
from mapga.files.need import Need
from mapga.lazy import torch
from mapga.priors.base import Prior, expand_sigma
from mapga_example import pinned


class UNetFolder(Prior):
    """D(x, sigma) = x - sigma eps(x / sqrt(1 + sigma^2), t(sigma)), with a folder that save_pretrained wrote."""

    card = PriorCard(
        pinned={"path": "sha256"},
        pin=lambda a: pinned(a.sha256, Path(a.path, "diffusion_pytorch_model.safetensors")),
        files=lambda a: [Need.of_place("prior.path", a.path)],
    )
    has_consistency = False

    def __init__(self, path: str, sha256: str | None = None) -> None:
        self.path = Path(path)
        said = json.loads((self.path / "config.json").read_text())
        self.image_shape = (said["in_channels"], said["sample_size"], said["sample_size"])
        kept = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)
        self.levels = ((1 - kept) / kept).sqrt()  # sigma of t = 0 ... 999
        self.sigma_min, self.sigma_max = float(self.levels[0]), float(self.levels[-1])

    def loaded(self):
        from diffusers import UNet2DModel

        ready = copy.copy(self)
        network = UNet2DModel.from_pretrained(self.path, use_safetensors=True, local_files_only=True)
        ready.network = network.requires_grad_(False).eval()
        return ready

    def denoise(self, x, sigma):
        sigma = expand_sigma(sigma, x).expand(len(x), 1, 1, 1).contiguous()
        after = torch.searchsorted(self.levels, sigma.flatten()).clamp(1, 999)
        low, high = self.levels[after - 1].log(), self.levels[after].log()
        time = after - 1 + (sigma.flatten().log() - low) / (high - low)
        return x - sigma * self.network(x / (1 + sigma.square()).sqrt(), time).sample

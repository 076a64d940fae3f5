r"""Independent patches, each from one Gaussian mixture with full covariances: an exact prior of natural images.

An image of any size that is a multiple of the patch's side S is cut into patches of S x S pixels, all channels of a
pixel together. Each is drawn from sum_k w_k N(m_k, S_k), so p(x) is a product over patches, and D, score and
log-density are those of each patch in closed form (``mapga.priors.mixtures.gaussians``). C is the probability-flow
ODE of each patch, integrated by Heun's method. What lies across a patch's border is not known to it: samples show a
grid, which is the price of a density that is known exactly. Of a patch that is hidden whole, as by box50 and half at
32x32, the others tell nothing: its posterior is the prior, and its answer of least error the prior's mean.

Source of the model: Zoran, Weiss, "From learning models of natural image patches to whole image restoration", 2011.
**Differs from the paper:** patches are disjoint, so that there is one density of the image; the paper's overlap.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mapga.card import PriorCard, carded
from mapga.files.fetch import sha256_of
from mapga.lazy import torch
from mapga.priors.base import Prior, check_contrast, expand_sigma
from mapga.priors.flow import heun_flow
from mapga.priors.mixtures.file import read_mixture
from mapga.priors.mixtures.gaussians import GaussianMixture
from mapga.priors.networks.shipped import shipped_digests, shipped_paths
from mapga.rng import generator, standard_normal
from mapga.schedules.base import SIGMA_MIN

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PatchesPrior"]


def _pin(a: Any) -> dict[str, str | None]:
    if a.sha256 is not None:
        return {}
    if a.file is None:
        return {"sha256": shipped_digests("patches", ["mixture"])["mixture"]}
    path = Path(a.file).expanduser()
    return {"sha256": sha256_of(path)} if path.is_file() else {}


class PatchesPrior(Prior):
    """Independent patches from a Gaussian mixture.

    Args:
        weights: (K,), positive; they are normalised.
        means: (K, C, S, S) in [-1, 1].
        covariances: (K, n, n), symmetric positive definite, n = C S S, of patches in the order of ``means``.
        image_shape: (C, H, W); H and W multiples of S.
        ode_steps: Heun steps of the consistency function, >= 1; its error is of second order in 1 / ode_steps.
        chunk: Patches handled at a time, which bounds memory to chunk x K x n numbers.
        sigma_min: Where trajectories end, > 0.

    Attributes:
        mixture: Of one flat patch (n,).
        side: S.

    Raises:
        ValueError: A value outside these ranges, or an image that patches do not tile.
    """

    card = PriorCard(given=("weights", "means", "covariances", "image_shape"), speed_only=("chunk",))

    def __init__(
        self,
        weights: Tensor,
        means: Tensor,
        covariances: Tensor,
        image_shape: tuple[int, int, int],
        *,
        ode_steps: int = 96,
        chunk: int = 2048,
        sigma_min: float = SIGMA_MIN,
    ) -> None:
        if ode_steps < 1 or chunk < 1:
            raise ValueError(f"prior.ode_steps={ode_steps}, prior.chunk={chunk}: both are at least 1")
        channels, side = int(means.shape[1]), int(means.shape[-1])
        if image_shape[0] != channels or any(length % side for length in image_shape[1:]):
            raise ValueError(
                f"patches of {channels}x{side}x{side} do not tile images of {'x'.join(map(str, image_shape))}; "
                f"choose images whose height and width are multiples of {side}"
            )
        self.image_shape, self.side = image_shape, side
        self.ode_steps, self.chunk, self.sigma_min = ode_steps, chunk, sigma_min
        self.mixture = GaussianMixture.of(weights, means.flatten(1), covariances)
        self.least_std = math.sqrt(float(self.mixture.eigenvalues.min()))

    @classmethod
    @carded(PriorCard(given=("image_shape",), speed_only=("chunk",), pinned={"file": "sha256"}, pin=_pin))
    def fitted(
        cls,
        image_shape: tuple[int, int, int],
        file: str | None = None,
        sha256: str | None = None,
        *,
        ode_steps: int = 96,
        chunk: int = 2048,
        contrast: float = 1.0,
    ) -> Self:
        """A mixture that was fitted on photographs, for grey or colour images.

        Args:
            image_shape: (C, H, W).
            file: What ``experiments/patches/fit.py`` wrote; None for the one that comes with the package.
            sha256: SHA-256 that the file must have; None for any.
            ode_steps: As for the class.
            chunk: As for the class.
            contrast: What the photographs are multiplied by; below 1 draws stay within [-1, 1], so that 8 bits can
                hold them (``dataset=from_prior``).

        Raises:
            FileNotFoundError: No such file.
            ValueError: A damaged file, one with another SHA-256 or without a mixture for so many channels, an image
                that patches do not tile, or a contrast that is not positive.
        """
        path = shipped_paths("patches", ["mixture"])["mixture"] if file is None else Path(file).expanduser()
        check_contrast(contrast)
        weights, means, covariances = read_mixture(path, image_shape[0])
        if sha256 not in (None, found := sha256_of(path)):
            raise ValueError(
                f"prior.sha256={str(sha256)[:12]}: {path} is another file, {found[:12]}; set null for it, or name the "
                "file with that hash in prior.file"
            )
        pale = (contrast * means, contrast**2 * covariances)
        return cls(weights, *pale, image_shape, ode_steps=ode_steps, chunk=chunk)

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.from_patches(self._each(self.mixture.denoise, x, sigma))

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.from_patches(self._each(self.mixture.score, x, sigma))

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return heun_flow(self.denoise, x, sigma, self.sigma_min, self.ode_steps)

    def log_density(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """log p_sigma(x), (B,), sigma >= 0."""
        return self._each(self.mixture.log_density, x, sigma).reshape(len(x), -1).sum(1)

    def shares(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """The responsibilities of the components for each patch, (B, H / S, W / S, K)."""
        rows, columns = (length // self.side for length in self.image_shape[1:])
        return self._each(self.mixture.shares, x, sigma).reshape(len(x), rows, columns, -1)

    def sample(self, indices: Sequence[int], *, seed: int) -> Tensor:
        """Exact, independent samples, one for each index, (len(indices), C, H, W): functions of (seed, index) alone."""
        like, weights = self.mixture.means, self.mixture.log_weights.exp().cpu().double().cumsum(0)
        normal = standard_normal(seed, "prior", indices, self.image_shape).to(like)
        patches = self.to_patches(normal)
        each = len(patches) // max(1, len(indices))
        drawn = np.concatenate([generator(seed, "prior-components", index).random(each) for index in indices])
        components = torch.searchsorted(weights / weights[-1], torch.from_numpy(drawn), right=True).to(like.device)
        parts = zip(components.split(self.chunk), patches.split(self.chunk), strict=True)
        return self.from_patches(torch.cat([self.mixture.sample(chosen, noise) for chosen, noise in parts]))

    def to_patches(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) as flat patches (B H W / S^2, n), row by row of each image."""
        cut = x.unfold(2, self.side, self.side).unfold(3, self.side, self.side)
        return cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)

    def from_patches(self, patches: Tensor) -> Tensor:
        """The images (B, C, H, W) that flat patches (B H W / S^2, n) are of."""
        channels, height, width = self.image_shape
        side = self.side
        grid = patches.reshape(-1, height // side, width // side, channels, side, side)
        return grid.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, height, width)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """A copy whose mixture lives on ``device`` in ``dtype``."""
        moved = copy.copy(self)
        moved.mixture = self.mixture.to(device, dtype)
        return moved

    def _each(self, answer: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: float | Tensor) -> Tensor:
        """The answer for every patch, chunk by chunk."""
        patches, level = self.to_patches(x), expand_sigma(sigma, x).flatten()
        if len(level) == 1:
            return torch.cat([answer(part, level) for part in patches.split(self.chunk)])
        levels = level.repeat_interleave(len(patches) // len(x))
        parts = zip(patches.split(self.chunk), levels.split(self.chunk), strict=True)
        return torch.cat([answer(part, own) for part, own in parts])

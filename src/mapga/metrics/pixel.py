"""Metrics of pixels and of the measurement: PSNR, SSIM, data consistency. No network, no download."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from mapga.card import MetricCard
from mapga.lazy import torch
from mapga.metrics.base import ImageMetric
from mapga.metrics.scored import Decomposed, Measuring, Scored
from mapga.pixels import from_uint8

__all__ = ["PSNR", "SSIM", "Border", "DataConsistency"]

Border = Literal["mirror", "crop"]

_PEAK = 255
_C1, _C2 = 0.01**2, 0.03**2


class PSNR(ImageMetric):
    r"""Peak signal-to-noise ratio in dB: 10 log10(255^2 / MSE), MSE over all pixels and channels of an image.

    Infinite for identical images. A table's PSNR is the mean of these per-image values, not the PSNR of a
    mean MSE. The same as for [0, 1] images with a peak of 1.

    In a mean an identical image counts as the largest finite PSNR that uint8 images of its size can have, that of one
    value which is off by one: 10 log10(255^2 C H W), 77.08 dB for 28x28 grey. Such a mean is a lower bound, and is
    written with a "≥" and the number of identical images.
    """

    card = MetricCard(digits=2, order=0, unit="dB", titles={"psnr": "PSNR"})
    name = "psnr"
    lower_is_better = False

    def __call__(self, batch: Scored) -> np.ndarray:
        difference = batch.restored.astype(np.int64) - batch.truth.astype(np.int64)
        # integers, so that no image's value depends on how a sum was split
        squares = np.square(difference).reshape(len(batch), -1).sum(axis=1)
        mse = squares / np.prod(batch.truth.shape[1:])
        with np.errstate(divide="ignore"):
            return 10 * np.log10(_PEAK**2 / mse)

    def ceiling(self, image_shape: tuple[int, int, int]) -> float:
        return 10 * math.log10(_PEAK**2 * math.prod(image_shape))


def _gaussian_window(size: int, sigma: float, pixels: int, border: Border) -> np.ndarray:
    """Matrix (P, pixels) whose rows average a line of pixels with a Gaussian window, a row a position.

    ``"mirror"``: a position a pixel, windows at the border see the line mirrored about its last pixel.
    ``"crop"``: only positions where the window lies inside.
    """
    offsets = np.arange(size) - size // 2
    weights = np.exp(-((offsets / sigma) ** 2) / 2)
    weights /= weights.sum()
    matrix = np.zeros((pixels, pixels))
    for offset, weight in zip(offsets, weights, strict=True):
        seen = np.abs(np.arange(pixels) + offset)
        seen = np.where(seen >= pixels, 2 * (pixels - 1) - seen, seen)
        matrix[np.arange(pixels), seen] += weight
    margin = size // 2
    return matrix if border == "mirror" else matrix[margin : pixels - margin]


class SSIM(ImageMetric):
    r"""Structural similarity, averaged over the window positions and the channels of an image.

    SSIM = (2 m_x m_y + C1)(2 s_xy + C2) / ((m_x^2 + m_y^2 + C1)(s_x^2 + s_y^2 + C2)) with Gaussian-weighted
    local moments, C1 = 0.01^2, C2 = 0.03^2 on [0, 1] images. At most 1, which only equal images reach.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", IEEE TIP 2004, whose window is
    11 x 11 with sigma = 1.5. ``border="mirror"`` is what torchmetrics computes; ``border="crop"`` is the
    paper's and scikit-image's (``gaussian_weights=True, use_sample_covariance=False``). They differ in the
    fourth digit.

    Settings other than the default are part of the name: ``ssim_crop``, ``ssim_sigma2``.

    Args:
        sigma: The window's standard deviation in pixels, > 0; it is 2 floor(3.5 sigma + 0.5) + 1 pixels wide.
        border: Average over a position a pixel, mirrored at the border, or only where the window fits.

    Raises:
        ValueError: sigma that is not positive, an unknown border, images smaller than the window.
    """

    card = MetricCard(digits=3, order=1, titles={"ssim": "SSIM", "ssim_crop": "SSIM (crop)"})
    lower_is_better = False

    def __init__(self, sigma: float = 1.5, border: Border = "mirror") -> None:
        if not 0 < sigma < float("inf"):
            raise ValueError(f"ssim.sigma={sigma}: the window's standard deviation is positive (1.5 in the paper)")
        if border not in ("mirror", "crop"):
            raise ValueError(f"ssim.border={border!r}: choose 'mirror' (torchmetrics) or 'crop' (scikit-image)")
        self.sigma, self.border = float(sigma), border
        self.window = 2 * int(3.5 * self.sigma + 0.5) + 1
        changed = ["sigma" + f"{self.sigma:g}"] * (self.sigma != 1.5) + [border] * (border != "mirror")
        self.name = "_".join(["ssim", *changed])

    def objection(self, image_shape: tuple[int, int, int], *, labelled: bool) -> str | None:
        _, height, width = image_shape
        if min(height, width) >= self.window:
            return None
        return (
            f"{self.name}: a {self.window}x{self.window} window does not fit {height}x{width} images; "
            "lower ssim.sigma or leave ssim out of metrics"
        )

    def __call__(self, batch: Scored) -> np.ndarray:
        self.check(batch.truth)
        height, width = batch.truth.shape[1:3]
        rows = _gaussian_window(self.window, self.sigma, height, self.border)
        columns = _gaussian_window(self.window, self.sigma, width, self.border).T
        return np.array(
            [_ssim(x, y, rows, columns) for x, y in zip(batch.restored, batch.truth, strict=True)],
            dtype=np.float64,
        )


def _ssim(x: np.ndarray, y: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> float:
    x, y = (np.moveaxis(image, -1, 0) / _PEAK for image in (x, y))
    moments = rows @ np.stack([x, y, x * x, y * y, x * y]) @ columns
    m_x, m_y = moments[0], moments[1]
    # rounding can leave a variance of a flat patch just below zero
    s_x, s_y = np.maximum(moments[2] - m_x**2, 0), np.maximum(moments[3] - m_y**2, 0)
    s_xy = moments[4] - m_x * m_y
    index = (2 * m_x * m_y + _C1) * (2 * s_xy + _C2) / ((m_x**2 + m_y**2 + _C1) * (s_x + s_y + _C2))
    return float(index.mean())


class DataConsistency(ImageMetric):
    r"""How far an answer is from the measurement: ||y - A x_hat||_2 / sqrt(m), x_hat as stored on disk.

    In the units of y ([-1, 1] pixels for linear operators). An image that explains the measurement perfectly
    scores about sigma_y; far less is overfit. Without noise it scores the ``floor``: what the rounding errors of 8
    bits, even in a level of 2 / 255 and so of variance (2 / 255)^2 / 12, come to in y,

        floor = 2 / 255 sqrt(Tr A A^T / (12 m)),   Tr A A^T = sum s^2,

    0.0023 for masks, a quarter of it for means of 4x4 pixels. Where pixels are 0 or 255 exactly it is less.

    Raises:
        ValueError: A batch without its problem.
    """

    card = MetricCard(order=3, check=True, titles={"consistency": "Data consistency"})
    name = "consistency"
    lower_is_better = True
    needs_problem = True

    def __call__(self, batch: Scored) -> np.ndarray:
        problem = batch.problem
        if problem is None:
            raise ValueError("consistency needs the measurement y and its operator; score it inside a run")
        if len(problem.y) != len(batch):
            raise ValueError(f"consistency: {len(problem.y)} measurements for {len(batch)} images")
        images = from_uint8(batch.restored).to(problem.y.device, problem.y.dtype)
        with torch.no_grad():
            residual = (problem.y - problem.operator.apply(images)).double().reshape(len(batch), -1)
            norms = residual.square().sum(dim=1).sqrt() / problem.operator.n_measurements**0.5
        return norms.cpu().numpy()

    def floor(self, operator: Measuring) -> float | None:
        if not isinstance(operator, Decomposed):
            return None
        power = float(operator.singular_values.double().square().sum())
        return 2 / 255 * math.sqrt(power / (12 * operator.n_measurements))

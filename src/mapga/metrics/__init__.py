"""Metrics: per-image numbers and distances of sets, all of stored uint8 images.

Optional libraries (lpips, clean-fid, torchvision, the weights of the ``offline`` extra) are imported when a
metric that needs them is used, never before.
"""

from mapga.metrics.base import ImageMetric, Scored, SetMetric, SetScore
from mapga.metrics.pixel import PSNR, SSIM, DataConsistency

__all__ = ["PSNR", "SSIM", "DataConsistency", "ImageMetric", "Scored", "SetMetric", "SetScore"]

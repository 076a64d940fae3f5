"""Metrics: per-image numbers and distances of sets, all of stored uint8 images.

Optional libraries (lpips, clean-fid, torchvision, torch-fidelity, the weights of the ``offline`` extra) are
imported when a metric that needs them is used, never before.
"""

from mapga.metrics.base import ImageMetric, Metric, Scored, SetMetric, SetScore
from mapga.metrics.digits import DigitAccuracy, FDDigits
from mapga.metrics.efficientnet import FDEfficientNet
from mapga.metrics.inception import FID, KID
from mapga.metrics.perceptual import LPIPS
from mapga.metrics.pixel import PSNR, SSIM, DataConsistency
from mapga.metrics.reference import Reference, reference_for
from mapga.metrics.shift_tolerant import ShiftTolerantLPIPS

__all__ = [
    "FID",
    "KID",
    "LPIPS",
    "PSNR",
    "SSIM",
    "DataConsistency",
    "DigitAccuracy",
    "FDDigits",
    "FDEfficientNet",
    "ImageMetric",
    "Metric",
    "Reference",
    "Scored",
    "SetMetric",
    "SetScore",
    "ShiftTolerantLPIPS",
    "reference_for",
]

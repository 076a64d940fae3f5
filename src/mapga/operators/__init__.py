"""Forward operators of image restoration. One kind of degradation, one file."""

from mapga.operators.base import LinearOperator, Operator, SpectralOperator
from mapga.operators.blur import SeparableBlur
from mapga.operators.masks import AlternateRows, CentralBox, Diagonal, HalfMask, Identity, PixelGrid
from mapga.operators.resample import BlockMean

__all__ = [
    "AlternateRows",
    "BlockMean",
    "CentralBox",
    "Diagonal",
    "HalfMask",
    "Identity",
    "LinearOperator",
    "Operator",
    "PixelGrid",
    "SeparableBlur",
    "SpectralOperator",
]

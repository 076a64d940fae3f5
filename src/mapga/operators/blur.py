r"""Separable blur: rows and columns times the same 1-D matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mapga.card import OperatorCard
from mapga.lazy import torch
from mapga.operators.base import SpectralOperator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SeparableBlur", "blur_matrix"]

Padding = Literal["zero", "circular"]
Compat = Literal["clean", "ddrm"]

_CUT = 1e-3
_NULL = 1e-12  # eigenvalues of smaller modulus belong to null vectors
_DDRM_CUT_1D = 0.03  # the official programs drop 1-D singular values below this


def blur_matrix(taps: Tensor, size: int, padding: Padding = "zero", first: int | None = None) -> Tensor:
    """The (size, size) matrix of a 1-D blur: row i holds taps[k] at column i + first + k.

    Args:
        taps: (n,) weights.
        size: Pixels of a line.
        padding: What lies outside: nothing ("zero") or the other end ("circular").
        first: Offset of the first tap; default -(n // 2), centred for odd n.
    """
    if padding not in ("zero", "circular"):
        raise ValueError(f"padding={padding!r}: choose 'zero' or 'circular'")
    first = -(len(taps) // 2) if first is None else first
    matrix = torch.zeros(size, size, dtype=torch.float64)
    rows = torch.arange(size)
    for k, weight in enumerate(taps.tolist()):
        columns = rows + first + k
        inside = (columns >= 0) & (columns < size) if padding == "zero" else torch.ones(size, dtype=torch.bool)
        matrix[rows[inside], columns[inside] % size] += weight
    return matrix


class SeparableBlur(SpectralOperator):
    r"""Y = B X B^T in each channel, with B the matrix of a uniform 1-D blur.

    With B = U_1 diag(s_1) V_1^T the singular values are the products s_1[i] s_1[j], and V, U act as V_1, U_1 on
    rows and columns. Products below ``singular_cut`` count as zero: the truncated decomposition *is* the operator,
    so A A^+ A = A holds exactly and A^+ amplifies noise by 1 / singular_cut at most.

    Args:
        image_shape: (C, H, W), square.
        size: Number of equal taps.
        padding: ``"zero"`` or ``"circular"``.
        singular_cut: Smallest 2-D singular value kept, >= 0.
        compat: ``"clean"``: all taps. ``"ddrm"``: what the official DDRM programs compute (and published tables
            contain): the last tap of an odd kernel is left out (eight taps of 1/9, so y is darkened), 1-D singular
            values below 0.03 are dropped instead of 2-D ones (``singular_cut`` must keep its default and
            ``padding`` must be ``"zero"``), and the
            sorted values are tiled over pixel-major, channel-minor coordinates instead of repeated, which for more
            than one channel is another spectrum, though a consistent operator.

    Raises:
        ValueError: A non-square image, or a value outside these ranges.

    Source: the "deblur_uni" operator of DDRM, Kawar et al., 2022, arXiv 2201.11793.
    """

    card = OperatorCard()

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        size: int = 9,
        padding: Padding = "zero",
        singular_cut: float = _CUT,
        compat: Compat = "clean",
    ) -> None:
        channels, height, width = image_shape
        if height != width:
            raise ValueError(f"blur needs square images, got {height}x{width}")
        if not 1 <= size < 2 * height:
            raise ValueError(f"size={size}: choose 1..{2 * height - 1} taps for images of {height}x{width}")
        if not 0 <= singular_cut < 1:
            raise ValueError(f"singular_cut={singular_cut}: choose a value in [0, 1)")
        if compat not in ("clean", "ddrm"):
            raise ValueError(f"compat={compat!r}: choose 'clean' or 'ddrm'")
        official = compat == "ddrm"
        if official and (padding, singular_cut) != ("zero", _CUT):
            raise ValueError(
                f"compat='ddrm' has zero padding and a cut of its own, got padding={padding!r}, "
                f"singular_cut={singular_cut}; leave both at their defaults"
            )
        self.image_shape = image_shape
        taps = torch.full((size,), 1 / size, dtype=torch.float64)
        self.matrix = blur_matrix(taps[: 2 * (size // 2)] if official else taps, height, padding, -(size // 2))
        self.u, s, self.v = _svd(self.matrix)
        if official:
            s = torch.where(s < _DDRM_CUT_1D, 0.0, s)
            values = _tiled(torch.outer(s, s), channels)
        else:
            products = torch.outer(s, s)
            values = torch.where(products < max(singular_cut, 1e-14), 0.0, products).expand(image_shape)
        self.singular_values = values[None].contiguous()
        self.measured = torch.ones_like(self.singular_values, dtype=torch.bool)

    def to_spectral(self, x: Tensor) -> Tensor:
        return self.v.T @ x @ self.v

    def from_spectral(self, x_bar: Tensor) -> Tensor:
        return self.v @ x_bar @ self.v.T

    def measurement_to_spectral(self, y: Tensor) -> Tensor:
        return self.u.T @ y @ self.u

    def measurement_from_spectral(self, y_bar: Tensor) -> Tensor:
        return self.u @ y_bar @ self.u.T


def _svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U, s and V of a 1-D blur, s descending, B = U diag(s) V^T.

    Where B is symmetric, U = V up to the signs of its eigenvalues, null vectors included: an SVD routine would leave
    the pairing of left and right null vectors to chance, and DDRM's answer to noisy measurements depends on it.
    """
    if not torch.equal(matrix, matrix.T):
        u, s, vt = torch.linalg.svd(matrix)
        return u, s, vt.T.contiguous()
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    order = eigenvalues.abs().argsort(descending=True, stable=True)
    eigenvalues, v = eigenvalues[order], vectors[:, order].contiguous()
    return torch.where(eigenvalues < -_NULL, -v, v), eigenvalues.abs(), v


def _tiled(products: Tensor, channels: int) -> Tensor:
    """Singular values (C, H, W) in the official order.

    Pixel of rank p among the sorted products, channel c, has coefficient number C p + c; the list of values is the
    sorted products, tiled C times, so it gets value number (C p + c) mod n.
    """
    ordered, pixels = products.flatten().sort(descending=True, stable=True)
    values = torch.empty(channels, len(ordered), dtype=products.dtype)
    rank = torch.arange(len(ordered))
    for channel in range(channels):
        values[channel, pixels] = ordered[(channels * rank + channel) % len(ordered)]
    return values.reshape(channels, *products.shape)

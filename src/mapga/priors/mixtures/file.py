"""Files of fitted patch mixtures: grey and colour ones in one safetensors file, hash-checked where a hash is known.

Of each number of channels C: ``C.weights`` (K,), ``C.means`` (K, C, S, S), and ``C.factors`` (K, n (n + 1) / 2), the
rows of the lower triangles L of the covariances L L^T, n = C S S. L is kept in float16: whatever rounding does to it,
L L^T is a covariance, and the variance that rounding adds to a pixel is below that of an 8-bit picture's own rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mapga.files.durable import write_bytes
from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_mixture", "write_mixtures"]

_Parts = tuple["Tensor", "Tensor", "Tensor"]


def write_mixtures(path: Path, mixtures: Mapping[int, _Parts], facts: Mapping[str, str]) -> None:
    """Write weights (K,), means (K, C, S, S) and covariances (K, n, n) of each number of channels.

    Args:
        path: The file.
        mixtures: By number of channels.
        facts: How it was fitted; kept in the file's head.
    """
    from safetensors.torch import save

    tensors = {}
    for channels, (weights, means, covariances) in mixtures.items():
        rows, columns = torch.tril_indices(*covariances.shape[1:])
        tensors[f"{channels}.weights"] = weights.float()
        tensors[f"{channels}.means"] = means.float()
        tensors[f"{channels}.factors"] = torch.linalg.cholesky(covariances)[:, rows, columns].half()
    write_bytes(path, save(tensors, dict(facts)))


def read_mixture(path: Path, channels: int) -> _Parts:
    """Weights (K,), means (K, C, S, S) and covariances (K, n, n), float64, of one number of channels.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A file that is damaged or of another kind, or that holds none for so many channels.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give one that experiments/patches/fit.py wrote")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged, or no safetensors file ({error}); give one that fit.py wrote") from None
    held = sorted({int(name.split(".")[0]) for name in tensors if name.endswith(".factors")})
    if channels not in held:
        raise ValueError(
            f"{path}: holds mixtures of patches of {' and '.join(map(str, held))} channels, the images have {channels}"
        )
    weights, means, packed = (tensors[f"{channels}.{part}"].double() for part in ("weights", "means", "factors"))
    n = means[0].numel()
    rows, columns = torch.tril_indices(n, n)
    factors = torch.zeros(len(means), n, n, dtype=torch.float64)
    factors[:, rows, columns] = packed
    return weights, means, factors @ factors.mT

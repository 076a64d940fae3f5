"""Arrays of NumPy: both layouts, labels, and every array that is none of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapga.datasets import ArrayFile

IMAGES = np.arange(5 * 4 * 6 * 3, dtype=np.uint8).reshape(5, 4, 6, 3)


def saved(folder: Path, array: np.ndarray | None = None, **arrays: np.ndarray) -> str:
    path = folder / ("x.npz" if arrays else "x.npy")
    if arrays:
        np.savez(path, **arrays)
    else:
        np.save(path, array, allow_pickle=True)
    return str(path)


@pytest.mark.parametrize("layout", [None, "given"])
def test_both_layouts_and_grey_are_the_same_pixels(tmp_path: Path, layout: str | None) -> None:
    for name, array in {"NHWC": IMAGES, "NCHW": IMAGES.transpose(0, 3, 1, 2)}.items():
        data = ArrayFile(saved(tmp_path, array), layout=layout and name)
        assert data.image_shape == (3, 4, 6) and data.n_classes is None
        assert all(np.array_equal(data[k].image, IMAGES[k]) and data[k].label is None for k in range(5))
    grey = ArrayFile(saved(tmp_path, IMAGES[..., 1]))
    assert grey.image_shape == (1, 4, 6) and np.array_equal(grey[2].image, IMAGES[2, ..., 1:2])


def test_an_npz_has_names_and_labels(tmp_path: Path) -> None:
    path = saved(tmp_path, pictures=IMAGES, labels=np.array([3, 0, 1, 0, 2]), y=np.arange(5), scale=np.ones(1))
    data = ArrayFile(path, skip=1, limit=2)
    assert [(data[k].index, data[k].label) for k in range(2)] == [(1, 0), (2, 1)] and data.n_classes == 4
    assert ArrayFile(path, labels="y")[4].label == 4 and ArrayFile(path, labels="none").n_classes is None
    two = saved(tmp_path, a=IMAGES, b=IMAGES[::-1])
    assert np.array_equal(ArrayFile(two, images="b")[0].image, IMAGES[4])


WRONG: dict[str, tuple[dict[str, np.ndarray], dict[str, Any], str]] = {
    "floats": ({"x": IMAGES / 255}, {}, "float64 numbers, expected uint8 pixels"),
    "axes": ({"x": IMAGES[0, 0]}, {}, r"none may be images; give dataset\.images"),
    "either": ({"x": IMAGES[:, :3]}, {}, r"shape \(5, 3, 6, 3\), of which either axis .*; give dataset\.layout"),
    "neither": ({"x": IMAGES[..., :2]}, {}, "of which neither axis may be the channels"),
    "channels": ({"x": IMAGES[..., :2]}, {"layout": "NHWC"}, r"2 channels, expected 1 \(grey\) or 3"),
    "several": ({"x": IMAGES, "y": IMAGES}, {}, "x and y may be images"),
    "name": ({"x": IMAGES}, {"images": "z"}, r"dataset\.images=z: .* holds x; choose one"),
    "empty": ({"x": IMAGES[:0]}, {}, r"shape \(0, 4, 6, 3\)"),
    "labels": ({"x": IMAGES, "labels": np.arange(4)}, {}, "expected 5 whole numbers"),
    "negative": ({"x": IMAGES, "labels": np.arange(5) - 1}, {}, "labels begins at -1"),
    "objects": ({"x": np.array([{"a": 1}])}, {}, "an array of objects, which is a pickle and never read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_array_of_images_is_refused(tmp_path: Path, name: str) -> None:
    arrays, arguments, told = WRONG[name]
    with pytest.raises(ValueError, match=told) as error:
        ArrayFile(saved(tmp_path, **arrays), **arguments)
    assert "\n" not in str(error.value)


def test_what_is_no_array_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(Path(saved(tmp_path, IMAGES)).read_bytes()[:40])
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 cut")
    for name in ("x.npy", "x.npz"):
        with pytest.raises(ValueError, match=rf"{name}: cut, damaged or no \.np[yz] file"):
            ArrayFile(str(tmp_path / name))
    with pytest.raises(FileNotFoundError, match=r"dataset\.path=.*absent: no such file"):
        ArrayFile(str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="a folder, no file"):
        ArrayFile(str(tmp_path))
    with pytest.raises(ValueError, match="holds one array without a name"):
        ArrayFile(saved(tmp_path, IMAGES), images="x")

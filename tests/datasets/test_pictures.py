"""Every pixel that enters is right, or its picture is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.made_pictures import encoded, made
from mapga.datasets.base import UnreadableImageError
from mapga.datasets.image_folder import SUFFIXES, ImageFolder
from mapga.datasets.imagenet64 import ImageNet64
from mapga.datasets.lsun import LSUN
from mapga.datasets.pictures import pictures_below
from mapga.datasets.preparation import decode

RAMP = np.linspace(0, 65535, 24 * 16).round().astype(np.uint16).reshape(16, 24)
AS_BYTES = np.round(RAMP / 257).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RAMP).save(tmp_path / f"ramp.{suffix}")
    image = ImageFolder(str(tmp_path), channels=1)[0].image
    assert np.array_equal(image[..., 0], AS_BYTES) and image.min() == 0 and image.max() == 255
    assert np.array_equal(np.asarray(decode((tmp_path / f"ramp.{suffix}").read_bytes(), "ramp"))[..., 1], AS_BYTES)


@pytest.mark.parametrize(
    ("name", "array", "why"),
    [
        ("whole.tif", RAMP.astype(np.int32), "32-bit whole numbers of no known scale"),
        ("float.tif", (RAMP / 65535).astype(np.float32), "floating-point numbers of no known scale"),
    ],
)
def test_a_scale_that_nobody_knows_is_refused(tmp_path: Path, name: str, array: np.ndarray, why: str) -> None:
    Image.fromarray(array).save(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name}: its pixels are {why}; store it with 8 or 16 bits, or remove it"):
        ImageFolder(str(tmp_path), channels=1)
    with pytest.raises(UnreadableImageError, match=why):
        decode((tmp_path / name).read_bytes(), name)


@pytest.mark.parametrize(
    ("mode", "colour"), [("RGBA", None), ("LA", None), ("P", 0), ("RGB", (0, 0, 0)), ("L", 0)], ids=lambda one: str(one)
)
def test_transparency_is_never_flattened_without_a_word(tmp_path: Path, mode: str, colour: object) -> None:
    more = {} if colour is None else {"transparency": colour}
    Image.fromarray(made(70, 70)).convert(mode).save(tmp_path / "glass.png", **more)
    for dataset in (ImageNet64(str(tmp_path)), LSUN(str(tmp_path), variant="folder")):
        with pytest.raises(UnreadableImageError, match=r"glass\.png: unreadable picture \(it is transparent in places"):
            dataset[0]
    channels = 1 if mode == "L" else 3
    with pytest.raises(ValueError, match=r"glass\.png"):
        ImageFolder(str(tmp_path), channels=channels)


def test_a_palette_without_transparency_is_its_colours(tmp_path: Path) -> None:
    picture = Image.fromarray(made(8, 8)).convert("P")
    picture.save(tmp_path / "a.png")
    assert np.array_equal(ImageFolder(str(tmp_path))[0].image, np.asarray(picture.convert("RGB")))


def test_a_folder_is_turned_as_the_camera_meant_and_prepared_datasets_are_read_as_stored(tmp_path: Path) -> None:
    pixels = made(90, 70)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    folder = ImageFolder(str(tmp_path))
    assert folder.image_shape == (3, pixels.shape[1], pixels.shape[0])
    assert np.array_equal(folder[0].image, np.rot90(pixels, -1))
    assert np.array_equal(np.asarray(decode((tmp_path / "a.png").read_bytes(), "a")), pixels)


def test_hidden_files_are_passed_over_and_linked_folders_entered(tmp_path: Path) -> None:
    content = encoded(made(70, 70), "PNG")
    for name in ("one/a.png", ".ipynb_checkpoints/a-checkpoint.png", "one/._a.png", "one/.hidden/b.png"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(content)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/c.png").write_bytes(content)
    (tmp_path / "root/linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "root/pipe.png")  # nobody will ever write into it
    root = tmp_path / "root"
    assert pictures_below(root, SUFFIXES) == [root / "linked/c.png", root / "one/a.png"]
    for dataset in (ImageFolder(str(root)), ImageNet64(str(root)), LSUN(str(root), variant="folder")):
        assert len(dataset) == 2

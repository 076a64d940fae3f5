"""Folders of pictures: order, kinds, and every way they can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mapga.datasets.image_folder import ImageFolder


def write(path: Path, size: tuple[int, int] = (6, 4), mode: str = "RGB", value: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in ("L", "1") else (value, 0, 255)).save(path)


def test_pictures_below_the_folder_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for value, name in enumerate(("b/1.png", "a/2.PNG", "c.bmp")):
        write(tmp_path / name, value=value)
    (tmp_path / "notes.txt").write_text("no picture")
    folder = ImageFolder(str(tmp_path))
    assert len(folder) == 3 and folder.image_shape == (3, 4, 6)
    assert [int(folder[i].image[0, 0, 0]) for i in range(3)] == [1, 0, 2]
    assert folder[1].image.dtype == np.uint8 and folder[1].index == 1 and folder[1].label is None


def test_grey_pictures_have_one_channel(tmp_path: Path) -> None:
    write(tmp_path / "a.png", mode="L", value=200)
    assert ImageFolder(str(tmp_path), channels=1)[0].image.tolist() == [[[200]] * 6] * 4


@pytest.mark.parametrize(("mode", "channels", "found"), [("L", 3, 1), ("RGB", 1, 3), ("RGBA", 3, 4), ("LA", 1, 2)])
def test_another_channel_count_is_refused(tmp_path: Path, mode: str, channels: int, found: int) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match=rf"x\.png has {found} channels, expected dataset\.channels={channels}"):
        ImageFolder(str(tmp_path), channels=channels)


def test_sizes_that_differ_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.png", size=(6, 4))
    write(tmp_path / "b.png", size=(4, 6))
    with pytest.raises(ValueError, match=r"b\.png has 4x6 pixels, .*a\.png 6x4; .* dataset\.size=4$"):
        ImageFolder(str(tmp_path))


def test_squares_are_made_of_pictures_of_several_sizes(tmp_path: Path) -> None:
    """The short side is resized without aliasing, the middle cut out: a picture is its half, grey lines become grey."""
    lines = np.zeros((8, 12), np.uint8)
    lines[:, ::2] = 255
    Image.fromarray(lines).save(tmp_path / "lines.png")
    (wide := np.zeros((4, 20), np.uint8))[:, 8:12] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    folder = ImageFolder(str(tmp_path), channels=1, size=4)
    assert folder.image_shape == (1, 4, 4) and folder[0].image.shape == (4, 4, 1)
    assert np.abs(folder[0].image.astype(int) - 127).max() < 16, "every second pixel would be black, or white"
    assert (folder[1].image == 200).all()
    with pytest.raises(ValueError, match=r"wide\.png has 20x4 pixels, dataset\.size=5 would enlarge it"):
        ImageFolder(str(tmp_path), channels=1, size=5)
    with pytest.raises(ValueError, match=r"dataset\.size=0: the side of a picture"):
        ImageFolder(str(tmp_path), channels=1, size=0)


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pictures in it"):
        ImageFolder(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        ImageFolder(str(tmp_path / "absent"))
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="a file, no folder"):
        ImageFolder(str(tmp_path / "file"))


@pytest.mark.parametrize("content", [b"", b"not a picture at all"])
def test_an_unreadable_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.png: unreadable picture") as caught:
        ImageFolder(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("limit", [0, -1, 3])
def test_a_choice_outside_the_folder_is_refused(tmp_path: Path, limit: int) -> None:
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"dataset\.skip=2: choose 0\.\.1"):
        ImageFolder(str(tmp_path), skip=2)
    with pytest.raises(ValueError, match=rf"dataset\.limit={limit}: choose 1\.\.2"):
        ImageFolder(str(tmp_path), limit=limit)


def test_other_channels_than_grey_and_rgb_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dataset\.channels=4: choose 1"):
        ImageFolder(str(tmp_path), channels=4)


def test_a_folder_has_no_training_split(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a folder has no training split .* prior=none solver=pinv"):
        ImageFolder(str(tmp_path)).training()

"""ImageNet64: three sources, one output; labels in the networks' order; preparation as for the networks' training."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.made_pictures import encoded, made
from mapga.datasets import ImageNet64, UnreadableImageError
from mapga.datasets.imagenet64 import development_labels, wordnet_labels
from mapga.datasets.lists import VAL_1K, list_path, read_list
from mapga.datasets.preparation import imagenet_square, lsun_square
from mapga.datasets.selection import choose


def downsampled(path: Path, data: np.ndarray, labels: list[int]) -> str:
    np.savez(path, data=data, labels=np.array(labels))
    return str(path)


def test_a_planar_row_becomes_an_image(tmp_path: Path):
    """Acceptance 16."""
    row = np.concatenate([np.full(4096, value, np.uint8) for value in (10, 20, 30)])
    row[65] = 99
    item = ImageNet64(downsampled(tmp_path / "a.npz", row[None], [1]), "downsampled")[0]
    assert item.image.shape == (64, 64, 3) and item.image.dtype == np.uint8
    assert item.image[1, 1].tolist() == [99, 20, 30] and item.image[0, 0].tolist() == [10, 20, 30]
    assert (item.index, item.label) == (0, 278)


def test_square_rows_are_read_as_well(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    flat = pixels.transpose(0, 3, 1, 2).reshape(3, -1)
    first = ImageNet64(downsampled(tmp_path / "a.npz", pixels, [1, 2, 3]), "downsampled")
    second = ImageNet64(downsampled(tmp_path / "b.npz", flat, [1, 2, 3]), "downsampled")
    for k in range(3):
        assert np.array_equal(first[k].image, second[k].image) and np.array_equal(first[k].image, pixels[k])


def test_labels_are_the_networks_order():
    """Acceptance 17."""
    labels = development_labels()
    assert labels[1:10].tolist() == [278, 212, 250, 193, 217, 147, 387, 285, 350]
    assert sorted(labels[1:].tolist()) == list(range(1000))
    assert [label for _, label in sorted(wordnet_labels().items())] == list(range(1000))


def test_other_arrays_are_refused_by_the_keys_found(tmp_path: Path):
    np.savez(tmp_path / "a.npz", images=np.zeros(3), targets=np.zeros(3))
    for variant in ("downsampled", "reference"):
        with pytest.raises(ValueError, match="it holds images, targets"):
            ImageNet64(str(tmp_path / "a.npz"), variant)  # type: ignore[arg-type]
    for data, message in ((np.zeros((2, 100), np.uint8), "has shape"), (np.zeros((2, 12288)), "holds float64")):
        with pytest.raises(ValueError, match=message):
            ImageNet64(downsampled(tmp_path / "b.npz", data, [1, 2]), "downsampled")


@pytest.mark.parametrize("labels", [[0, 1], [1, 1001], [-1, 5]])
def test_labels_out_of_range_are_refused(tmp_path: Path, labels: list[int]):
    path = downsampled(tmp_path / "a.npz", np.zeros((2, 12288), np.uint8), labels)
    with pytest.raises(ValueError, match=r"a\.npz: labels .* has 1\.\.1000"):
        ImageNet64(path, "downsampled")


def test_cut_and_pickled_files_are_refused(tmp_path: Path):
    path = Path(downsampled(tmp_path / "a.npz", made(64, 64 * 3).reshape(3, 64, 64, 3), [1, 2, 3]))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ValueError, match=r"a\.npz: cut, damaged or no \.npz"):
        ImageNet64(str(path), "downsampled")
    np.savez(tmp_path / "b.npz", data=np.array([object()], dtype=object), labels=np.zeros(1))
    with pytest.raises(ValueError, match=r"b\.npz"):
        ImageNet64(str(tmp_path / "b.npz"), "downsampled")
    with pytest.raises(FileNotFoundError, match=r"c\.npz: no such file"):
        ImageNet64(str(tmp_path / "c.npz"), "downsampled")


def test_a_reference_batch_with_and_without_labels(tmp_path: Path):
    pixels = np.stack([made(64, 64, seed) for seed in range(4)])
    np.savez(tmp_path / "a.npz", pixels)
    np.savez(tmp_path / "b.npz", pixels, np.array([5, 0, 999, 3]))
    plain, labelled = (ImageNet64(str(tmp_path / f"{name}.npz"), "reference") for name in "ab")
    assert plain.n_classes is None and plain[2].label is None
    assert labelled.n_classes == 1000 and [labelled[k].label for k in range(4)] == [5, 0, 999, 3]
    assert np.array_equal(plain[3].image, pixels[3])


@pytest.mark.parametrize("size", [(500, 376), (64, 64), (132, 300), (1000, 130), (70, 66), (40, 50), (512, 768)])
def test_imagenets_preparation_is_adms(size: tuple[int, int]):
    picture = made(*size)
    got = imagenet_square(Image.fromarray(picture), 64)
    pixels = picture.astype(int)
    while min(pixels.shape[:2]) >= 128:  # box halvings of even sides: pairs of columns, then of rows, halves rounded up
        pixels = (pixels[:, ::2] + pixels[:, 1::2] + 1) // 2
        pixels = (pixels[::2] + pixels[1::2] + 1) // 2
    height, width = pixels.shape[:2]
    scale = 64 / min(height, width)
    small = Image.fromarray(pixels.astype(np.uint8)).resize(
        (round(width * scale), round(height * scale)), Image.BICUBIC
    )
    top, left = (small.height - 64) // 2, (small.width - 64) // 2
    assert got.shape == (64, 64, 3)
    assert np.array_equal(got, np.asarray(small)[top : top + 64, left : left + 64])


def test_the_centre_is_cut_out_with_the_offset_rounded_down():
    columns = np.broadcast_to(np.arange(67, dtype=np.uint8)[None, :, None], (64, 67, 3))
    assert imagenet_square(Image.fromarray(columns.copy()), 64)[0, :, 0].tolist() == list(range(1, 65))
    assert lsun_square(Image.fromarray(columns.copy()), 64)[0, :, 0].tolist() == list(range(1, 65))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four JPEGs below folders named by WordNet id."""
    for k, wnid in enumerate(("n01440764", "n01443537", "n01440764", "n02119789")):
        place = tmp_path / "val" / wnid / f"ILSVRC2012_val_{k:08d}.JPEG"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(made(150 + 10 * k, 140, k), "JPEG"))
    return tmp_path / "val"


def write_list(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_folder_of_jpegs_with_labels_from_its_folders(folder: Path):
    data = ImageNet64(str(folder))
    assert [(data[k].index, data[k].label) for k in range(4)] == [(0, 0), (1, 0), (2, 1), (3, 278)]
    assert data.n_classes == 1000 and data[0].image.shape == (64, 64, 3)


def test_a_list_gives_order_and_labels_also_of_a_flat_folder(folder: Path, tmp_path: Path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in folder.rglob("*.JPEG"):
        (flat / path.name).write_bytes(path.read_bytes())
    lines = "n02119789/ILSVRC2012_val_00000003.JPEG,278\nn01440764/ILSVRC2012_val_00000000.JPEG,0\n"
    listed = write_list(tmp_path / "list.csv", "file,model_label\n" + lines)
    for root in (folder, flat):
        data = ImageNet64(str(root), list=listed)
        assert [data[k].label for k in range(len(data))] == [278, 0]
        assert np.array_equal(data[1].image, ImageNet64(str(folder))[0].image)
    assert ImageNet64(str(flat)).n_classes is None


def test_the_shipped_list_is_one_image_a_class(tmp_path: Path):
    path = list_path(VAL_1K)
    assert path is not None
    assert sorted(entry.label for entry in read_list(path, 1000) if entry.label is not None) == list(range(1000))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"1000 of its 1000 files are not below .*mend dataset"):
        ImageNet64(str(tmp_path / "empty"), list=VAL_1K)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,model_label\nabsent.JPEG,3\n", "1 of its 1 files are not below .* the first is absent.JPEG"),
        ("file,model_label\nn01440764/ILSVRC2012_val_00000000.JPEG,1000\n", r"list\.csv:2: model_label='1000'"),
        ("name,label\na,1\n", "its first line is name,label"),
        ("file,model_label\n", "it names no file"),
    ],
)
def test_bad_lists_are_refused(folder: Path, tmp_path: Path, text: str, message: str):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ImageNet64(str(folder), list=write_list(tmp_path / "list.csv", text))


def test_bad_values_are_refused(folder: Path, tmp_path: Path):
    listed = write_list(tmp_path / "l.csv", "file\nn01440764/ILSVRC2012_val_00000000.JPEG\n")
    assert ImageNet64(str(folder), list=listed).n_classes is None
    cases = {
        "SHA-256 .* instead of ffff": {"list": listed, "list_sha256": "f" * 64},
        "choose 1..4": {"limit": 5},
        "lists are for": {"variant": "reference", "list": listed},
        "a folder, and dataset.variant=reference; jpeg reads a folder": {"variant": "reference"},
    }
    for message, options in cases.items():
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            ImageNet64(str(folder), **options)  # type: ignore[arg-type]
    empty = tmp_path / "nothing"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"a file, and dataset\.variant=jpeg; .* downsampled and reference an \.npz"):
        ImageNet64(downsampled(tmp_path / "a.npz", np.zeros((2, 12288), np.uint8), [1, 2]))
    with pytest.raises(ValueError, match=r"dataset\.root is null"):
        ImageNet64(None)
    with pytest.raises(FileNotFoundError, match="no pictures in it"):
        ImageNet64(str(empty))


def test_a_choice_is_of_rows_alone():
    assert {tuple(choose(1000, 5, seed)) for seed in (0, 0, 1)} == {tuple(choose(1000, 5, s)) for s in (0, 1)}
    assert choose(10, 3, None).tolist() == [0, 1, 2] and choose(10, 3, skip=4).tolist() == [4, 5, 6]
    skipped = choose(1000, 40, 5, skip=900)
    assert len(set(skipped)) == 40 and skipped.min() >= 900 and skipped.tolist() == sorted(skipped)


def test_a_picture_among_those_of_another_class_is_other_data(folder: Path):
    before = ImageNet64(str(folder)).fingerprint()
    (folder / "n02119789").rename(folder / "n02119022")
    assert ImageNet64(str(folder)).fingerprint() != before


@pytest.mark.parametrize("content", [b"", b"no picture", "cut"])
def test_a_damaged_jpeg_names_its_path(folder: Path, content: bytes | str):
    path = folder / "n01443537" / "ILSVRC2012_val_00000001.JPEG"
    path.write_bytes(path.read_bytes()[:1500] if isinstance(content, str) else content)
    data = ImageNet64(str(folder))
    with pytest.raises(UnreadableImageError, match=r"val_00000001\.JPEG: unreadable picture") as error:
        data[2]
    assert "\n" not in str(error.value) and data[1].image.any()


def test_grey_palette_and_cmyk_pictures_become_rgb(tmp_path: Path):
    picture = Image.fromarray(made(80, 90))
    for name, mode, form in (("grey", "L", "JPEG"), ("cmyk", "CMYK", "JPEG"), ("palette", "P", "PNG")):
        picture.convert(mode).save(buffer := io.BytesIO(), form)
        (tmp_path / f"{name}.{form.lower()}").write_bytes(buffer.getvalue())
    data = ImageNet64(str(tmp_path))
    assert all(data[k].image.shape == (64, 64, 3) for k in range(3))


def test_no_pixels_travel(folder: Path, tmp_path: Path):
    npz = downsampled(tmp_path / "a.npz", np.stack([made(64, 64, s) for s in range(4)]), [1, 2, 3, 4])
    for data in (ImageNet64(str(folder)), ImageNet64(npz, "downsampled")):
        assert data[0].image.any() and len(pickle.dumps(data)) < 5000

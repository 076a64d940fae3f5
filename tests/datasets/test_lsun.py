"""LSUN: real databases with JPEG and WebP bytes, folders, subsets, and everything that can be wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.made_pictures import as_bytes, encoded, made, write_lmdb
from mapga.datasets import LSUN, UnreadableImageError
from mapga.datasets.lmdb_reader import LMDBReader
from mapga.datasets.preparation import lsun_square

pytest.importorskip("lmdb")

KEYS = [f"{k:02d}{name}" for k, name in enumerate(("b1f", "0aa", "9c2", "777", "e0e", "31d"))]
SIZES = [(300, 256), (256, 300), (341, 256), (500, 400), (256, 256), (420, 640)]


def contents() -> dict[str, bytes]:
    forms = ("WEBP", "JPEG")
    return {
        key: encoded(made(*size, seed), forms[seed % 2])
        for seed, (key, size) in enumerate(zip(KEYS, SIZES, strict=True))
    }


@pytest.fixture
def database(tmp_path: Path) -> Path:
    values = contents()
    return write_lmdb(tmp_path / "cat", {key: values[key] for key in reversed(KEYS)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for key, value in contents().items():
        path = tmp_path / "pictures" / key[:1] / (key + (".webp" if value[:4] == b"RIFF" else ".jpg"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value)
    return tmp_path / "pictures"


def test_a_database_is_read_in_the_order_of_its_keys(database: Path):
    data = LSUN(str(database))
    assert len(data) == 6 and data.n_classes is None and data.image_shape == (3, 256, 256)
    for k, value in enumerate(contents().values()):
        item = data[k]
        assert item.index == k and item.label is None and item.image.shape == (256, 256, 3)
        import io

        wanted = lsun_square(Image.open(io.BytesIO(value)).convert("RGB"), 256)
        assert np.array_equal(item.image, wanted)


def test_a_folder_gives_the_same_pictures(database: Path, folder: Path):
    first, second = LSUN(str(database)), LSUN(str(folder), "folder")
    assert [as_bytes([first[k]]) for k in range(6)] == [as_bytes([second[k]]) for k in range(6)]


def test_the_preparation_is_a_box_resize_and_a_centre_cut():
    picture = made(640, 512, 3)
    got = lsun_square(Image.fromarray(picture), 256)
    half = (picture[:, ::2].astype(int) + picture[:, 1::2] + 1) // 2
    half = (half[::2] + half[1::2] + 1) // 2
    assert np.array_equal(got, half[:, 32:288])


def test_nothing_is_written_and_a_read_only_folder_will_do(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (database / "data.mdb").chmod(0o444)
    database.chmod(0o555)
    try:
        data = LSUN(str(database), limit=3, subset_seed=0)
        assert data[2].image.any()
        assert [path.name for path in database.iterdir()] == ["data.mdb"] and not list(elsewhere.iterdir())
    finally:
        database.chmod(0o755)


def test_two_datasets_of_one_database_in_one_process(database: Path):
    first, second = LSUN(str(database)), LSUN(str(database), limit=2)
    assert as_bytes([first[1]]) == as_bytes([second[1]])


def test_a_list_gives_keys_and_their_order(database: Path, tmp_path: Path):
    (tmp_path / "list.csv").write_text(f"file\n{KEYS[3]}\n{KEYS[0]}\n")
    listed, whole = LSUN(str(database), list=str(tmp_path / "list.csv")), LSUN(str(database))
    assert [listed[k].image.tobytes() for k in range(2)] == [whole[k].image.tobytes() for k in (3, 0)]
    assert [listed[k].index for k in range(2)] == [0, 1]


def test_a_list_that_names_absent_pictures_is_refused(database: Path, folder: Path, tmp_path: Path):
    (tmp_path / "list.csv").write_text(f"file\n{KEYS[3]}\nabsent\n")
    for root, variant in ((database, "lmdb"), (folder, "folder")):
        with pytest.raises(FileNotFoundError, match=r"of 2 pictures are not in .* the first is .*mend dataset\.root"):
            LSUN(str(root), variant, list=str(tmp_path / "list.csv"))  # type: ignore[arg-type]


@pytest.mark.parametrize("part", [0.5, 0.95, 0.001, 0.0])
def test_a_cut_database_is_refused(tmp_path: Path, part: float):
    path = write_lmdb(tmp_path / "cut", contents()) / "data.mdb"
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"cut.*fetch it again") as error:
        LSUN(str(path.parent))
    assert str(path.parent) in str(error.value) and "\n" not in str(error.value)


def test_a_damaged_picture_names_its_key(tmp_path: Path):
    values = contents()
    values[KEYS[2]] = values[KEYS[2]][:400]
    data = LSUN(str(write_lmdb(tmp_path / "cat", values)))
    with pytest.raises(UnreadableImageError, match=f"cat: key {KEYS[2]}: unreadable picture"):
        data[2]
    assert data[1].image.any() and data[3].image.any()


def test_what_is_not_there_is_named(database: Path, folder: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"dataset\.root=.*absent: no such folder"):
        LSUN(str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match=r"no data\.mdb in it"):
        LSUN(str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match=r"no pictures in it .*; dataset\.variant=lmdb reads its data\.mdb"):
        LSUN(str(database), "folder")
    with pytest.raises(ValueError, match=r"pictures and no data\.mdb; dataset\.variant=folder reads pictures"):
        LSUN(str(folder))
    with pytest.raises(FileNotFoundError, match=r"no pictures in it \([^;]*\)$"):
        LSUN(str(tmp_path / "empty"), "folder")
    with pytest.raises(ValueError, match=r"dataset\.limit=7: choose 1\.\.6"):
        LSUN(str(database), limit=7)
    with pytest.raises(KeyError):
        LMDBReader(database)[b"absent"]


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_lmdb(tmp_path / "hidden", contents())
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(ImportError, match=r"pip install 'mapga\[lsun\]'"):
        LSUN(str(path))

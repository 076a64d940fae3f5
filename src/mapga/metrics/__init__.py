"""Metrics: per-image numbers and distances of sets, all of stored uint8 images. One kind, one file, with its card.

Optional libraries (lpips, clean-fid, torchvision, torch-fidelity, the weights of the ``offline`` extra) are
imported when a metric that needs them is used, never before.
"""

from mapga.catalogue import door

__getattr__ = door(__name__)

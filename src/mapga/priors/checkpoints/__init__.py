"""Published checkpoints: what they are, their files, and their conversion to diffusers' network."""

from mapga.priors.checkpoints.architecture import PublishedArchitecture, PublishedNetwork
from mapga.priors.checkpoints.load import converted_path, load_network
from mapga.priors.checkpoints.manifest import PublishedFile, architectures, published, published_files
from mapga.priors.checkpoints.precision import NetworkPrecision, set_precision

__all__ = [
    "NetworkPrecision",
    "PublishedArchitecture",
    "PublishedFile",
    "PublishedNetwork",
    "architectures",
    "converted_path",
    "load_network",
    "published",
    "published_files",
    "set_precision",
]

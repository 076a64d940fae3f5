"""Published checkpoints: what they are, their files, and their conversion to diffusers' network."""

from typing import TYPE_CHECKING

from mapga.lazy import importer

if TYPE_CHECKING:
    from mapga.priors.checkpoints.architecture import PublishedArchitecture
    from mapga.priors.checkpoints.load import converted_path, load_network
    from mapga.priors.checkpoints.manifest import PublishedFile, architectures, published, published_files
    from mapga.priors.checkpoints.network import PublishedNetwork
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

_HOMES = {
    "NetworkPrecision": "precision",
    "PublishedArchitecture": "architecture",
    "PublishedFile": "manifest",
    "PublishedNetwork": "network",
    "architectures": "manifest",
    "converted_path": "load",
    "load_network": "load",
    "published": "manifest",
    "published_files": "manifest",
    "set_precision": "precision",
}
__getattr__ = importer(__name__, _HOMES)

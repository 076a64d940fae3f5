"""Weights in OpenAI's format: the fixtures' rule, tiny networks, and random ones of any size."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mapga.priors.checkpoints.architecture import PublishedArchitecture
from mapga.priors.checkpoints.layout import differences, published_shapes, to_diffusers
from mapga.priors.checkpoints.manifest import PublishedFile, architectures, published_files
from mapga.priors.checkpoints.network import PublishedNetwork, empty_network

__all__ = [
    "DATA",
    "TINY",
    "fixture_architecture",
    "fixture_network",
    "fixture_weights",
    "manifest",
    "register_tiny",
    "write_random_weights",
]

DATA = Path(__file__).parents[1] / "data"
TINY = PublishedArchitecture(64, (32, 64), (False, True), 1, 1000, True, 32, parameters=955_491)


def manifest(name: str) -> dict[str, Any]:
    """A fixture's configuration and its state dict's keys with shapes."""
    content: dict[str, Any] = json.loads((DATA / f"{name}.manifest.json").read_text())
    return content


def fixture_architecture(name: str) -> PublishedArchitecture:
    """The architecture that a fixture's configuration describes."""
    config = manifest(name)["config"]
    attention = tuple(config["image_size"] >> level in config["attn_res"] for level in range(len(config["mult"])))
    widths = tuple(config["ch"] * factor for factor in config["mult"])
    return PublishedArchitecture(
        config["image_size"], widths, attention, config["nres"], config["classes"], config["ssn"], config["head"], 0
    )


def fixture_weights(shapes: dict[str, list[int]] | dict[str, tuple[int, ...]], salt: str = "") -> dict[str, Tensor]:
    """The fixtures' rule: numbers that follow from each key and shape (and a salt, for other networks)."""
    state = {}
    for key, shape in shapes.items():
        a = np.random.Generator(np.random.PCG64(zlib.crc32((salt + key).encode()))).standard_normal(shape)
        plain = 1 + 0.1 * a if key.endswith("weight") else 0.1 * a
        a = a / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else plain
        state[key] = torch.from_numpy(a.astype(np.float32))
    return state


def fixture_network(name: str) -> PublishedNetwork:
    """A fixture's network with its weights, in the form that the prior uses."""
    architecture, state = fixture_architecture(name), fixture_weights(manifest(name)["state_dict"])
    assert differences(state, architecture) is None
    network = empty_network(architecture)
    network.body.load_state_dict(to_diffusers(state, architecture), strict=True, assign=True)
    return network


def write_random_weights(
    path: Path, architecture: PublishedArchitecture, *, salt: str = "", dtype: torch.dtype = torch.float32
) -> Path:
    """Randomly initialised weights of an architecture as a published file: a plain state dict, attention 4-D."""
    shapes = published_shapes(architecture)
    state = fixture_weights(shapes, salt) if architecture.parameters < 10_000_000 else _drawn(shapes, salt)
    for key, value in state.items():
        if ".qkv.weight" in key or ".proj_out.weight" in key:
            state[key] = value[..., None, None]
    torch.save({key: value.to(dtype) for key, value in state.items()}, path)
    return path


def _drawn(shapes: dict[str, tuple[int, ...]], salt: str) -> dict[str, Tensor]:
    """As the rule, faster, for hundreds of millions of numbers."""
    generator = torch.Generator().manual_seed(zlib.crc32(salt.encode()))
    state = {}
    for key, shape in shapes.items():
        a = torch.randn(shape, generator=generator)
        plain = 1 + 0.1 * a if key.endswith("weight") else 0.1 * a
        state[key] = a / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else plain
    return state


def register_tiny(patch: pytest.MonkeyPatch, *, sha256: str | None = None, size: int | None = None) -> None:
    """Add a tiny class-conditional 64x64 architecture and its networks to the manifest."""
    patch.setitem(architectures(), "tiny", TINY)
    edm = PublishedFile("edm_tiny", "edm", "tiny", "imagenet64", "http://127.0.0.1:9/edm_tiny.pt", None, size, sha256)
    patch.setitem(published_files(), "edm_tiny", edm)
    patch.setitem(published_files(), "cd_tiny", replace(edm, name="cd_tiny", kind="cd", grid=40))
    patch.setitem(published_files(), "ct_tiny", replace(edm, name="ct_tiny", kind="ct", grid=201))

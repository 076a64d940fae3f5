"""Weights files that are no weights files: cut, damaged, or with code in them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from helpers.published import TINY, register_tiny, write_random_weights
from mapga.files.fetch import sha256_of
from mapga.priors.checkpoints.load import converted_path, load_network
from mapga.priors.checkpoints.manifest import published


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    register_tiny(monkeypatch)


class Payload:
    """Unpickles into a call that leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.trace,))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, form: str):
    path, trace = tmp_path / "evil.pt", tmp_path / "trace"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"time_embed.0.weight": Payload(trace)}))
    else:
        torch.save({"time_embed.0.weight": Payload(trace)}, path)
    with pytest.raises(ValueError, match=r"evil\.pt: .*(asks for code|damaged)") as error:
        load_network(path, published("edm_tiny"))
    assert not trace.exists() and "\n" not in str(error.value)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "copy", "empty", "text", "npz"])
def test_a_file_that_is_cut_or_no_weights_file_is_refused(tmp_path: Path, form: str):
    path, state = tmp_path / "file.pt", torch.load(write_random_weights(tmp_path / "whole.pt", TINY), weights_only=True)
    if form == "safetensors":
        save_file(state, path)
    elif form == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    elif form in ("zip", "copy"):
        torch.save(state, path)
    if form == "copy":
        load_network(path, published("edm_tiny"))
        path = converted_path(sha256_of(path))
    content = {"empty": b"", "text": b"<html>not found</html>"}.get(form)
    if form == "npz":
        np.savez(buffer := io.BytesIO(), a=np.zeros(3))
        content = buffer.getvalue()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    source = tmp_path / "file.pt"
    with pytest.raises(ValueError) as error:
        load_network(source, published("edm_tiny"))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_list_of_tensors_is_no_state_dict(tmp_path: Path):
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="holds list, not a plain state dict"):
        load_network(tmp_path / "list.pt", published("edm_tiny"))


def test_an_absent_file_and_a_folder_without_weights(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"absent\.pt: no such file or folder"):
        load_network(tmp_path / "absent.pt", published("edm_tiny"))
    with pytest.raises(FileNotFoundError, match="give a diffusers folder"):
        load_network(tmp_path, published("edm_tiny"))

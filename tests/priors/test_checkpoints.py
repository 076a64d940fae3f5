"""Published checkpoints: recorded outputs of the official program, every key, every way a file can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from helpers.published import (
    DATA,
    TINY,
    fixture_architecture,
    fixture_network,
    fixture_weights,
    manifest,
    register_tiny,
    write_random_weights,
)
from mapga.files.fetch import sha256_of
from mapga.priors.checkpoints.files import read_weights
from mapga.priors.checkpoints.layout import differences, diffusers_shapes, published_names, to_diffusers
from mapga.priors.checkpoints.load import converted_path, load_network
from mapga.priors.checkpoints.manifest import architectures, published, published_files
from mapga.priors.checkpoints.network import PublishedNetwork, empty_network
from mapga.priors.network import NetworkPrior

FIXTURES = ["unet_tiny_imagenet64", "unet_tiny_lsun256"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    register_tiny(monkeypatch)


@pytest.mark.parametrize("name", FIXTURES)
def test_outputs_and_vjp_are_the_official_programs(name: str):
    recorded, network = np.load(DATA / f"{name}.npz"), fixture_network(name)
    architecture = network.architecture
    noise, labels = torch.from_numpy(recorded["noise"]), torch.from_numpy(recorded["labels"])
    prior = NetworkPrior(network, network, noise.shape[1:], n_classes=architecture.classes)
    prior = prior.conditioned(labels)
    for sigma in (0.002, 0.5, 80.0):
        for what, function in (("denoiser", prior.denoise), ("consistency", prior.consistency)):
            with torch.no_grad():
                got = function(noise * sigma, sigma).numpy()
            np.testing.assert_allclose(got, recorded[f"{what}_{sigma}"], atol=1e-5, rtol=0, err_msg=f"{what} {sigma}")
    z = (noise * 0.5).requires_grad_()
    (prior.consistency(z, 0.5) * torch.from_numpy(recorded["probe"])).sum().backward()
    assert z.grad is not None
    scale = np.abs(recorded["consistency_vjp_0.5"]).max()
    np.testing.assert_allclose(z.grad.numpy(), recorded["consistency_vjp_0.5"], atol=1e-5 * max(1, scale), rtol=0)


def test_every_key_of_the_full_imagenet64_file_maps():
    shapes, architecture = manifest("unet_imagenet64")["state_dict"], architectures()["imagenet64"]
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert differences(state, architecture) is None
    assert sum(value.numel() for value in state.values()) == 295_899_267
    converted = to_diffusers(state, architecture)
    assert {key: tuple(value.shape) for key, value in converted.items()} == diffusers_shapes(architecture)
    targets = [name for names in published_names(architecture).values() for name in names]
    assert len(targets) == len(set(targets)) == len(converted)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *(("imagenet64", 295_899_267), ("lsun256", 526_304_771), ("adm64", 295_904_454), ("adm256", 552_814_086)),
        *(("adm256_classes", 553_838_086), ("ffhq256", 93_563_910)),
    ],
)
def test_the_full_size_networks_have_the_published_number_of_parameters(name: str, count: int):
    architecture = architectures()[name]
    assert architecture.parameters == sum(value.numel() for value in empty_network(architecture).parameters()) == count


def test_the_manifest_names_the_released_networks():
    files = {name: entry for name, entry in published_files().items() if "tiny" not in name}
    assert len(files) == 18 and {entry.kind for entry in files.values()} == {"edm", "adm", "cd", "ct"}
    assert files["ct_imagenet64"].grid == 201 and files["ct_cat256"].grid == 151 and files["cd_cat256_l2"].grid == 40
    classes = {name: architectures()[entry.architecture].classes for name, entry in files.items()}
    assert classes["cd_imagenet64_l2"] == 1000 and classes["ct_bedroom256"] is None
    assert files["edm_cat256_ema"].address.endswith("/consistency/edm_cat256_ema.pt")
    with pytest.raises(ValueError, match="no published network; choose one of edm_imagenet64_ema"):
        published("edm_imagenet")


def test_attention_is_laid_out_three_heads_channels():
    """Acceptance 19, through diffusers' own attention."""
    from diffusers.models.attention_processor import Attention

    channels = torch.tensor([[0.0, 0], [0, 0], [0, 0], [0, 0], [1, 2], [3, 4]])  # q0 q1 k0 k1 v0 v1 at two places
    q, k, v = torch.chunk(channels, 3)
    attention = Attention(query_dim=2, heads=2, dim_head=1, out_bias=False)
    with torch.no_grad():
        for layer in (attention.to_q, attention.to_k, attention.to_v, attention.to_out[0]):
            layer.weight.copy_(torch.eye(2))
        attention.to_q.weight.zero_()
        attention.to_k.weight.zero_()
        out = attention(v.T[None])[0].T
    assert not q.any() and not k.any()
    torch.testing.assert_close(out, torch.tensor([[1.5, 1.5], [3.5, 3.5]]))
    # and to_diffusers cuts qkv the same way: thirds, in this order
    state = fixture_weights(manifest(FIXTURES[0])["state_dict"])
    converted = to_diffusers(state, fixture_architecture(FIXTURES[0]))
    whole = state["middle_block.1.qkv.weight"][:, :, 0, 0]
    parts = [converted[f"mid_block.attentions.0.to_{letter}.weight"] for letter in "qkv"]
    assert torch.equal(torch.cat(parts), whole)


def tiny_file(tmp_path: Path, name: str = "weights.pt", salt: str = "") -> Path:
    return write_random_weights(tmp_path / name, TINY, salt=salt)


def state_of(network: PublishedNetwork) -> dict[str, Tensor]:
    return dict(network.body.state_dict())


def test_one_renamed_key_is_refused_and_both_names_said(tmp_path: Path):
    """Acceptance 20."""
    state = torch.load(tiny_file(tmp_path), weights_only=True)
    state["middle_block.1.kqv.weight"] = state.pop("middle_block.1.qkv.weight")
    torch.save(state, tmp_path / "renamed.pt")
    with pytest.raises(ValueError, match=r"lacks middle_block\.1\.qkv\.weight; has middle_block\.1\.kqv\.weight"):
        load_network(tmp_path / "renamed.pt", published("edm_tiny"))


def test_a_wrong_shape_is_refused(tmp_path: Path):
    state = torch.load(tiny_file(tmp_path), weights_only=True)
    state["out.0.weight"] = torch.ones(33)
    torch.save(state, tmp_path / "shape.pt")
    with pytest.raises(ValueError, match=r"out\.0\.weight is \(33,\) instead of \(32,\)"):
        load_network(tmp_path / "shape.pt", published("edm_tiny"))


def test_another_architecture_is_recognised_by_its_content(tmp_path: Path):
    path = tiny_file(tmp_path, "edm_imagenet64_ema.pt")
    with pytest.raises(ValueError, match="no imagenet64 network: these are weights of architecture tiny"):
        load_network(path, published("edm_imagenet64_ema"))


def test_one_network_from_every_form_of_file(tmp_path: Path):
    path = tiny_file(tmp_path)
    entry, first = published("cd_tiny"), load_network(path, published("cd_tiny"))
    whole = torch.load(path, weights_only=True)
    torch.save(whole, tmp_path / "legacy.bin", _use_new_zipfile_serialization=False)
    save_file(whole, tmp_path / "published.safetensors")
    folder = tmp_path / "pipeline" / "unet"
    folder.mkdir(parents=True)
    save_file({name: value.clone() for name, value in state_of(first).items()},
              folder / "diffusion_pytorch_model.safetensors")  # fmt: skip
    places = [tmp_path / "legacy.bin", tmp_path / "published.safetensors", folder, folder.parent]
    for place in [*places, converted_path(sha256_of(path))]:
        again = state_of(load_network(place, entry))
        assert all(torch.equal(value, again[name]) for name, value in state_of(first).items()), place
        assert not any(parameter.requires_grad for parameter in load_network(place, entry).parameters())


def test_the_converted_copy_is_used_and_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tiny_file(tmp_path)
    load_network(path, published("ct_tiny"))
    copy = converted_path(sha256_of(path))
    metadata = read_weights(copy).metadata
    assert metadata["kind"] == "consistency" and metadata["name"] == "ct_tiny"
    assert metadata["source_sha256"] == sha256_of(path) and metadata["architecture"] == "tiny"

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the published file was read again")

    monkeypatch.setattr(torch, "load", never)
    load_network(path, published("ct_tiny"))


def test_a_denoiser_is_not_taken_for_a_consistency_model(tmp_path: Path):
    """Acceptance 6: whatever the file is called, once it is known what it is."""
    path = tiny_file(tmp_path)
    load_network(path, published("edm_tiny"))
    with pytest.raises(ValueError, match="these are edm weights, asked for as cd_tiny, which is consistency") as error:
        load_network(path, published("cd_tiny"))
    assert str(path) in str(error.value) and str(converted_path(sha256_of(path))) in str(error.value)


def test_a_diffusers_pipeline_of_a_consistency_model_is_no_denoiser(tmp_path: Path):
    folder = tmp_path / "pipeline" / "unet"
    folder.mkdir(parents=True)
    state = to_diffusers(torch.load(tiny_file(tmp_path), weights_only=True), TINY)
    torch.save(state, folder / "diffusion_pytorch_model.bin")
    (folder.parent / "model_index.json").write_text(json.dumps({"_class_name": "ConsistencyModelPipeline"}))
    load_network(folder.parent, published("cd_tiny"))
    for place in (folder.parent, folder):
        with pytest.raises(ValueError, match="these are consistency weights"):
            load_network(place, published("edm_tiny"))


def test_weights_known_by_their_hash_go_by_their_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tiny_file(tmp_path, "renamed_by_somebody.pt")
    register_tiny(monkeypatch, sha256=sha256_of(path))
    monkeypatch.delitem(published_files(), "cd_tiny")
    monkeypatch.delitem(published_files(), "ct_tiny")
    with pytest.raises(ValueError, match="these are the weights edm_tiny, asked for as edm_imagenet64_ema"):
        load_network(path, published("edm_imagenet64_ema"))

"""Published checkpoints: recorded outputs of the official program, every key, every way a file can be wrong."""

from __future__ import annotations

import io
import json
import pickle
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
    fixture_weights,
    manifest,
    register_tiny,
    write_random_weights,
)
from mapga.fetch import sha256_of
from mapga.priors import NoPrior
from mapga.priors.checkpoints import (
    PublishedNetwork,
    architectures,
    converted_path,
    load_network,
    published,
    published_files,
    set_precision,
)
from mapga.priors.checkpoints.files import read_weights
from mapga.priors.checkpoints.layout import differences, diffusers_shapes, published_names, to_diffusers
from mapga.priors.network import NetworkPrior

FIXTURES = ["unet_tiny_imagenet64", "unet_tiny_lsun256"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    register_tiny(monkeypatch)


def fixture_network(name: str) -> PublishedNetwork:
    architecture, state = fixture_architecture(name), fixture_weights(manifest(name)["state_dict"])
    assert differences(state, architecture) is None
    network = architecture.empty()
    network.body.load_state_dict(to_diffusers(state, architecture), strict=True, assign=True)
    return network


@pytest.mark.parametrize("name", FIXTURES)
def test_outputs_and_vjp_are_the_official_programs(name: str):
    recorded, network = np.load(DATA / f"{name}.npz"), fixture_network(name)
    architecture = network.architecture
    noise, labels = torch.from_numpy(recorded["noise"]), torch.from_numpy(recorded["labels"])
    prior = NetworkPrior(network, network, architecture.image_shape, n_classes=architecture.classes)
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


@pytest.mark.parametrize(("name", "count"), [("imagenet64", 295_899_267), ("lsun256", 526_304_771)])
def test_the_full_size_networks_have_the_published_number_of_parameters(name: str, count: int):
    architecture = architectures()[name]
    assert architecture.parameters == sum(value.numel() for value in architecture.empty().parameters()) == count


def test_the_manifest_names_the_released_networks():
    files = {name: entry for name, entry in published_files().items() if "tiny" not in name}
    assert len(files) == 12 and {entry.kind for entry in files.values()} == {"edm", "cd", "ct"}
    assert files["ct_imagenet64"].grid == 201 and files["ct_cat256"].grid == 151 and files["cd_cat256_l2"].grid == 40
    assert files["cd_imagenet64_l2"].class_conditional and not files["ct_bedroom256"].class_conditional
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
    path, state = tmp_path / "file.pt", torch.load(tiny_file(tmp_path), weights_only=True)
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


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.1), ("float16", 0.01)])
@pytest.mark.parametrize("name", FIXTURES)
def test_half_precision_keeps_norms_and_embeddings_in_float32(name: str, precision: str, tolerance: float):
    full, half = fixture_network(name), fixture_network(name)
    set_precision(half, precision)  # type: ignore[arg-type]
    dtypes = {key: value.dtype for key, value in half.body.named_parameters()}
    wanted = {"bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    for key, dtype in dtypes.items():
        single = any(part in key for part in ("norm", "embedding", "time_emb_proj", "conv_in", "conv_out"))
        assert dtype == (torch.float32 if single else wanted), key
    recorded = np.load(DATA / f"{name}.npz")
    x, labels = torch.from_numpy(recorded["noise"])[:1, :, :32, :32], torch.from_numpy(recorded["labels"])[:1]
    given = labels if full.architecture.classes is not None else None
    time = torch.full((len(x),), 250 * float(np.log(0.5)))
    outcomes = []
    for network in (full, half):
        z = x.clone().requires_grad_()
        out = network(z, time, given)
        outcomes.append((out.detach(), torch.autograd.grad(out.sum(), z)[0]))
    for exact, rounded, factor in zip(*outcomes, (1, 3), strict=True):  # the output, and its gradient
        assert rounded.dtype == torch.float32
        assert 1e-6 < float((rounded - exact).norm() / exact.norm()) < factor * tolerance


def test_no_prior_has_nothing():
    prior = NoPrior((3, 8, 8))
    assert not prior.has_denoiser and not prior.has_consistency and prior.image_shape == (3, 8, 8)
    for function in (prior.denoise, prior.consistency):
        with pytest.raises(ValueError, match="prior=none has no"):
            function(torch.zeros(1, 3, 8, 8), 1.0)

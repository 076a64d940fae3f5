"""The published networks as a prior: composed, refused, labelled, and run through the whole suite."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from helpers.made_pictures import encoded, made
from helpers.published import TINY, register_tiny, write_random_weights
from mapga.cli import main
from mapga.errors import ConfigError
from mapga.files.fetch import sha256_of
from mapga.priors import PublishedPrior
from mapga.priors.checkpoints.load import converted_path, load_network
from mapga.priors.checkpoints.manifest import published
from mapga.priors.network import NetworkPrior


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    register_tiny(monkeypatch)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, str]:
    """Two random tiny networks in OpenAI's format, under names that say nothing."""
    files = {"denoiser_source": "a.pt", "consistency_source": "b.pt"}
    return {key: str(write_random_weights(tmp_path / name, TINY, salt=name)) for key, name in files.items()}


def tiny_prior(weights: dict[str, str], **options: object) -> PublishedPrior:
    given: dict[str, object] = {"labels": "truth", "dataset_classes": 1000} | weights | options
    return PublishedPrior("tiny", "edm_tiny", "cd_tiny", **given)  # type: ignore[arg-type]


def noise(n: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((n, 3, 64, 64)).astype(np.float32))


def test_it_is_known_what_it_can_before_any_file_is_read():
    prior = PublishedPrior("imagenet64", "edm_imagenet64_ema", None, labels=7)
    assert prior.has_denoiser and not prior.has_consistency
    assert (prior.image_shape, prior.n_classes, prior.sigma_max) == ((3, 64, 64), 1000, 80.0)
    assert PublishedPrior("lsun256", None, "ct_cat256").image_shape == (3, 256, 256)
    with pytest.raises(ConfigError, match=r"edm_imagenet64_ema\.pt: no such file.*; fetch it from http.* with `mapga"):
        prior.loaded()


def test_it_is_the_network_prior_of_its_files(weights: dict[str, str]):
    prior = tiny_prior(weights).conditioned(torch.tensor([3, 999]))
    networks = [
        load_network(Path(weights[f"{role}_source"]), published(name)).float()
        for role, name in (("denoiser", "edm_tiny"), ("consistency", "cd_tiny"))
    ]
    wanted = NetworkPrior(*networks, (3, 64, 64), n_classes=1000).conditioned(torch.tensor([3, 999]))
    x = 5 * noise()
    with torch.no_grad():
        assert torch.equal(prior.denoise(x, 5.0), wanted.denoise(x, 5.0))
        assert torch.equal(prior.consistency(x, 5.0), wanted.consistency(x, 5.0))
        assert torch.equal(prior.consistency(x, 0.002), x)
        other = tiny_prior(weights).conditioned(torch.tensor([4, 999])).denoise(x, 5.0)
    assert not torch.equal(other[0], wanted.denoise(x, 5.0)[0])


def test_moving_it_keeps_the_networks_own_precision(weights: dict[str, str]):
    prior = tiny_prior(weights, precision="bfloat16", channels_last=True).to("cpu", torch.float64)
    prior = prior.conditioned(torch.tensor([3, 999]))
    x = noise().double()
    with torch.no_grad():
        half = prior.denoise(x, 1.0)
        full = tiny_prior(weights).conditioned(torch.tensor([3, 999])).denoise(x, 1.0)
    assert half.dtype == full.dtype == torch.float64
    assert 1e-6 < float((half - full).abs().max()) < 0.1


def test_checkpointing_changes_the_memory_of_a_gradient_alone(weights: dict[str, str]):
    """A checkpointed block keeps its input, and makes what it forgot again: more operations, the same gradient."""
    x, seen = noise(), []
    for prior in (tiny_prior(weights), tiny_prior(weights, checkpointing=True)):
        kept: list[int] = []
        z = x.clone().requires_grad_()

        def keep(tensor: torch.Tensor, sizes: list[int] = kept) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            value = prior.conditioned(torch.tensor([3, 999])).denoise(z, 1.0)
        seen.append((torch.autograd.grad(value.square().sum(), z)[0], sum(kept)))
    (plain, all_kept), (checkpointed, few_kept) = seen
    torch.testing.assert_close(checkpointed, plain, rtol=1e-5, atol=1e-6)
    assert few_kept < 0.5 * all_kept


def test_labels_are_truth_random_or_one_number(weights: dict[str, str]):
    truth = torch.tensor([3, 999, 5])
    indices = [0, 10, 20]
    assert tiny_prior(weights).labels_for(indices, truth) is truth
    fixed = tiny_prior(weights, labels=42).labels_for(indices, None)
    assert fixed is not None and fixed.tolist() == [42, 42, 42]
    random = tiny_prior(weights, labels="random", dataset_classes=None)
    drawn, again = random.labels_for(indices, truth), random.labels_for([20, 0], None)
    assert drawn is not None and again is not None
    assert again.tolist() == [drawn[2], drawn[0]] and len(set(drawn.tolist())) == 3
    assert all(0 <= label < 1000 for label in drawn.tolist())
    other = tiny_prior(weights, labels="random", seed=1).labels_for(indices, truth)
    assert other is not None and other.tolist() != drawn.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": None}, "prior.labels is null: tiny needs truth, random or 0..999"),
        ({"labels": 1000}, "prior.labels=1000: choose 0..999"),
        ({"dataset_classes": None}, "the dataset has no labels; set prior.labels=random"),
        ({"dataset_classes": 10}, "the networks know 1000 classes, the dataset has 10 classes"),
    ],
)
def test_labels_that_do_not_fit_are_refused(weights: dict[str, str], options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        tiny_prior(weights, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lsun256", "edm_cat256_ema", None, "truth"), "prior.labels=truth: lsun256 networks take no class"),
        (("imagenet64", "cd_imagenet64_l2", None, 1), "prior.denoiser=cd_imagenet64_l2 is a consistency model"),
        (("imagenet64", None, "edm_imagenet64_ema", 1), "prior.consistency=edm_imagenet64_ema is a denoiser"),
        (("imagenet64", "edm_cat256_ema", None, 1), "edm_cat256_ema is of architecture lsun256"),
        (("imagenet64", "edm_imagnet64", None, 1), "no published network; choose one of .*prior.denoiser_source"),
        (("imagenet64", None, None, 1), "are both null; name one, or use prior=none"),
        (("imagenet", None, None, 1), "prior.architecture='imagenet': choose imagenet64, lsun256, adm64"),
    ],
)
def test_networks_in_the_wrong_place_are_refused(arguments: tuple, message: str):
    architecture, denoiser, consistency, labels = arguments
    with pytest.raises(ValueError, match=message):
        PublishedPrior(architecture, denoiser, consistency, labels=labels)


def test_one_file_is_not_both_networks(weights: dict[str, str]):
    with pytest.raises(ConfigError, match="these are edm weights, asked for as cd_tiny"):
        tiny_prior(weights | {"consistency_source": weights["denoiser_source"]}).loaded()


def test_a_cut_file_is_refused_by_its_hash_with_path_and_remedy(weights: dict[str, str]):
    """Acceptance 21, for a file of one's own; test_prefetch.py has the fetched ones."""
    path = Path(weights["denoiser_source"])
    whole = sha256_of(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ConfigError, match=r"a\.pt: SHA-256 .* instead of .*give the path of the whole file"):
        tiny_prior(weights, denoiser_sha256=whole).loaded()
    with pytest.raises(ConfigError, match=r"a\.pt: 1\d* bytes, cut short; give the path"):
        tiny_prior(weights).loaded()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures below folders named by WordNet id: classes 0, 1, 278."""
    for k, wnid in enumerate(("n01440764", "n01443537", "n02119789")):
        place = tmp_path / "val" / wnid / f"ILSVRC2012_val_{k:08d}.JPEG"
        place.parent.mkdir(parents=True)
        place.write_bytes(encoded(made(150 + 10 * k, 140, k), "JPEG"))
    return tmp_path / "val"


def overrides(photos: Path, weights: dict[str, str], *more: str) -> list[str]:
    tiny = ["prior.architecture=tiny", "prior.denoiser=edm_tiny", "prior.consistency=cd_tiny"]
    places = [f"prior.{key}={path}" for key, path in weights.items()]
    results = f"results_dir={photos.parent / 'results'}"
    return ["run", "dataset=imagenet64", f"dataset.root={photos}", *tiny, *places, "schedule.steps=2", results, *more]


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_a_run_through_conversion_labels_solver_and_records(
    photos: Path, weights: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The path of the full-size networks, with tiny ones: dataset=imagenet64 brings prior=imagenet64."""
    assert main(overrides(photos, weights, "solver=map_ga", "batch_size=2")) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["names"]["prior"] == "imagenet64"
    assert config["prior"]["denoiser_sha256"] == sha256_of(Path(weights["denoiser_source"]))
    assert [(row["label"], row["status"]) for row in rows_of(folder)] == [(0, "done"), (1, "done"), (278, "done")]
    assert json.loads((folder / "metrics.json").read_text())["compute"]["forward"] == 2 * 3
    assert np.load(folder / "images.npy").shape == (3, 64, 64, 3)
    assert all(converted_path(sha256_of(Path(path))).is_file() for path in weights.values())

    # The same weights elsewhere, in the converted form: the same run, which is done.
    moved = {key: str(Path(path).rename(tmp_path / f"moved-{key}.bin")) for key, path in weights.items()}
    assert main(overrides(photos, moved, "solver=map_ga", "prior.channels_last=true")) == 0
    assert Path(capsys.readouterr().out.splitlines()[-1]) == folder
    # Other labels are another experiment, with other images.
    assert main(overrides(photos, moved, "solver=map_ga", "prior.labels=random")) == 0
    other = Path(capsys.readouterr().out.splitlines()[-1])
    assert other != folder and not np.array_equal(np.load(other / "images.npy"), np.load(folder / "images.npy"))
    assert [row["label"] for row in rows_of(other)] == [0, 1, 278]


def test_images_do_not_depend_on_batches_with_random_labels(
    photos: Path, weights: dict[str, str], capsys: pytest.CaptureFixture[str]
):
    made_by = []
    for size in (1, 3):
        more = [f"batch_size={size}", "prior.labels=random", "solver=ddrm", "schedule.sigma_max=20"]
        assert main([*overrides(photos, weights, *more), f"results_dir={photos.parent / str(size)}"]) == 0
        made_by.append(np.load(Path(capsys.readouterr().out.splitlines()[-1]) / "images.npy").astype(int))
    assert np.abs(made_by[0] - made_by[1]).max() <= 1


def test_a_damaged_picture_fails_alone(photos: Path, capsys: pytest.CaptureFixture[str]):
    path = photos / "n01443537" / "ILSVRC2012_val_00000001.JPEG"
    path.write_bytes(path.read_bytes()[:900])
    for size in (1, 3):
        results = f"results_dir={photos.parent / f'size{size}'}"
        common = ["run", "dataset=imagenet64", f"dataset.root={photos}", "prior=none", "solver=pinv", results]
        assert main([*common, f"batch_size={size}"]) == 1
        folder = Path(capsys.readouterr().out.splitlines()[-1])
        assert [(row["index"], row["status"]) for row in rows_of(folder)] == [(0, "done"), (1, "failed"), (2, "done")]
        assert json.loads((folder / "metrics.json").read_text())["n_failed"] == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["dataset=mnist", "prior=imagenet64"], "the networks know 1000 classes, the dataset has 10 classes"),
        (["prior=none", "solver=map_ga"], "it needs a denoiser, and this prior has none"),
        (["prior.consistency=null", "solver=map_ga"], "it needs a consistency model, and this prior has none"),
        (["prior.precision=half"], "choose one of 'float32', 'bfloat16', 'float16'"),
        (["prior.labels=true"], "prior.labels"),
        (["prior.labels=guess"], "choose one of 'truth', 'random'"),
        (["dataset.variant=png"], "choose one of 'jpeg', 'downsampled', 'reference'"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    photos: Path, weights: dict[str, str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    base = overrides(photos, weights)
    if more[0].startswith("dataset=mnist"):
        base = [text for text in base if not text.startswith("dataset")]
    if more[0] == "prior=none":
        base = [text for text in base if not text.startswith("prior.")]
    assert main([*base, *more]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error


def test_identity_has_the_weights_hash_and_no_places():
    def science(**changed: object) -> dict[str, object]:
        node = {"denoiser": "edm_tiny", "denoiser_sha256": "a" * 64, "denoiser_source": "x", "channels_last": False}
        return PublishedPrior.card.science(node | changed)

    for same in ({"denoiser_source": "y"}, {"channels_last": True}):
        assert science(**same) == science() == {"denoiser": "edm_tiny", "denoiser_sha256": "a" * 64}
    for other in ({"denoiser_sha256": "c" * 64}, {"denoiser": "x"}):
        assert science(**other) != science()

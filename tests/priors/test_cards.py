"""What the suite reads of a prior before there is one: hashes, files, places; and that no torch is needed for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mapga.card import PriorCard
from mapga.catalogue import kinds
from mapga.errors import ConfigError
from mapga.files.fetch import sha256_of
from mapga.priors.network import NetworkPrior
from mapga.priors.networks.shipped import shipped_fingerprint
from mapga.priors.published import PublishedPrior

PRIORS = Path(__file__).parents[2] / "src/mapga/priors"
MODULES = [f"mapga.priors.{path.stem}" for path in PRIORS.glob("[a-z]*.py")]
MODULES += [*(f"mapga.schedules.{name}" for name in ("ddpm", "explicit", "spaced")), "mapga.priors.networks.shipped"]
MODULES += [f"mapga.priors.checkpoints.{name}" for name in ("architecture", "manifest", "sources", "files")]


def test_reading_a_card_needs_no_torch() -> None:
    loaded = f"import sys, {', '.join(MODULES)}; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "False"


def test_every_prior_has_a_card() -> None:
    found = kinds("mapga.priors", "Prior")
    assert {"GaussianPrior", "MixturePrior", "NetworkPrior", "NoPrior", "PublishedPrior"} <= found.keys()
    for name, kind in found.items():
        assert isinstance(kind.card, PriorCard), name
    for name in ("GaussianPrior", "MixturePrior"):
        assert found[name].from_images.card.given == ("images",)


def trained(**given: object) -> SimpleNamespace:
    keys = ("denoiser", "consistency", "denoiser_sha256", "consistency_sha256")
    return SimpleNamespace(**dict.fromkeys(keys) | given)


def test_a_trained_pair_is_pinned_by_the_files_that_are_here(tmp_path: Path) -> None:
    card, path = NetworkPrior.from_files.card, tmp_path / "d.safetensors"
    path.write_bytes(b"weights")
    digest = sha256_of(path)
    assert card.pin(trained(denoiser=str(path))) == {"denoiser_sha256": digest}
    assert card.pin(trained(denoiser=str(path), denoiser_sha256="a" * 64)) == {}
    assert card.pin(trained(consistency=str(tmp_path / "absent"))) == {}
    node = {"denoiser": str(path), "denoiser_sha256": digest, "consistency": "c", "consistency_sha256": None}
    assert card.science(node) == {"denoiser_sha256": digest, "consistency": "c", "consistency_sha256": None}


def test_a_shipped_pair_is_pinned_by_its_fingerprint() -> None:
    pin = NetworkPrior.shipped.card.pin
    assert pin(SimpleNamespace(name="mnist", fingerprint=None)) == {"fingerprint": shipped_fingerprint("mnist")}
    assert pin(SimpleNamespace(name="mnist", fingerprint="a" * 64)) == {}
    assert pin(SimpleNamespace(name="nothing", fingerprint=None)) == {}, "the prior says what is wrong"


def released(**given: object) -> SimpleNamespace:
    roles = ("denoiser", "consistency")
    keys = [f"{role}{end}" for role in roles for end in ("", "_source", "_sha256")]
    return SimpleNamespace(**{"architecture": "imagenet64"} | dict.fromkeys(keys) | given)


def test_released_networks_are_pinned_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path))
    card = PublishedPrior.card
    node = released(denoiser="edm_imagenet64_ema", consistency="cd_imagenet64_l2", denoiser_sha256="a" * 64)
    assert card.pin(node) == {"denoiser_sha256": "a" * 64, "consistency_sha256": None}
    need = card.files(released(consistency="ct_imagenet64"))[0]
    assert need.key == "prior.consistency" and need.what.startswith("ct_imagenet64 from http")
    assert (
        need.problem is not None and "`mapga prefetch prior=imagenet64 prior.consistency=ct_imagenet64`" in need.problem
    )
    assert card.science(vars(node) | {"compile": True, "channels_last": True}).keys() == {
        *("architecture", "denoiser", "consistency", "denoiser_sha256", "consistency_sha256")
    }


def test_an_unknown_network_is_a_config_error_in_one_line() -> None:
    for ask in (PublishedPrior.card.pin, PublishedPrior.card.files):
        with pytest.raises(ConfigError, match=r"^prior\.denoiser='x' is no published network; choose one of [^\n]*$"):
            ask(released(denoiser="x"))

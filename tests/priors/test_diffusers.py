"""Networks of diffusers as priors: each convention against diffusers' own scheduler, folders, hub ids, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDPMPipeline,
    DDPMScheduler,
    EulerDiscreteScheduler,
    ScoreSdeVePipeline,
    ScoreSdeVeScheduler,
    UNet2DModel,
)
from torch import Tensor

from helpers.hub_server import hub
from mapga.errors import ConfigError
from mapga.files.need import missing
from mapga.node import PRIOR, Node
from mapga.priors import DiffusersPrior
from mapga.priors.networks.saved import Saved

SHAPE = (3, 8, 8)


def unet(**changed: Any) -> UNet2DModel:
    torch.manual_seed(0)
    small = {"sample_size": 8, "block_out_channels": (8, 8), "layers_per_block": 1, "norm_num_groups": 4}
    small |= {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, "attention_head_dim": 4}
    return UNet2DModel(**{**small, **changed}).eval()


def noisy(seed: int = 0) -> Tensor:
    return torch.randn(2, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(seed))


def in_float64(network: UNet2DModel, scheduler: Any) -> DiffusersPrior:
    return DiffusersPrior(network, scheduler).to("cpu", torch.float64)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("time", [0, 37, 999])
def test_a_discrete_scheduler_predicts_the_same_image(prediction: str, time: int) -> None:
    scheduler = DDPMScheduler(prediction_type=prediction, clip_sample=False)
    alpha = scheduler.alphas_cumprod[time].double()
    sigma, x = ((1 - alpha) / alpha).sqrt(), noisy()
    scaled = x * alpha.sqrt()
    model = unet()
    prior = in_float64(model, scheduler)  # of a copy of the network
    with torch.no_grad():
        out = model.double()(scaled, time).sample
    wanted = scheduler.step(out, time, scaled).pred_original_sample
    assert torch.allclose(prior.denoise(x, float(sigma)), wanted, rtol=1e-5, atol=1e-6)
    assert prior.has_denoiser and not prior.has_consistency
    assert prior.sigma_min == pytest.approx(0.01, rel=1e-3) and prior.sigma_max == pytest.approx(157.4, rel=1e-3)


def test_between_two_times_the_logarithm_of_the_level_is_followed() -> None:
    prior = in_float64(unet(), DDPMScheduler())
    process = prior.prior.processes["denoiser"]
    levels = torch.tensor(process.levels, dtype=torch.float64)
    between = (levels[40] * levels[41]).sqrt()
    asked = torch.stack([levels[40], between, levels[41], levels[0] / 9, levels[-1] * 9])
    assert process.time(asked).tolist() == pytest.approx([40, 40.5, 41, 0, 999], abs=1e-9)


def test_a_learned_variance_is_left_out_and_a_time_without_image_too() -> None:
    scheduler = DDPMScheduler(variance_type="learned_range", clip_sample=False, rescale_betas_zero_snr=True)
    model, x = unet(out_channels=6), noisy()
    prior = in_float64(model, scheduler)
    alpha = scheduler.alphas_cumprod[500].double()
    with torch.no_grad():
        out = model.double()(x * alpha.sqrt(), 500).sample
    wanted = scheduler.step(out, 500, x * alpha.sqrt()).pred_original_sample
    sigma = float(((1 - alpha) / alpha).sqrt())
    assert torch.allclose(prior.denoise(x, sigma), wanted, rtol=1e-5, atol=1e-6)
    assert len(prior.prior.processes["denoiser"].levels) in (999, 1000) and prior.sigma_max < float("inf")


def test_a_score_of_images_in_zero_to_one_denoises_as_its_pipeline_steps() -> None:
    """One reverse step of diffusers leads from sigma to sigma' along the score: x + (s^2 - s'^2) score."""
    scheduler = ScoreSdeVeScheduler(num_train_timesteps=10, sigma_min=0.01, sigma_max=2.0)
    scheduler.set_timesteps(10)
    scheduler.set_sigmas(10)
    model = unet(time_embedding_type="fourier", center_input_sample=True)
    prior = in_float64(model, scheduler)
    time, sigma, then = scheduler.timesteps[0], *scheduler.discrete_sigmas[[9, 8]].double()
    image = (noisy() + 1) / 2
    with torch.no_grad():
        out = model.double()(image, sigma * torch.ones(2, dtype=torch.float64)).sample
    mean = scheduler.step_pred(out, time, image).prev_sample_mean
    denoised = (prior.denoise(2 * image - 1, 2 * float(sigma)) + 1) / 2
    assert torch.allclose(image + (sigma**2 - then**2) * (denoised - image) / sigma**2, mean, rtol=1e-4, atol=1e-5)
    assert (prior.sigma_min, prior.sigma_max) == (0.02, 4.0)


def test_a_consistency_model_answers_as_its_scheduler() -> None:
    scheduler = CMStochasticIterativeScheduler(clip_denoised=False, sigma_min=0.01, sigma_max=60.0, sigma_data=0.4)
    scheduler.set_timesteps(4)
    model, k = unet(num_train_timesteps=40), 1
    prior = in_float64(model, scheduler)
    time, x = scheduler.timesteps[k], noisy() * 5
    sigma = float(scheduler.sigmas[k])
    scaled = scheduler.scale_model_input(x, time)
    with torch.no_grad():
        out = model.double()(scaled, time).sample
    wanted = scheduler.step(out, time, x, generator=torch.manual_seed(0), return_dict=False)[0]
    last = scheduler.sigmas[k + 1].clamp(0.01, 60.0).double()
    noise = torch.randn(x.shape, generator=torch.manual_seed(0), dtype=out.dtype)
    wanted = wanted - noise * (last**2 - 0.01**2).sqrt()
    assert torch.allclose(prior.consistency(x, sigma), wanted, rtol=1e-4, atol=1e-5)
    assert torch.equal(prior.consistency(x, 0.01), x)
    assert prior.has_consistency and not prior.has_denoiser and (prior.sigma_min, prior.sigma_max) == (0.01, 60.0)


SCHEDULERS = [
    DDPMScheduler(),
    DDPMScheduler(prediction_type="v_prediction"),
    ScoreSdeVeScheduler(),
    CMStochasticIterativeScheduler(),
]


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda one: type(one).__name__)
def test_its_gradient_is_that_of_finite_differences(scheduler: Any) -> None:
    prior = in_float64(unet(), scheduler)
    answer = prior.denoise if prior.has_denoiser else prior.consistency
    x = noisy()[:1].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: answer(x, 0.7)[0, :, :2, :2], (x,), atol=1e-4, fast_mode=True)


def test_one_level_for_all_or_one_for_each() -> None:
    for scheduler in SCHEDULERS:
        prior = in_float64(unet(), scheduler)
        answer = prior.denoise if prior.has_denoiser else prior.consistency
        x, levels = noisy(), torch.tensor([0.3, 4.0], dtype=torch.float64)
        apart = torch.cat([answer(x[k : k + 1], float(levels[k])) for k in range(2)])
        assert torch.allclose(answer(x, levels), apart, atol=1e-9)


def node(folder: Path | str, **arguments: Any) -> Node:
    target = {"_target_": "mapga.priors.DiffusersPrior.from_saved"}
    return Node.read(PRIOR, {**target, "path": str(folder), **arguments})


PIPELINES = {
    "ddpm": lambda: DDPMPipeline(unet(), DDPMScheduler(prediction_type="v_prediction")),
    "score": lambda: ScoreSdeVePipeline(unet(time_embedding_type="fourier"), ScoreSdeVeScheduler()),
    "consistency": lambda: ConsistencyModelPipeline(unet(), CMStochasticIterativeScheduler()),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_saved_pipeline_is_that_of_its_parts(name: str, tmp_path: Path) -> None:
    pipeline = PIPELINES[name]()
    pipeline.save_pretrained(tmp_path / name)
    prior = node(tmp_path / name).build({"dataset_classes": None})
    other = DiffusersPrior.from_pipeline(pipeline)
    assert prior.prior.processes == other.prior.processes and prior.image_shape == SHAPE and prior.name == name
    x = noisy().float()
    answers = [(one.denoise if one.has_denoiser else one.consistency)(x, 0.9) for one in (prior, other)]
    assert torch.equal(*answers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("saved") / "flat"
    unet(num_class_embeds=5).save_pretrained(place)
    DDPMScheduler().save_pretrained(place)
    return place


def test_a_run_is_known_by_the_content_of_the_three_files(folder: Path, tmp_path: Path) -> None:
    here = node(folder)
    pinned = here.card.pin(here.namespace)
    assert here.card.science({"path": "a", "revision": "b", **pinned}) == pinned and len(pinned["sha256"]) == 64
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert here.card.pin(node(moved).namespace) == pinned
    config = json.loads((moved / "scheduler_config.json").read_text())
    (moved / "scheduler_config.json").write_text(json.dumps(config | {"prediction_type": "sample"}))
    assert here.card.pin(node(moved).namespace) != pinned
    with pytest.raises(ConfigError, match=r"^prior\.sha256=\w{12}: .*moved holds other files, \w{12}; mend either$"):
        node(moved, **pinned).build({"dataset_classes": 5})
    assert node(folder, **pinned).build({"dataset_classes": 5}).prior.fingerprint == pinned["sha256"]


def test_classes_are_the_datasets(folder: Path) -> None:
    prior = node(folder).build({"dataset_classes": 5})
    x = noisy().float()
    one, two = (prior.conditioned(torch.tensor(labels)).denoise(x, 1.0) for labels in ([0, 3], [0, 4]))
    assert torch.equal(one[0], two[0]) and not torch.equal(one[1], two[1])
    with pytest.raises(ConfigError, match=r"networks know 5 classes, the dataset has no labels; set prior\.labels"):
        node(folder).build({"dataset_classes": None})


def test_classes_are_random_or_one_number_where_that_is_asked_for(folder: Path) -> None:
    fixed = node(folder, labels=3).build({"dataset_classes": None})
    assert fixed.labels_for([0, 7], None).tolist() == [3, 3]
    drawn = [node(folder, labels="random").build({"seed": seed}).labels_for([0, 7, 9, 12], None) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    true = torch.tensor([1, 2])
    assert node(folder).build({"dataset_classes": 5}).labels_for([0, 7], true) is true
    with pytest.raises(ConfigError, match=r"prior\.labels=5: choose 0\.\.4, truth or random"):
        node(folder, labels=5).build({})


def _altered(folder: Path, file: str, **change: Any) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_what_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    def broken(name: str) -> Path:
        return shutil.copytree(folder, tmp_path / name)

    cases: list[tuple[Path, str]] = []
    (place := broken("no scheduler")).joinpath("scheduler_config.json").unlink()
    cases.append((place, "the scheduler says what the network predicts"))
    place = broken("pickle")
    (place / "diffusion_pytorch_model.safetensors").rename(place / "diffusion_pytorch_model.bin")
    cases.append((place, "weights are read from safetensors alone"))
    place = broken("cut")
    weights = place / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:900])
    cases.append((place, "damaged, or of another network"))
    for name, file, change, told in [
        ("text", "config.json", {"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel is no UNet2DModel"),
        ("code", "scheduler_config.json", {"_class_name": "os.system"}, "os.system is no scheduler of diffusers"),
        ("flow", "scheduler_config.json", {"prediction_type": "flow"}, "prediction_type='flow'; epsilon, sample, v_pr"),
        ("edm", "scheduler_config.json", {"_class_name": "EDMEulerScheduler"}, "its networks predict is not known"),
    ]:
        _altered(place := broken(name), file, **change)
        cases.append((place, told))
    (place := broken("json")).joinpath("config.json").write_text("{")
    cases.append((place, "no JSON"))
    cases.append((tmp_path / "absent", "no such folder"))
    for place, told in cases:
        with pytest.raises(ConfigError) as error:
            node(place).build({"dataset_classes": 5})
        assert told in str(error.value) and "\n" not in str(error.value)


def test_a_network_of_other_channels_is_refused() -> None:
    for channels, told in [((4, 4), "images have 1 or 3"), ((3, 5), "takes 3 channels and answers with 5")]:
        with pytest.raises(ConfigError, match=told):
            DiffusersPrior(unet(in_channels=channels[0], out_channels=channels[1]), DDPMScheduler())
    with pytest.raises(ConfigError, match="a UNet2DModel of diffusers is wanted, got Linear"):
        DiffusersPrior(torch.nn.Linear(2, 2), DDPMScheduler())
    blocks = {"down_block_types": ("DownBlock2D",) * 3, "up_block_types": ("UpBlock2D",) * 3}
    deep = unet(sample_size=6, block_out_channels=(8, 8, 8), **blocks)
    with pytest.raises(ConfigError, match=r"^the denoiser of prior of diffusers cannot take images of \(3, 6, 6\) "):
        DiffusersPrior(deep, DDPMScheduler())
    assert DiffusersPrior(deep, DDPMScheduler(), shape=(3, 8, 8)).image_shape == (3, 8, 8)
    torch.nn.init.constant_((broken := unet()).conv_out.bias, float("nan"))
    with pytest.raises(ConfigError, match="answers with NaN or infinity to finite images; look at its weights"):
        DiffusersPrior(broken, DDPMScheduler())
    same = DiffusersPrior(unet(), EulerDiscreteScheduler()).prior.processes["denoiser"].levels
    assert same == DiffusersPrior(unet(), DDPMScheduler()).prior.processes["denoiser"].levels


def test_a_hub_id_is_fetched_before_and_a_folder_may_stand_for_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path))
    absent = node("owner/ddpm-tiny.v1")
    assert absent.card.pin(absent.namespace) == {"sha256": None}
    (need,) = absent.card.files(absent.namespace)
    assert "fetch it with `mapga prefetch prior=diffusers prior.path=owner/ddpm-tiny.v1`" in (missing([need]) or "")
    monkeypatch.setenv("MAPGA_URL_OWNER_DDPM_TINY_V1", str(folder))
    (need,) = absent.card.files(absent.namespace)
    assert need.problem is None and need.get is not None and need.get(print) == folder
    assert absent.build({"dataset_classes": 5}).prior.fingerprint == Saved(str(folder)).digest()


def test_a_hub_id_is_fetched_from_a_hub_and_then_needs_none(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "README.md").write_text("not wanted")
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path))
    with hub("owner/tiny", folder) as (address, asked):
        monkeypatch.setenv("MAPGA_URL_OWNER_TINY", address)
        (need,) = (one := node("owner/tiny")).card.files(one.namespace)
        assert need.problem is not None and need.get is not None
        need.get(print)
    assert not any("README" in line for line in asked)
    assert one.card.pin(one.namespace) == {"sha256": Saved(str(folder)).digest()}
    assert one.build({"dataset_classes": 5}).prior.fingerprint == Saved(str(folder)).digest()

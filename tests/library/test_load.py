"""Components by name: what keywords change, what is refused, and how they are shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mapga
from mapga.schedules import Explicit


def test_images_are_floats_in_range_that_know_which_they_are():
    truth = mapga.load_images("mnist", limit=4, skip=np.int64(2))
    assert truth.shape == (4, 1, 32, 32) and truth.dtype == torch.float32
    assert (float(truth.min()), float(truth.max())) == (-1.0, 1.0)
    assert truth.numbers == (2, 3, 4, 5) and truth.labels.tolist() == [2, 3, 4, 5]
    for part, index in ((truth[1:3], (3, 4)), (truth[2], (4,)), (truth[[3, 0]].double(), (5, 2))):
        assert part.numbers == index and part.labels.tolist() == list(index)
    assert truth[1:3].to(torch.float64).dtype == torch.float64
    for computed in (truth + 0, truth[:, :, :4], truth.flip(0)):
        assert type(computed) is torch.Tensor


def test_keywords_go_to_the_solver_or_to_its_schedule():
    solver = mapga.load_solver("ddrm", eta=0.25, schedule="linear", steps=7, sigma_max=40)
    assert (solver.eta, solver.eta_b) == (0.25, 1.0)
    assert type(solver.schedule).__name__ == "Linear"
    assert (solver.schedule.steps, solver.schedule.sigma_max) == (7, 40)
    own = mapga.load_solver("map_ga", schedule=Explicit([80.0, 1.0, 0.002]), learning_rate_factor=0.5)
    assert own.schedule.levels(3).tolist() == [80.0, 1.0, 0.002] and own.learning_rate_factor == 0.5


def test_a_prior_is_made_of_the_datasets_training_images_or_of_those_given():
    digits = mapga.load_prior("mixture", components=30)
    assert digits.image_shape == (1, 32, 32) and len(digits.means) == 30
    own = torch.rand(5, 3, 4, 4) * 2 - 1
    assert torch.equal(mapga.load_prior("mixture", images=own).means, own.double().flatten(1))
    assert mapga.load_prior("none", image_shape=(3, 8, 8)).image_shape == (3, 8, 8)


def test_a_metric_has_arguments_of_its_own_and_the_rest_of_its_group_is_as_it_was():
    assert [one.name for one in mapga.load_metrics("basic", ssim={"border": "crop"}).metrics] == [
        "psnr", "ssim_crop", "consistency",
    ]  # fmt: skip


REFUSED = {
    "dataset='mnits'.*'mnist'": lambda: mapga.load_images("mnits"),
    "prior='mixtre'.*'mixture'": lambda: mapga.load_prior("mixtre"),
    "task='box5'.*'box50'": lambda: mapga.load_task("box5"),
    "solver='pgmd'.*'pgdm'": lambda: mapga.load_solver("pgmd"),
    "schedule='karas'.*'karras'": lambda: mapga.load_solver("pgdm", schedule="karas"),
    "metrics='basics'.*'basic'": lambda: mapga.load_metrics("basics"),
    "no 'stpes'.*'steps'": lambda: mapga.load_solver("pgdm", stpes=3),
    "no 'steps'.*eta": lambda: mapga.load_solver("pgdm", schedule=Explicit([80.0, 1.0]), steps=3),
    "no 'snr'.*psnr": lambda: mapga.load_metrics("basic", snr={}),
    "dataset.limt.*'limit'": lambda: mapga.load_images("mnist", limt=4),
    "solver.eta='much': a number": lambda: mapga.load_solver("pgdm", eta="much"),
    "solver.eta=7": lambda: mapga.load_solver("pgdm", eta=7),
    "schedule.steps=0": lambda: mapga.load_solver("pgdm", steps=0),
    "sigma_y=-1": lambda: mapga.load_task("box50", sigma_y=-1),
    "missing key 'dataset.root'": lambda: mapga.load_images("image_folder"),
    "missing key 'dataset.base'": lambda: mapga.load_images("from_prior"),
    "dataset.base: FromPrior is made of other components": lambda: mapga.load_images(
        "from_prior", base={"_target_": "mapga.datasets.MNIST"}, prior={"_target_": "mapga.priors.NoPrior"}
    ),
    "no such file or folder": lambda: mapga.load_images("image_folder", root="nowhere"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_no_name_and_no_argument_is_refused_with_the_nearest(message: str):
    with pytest.raises(ValueError, match=message) as caught:
        REFUSED[message]()
    assert "\n" not in str(caught.value)


def test_an_unknown_attribute_of_the_package_is_one():
    with pytest.raises(AttributeError, match="no attribute 'load_imges'"):
        _ = mapga.load_imges


def test_what_was_loaded_shows_what_it_is_made_of():
    assert "4 images of mnist(limit=4): (4, 1, 32, 32), torch.float32, cpu, numbers [0, 1, 2, 3]" in repr(
        mapga.load_images("mnist", limit=4)
    )
    assert repr(mapga.load_task("box50", sigma_y=0.05)) == "Task('box50', keep='outside', width=0.5, sigma_y=0.05)"
    assert repr(mapga.load_metrics("basic")) == "Metrics(psnr, ssim, consistency)"

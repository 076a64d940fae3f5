"""CT-ZSIE: what is measured is kept, for masks, block means and any linear operator."""

from __future__ import annotations

import pytest
import torch

from helpers.operators import CASES, Case, case
from mapga.operators import BlockMean
from mapga.priors import MixturePrior
from mapga.problem import Problem, measure
from mapga.schedules import Explicit, Karras
from mapga.solvers import CTZSIE
from mapga.testing.noise import FixedNoise, ZeroNoise

STEPS = 5
GREY = [item for item in CASES if item.channels == 1]


def prior_of(item: Case) -> MixturePrior:
    return MixturePrior(0.5 * item.images(4, seed=7), 0.3)


def noise_of(item: Case, batch: int = 2) -> FixedNoise:
    return FixedNoise(item.images(batch, seed=30), torch.stack([item.images(batch, seed=31 + k) for k in range(STEPS)]))


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("start", ["y_plus_noise", "noise"])
@pytest.mark.parametrize("item", GREY, ids=lambda item: item.name)
def test_the_answer_satisfies_a_noiseless_measurement(item: Case, start):
    operator = item.operator
    problem = measure(item.images(2), operator, 0.0, seed=0, indices=[0, 1])
    states = list(CTZSIE(Karras(STEPS), start=start).iterate(problem, prior_of(item), noise_of(item)))
    assert (operator.apply(states[-1].x) - problem.y).abs().max() < 1e-5
    assert states[-1].sigma == 0.002


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("name", ["box50", "half", "expand", "sr2x", "altlines"])
def test_for_a_mask_it_is_masked_replacement(name: str, sigma_y: float, clip: bool):
    item = case(name, 3)
    operator, prior = item.operator, prior_of(item)
    problem = measure(item.images(2), operator, sigma_y, seed=0, indices=[0, 1])
    mask, levels = operator.measured.double(), Karras(STEPS).levels(STEPS + 1).tolist()
    n, images = noise_of(item), []
    x = mask * problem.y + n.start(levels[0])
    for k in range(STEPS):
        x0 = prior.consistency(x, levels[k])
        x0 = x0.clamp(-1, 1) if clip else x0
        images.append(mask * problem.y + (1 - mask) * x0)
        x = images[-1] + (levels[k + 1] ** 2 - 0.002**2) ** 0.5 * n.step(k)
    states = list(CTZSIE(Karras(STEPS), clip=clip).iterate(problem, prior, noise_of(item)))
    close(states[-1].x, x, atol=1e-9)
    for state, image in zip(states, images, strict=True):
        close(state.estimate, image, atol=1e-9)


@pytest.mark.parametrize("factor", [2, 4])
def test_for_block_means_it_is_replacement_in_an_orthogonal_basis(factor: int):
    """The published form: r x r patches times an orthogonal Q with a constant first column, coefficient 0 kept."""
    item = case(f"supres{factor}x")
    operator, prior, r = BlockMean(item.shape, factor), prior_of(item), factor
    problem = measure(item.images(2), operator, 0.0, seed=0, indices=[0, 1])
    start = torch.eye(r * r, dtype=torch.float64)
    start[:, 0] = 1
    q, _ = torch.linalg.qr(start)
    q = q * torch.sign(q[:, 0].sum())

    def patches(x):
        return x.reshape(2, 1, 8 // r, r, 8 // r, r).permute(0, 1, 2, 4, 3, 5).reshape(2, -1, r * r)

    def image(blocks):
        return blocks.reshape(2, 1, 8 // r, 8 // r, r, r).permute(0, 1, 2, 4, 3, 5).reshape(2, *item.shape)

    def replace(x0):
        coefficients = patches(x0) @ q
        coefficients[..., 0] = (patches(operator.pinv(problem.y)) @ q)[..., 0]
        return image(coefficients @ q.T)

    levels, n = Karras(STEPS).levels(STEPS + 1).tolist(), noise_of(item)
    x = operator.pinv(problem.y) + n.start(levels[0])
    for k in range(STEPS):
        x0 = replace(prior.consistency(x, levels[k]).clamp(-1, 1))
        x = x0 + (levels[k + 1] ** 2 - 0.002**2) ** 0.5 * n.step(k)
    found = list(CTZSIE(Karras(STEPS)).iterate(problem, prior, noise_of(item)))[-1].x
    close(found, x, atol=1e-9)


def test_the_two_starts():
    """The first evaluation sees A^+ y + sigma_max n, or sigma_max n."""
    item = case("supres2x")
    problem = measure(item.images(2), item.operator, 0.0, seed=0, indices=[0, 1])
    seen = []

    class Recording(MixturePrior):
        def consistency(self, x, sigma):
            seen.append((x, sigma))
            return super().consistency(x, sigma)

    prior = Recording(item.images(3), 0.3)
    n = item.images(2, seed=9)
    for start in ("y_plus_noise", "noise"):
        list(CTZSIE(Explicit([5.0, 0.002]), start=start).iterate(problem, prior, FixedNoise(n, n[None])))
    assert [sigma for _, sigma in seen] == [5.0, 5.0]
    close(seen[0][0], item.operator.pinv(problem.y) + 5 * n)
    close(seen[1][0], 5 * n)


def test_clipping_is_what_the_official_program_does():
    item = case("box50")
    far = MixturePrior(torch.full((1, *item.shape), 3.0), 0.1)
    problem = Problem(torch.zeros(1, *item.shape, dtype=torch.float64), item.operator, 0.0)
    hidden = ~item.operator.measured
    for clip, value in ((True, 1.0), (False, 3.0)):
        solver = CTZSIE(Karras(STEPS), clip=clip)
        x = list(solver.iterate(problem, far, ZeroNoise(problem.y)))[-1].x
        assert float(x[hidden].mean()) == pytest.approx(value, abs=0.05)


def test_the_last_step_adds_no_noise():
    item, noise = case("box50"), noise_of(case("box50"))
    problem = measure(item.images(2), item.operator, 0.0, seed=0, indices=[0, 1])
    list(CTZSIE(Karras(STEPS)).iterate(problem, prior_of(item), noise))
    assert noise.asked == list(range(STEPS - 1))


def test_an_unknown_start_is_refused_by_name():
    with pytest.raises(ValueError, match="start='zero'"):
        CTZSIE(Karras(), start="zero")

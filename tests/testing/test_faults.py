"""Every check of ``mapga.testing`` sees its fault, and says what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mapga.card import Needs, SolverCard
from mapga.datasets.base import Dataset, Item
from mapga.metrics.pixel import PSNR
from mapga.operators import AlternateRows, BlockMean, CentralBox
from mapga.priors import GaussianPrior
from mapga.priors.wrapped import WrappedPrior
from mapga.schedules import Karras
from mapga.solvers import DDRM, DPS, PGDM, pgdm
from mapga.solvers.base import State
from mapga.testing import CheckFailedError, datasets, exact, metrics, operators, priors, solvers
from mapga.testing.exact import standard

SHAPE = (1, 8, 8)


def seen(check, *given) -> str:
    """What a check says of a component that has its fault."""
    with pytest.raises(CheckFailedError) as caught:
        check(*given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Operators: block means, each with something else that is wrong


class Mean(BlockMean):
    def __init__(self) -> None:
        super().__init__(SHAPE, 2)


class Mixing(Mean):
    def apply(self, x):
        return super().apply(x) + 1e-6 * x.mean()


class Shaking(Mean):
    def apply(self, x):
        return super().apply(x) + torch.rand(())


class Miscounting(Mean):
    n_measurements = 7


class Taking(Mean):
    def check(self, x):
        pass


class Bending(Mean):
    def apply(self, x):
        return super().apply(x) ** 2


class Detached(Mean):
    def apply(self, x):
        return super().apply(x).detach()


class Steeper(Mean):
    def vjp(self, x, v):
        return 1.01 * super().vjp(x, v)


class Mirrored(Mean):
    def equivalents(self, x):
        return (x, x.flip(-1))


class Transposed(Mean):
    def adjoint(self, y):
        return super().pinv(y)


class Inverse(Mean):
    def pinv(self, y):
        return super().pinv(y) + 1e-3 * super().pinv(y).flip(-1)


class Gram(Mean):
    def solve_gram(self, r, c):
        return super().solve_gram(r, 2 * torch.as_tensor(c))


class Skewed(Mean):
    def to_spectral(self, x):
        return 1.01 * super().to_spectral(x)


OPERATORS = {
    "batch_independence": (Mixing, "of image 0 alone and in a batch of 3: off by up to"),
    "nan_isolation": (Mixing, "changes where image 1 of its batch is NaN"),
    "pickling": (Shaking, "another when it is asked again"),
    "measured_values": (Miscounting, "n_measurements is 7, restrict"),
    "refusal": (Taking, "though it is for (1, 8, 8): call self.check(x)"),
    "differentiability": (Detached, "has no gradient"),
    "derivative": (Steeper, "vjp(x, v) is not the derivative of A"),
    "equivalence": (Mirrored, "does not measure what x measures"),
    "linearity": (Bending, "is not linear: off by up to"),
    "adjointness": (Transposed, "<A x, y> and <x, A^T y> differ"),
    "pseudo_inverse": (Inverse, "A A^+ A is not A"),
    "gram_solve": (Gram, "solve_gram(r, c) is not r"),
    "decomposition": (Skewed, "V V^T x is not x"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_faults_of_operators(name: str):
    fault, said = OPERATORS[name]
    assert said in seen(getattr(operators, name), fault())


def test_a_measurement_where_nothing_is_measured_is_seen():
    class Leaking(AlternateRows):
        def apply(self, x):
            return x

    assert "A(x) is not 0 where restrict(y) is" in seen(operators.measured_values, Leaking(SHAPE))


def test_every_check_of_an_operator_has_a_fault_here_and_none_is_seen_without():
    assert {check.__name__ for check in operators.checks(Mean())} == OPERATORS.keys()
    for check in operators.checks(Mean()):
        check(Mean())


def test_an_operator_is_held_to_a_matrix():
    wanted = operators.dense_matrix(Mean().apply, SHAPE, dtype=torch.float64)
    operators.matrix(Mean(), wanted)
    assert "A is not the matrix" in seen(operators.matrix, Mean(), wanted.flip(0))


# Solvers: a pseudo-inverse in four steps with a denoiser's pass each


def faulty(**changes):
    """PGDM with its states, or its card, changed."""

    class Faulty(PGDM):
        card = changes.get("card", PGDM.card)

        def iterate(self, problem, prior, noise):
            for state in super().iterate(problem, prior, noise):
                yield changes["state"](state, problem) if "state" in changes else state

    return Faulty(Karras(4))


def with_x(change):
    return lambda state, problem: State(state.step, state.sigma, change(state.x), state.estimate)


class Remembering(PGDM):
    calls = 0

    def iterate(self, problem, prior, noise):
        self.calls += 1
        for state in super().iterate(problem, prior, noise):
            yield State(state.step, state.sigma, state.x + 1e-3 * self.calls, state.estimate)


class Rowwise(PGDM):
    """Noise by the place in the batch."""

    def iterate(self, problem, prior, noise):
        for state in super().iterate(problem, prior, noise):
            yield State(state.step, state.sigma, state.x + torch.arange(len(state.x)).reshape(-1, 1, 1, 1), state.x)


class Brighter(WrappedPrior):
    def denoise(self, x, sigma):
        return 1.1 * self.prior.denoise(x, sigma)


def brightening(make):
    """A solver that takes a denoiser's answer 10 % too large."""

    class Brightening(make):
        def iterate(self, problem, prior, noise):
            yield from super().iterate(problem, Brighter(prior), noise)

    return Brightening(Karras(20))


class Unpicklable(PGDM):
    def __init__(self) -> None:
        super().__init__(Karras(4))
        self.function = lambda: None


SOLVERS = {
    "states": (faulty(state=lambda s, p: State(s.step + 1, s.sigma, s.x, s.x)), "are not numbered 1, 2"),
    "batch_independence": (faulty(state=with_x(lambda x: x + 1e-3 * x.mean())), "image 0 in a batch of 5 and alone"),
    "shard_independence": (Rowwise(Karras(4)), "images [0, 2] as a shard and among four differ"),
    "nan_isolation": (faulty(state=with_x(lambda x: x + 1e-3 * x.mean())), "changes where the measurement of image 2"),
    "repeatability": (Remembering(Karras(4)), "solved again it answers otherwise"),
    "pickling": (Unpicklable(), "cannot be pickled"),
    "counted_passes": (
        faulty(card=SolverCard(passes=lambda a, steps: 9, needs=PGDM.card.needs)),
        "its card states 9 passes for 4 steps, it made 8",
    ),
    "levels": (
        faulty(card=SolverCard(passes=PGDM.card.passes, needs=lambda a, s: Needs(denoiser=True, vjp=True, levels=3))),
        "its card states 3 levels, it asked for [4]",
    ),
    "data_fit": (faulty(state=with_x(lambda x: -x)), "its answer does not fit its measurement"),
    "closed_form": (brightening(PGDM), "is not the closed form: off by up to"),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_faults_of_solvers(name: str):
    fault, said = SOLVERS[name]
    assert said in seen(getattr(solvers, name), fault)


def test_what_a_solver_asks_for_is_on_its_card():
    card = SolverCard(passes=PGDM.card.passes, needs=lambda a, steps: Needs(denoiser=True, levels=steps))
    assert "it does not need vjp, it asked 4 times" in seen(solvers.counted_passes, faulty(card=card))


@pytest.mark.parametrize("make", [PGDM, DDRM])
def test_a_denoiser_taken_a_tenth_too_large_is_not_the_closed_form(make):
    solvers.closed_form(make(Karras(20)))
    assert "is not the closed form" in seen(solvers.closed_form, brightening(make))


def test_of_a_solver_that_is_not_affine_in_its_noise_many_answers_have_the_mean():
    class Dimmed(DPS):
        def iterate(self, problem, prior, noise):
            yield from (with_x(lambda x: 0.8 * x)(state, problem) for state in super().iterate(problem, prior, noise))

    solvers.closed_form(DPS(Karras(20)))
    assert "is not the closed form" in seen(solvers.closed_form, Dimmed(Karras(20)))


def test_guidance_that_is_a_tenth_too_weak_is_not_the_closed_form(monkeypatch):
    guidance = pgdm.pseudo_inverse_guidance

    def weaker(*given):
        x0, shift = guidance(*given)
        return x0, 0.9 * shift

    monkeypatch.setattr(pgdm, "pseudo_inverse_guidance", weaker)
    assert "is not the closed form" in seen(solvers.closed_form, PGDM(Karras(20)))


def test_a_solver_is_held_to_a_closed_form_of_its_own():
    answer, _ = solvers._mean_answer(
        solver := PGDM(Karras(20)), solvers._problem(solver, 2), exact.gaussian(solvers.SHAPE)[0]
    )
    solvers.closed_form(solver, answer, tolerance=1e-9)
    assert "is not the closed form" in seen(solvers.closed_form, solver, 0.8 * answer)


def test_every_check_of_a_solver_has_a_fault_here():
    assert {check.__name__ for check in solvers.checks(PGDM(Karras(4)))} == SOLVERS.keys()


# Priors


class Flattened(GaussianPrior):
    def denoise(self, x, sigma):
        return super().denoise(x, sigma).flatten(1)


class Crowded(GaussianPrior):
    def denoise(self, x, sigma):
        return super().denoise(x, sigma) + 0.1 * x.mean()


class Graphless(GaussianPrior):
    def denoise(self, x, sigma):
        return super().denoise(x, sigma).detach()


class Drifting(GaussianPrior):
    def consistency(self, x, sigma):
        return super().consistency(x, sigma) + 1


PRIORS = {
    "shapes": (Flattened, "has shape (2, 16)"),
    "batch_independence": (Crowded, "of image 0 alone and in a batch of 3"),
    "nan_isolation": (Crowded, "changes where image 1 of its batch is NaN"),
    "differentiability": (Graphless, "has no gradient"),
    "boundary": (Drifting, "C(x, sigma_min) is not x"),
}


def gaussian(kind: type[GaussianPrior]) -> GaussianPrior:
    sound = standard((1, 4, 4))
    return kind(sound.mean, torch.eye(16, dtype=torch.float64))


@pytest.mark.parametrize("name", PRIORS)
def test_faults_of_priors(name: str):
    fault, said = PRIORS[name]
    getattr(priors, name)(gaussian(GaussianPrior))
    assert said in seen(getattr(priors, name), gaussian(fault))


def test_a_prior_that_cannot_travel():
    prior = gaussian(GaussianPrior)
    priors.pickling(prior)
    prior.function = lambda: None
    assert "cannot be pickled" in seen(priors.pickling, prior)


# Datasets and metrics


class Pictures(Dataset):
    """Five pictures of noise."""

    image_shape = (1, 16, 16)

    def __init__(self) -> None:
        self.images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> Item:
        return Item(position, self.images[position])


class Floats(Pictures):
    def __getitem__(self, position):
        return Item(position, super().__getitem__(position).image / 255)


class Reindexed(Pictures):
    def index(self, position):
        return position + 1


class Rolling(Pictures):
    def __getitem__(self, position):
        self.images = np.roll(self.images, 1)
        return super().__getitem__(position)


class Leaking(Pictures):
    def training(self):
        return self.images


@pytest.mark.parametrize(
    ("check", "fault", "said"),
    [
        (datasets.items, Floats, "image 0 is float64: want uint8"),
        (datasets.items, Reindexed, "its index is 0, index() says 1"),
        (datasets.repeatability, Rolling, "image 0 is another when it is asked for again"),
        (datasets.training_split, Leaking, "image 0 is in training() too"),
    ],
)
def test_faults_of_datasets(check, fault, said):
    check(Pictures())
    assert said in seen(check, fault())


class Relative(PSNR):
    def __call__(self, batch):
        values = super().__call__(batch)
        return values - values.mean()


class Upside(PSNR):
    lower_is_better = True


@pytest.mark.parametrize(
    ("check", "fault", "said"),
    [
        (metrics.batch_independence, Relative, "image 0 alone and in company differ"),
        (metrics.order, Upside, "though lower is better"),
    ],
)
def test_faults_of_metrics(check, fault, said):
    truth = Pictures().images
    check(PSNR(), truth)
    assert said in seen(check, fault(), truth)


def test_a_box_passes_all():
    for check in operators.checks(CentralBox((3, 6, 6), 0.5)):
        check(CentralBox((3, 6, 6), 0.5))

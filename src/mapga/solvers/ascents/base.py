r"""What a step is: a way to move z at one noise level so that the image x(z) = D(z, t), or C(z, t), fits y.

All go by r = y - A x, m = (A A^T + sigma_y^2 / r_t^2 I)^{-1} r and p = A^T m, the correction of x for
x_0 ~ N(x, r_t^2 I), r_t^2 = t^2 s^2 / (t^2 + s^2) (A^+ r where y has no noise), so that their scale is the image's,
whatever A. g = J^T p, J = dx/dz, is then the gradient of the fit. Of Gaussian data of standard deviation s, J = j I
with j = s^2 / (s^2 + t^2) for D and its root for C: p / j is the step of z that corrects x by p.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from mapga.card import StepCard
from mapga.problem import Problem
from mapga.shown import Shown
from mapga.solvers.steps import inner, linear_operator, pullback

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Level", "Look", "Step", "check_rate", "passes_of"]


class Look(NamedTuple):
    """The image of a z, what y says of it, and v -> J^T v."""

    x: Tensor
    r: Tensor
    m: Tensor
    p: Tensor
    transposed: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Level:
    """A noise level as a step sees it.

    Attributes:
        problem: What was measured.
        image: x(z).
        t: The level.
        gain: j.
        variance: r_t^2.
        discrepancy: An image whose residual |r| is at most so many times sigma_y sqrt(m) is not moved; None: all are.
    """

    problem: Problem
    image: Callable[[Tensor], Tensor]
    t: float
    gain: float
    variance: float
    discrepancy: float | None = None

    def look(self, z: Tensor, times: int = 1) -> Look:
        """One pass; ``transposed`` may be asked for ``times`` times, a pass each."""
        x, transposed = pullback(self.image, z, times=times)
        return Look(x, *self.correction(x), transposed)

    def correction(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r, m and p of an image; 0 where its residual is no more than noise."""
        operator = linear_operator(self.problem)
        r = self.problem.y - operator.apply(x)
        if self.discrepancy is not None:
            bound = (self.discrepancy * self.problem.sigma_y) ** 2 * operator.n_measurements
            r = r * (~(inner(r, r) <= bound)).reshape(-1, *[1] * (r.ndim - 1))
        m = operator.solve_gram(r, self.problem.sigma_y**2 / self.variance)
        return r, m, operator.adjoint(m)


class Step(Shown, ABC):
    """A way to move z at a level. Images of a batch never interact."""

    card: ClassVar[StepCard]

    @abstractmethod
    def climb(self, level: Level, z: Tensor, num_iter: int) -> Tensor:
        """z after ``num_iter`` steps."""


def passes_of(step: Any, num_iter: int) -> int:
    """Network passes of ``num_iter`` steps, or of what a config says of them."""
    passes: int = step.card.passes(getattr(step, "namespace", step), num_iter)
    return passes


def check_rate(rate: float) -> None:
    """Raise ValueError, naming it, unless it can multiply a step."""
    if not 0 < rate < float("inf"):
        raise ValueError(f"solver.step.rate={rate}: positive and finite")

r"""Anyone's denoiser as a prior: a function D(x, sigma), or an object of another library that is one.

* ``from_callable``: f(x, sigma) = E[x_0 | x_0 + sigma n = x], images in [-1, 1]
* ``from_azula``: azula's ``Denoiser``, q(x_0 | alpha_t x_0 + sigma_t n) at the time t with sigma_t / alpha_t = sigma
* ``from_deepinv``: a denoiser of deepinv, g(u, s) with images in [0, 1], D(x, sigma) = 2 g((x + 1) / 2, sigma / 2) - 1

Whatever is differentiable there is differentiable here. Sources: azula (github.com/probabilists/azula), deepinv
(github.com/deepinv/deepinv).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mapga.errors import ConfigError
from mapga.lazy import torch
from mapga.pixels import to_sym, to_unit
from mapga.priors.base import Prior, expand_sigma
from mapga.priors.networks.trial import tried, with_gradient
from mapga.schedules.base import SIGMA_MIN

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["from_azula", "from_callable", "from_deepinv"]

Answer = Callable[["Tensor", "Tensor"], "Tensor"]
_HALVINGS = 60  # of the interval of azula's times: to the last bit of float64


class CallablePrior(Prior):
    """Functions as a prior. What they answer is looked at when they are first asked.

    Args:
        functions: By role, ``denoiser`` and perhaps ``consistency``.
        image_shape: (C, H, W).
        name: What messages call it.
        sigma_min: Where trajectories end, > 0.
        sigma_max: The highest level that it answers for.
    """

    def __init__(
        self,
        functions: dict[str, Answer],
        image_shape: tuple[int, int, int],
        name: str,
        sigma_min: float,
        sigma_max: float,
    ) -> None:
        if len(image_shape) != 3 or not all(isinstance(side, int) and side > 0 for side in image_shape):
            raise ConfigError(f"shape={image_shape}: give (channels, height, width) of one image")
        self.name, self.image_shape = name, (image_shape[0], image_shape[1], image_shape[2])
        self.sigma_min, self.sigma_max = sigma_min, sigma_max
        self.has_consistency = "consistency" in functions
        self.functions = functions
        self._tried: set[str] = set()  # one for all copies

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x, sigma).

        Raises:
            ConfigError: The function cannot take such images, or does not answer with numbers of their shape.
        """
        return self._answer("denoiser", x, sigma)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """C(x, sigma).

        Raises:
            ConfigError: As ``denoise``, or there is no such function.
        """
        if not self.has_consistency:
            raise ConfigError(f"prior {self.name} has no consistency function; give consistency=, or another solver")
        return self._answer("consistency", x, sigma)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """A copy in which functions that are modules live on ``device`` in ``dtype``; others follow x by themselves."""
        moved = copy.copy(self)
        moved.functions = {role: _moved(function, device, dtype) for role, function in self.functions.items()}
        return moved

    def _answer(self, role: str, x: Tensor, sigma: float | Tensor) -> Tensor:
        level = expand_sigma(sigma, x).expand(len(x), *[1] * (x.ndim - 1))
        what, function = f"the {role} of prior {self.name}", self.functions[role]
        if role in self._tried:
            return with_gradient(what, x, function(x, level))
        answer = tried(what, lambda x: function(x, level), x)
        self._tried.add(role)
        return with_gradient(what, x, answer)


def from_callable(
    f: Answer,
    shape: tuple[int, int, int],
    *,
    consistency: Answer | None = None,
    sigma_min: float = SIGMA_MIN,
    sigma_max: float = float("inf"),
    name: str | None = None,
) -> Prior:
    """A plain denoiser as a prior.

    Args:
        f: D(x, sigma) = E[x_0 | x_0 + sigma n = x] of images x (B, C, H, W) in [-1, 1], with a level for each of
            them, sigma (B, 1, 1, 1), which broadcasts against x. A module is moved with the prior; give it in
            evaluation mode.
        shape: (C, H, W) of the images that it was made for.
        consistency: C(x, sigma), called alike, if there is one.
        sigma_min: Where the trajectories of ``consistency`` end, > 0.
        sigma_max: The highest level that f was made for.
        name: What messages call it; its own name if None.

    Raises:
        ConfigError: A shape that is none; and, when it is first asked, an f that cannot take images of that shape, or
            answers with another shape, with NaN, or without a gradient where one is wanted.
    """
    functions = {"denoiser": f} if consistency is None else {"denoiser": f, "consistency": consistency}
    return CallablePrior(functions, shape, name or str(getattr(f, "__name__", type(f).__name__)), sigma_min, sigma_max)


def from_azula(denoiser: Any, shape: tuple[int, int, int]) -> Prior:
    """A ``Denoiser`` of azula as a prior.

    Args:
        denoiser: Called with x_t and a time t; has a ``schedule`` from t in [0, 1] to (alpha_t, sigma_t).
        shape: (C, H, W) of its images, which lie in [-1, 1].

    Raises:
        ConfigError: It is no such thing, or as ``from_callable``.
    """
    if not callable(denoiser) or not callable(getattr(denoiser, "schedule", None)):
        raise ConfigError(f"from_azula: {type(denoiser).__name__} is no Denoiser of azula: it has no schedule")
    highest = float(_ratio(denoiser.schedule, torch.ones((), dtype=torch.float64)))
    return from_callable(_Adapted(denoiser, _ask_azula), shape, sigma_max=highest, name=type(denoiser).__name__)


def from_deepinv(denoiser: Any, shape: tuple[int, int, int]) -> Prior:
    """A denoiser of deepinv as a prior.

    Args:
        denoiser: Called with images in [0, 1] and the level of their noise (B,) on the same scale.
        shape: (C, H, W) of its images.

    Raises:
        ConfigError: It cannot be called, or as ``from_callable``.
    """
    if not callable(denoiser):
        raise ConfigError(f"from_deepinv: {type(denoiser).__name__} is no denoiser: it cannot be called")
    return from_callable(_Adapted(denoiser, _ask_deepinv), shape, name=type(denoiser).__name__)


@dataclass(frozen=True, repr=False)
class _Adapted:
    """A denoiser of another library as f(x, sigma).

    Attributes:
        denoiser: Theirs.
        call: How it is asked: (theirs, x, sigma) to D(x, sigma).
    """

    denoiser: Any
    call: Callable[[Any, Tensor, Tensor], Tensor]

    def __repr__(self) -> str:
        return type(self.denoiser).__name__

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.call(self.denoiser, x, sigma)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> _Adapted:
        return _Adapted(_moved(self.denoiser, device, dtype), self.call)


def _moved(function: Any, device: torch.device | str, dtype: torch.dtype) -> Any:
    """A copy that lives there, of a module or what holds one; what has no ``to`` follows x by itself."""
    return copy.deepcopy(function).to(device, dtype) if hasattr(function, "to") else function


def _ask_azula(denoiser: Any, x: Tensor, sigma: Tensor) -> Tensor:
    time = _time(denoiser.schedule, sigma.flatten())
    alpha, _ = denoiser.schedule(time)
    mean: Tensor = denoiser(alpha.reshape(sigma.shape) * x, time).mean
    return mean


def _ask_deepinv(denoiser: Any, x: Tensor, sigma: Tensor) -> Tensor:
    return to_sym(denoiser(to_unit(x), sigma.flatten() / 2))


def _ratio(schedule: Any, time: Tensor) -> Tensor:
    alpha, sigma = schedule(time)
    return sigma / alpha


def _time(schedule: Any, level: Tensor) -> Tensor:
    """The t in [0, 1] with sigma_t / alpha_t = level, which grows with t; by bisection, for levels (B,)."""
    low, high = torch.zeros_like(level), torch.ones_like(level)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = _ratio(schedule, middle) < level
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2

r"""The losses of the learned priors.

* Denoiser (EDM): ln sigma ~ N(log_mean, log_std^2);  loss = mean |D(x_0 + sigma n) - x_0|^2 / c_out^2.
* Consistency: two levels s > t next to each other on a rho-7 grid of N intervals, N growing with the steps;
  loss = d(C(x_s, s), C^-(x_t, t)), d pseudo-Huber or LPIPS, C^- a target network without gradient.
  With a teacher x_t is one Heun step from x_s (distillation), without one x_t = x_0 + t n with the same n.
* Trajectories: the teacher integrates from sigma_max to sigma_min; every visited state regresses on its end,
  loss = d(C(x_s, s), x_end). The target is exact (to the solver's error); the consistency loss bootstraps.

Sources: Karras et al., 2022, arXiv 2206.00364; Song et al., 2023, arXiv 2303.01469; Song, Dhariwal, "Improved
techniques for training consistency models", 2023, arXiv 2310.14189 (pseudo-Huber, growing N, no target
average); Luhman, Luhman, "Knowledge distillation in iterative generative models", 2021, arXiv 2101.02388
(trajectories).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import Tensor

from mapga.metrics.perceptual import LPIPS
from mapga.priors.base import expand_sigma
from mapga.priors.flow import heun_step
from mapga.priors.networks.preconditioning import precondition, scalings
from mapga.schedules.base import SIGMA_MAX, SIGMA_MIN
from mapga.schedules.spaced import karras_levels
from mapga.training.config import TrainingConfig
from mapga.training.data import ImageSource, step_generator
from mapga.training.trajectories import Denoiser, integrate_multistep

__all__ = ["ClassifierLoss", "ConsistencyLoss", "DenoiserLoss", "intervals", "pseudo_huber"]

Network = Callable[[Tensor, Tensor], Tensor]


def pseudo_huber(difference: Tensor, c: float) -> Tensor:
    """sqrt(|d|^2 + c^2) - c of each image's difference (B, C, H, W), as (B,); |d|^2 for c = 0."""
    squared = difference.square().flatten(1).sum(1)
    return (squared + c**2).sqrt() - c if c else squared


def intervals(config: TrainingConfig, step: int) -> int:
    """Intervals N of the consistency grid: doubles every ``grid_doubling`` steps up to ``grid_end``."""
    return min(config.grid_start * 2 ** min(step // config.grid_doubling, 30), config.grid_end)


class ClassifierLoss:
    """Cross-entropy of the labels, smoothed by 0.05.

    Args:
        config: The stage.
        source: The images, with labels.
        device: Where the loss is computed.
    """

    def __init__(self, config: TrainingConfig, source: ImageSource, device: torch.device) -> None:
        self.config, self.source, self.device = config, source, device

    def __call__(self, network: Callable[[Tensor], Tensor], target: object, step: int) -> Tensor:
        """The batch's mean loss at a step; ``target`` is not used."""
        images, labels = self.source.labelled(step, self.config.batch)
        return functional.cross_entropy(network(images.to(self.device)), labels.to(self.device), label_smoothing=0.05)


class DenoiserLoss:
    """EDM's loss.

    Args:
        config: The stage.
        source: Its images.
        device: Where the loss is computed.
    """

    def __init__(self, config: TrainingConfig, source: ImageSource, device: torch.device) -> None:
        self.config, self.source, self.device = config, source, device

    def __call__(self, network: Network, target: Network, step: int) -> Tensor:
        """The batch's mean loss at a step; ``target`` is not used."""
        config = self.config
        generator = step_generator(config.seed, "noise", step)
        clean = self.source.images(step, config.batch)
        normal = self.source.part(torch.randn(config.batch, generator=generator))
        sigma = (config.log_mean + config.log_std * normal).exp().clamp(SIGMA_MIN, SIGMA_MAX)
        noise = self.source.normal(config.batch, generator)
        clean, sigma, noise = clean.to(self.device), sigma.to(self.device), noise.to(self.device)
        level = expand_sigma(sigma, clean)
        error = precondition("edm", network, clean + level * noise, sigma) - clean
        return (error / scalings("edm", level)[1]).square().mean()


class ConsistencyLoss:
    """The consistency loss, with a teacher (distillation) or without.

    Args:
        config: The stage.
        source: Its images.
        device: Where the loss is computed.
        teacher: The denoiser whose flow is distilled; None for consistency training.
        gather: Joins the rows (B, ...) of all processes in their order.
    """

    def __init__(
        self,
        config: TrainingConfig,
        source: ImageSource,
        device: torch.device,
        teacher: Denoiser | None,
        gather: Callable[[Tensor], Tensor] = lambda rows: rows,
    ) -> None:
        if teacher is None and config.trajectory_fraction:
            raise ValueError(
                f"train.trajectory_fraction={config.trajectory_fraction}: trajectories need a teacher; "
                "set it to 0 or take stage=distillation"
            )
        self.config, self.source, self.device, self.teacher = config, source, device, teacher
        self._gather = gather
        self._distance: Callable[[Tensor, Tensor], Tensor] = self._pseudo_huber
        if config.distance == "lpips":
            perceptual = LPIPS("alex", config.lpips_resize, config.lpips_weights or None, config.lpips_sha256 or None)
            if missing := perceptual.missing():
                raise ValueError(f"train.{config.name}.distance=lpips: {'; '.join(missing)}")
            self._distance = perceptual.to(device).loss
        self._along = round(config.trajectory_fraction * config.batch)
        self._pool: tuple[int, Tensor, Tensor] | None = None

    def __call__(self, network: Network, target: Network, step: int) -> Tensor:
        """The batch's mean loss at a step; ``target`` is the network of the lower level."""
        pairs = self.config.batch - self._along
        noisy, sigma, wanted = [], [], []
        for count, make in ((pairs, self._pairs), (self._along, self._visited)):
            if count:
                x, level, end = make(target, step, count)
                noisy.append(x)
                sigma.append(level)
                wanted.append(end)
        out = precondition("consistency", network, torch.cat(noisy), torch.cat(sigma))
        return self._distance(out, torch.cat(wanted)).mean()

    def _pseudo_huber(self, images: Tensor, wanted: Tensor) -> Tensor:
        return pseudo_huber(images - wanted, self.config.huber)

    @torch.no_grad()
    def _pairs(self, target: Network, step: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """States at random levels of the grid, and the target network's answer one level lower."""
        generator = step_generator(self.config.seed, "pairs", step)
        number = intervals(self.config, step)
        clean = self.source.images(step, count).to(self.device)
        noise = self.source.normal(count, generator).to(self.device)
        index = self.source.part(torch.randint(number, (count,), generator=generator)).to(self.device)
        upper, lower = karras_levels(index / number), karras_levels((index + 1) / number).clamp(min=SIGMA_MIN)
        x = clean + expand_sigma(upper, clean) * noise
        if self.teacher is None:
            below = clean + expand_sigma(lower, clean) * noise
        else:
            below = heun_step(self.teacher, x, upper, lower)
        return x, upper, precondition("consistency", target, below, lower)

    def _visited(self, target: Network, step: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Random states of the present pool of trajectories, and their ends."""
        states, levels = self._trajectories(step // self.config.trajectory_reuse)
        generator = step_generator(self.config.seed, "visits", step)
        which = torch.randint(len(states), (count,), generator=generator)
        where = torch.randint(states.shape[1] - 1, (count,), generator=generator)
        which, where = self.source.part(which).to(self.device), self.source.part(where).to(self.device)
        return states[which, where], levels[which, where], states[which, -1]

    def _trajectories(self, pool: int) -> tuple[Tensor, Tensor]:
        """States (B, n, C, H, W) and levels (B, n) of a pool; computed when first asked for."""
        if self._pool is None or self._pool[0] != pool:
            assert self.teacher is not None
            count, steps = self.config.trajectory_pool, self.config.trajectory_steps
            generator = step_generator(self.config.seed, "trajectories", pool)
            clean = self.source.images(pool, count, "starts").to(self.device)
            start = clean + SIGMA_MAX * self.source.normal(count, generator).to(self.device)
            offset = 0.5 + torch.rand(count, generator=generator)
            inner = (torch.arange(steps - 1)[:, None] + offset) / steps  # every level comes to be seen
            u = torch.cat([torch.zeros(1, count), inner, torch.ones(1, count)])
            levels = karras_levels(self.source.part(u.T)).clamp(SIGMA_MIN, SIGMA_MAX).to(self.device)
            parts = zip(start.split(128), levels.split(128), strict=True)
            states = [integrate_multistep(self.teacher, x, level.T).transpose(0, 1) for x, level in parts]
            self._pool = (pool, self._gather(torch.cat(states)), self._gather(levels))
        return self._pool[1], self._pool[2]

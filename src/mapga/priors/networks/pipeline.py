"""Networks of diffusers: a ``UNet2DModel`` as F(x, time), and a scheduler as the process it was trained for."""

from __future__ import annotations

from typing import Any, get_args

from torch import Tensor, nn

from mapga.errors import ConfigError, first_line
from mapga.priors.networks.processes import ContinuousVE, DiscreteVP, Preconditioned, Prediction, Process
from mapga.priors.networks.saved import Saved

__all__ = ["RawUNet", "process_of", "raw_network", "read_pipeline"]


class RawUNet(nn.Module):
    """F(x, time, labels) of a ``UNet2DModel``; of what it says of its variance, nothing is taken."""

    def __init__(self, unet: nn.Module, channels: int) -> None:
        super().__init__()
        self.body, self.channels = unet, channels

    def forward(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        out: Tensor = self.body(x, time, class_labels=labels, return_dict=False)[0]
        return out[:, : self.channels]


def read_pipeline(saved: Saved) -> tuple[Any, Any]:
    """The network and the scheduler that were saved; no code is read, weights are safetensors.

    Raises:
        FileNotFoundError: A file is missing.
        ConfigError: Another kind of network or scheduler, or damaged weights.
    """
    import diffusers

    unet, scheduler = saved.read_config("unet"), saved.read_config("scheduler")
    files = saved.files()
    if (kind := unet.get("_class_name")) != "UNet2DModel":
        raise ConfigError(f"{files['unet']}: a {kind} is no UNet2DModel; a network of images without a text is wanted")
    name = str(scheduler.get("_class_name"))
    made = getattr(diffusers, name, None) if name.endswith("Scheduler") else None
    if made is None:
        raise ConfigError(f"{files['scheduler']}: {name} is no scheduler of diffusers {diffusers.__version__}")
    try:
        network = diffusers.UNet2DModel.from_pretrained(
            files["weights"].parent, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ConfigError(
            f"{files['weights']}: damaged, or of another network ({first_line(error)}); fetch it again"
        ) from None
    return network, made.from_config(scheduler)


def raw_network(unet: Any) -> tuple[RawUNet, tuple[int, int, int], int | None]:
    """F, (C, H, W) of the images that it is for, and the number of its classes.

    Raises:
        ConfigError: No ``UNet2DModel``, or one that does not answer with images.
    """
    config = getattr(unet, "config", None)
    if type(unet).__name__ != "UNet2DModel" or config is None:
        raise ConfigError(f"a UNet2DModel of diffusers is wanted, got {type(unet).__name__}")
    channels, out = config.in_channels, config.out_channels
    if out not in (channels, 2 * channels):
        raise ConfigError(f"the UNet2DModel takes {channels} channels and answers with {out}; it is no denoiser")
    if channels not in (1, 3):
        raise ConfigError(f"the UNet2DModel takes {channels} channels; images have 1 or 3")
    size = config.sample_size
    if size is None:
        raise ConfigError("the UNet2DModel's config has no sample_size; set it to the side of its images")
    height, width = (size, size) if isinstance(size, int) else size
    return RawUNet(unet, channels), (channels, height, width), config.num_class_embeds


def process_of(scheduler: Any) -> tuple[str, Process]:
    """The role of a network that was trained for a scheduler, ``denoiser`` or ``consistency``, and its process.

    Raises:
        ConfigError: A scheduler, or a prediction type, that is none of those known.
    """
    kind, config = type(scheduler).__name__, getattr(scheduler, "config", {})
    if kind == "CMStochasticIterativeScheduler":
        scale = {"sigma_min": config["sigma_min"], "sigma_max": config["sigma_max"], "sigma_data": config["sigma_data"]}
        return "consistency", Preconditioned("consistency", **scale)
    if kind == "ScoreSdeVeScheduler":
        return "denoiser", ContinuousVE(config["sigma_min"], config["sigma_max"])
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if not isinstance(alphas, Tensor):
        raise ConfigError(
            f"{kind}: what its networks predict is not known; schedulers with alphas_cumprod (DDPMScheduler, ...), "
            "ScoreSdeVeScheduler and CMStochasticIterativeScheduler are"
        )
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in get_args(Prediction):
        raise ConfigError(f"{kind}: prediction_type={prediction!r}; {', '.join(get_args(Prediction))} are known")
    return "denoiser", DiscreteVP.of_alphas(alphas, prediction)

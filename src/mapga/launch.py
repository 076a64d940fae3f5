"""One config to one finished run, and a sweep of them through Hydra's launchers."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from mapga.assemble import Unsupported, build_dataset, make_job
from mapga.components import ConfigError
from mapga.config import compose_run, conf_dir, not_understood, one_line, resolve
from mapga.progress import Reporter
from mapga.records import LockedError, RunFolder
from mapga.runner import Job, check_data

__all__ = ["Outcome", "run_one", "sweep"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: ``"done"``; ``"partial"``: this shard is done, others are not; ``"skipped"``: the solver cannot serve
            the task; ``"refused"``: bad input; ``"failed"``: an error, whose traceback lies in the run's folder.
        folder: The run's folder; empty if it has none.
        message: One line for a person.
    """

    status: Literal["done", "partial", "skipped", "refused", "failed"]
    folder: str
    message: str = ""


def run_one(cfg: DictConfig) -> Outcome:
    """Run what a composed config (with its ``hydra`` node) stands for. Raises nothing that a job can cause."""
    folder = ""
    try:
        config, names = resolve(cfg)
        run = RunFolder(Path(config["results_dir"]).expanduser(), config, names)
        folder = str(run.path)
        check_writable(Path(config["results_dir"]).expanduser())
        if run.done:
            if "root" in config["dataset"]:  # the id does not know what lies there
                check_data(run, build_dataset(config))
            return Outcome("done", folder, "was finished before")
        _made(config, names, run).run(Reporter())
        return Outcome("done" if run.done else "partial", folder)
    except Unsupported as error:
        return Outcome("skipped", folder, str(error))
    except ConfigError as error:
        return Outcome("refused", folder, str(error))
    except LockedError as error:
        return Outcome("failed", folder, str(error))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return Outcome("failed", folder, f"{reason} (traceback in {Path(folder) / 'error.txt'})")


def _made(config: dict[str, Any], names: dict[str, str], run: RunFolder) -> Job:
    """The job of a config; an error that is nobody's bad input leaves its traceback in the run's folder."""
    try:
        return make_job(config, names)
    except ConfigError:
        raise
    except Exception:
        run.open()
        run.fail(traceback.format_exc())
        raise


def sweep(overrides: Sequence[str]) -> list[Outcome]:
    """Run every combination of swept values through the chosen Hydra launcher; the outcome of each.

    Raises:
        ConfigError: A sweep that cannot be composed.
    """
    check_writable(Path(results_dir(overrides)).expanduser())
    GlobalHydra.instance().clear()
    Plugins.instance()  # finds launchers and sweepers
    try:
        hydra = Hydra.create_main_hydra2("mapga", create_config_search_path(str(conf_dir())))
        returned = hydra.multirun("run", task_function=_job, overrides=list(overrides), with_log_configuration=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
    except ValueError as error:
        raise ConfigError(not_understood(overrides, error)) from error
    finally:
        GlobalHydra.instance().clear()
    return [job.return_value for batch in returned for job in batch]


def _job(cfg: DictConfig) -> Outcome:
    """One job of a sweep, in whatever process the launcher runs it."""
    whole = cfg.copy()
    with open_dict(whole):
        whole.hydra = {"runtime": {"choices": HydraConfig.get().runtime.choices}}
    outcome = run_one(whole)
    if outcome.status == "skipped":
        config, names = resolve(whole)
        RunFolder(Path(config["results_dir"]).expanduser(), config, names).skip(outcome.message)
    return outcome


def results_dir(overrides: Sequence[str]) -> str:
    """Where the runs of a sweep lie, from its plain (not swept) overrides."""
    given = [text.partition("=")[2] for text in overrides if text.startswith("results_dir=")]
    return given[-1] if given else str(compose_run([]).results_dir)


def check_writable(folder: Path) -> None:
    """Refuse a results folder that cannot be written, without making it.

    Raises:
        ConfigError: Naming the part of the path that is in the way.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise ConfigError(f"results_dir={folder}: {there} is a file; choose another folder")
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise ConfigError(
            f"results_dir={folder}: {there} cannot be written ({error.strerror}); choose another folder"
        ) from error

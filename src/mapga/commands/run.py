"""One config to one finished run, and a sweep of them through Hydra's launchers."""

from __future__ import annotations

import errno
import json
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
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

from mapga.config.compose import compose_run, conf_dir, not_understood, one_line, resolve
from mapga.config.expansion import axes_of, resolved_runs
from mapga.errors import ConfigError
from mapga.records import LockedError, RunFolder
from mapga.records.collect import collect
from mapga.records.provenance import code_identity, submitted_code
from mapga.run.assemble import Unsupported, build_dataset, make_job
from mapga.run.job import Job, check_data
from mapga.run.progress import Reporter
from mapga.run.signals import InterruptedRun, Notice, listening

__all__ = ["Outcome", "Task", "run_one", "sweep"]

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: ``"done"``; ``"partial"``: this shard is done, others are not; ``"skipped"``: the solver cannot serve
            the task; ``"refused"``: bad input; ``"interrupted"``: a signal asked to stop, and the same command goes on;
            ``"failed"``: an error, whose traceback lies in the run's folder.
        folder: The run's folder; empty if it has none.
        message: One line for a person.
        value: Its objective, where it has one and is done.
    """

    status: Literal["done", "partial", "skipped", "refused", "interrupted", "failed"]
    folder: str
    message: str = ""
    value: float | None = None

    def __float__(self) -> float:
        """What a sweeper that searches is told.

        Raises:
            ValueError: There is no value.
        """
        if self.value is None:
            raise ValueError(self.message or f"{self.folder} has no objective; set objective to one of its metrics")
        return self.value


def run_one(cfg: DictConfig) -> Outcome:
    """Run what a composed config (with its ``hydra`` node) stands for. Raises nothing that a job can cause."""
    with listening() as notice:
        return _run_one(cfg, notice)


def _run_one(cfg: DictConfig, notice: Notice) -> Outcome:
    folder = ""
    try:
        config, names = resolve(cfg)
        run = RunFolder(Path(config["results_dir"]).expanduser(), config, names)
        folder = str(run.path)
        check_writable(Path(config["results_dir"]).expanduser())
        if run.done:
            if "root" in config["dataset"]:  # the id does not know what lies there
                check_data(run, build_dataset(config))
            return Outcome("done", folder, "was finished before", _value(run, config["objective"]))
        notice.check()
        _made(config, names, run).run(Reporter())
        return Outcome("done", folder, "", _value(run, config["objective"])) if run.done else Outcome("partial", folder)
    except Unsupported as error:
        return Outcome("skipped", folder, str(error))
    except ConfigError as error:
        return Outcome("refused", folder, str(error))
    except InterruptedRun as error:
        return Outcome("interrupted", folder, str(error))
    except LockedError as error:
        return Outcome("failed", folder, str(error))
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            return Outcome("failed", folder, f"{error} (traceback in {Path(folder) / 'error.txt'})")
        where = error.filename or folder
        return Outcome("failed", folder, f"{where}: {error.strerror}; mend that, and the same command continues")
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return Outcome("failed", folder, f"{reason} (traceback in {Path(folder) / 'error.txt'})")


def _value(run: RunFolder, objective: str | None) -> float | None:
    """The mean of a finished run's objective."""
    if objective is None:
        return None
    mean = json.loads((run.path / "metrics.json").read_text())["metrics"][objective]["mean"]
    return None if mean is None else float(mean)


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
        ConfigError: A sweep that cannot be composed, or a launcher that cannot take it.
    """
    results = Path(results_dir(overrides)).expanduser()
    check_writable(results)
    GlobalHydra.instance().clear()
    Plugins.instance()  # finds launchers and sweepers
    composed = compose_run([axis[0] for axis in axes_of(overrides)])
    launcher = composed.hydra.launcher
    searches = "direction" in composed.hydra.sweeper
    if searches and composed.objective is None:
        raise ConfigError("a sweeper that searches needs objective=..., one of the run's metrics")
    target = str(launcher.get("_target_"))
    on_slurm = target.endswith(".SlurmLauncher")
    if on_slurm:
        from mapga.commands import slurm

        slurm.prepare(launcher)
    _note_submission(results, overrides)
    GlobalHydra.instance().clear()
    try:
        # Elsewhere jobs listen for themselves, and who submitted them may die of a signal.
        with listening() if target.endswith(".BasicLauncher") else nullcontext():
            hydra = Hydra.create_main_hydra2("mapga", create_config_search_path(str(conf_dir())))
            task = Task(code_identity())
            returned = hydra.multirun(
                "run", task_function=task, overrides=list(overrides), with_log_configuration=False
            )
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
    except ValueError as error:
        raise ConfigError(not_understood(overrides, error)) from error
    except RuntimeError as error:  # a process died, and the launcher does not say what became of the others
        if on_slurm:
            slurm.wait(error)
        return [_found(config, names, error) for config, names in resolved_runs(overrides)]
    finally:
        GlobalHydra.instance().clear()
    if searches:  # it returns nothing, and says what it found in a file
        return _trials(results, composed.objective)
    return [job.return_value for batch in returned for job in batch]


def _trials(results: Path, objective: str) -> list[Outcome]:
    """The trials that lie in a results folder; the sweeper noted the best in ``optimization_results.yaml``."""
    runs = [run for run in collect(results)[0] if run.config.get("objective") == objective]
    return [Outcome("done" if run.status == "done" else "failed", str(run.folder), run.reason) for run in runs]


@dataclass(frozen=True)
class Task:
    """One job of a sweep, in whatever process the launcher runs it.

    Attributes:
        submitted: ``code_identity`` of the process that submitted the sweep.
    """

    submitted: str

    def __call__(self, cfg: DictConfig) -> Outcome:
        if self.submitted != (now := code_identity()) and not cfg.allow_code_change:
            return Outcome(
                "refused",
                "",
                f"the code has changed since the sweep was submitted (sources {self.submitted}, now {now}); submit "
                "again, or allow_code_change=true",
            )
        whole = cfg.copy()
        with open_dict(whole):
            whole.hydra = {"runtime": {"choices": HydraConfig.get().runtime.choices}}
        outcome = run_one(whole)
        if outcome.status == "skipped":
            config, names = resolve(whole)
            RunFolder(Path(config["results_dir"]).expanduser(), config, names).skip(outcome.message)
        return outcome


def _found(config: dict[str, Any], names: dict[str, str], error: RuntimeError) -> Outcome:
    """How a run ended whose process may have died, from its folder."""
    run = RunFolder(Path(config["results_dir"]).expanduser(), config, names)
    if run.done:
        return Outcome("done", str(run.path))
    if (run.path / "skipped.json").exists():
        return Outcome("skipped", str(run.path), str(json.loads((run.path / "skipped.json").read_text())["reason"]))
    if (run.path / "error.txt").exists():
        return Outcome("failed", str(run.path), f"traceback in {run.path / 'error.txt'}")
    reason = str(error).strip().partition("\n")[0]
    return Outcome("failed", str(run.path), f"its process ended without a word ({type(error).__name__}: {reason})")


def _note_submission(results: Path, overrides: Sequence[str]) -> None:
    """What was submitted when, and under which code, a line each time."""
    results.mkdir(parents=True, exist_ok=True)
    noted = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "overrides": list(overrides)}
    with (results / "submissions.jsonl").open("a") as file:
        file.write(json.dumps(noted | submitted_code()) + "\n")


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

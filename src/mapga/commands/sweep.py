"""``mapga run -m``: a sweep through the chosen Hydra launcher."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from mapga.commands import search, submission
from mapga.commands.run import Outcome, check_writable, ended, run_one
from mapga.config.compose import conf_dir, spec_of
from mapga.config.messages import not_understood, one_line
from mapga.config.sweep import Sweep
from mapga.errors import ConfigError
from mapga.records import Lock, LockedError, RunFolder
from mapga.records.collect import collect
from mapga.records.provenance import code_identity
from mapga.run.signals import InterruptedRun, listening
from mapga.spec import RunSpec

__all__ = ["Task", "sweep"]

_SLURM = ("slurm", "submitit_slurm")  # ours, and the plugin's own that it is made of


def sweep(overrides: Sequence[str]) -> tuple[list[Outcome], Path]:
    """Run every combination of swept values; the outcome of each, and the folder that they lie in.

    Raises:
        ConfigError: A sweep that cannot be composed, or a launcher that cannot take it.
    """
    GlobalHydra.instance().clear()
    Plugins.instance()  # finds launchers and sweepers
    whole = Sweep(overrides)
    results, cfg = whole.results_dir, whole.cfg
    check_writable(results)
    choices = cfg.hydra.runtime.choices
    searches, launcher = choices["hydra/sweeper"] != "basic", choices["hydra/launcher"]
    of_search = search.told(whole, overrides) if searches else []
    planned = [] if searches else whole.all()
    if launcher in _SLURM:
        from mapga.commands import slurm

        slurm.prepare(cfg.hydra.launcher)
    submission.note(results, overrides, planned)
    lock = results / "search.lock"  # of two searches at once one would take the other's trials for failed
    try:
        # Elsewhere jobs listen for themselves, and who submitted them may die of a signal.
        with listening() if launcher == "basic" else nullcontext(), Lock(lock) if searches else nullcontext():
            task = Task(code_identity(), frozenset(spec.run_id for spec in planned))
            returned = _launched([*overrides, *of_search, _in(results)], task)
    except InterruptedRun as error:
        return [Outcome("interrupted", str(results), str(error))], results
    except LockedError as error:
        return [Outcome("failed", str(results), str(error))], results
    except RuntimeError as error:  # a process died, and the launcher does not say what became of the others
        if launcher in _SLURM:
            slurm.wait(error)
        return [_found(spec, error) for spec in planned], results
    if searches:  # it returns nothing, and says what it found in a file
        return _trials(results, cfg.objective), results
    return returned, results


def _in(results: Path) -> str:
    """Where Hydra keeps its own: it takes a home or a quoted path by the letter."""
    quoted = str(results).replace("\\", "\\\\").replace('"', '\\"')
    return f'hydra.sweep.dir="{quoted}"'


def _launched(overrides: Sequence[str], task: Task) -> list[Outcome]:
    GlobalHydra.instance().clear()
    try:
        hydra = Hydra.create_main_hydra2("mapga", create_config_search_path(str(conf_dir())))
        returned = hydra.multirun("run", task_function=task, overrides=list(overrides), with_log_configuration=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
    except ValueError as error:
        raise ConfigError(not_understood(overrides, error)) from error
    finally:
        GlobalHydra.instance().clear()
    return [job.return_value for batch in returned or () for job in batch]


@dataclass(frozen=True)
class Task:
    """One job of a sweep, in whatever process the launcher runs it.

    Attributes:
        submitted: ``code_identity`` of the process that submitted the sweep.
        planned: Ids of the runs that were submitted; empty where nobody knows them beforehand.
    """

    submitted: str
    planned: frozenset[str] = frozenset()

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
        try:
            spec = spec_of(whole)
        except ConfigError as error:
            return Outcome("refused", "", str(error))
        if self.planned and spec.run_id not in self.planned:
            return Outcome(
                "refused",
                "",
                f"this job is {spec.run_id}, and no such run was submitted: its files or surroundings have changed "
                "since, or the plan of the sweep is wrong; submit again",
            )
        outcome = run_one(spec)
        if outcome.status == "interrupted" and not self.planned:
            raise InterruptedRun(outcome.message)  # or the search takes it for a failure and draws the next
        if outcome.status == "skipped":
            RunFolder(spec).skip(outcome.message)
        return outcome


def _trials(results: Path, objective: str) -> list[Outcome]:
    """The trials that lie in a results folder; the sweeper noted the best in ``optimization_results.yaml``."""
    trials = [run for run in collect(results)[0] if run.spec.objective == objective]
    return [
        ended(RunFolder(run.spec)) if run.status == "done" else Outcome("failed", str(run.folder), run.reason)
        for run in trials
    ]


def _found(spec: RunSpec, error: RuntimeError) -> Outcome:
    """How a run ended whose process may have died, from its folder."""
    run = RunFolder(spec)
    if run.done:
        return ended(run)
    if (run.path / "skipped.json").exists():
        return Outcome("skipped", str(run.path), str(json.loads((run.path / "skipped.json").read_text())["reason"]))
    if (run.path / "error.txt").exists():
        return Outcome("failed", str(run.path), f"traceback in {run.path / 'error.txt'}")
    reason = str(error).strip().partition("\n")[0]
    return Outcome("failed", str(run.path), f"its process ended without a word ({type(error).__name__}: {reason})")

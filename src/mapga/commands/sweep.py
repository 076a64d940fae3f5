"""``mapga run -m``: a sweep, one run after the other, or through a launcher of Hydra's or SLURM's arrays."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mapga.commands import search, submission
from mapga.commands.following import Ended, Following
from mapga.commands.found import done_elsewhere, found, trials, wordless
from mapga.commands.outcome import Outcome, finished
from mapga.commands.run import load, run_one
from mapga.config.compose import spec_of
from mapga.config.files import conf_dir, own_conf, use_conf
from mapga.config.messages import not_understood, one_line
from mapga.config.sweep import Sweep
from mapga.config.typed import refuse_ignored
from mapga.datasets.base import Dataset
from mapga.errors import ConfigError
from mapga.files.writable import check_writable
from mapga.records import Lock, LockedError, RunFolder
from mapga.records.provenance import code_identity
from mapga.run.signals import InterruptedRun, listening
from mapga.spec import RunSpec

__all__ = ["Task", "sweep"]

_SLURM = ("slurm", "submitit_slurm")  # ours, and the plugin's own that it is made of


def sweep(overrides: Sequence[str], tell: Callable[[Ended], object]) -> tuple[list[Outcome], Path]:
    """Run every combination of swept values; the outcome of each, and the folder that they lie in.

    Runs that were finished before are not launched; those at work elsewhere are looked at once more at the end.

    Args:
        overrides: As typed.
        tell: Told of each run that ends, but of the trials of a search.

    Raises:
        ConfigError: A sweep that cannot be composed, or a launcher that cannot take it.
    """
    GlobalHydra.instance().clear()
    Plugins.instance()  # finds launchers and sweepers
    whole = Sweep(overrides)
    results, cfg = whole.results_dir, whole.cfg
    searches, launcher = cfg.hydra.runtime.choices["hydra/sweeper"] != "basic", _launcher(cfg)
    of_search = search.told(whole, overrides) if searches else []
    planned = [] if searches else whole.all()
    refuse_ignored(overrides, planned, tasks=launcher in _SLURM and not searches)
    repeats = whole.repeats(planned)
    points = [k for k in range(len(planned)) if k not in repeats]
    datasets: dict[str, Dataset] = {}
    outcomes = {k: end for k in points if (end := finished(planned[k], datasets)) is not None}
    left = {k: planned[k] for k in points if k not in outcomes}
    if searches or left:
        check_writable("results_dir", results)
        if launcher in _SLURM:
            from mapga.commands import slurm

            slurm.prepare(_settings(cfg))
        submission.note(results, overrides, planned)
    level = logging.getLogger("mapga").getEffectiveLevel()
    task = Task(code_identity(), frozenset(spec.run_id for spec in planned), own_conf(), level)
    given = [*overrides, *of_search, _in(results)]
    if searches:
        return _searched(given, task, cfg, results), results
    jobs = [job for k, job in enumerate(whole.jobs) if k in left]
    if left and launcher == "basic":
        load()  # before the first is timed
    before = [planned[k].run_id for k in outcomes]
    following = Following([planned[k] for k in points], before, tell)
    outcomes |= zip(left, _launched(given, task, cfg, list(left.values()), jobs, following), strict=True)
    locked = [k for k, outcome in outcomes.items() if outcome.status == "locked"]
    outcomes |= {k: end for k in locked if (end := finished(planned[k], datasets)) is not None}
    return [outcomes[k] for k in points], results


def _launcher(cfg: DictConfig) -> str:
    return str(cfg.hydra.runtime.choices["hydra/launcher"])


def _settings(cfg: DictConfig) -> Mapping[str, Any]:
    plain: dict[str, Any] = OmegaConf.to_container(cfg.hydra.launcher, resolve=True)  # type: ignore
    return plain


def _in(results: Path) -> str:
    """Where Hydra keeps its own: it takes a home or a quoted path by the letter."""
    quoted = str(results).replace("\\", "\\\\").replace('"', '\\"')
    return f'hydra.sweep.dir="{quoted}"'


def _launched(
    overrides: Sequence[str],
    task: Task,
    cfg: DictConfig,
    specs: Sequence[RunSpec],
    jobs: Sequence[Sequence[str]],
    following: Following,
) -> list[Outcome]:
    """What became of the runs of a sweep that were left, ``specs``, of which ``jobs`` are the overrides."""
    if not specs:
        return []
    if _launcher(cfg) == "basic":
        with listening():  # elsewhere jobs listen for themselves, and who submitted them may die of a signal
            return [following.after(spec, task.again(spec)) for spec in specs]
    with following.watching(done_elsewhere):
        outcomes = _launched_elsewhere(overrides, task, cfg, specs, jobs)
    return [following.after(spec, outcome) for spec, outcome in zip(specs, outcomes, strict=True)]


def _launched_elsewhere(
    overrides: Sequence[str], task: Task, cfg: DictConfig, specs: Sequence[RunSpec], jobs: Sequence[Sequence[str]]
) -> list[Outcome]:
    if _launcher(cfg) in _SLURM:
        from mapga.commands import slurm

        return slurm.launch(_settings(cfg), specs, task.again, found, runs_per_task=cfg.runs_per_task)
    try:
        with _hydra(overrides) as hydra:
            master = hydra.compose_config("run", [*overrides], RunMode.MULTIRUN, with_log_configuration=False)
            context = HydraContext(hydra.config_loader, Callbacks(master))
            launcher = Plugins.instance().instantiate_launcher(context, task, master)
            return [job.return_value for job in launcher.launch(jobs, initial_job_idx=0)]
    except RuntimeError as error:  # a process died, and the launcher does not say what became of the others
        return [found(spec, error) for spec in specs]


def _searched(overrides: Sequence[str], task: Task, cfg: DictConfig, results: Path) -> list[Outcome]:
    """The trials of a search: its sweeper returns nothing, and says what it found in a file."""
    died = []
    lock = Lock(results / "search.lock")  # of two searches at once one would take the other's trials for failed
    try:
        with listening() if _launcher(cfg) == "basic" else nullcontext(), lock, _hydra(overrides) as hydra:
            try:
                hydra.multirun("run", task_function=task, overrides=[*overrides], with_log_configuration=False)
            except ValueError as error:
                if "No trials are completed" not in str(error):  # optuna's word for it
                    raise
                died = [Outcome("failed", "", "the search has no best trial: none restored all its images")]
    except InterruptedRun as error:
        return [Outcome("interrupted", str(results), str(error))]
    except LockedError as error:
        return [Outcome("locked", str(results), str(error))]
    except RuntimeError as error:
        if _launcher(cfg) in _SLURM:
            from mapga.commands import slurm

            slurm.check_taken(error)
        died = [Outcome("failed", "", f"the search has ended: {wordless(error)}")]
    return trials(results, cfg.objective) + died


@contextmanager
def _hydra(overrides: Sequence[str]) -> Iterator[Hydra]:
    """Hydra's own machinery, with its errors as ours."""
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2("mapga", create_config_search_path(str(conf_dir())))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
    except ValueError as error:
        raise ConfigError(not_understood(overrides, error)) from error
    finally:
        GlobalHydra.instance().clear()


@dataclass(frozen=True)
class Task:
    """One job of a sweep, in whatever process it is run.

    Attributes:
        submitted: ``code_identity`` of the process that submitted the sweep.
        planned: Ids of the runs that were submitted; empty where nobody knows them beforehand.
        config_dir: The folder of a person's own configs, which it looks into as well.
        level: What is said is at least of this one, as where the sweep was submitted.
    """

    submitted: str
    planned: frozenset[str] = frozenset()
    config_dir: Path | None = None
    level: int = logging.WARNING

    def __call__(self, cfg: DictConfig) -> Outcome:
        """The run that a launcher of Hydra has composed."""
        return self._run(lambda: _whole(cfg), code_may_change=cfg.allow_code_change)

    def again(self, spec: RunSpec) -> Outcome:
        """A run that was planned, with the files that it names as they are now."""
        allowed = bool(spec.config["allow_code_change"])
        return self._run(lambda: RunSpec.of(spec.composed, spec.names), code_may_change=allowed)

    def _run(self, make: Callable[[], RunSpec], *, code_may_change: bool) -> Outcome:
        logging.getLogger("mapga").setLevel(self.level)
        with use_conf(self.config_dir):
            return self._held(make, code_may_change=code_may_change)

    def _held(self, make: Callable[[], RunSpec], *, code_may_change: bool) -> Outcome:
        if self.submitted != (now := code_identity()) and not code_may_change:
            return Outcome(
                "refused",
                "",
                f"the code has changed since the sweep was submitted (sources {self.submitted}, now {now}); submit "
                "again, or allow_code_change=true",
            )
        try:
            spec = make()
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


def _whole(cfg: DictConfig) -> RunSpec:
    """What a launcher's config stands for; it hands that over without Hydra's own part."""
    whole = cfg.copy()
    with open_dict(whole):
        whole.hydra = {"runtime": {"choices": HydraConfig.get().runtime.choices}}
    return spec_of(whole)

"""Every solver, made for a number of steps, for tests that run through all of them."""

from __future__ import annotations

from collections.abc import Callable

from mapga.schedules import Schedule
from mapga.solvers import CTZSIE, DDRM, MAPGA, MAPGAPGDM, PGDM, PseudoInverse, Solver

__all__ = ["SOLVERS"]

SOLVERS: dict[str, Callable[[Schedule], Solver]] = {
    "map_ga": lambda schedule: MAPGA(schedule, 2),
    "map_ga_np": lambda schedule: MAPGA(schedule, 2, use_prior=False),
    "map_ga_d": lambda schedule: MAPGA(schedule, 2, consistency=False),
    "map_ga_d_np": lambda schedule: MAPGA(schedule, 2, consistency=False, use_prior=False),
    "map_ga_pgdm": lambda schedule: MAPGAPGDM(schedule, 2, pgdm_steps=4),
    "map_ga_pgdm_d": lambda schedule: MAPGAPGDM(schedule, 2, pgdm_steps=4, consistency=False),
    "pgdm": PGDM,
    "ddrm": DDRM,
    "ct_zsie": CTZSIE,
    "pinv": PseudoInverse,
}

"""Restoration algorithms. One method, one file; shared update steps in ``steps``."""

from mapga.solvers.base import Solver, State
from mapga.solvers.ct_zsie import CTZSIE
from mapga.solvers.ddrm import DDRM
from mapga.solvers.map_ga import MAPGA
from mapga.solvers.map_ga_pgdm import MAPGAPGDM
from mapga.solvers.pgdm import PGDM
from mapga.solvers.pinv import PseudoInverse

__all__ = ["CTZSIE", "DDRM", "MAPGA", "MAPGAPGDM", "PGDM", "PseudoInverse", "Solver", "State"]

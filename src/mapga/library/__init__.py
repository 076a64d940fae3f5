"""The suite as a library: the components of conf/ by name, on tensors, without Hydra and without a folder.

Imports neither hydra nor, before something is made, torch. ``docs/library.md`` goes through it.
"""

from mapga.library.load import load_images, load_metrics, load_prior, load_solver, load_task
from mapga.library.results import load_results

__all__ = ["load_images", "load_metrics", "load_prior", "load_results", "load_solver", "load_task"]

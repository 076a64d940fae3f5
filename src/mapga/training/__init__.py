"""Training of the learned priors: EDM denoisers, consistency models, and the digit classifier."""

from mapga.training.config import TrainingConfig, read_stages
from mapga.training.stages import run_stage

__all__ = ["TrainingConfig", "read_stages", "run_stage"]

"""For every test: one thread, because small tensors gain nothing from more and parallel test runs lose."""

from __future__ import annotations

import torch

torch.set_num_threads(1)

"""The settings of experiment=mnist: as many trials for each method, on validation digits, which nothing reports.

    python experiments/mnist/tune.py run RESULTS       # 210 runs, 70 minutes of one core; goes on where it was
    python experiments/mnist/tune.py choose RESULTS    # trials.csv beside it, and conf/tuned/mnist-<method>.yaml

A setting's score is the geometric mean over the tasks of its mean ST-LPIPS, so that every task weighs the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tuning import Tuning, main

TUNINGS = {"mnist": Tuning(Path(__file__).parent, "mnist", "stlpips_alex")}

if __name__ == "__main__":
    sys.exit(main(TUNINGS, __doc__))

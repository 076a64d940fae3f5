"""The settings of experiment=few_passes*: as many trials for each method, on images that nothing reports.

    python experiments/few_passes/tune.py run RESULTS --of few_passes --jobs 2    # 36 trials of 2 runs, resumable
    python experiments/few_passes/tune.py choose RESULTS --of few_passes          # trials-few_passes.csv, conf/tuned

Other experiments: few_passes_5, _10, _50, _100, _200, _mixture and _patches, each with RESULTS of its own.
A setting's score is its mean PSNR over tasks and noise.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tuning import Tuning, main

HERE = Path(__file__).parent
EXPERIMENTS = ("few_passes", *(f"few_passes_{of}" for of in (5, 10, 50, 100, 200, "mixture", "patches")))
TUNINGS = {name: Tuning(HERE, name, "psnr", trials=f"trials-{name}.csv") for name in EXPERIMENTS}

if __name__ == "__main__":
    sys.exit(main(TUNINGS, __doc__))

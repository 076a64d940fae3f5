"""The settings of experiment=few_passes*: as many trials for each method, on images that nothing reports.

    python experiments/few_passes/tune.py run RESULTS --of few_passes --jobs 8    # 84 trials of 8 runs, resumable
    python experiments/few_passes/tune.py choose RESULTS --of few_passes          # trials-few_passes.csv, conf/tuned

Other experiments: few_passes_200, few_passes_mixture, few_passes_patches, each with RESULTS of its own.
A setting's score is its mean PSNR over tasks and noise.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tuning import Tuning, main

METHODS = {
    "few_passes": None,
    "few_passes_200": ["map_ga_d_np"],
    "few_passes_mixture": None,
    "few_passes_patches": None,
}
TUNINGS = {
    name: Tuning(Path(__file__).parent, name, "psnr", methods, f"trials-{name}.csv")
    for name, methods in METHODS.items()
}

if __name__ == "__main__":
    sys.exit(main(TUNINGS, __doc__))

"""How often does the paired test of the reports call chance a difference? Gaps of four shapes, all of mean zero.

    python experiments/paired_tests/simulate.py            # writes levels.csv beside it

Draws ``--draws`` sets of n gaps, tests each by sign flips, by the studentised bootstrap, and as the reports do by the
larger of the two, and counts p < 0.05. One more column: how often the gaps are called skewed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mapga.metrics.paired import paired_tests
from mapga.report.compare import skewed

SIZES = (2, 3, 5, 10, 24, 64, 256)
LEVEL = 0.05
_TOGETHER = 25  # draws that share their resamplings


def lognormal(sigma: float) -> Callable[[np.random.Generator, tuple[int, int]], np.ndarray]:
    """exp(sigma z) about its mean exp(sigma^2 / 2)."""
    return lambda draw, shape: np.exp(sigma * draw.normal(size=shape)) - np.exp(sigma**2 / 2)


GAPS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda draw, shape: draw.normal(size=shape),
    "Student t3": lambda draw, shape: draw.standard_t(3, size=shape),
    "lognormal 0.7": lognormal(0.7),
    "lognormal 1.5": lognormal(1.5),
}


def levels(shape: str, n: int, draws: int, resamples: int) -> dict[str, object]:
    """The shares of p < 0.05 for gaps of a shape."""
    draw = np.random.default_rng([n, list(GAPS).index(shape)])
    found: dict[str, list[np.ndarray]] = {"sign_flips": [], "bootstrap_t": [], "larger": [], "called_skewed": []}
    for k in range(draws // _TOGETHER):
        gaps = GAPS[shape](draw, (n, _TOGETHER))
        (tested,) = paired_tests([gaps], resamples=resamples, seed=k)
        found["sign_flips"].append(tested.by_sign_flips < LEVEL)
        found["bootstrap_t"].append(tested.by_bootstrap < LEVEL)
        found["larger"].append(tested.p < LEVEL)
        found["called_skewed"].append(np.array([skewed(gap) for gap in gaps.T]))
    shares = {name: round(float(np.concatenate(parts).mean()), 4) for name, parts in found.items()}
    return {"gaps": shape, "n": n, "draws": draws, "resamples": resamples, **shares}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1999)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_name("levels.csv"))
    arguments = parser.parse_args()
    lines = []
    for shape in GAPS:
        for n in SIZES:
            lines.append(levels(shape, n, arguments.draws, arguments.resamples))
            print(*lines[-1].values(), flush=True)
    with arguments.to.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""PSNR against passes, tuned methods on digits: curve.png, from curve.csv beside this file.

    for each number of passes, with the settings that won its own trials:
    mapga run -m experiment=few_passes_50 dataset.limit=32 task.sigma_y=0,0.05 equal_passes=0.25 results_dir=RESULTS
    python experiments/few_passes/curve.py store RESULTS...
    python experiments/few_passes/curve.py draw

A line of curve.csv is as of table.csv, its p-value corrected over the comparisons with map_gn_fast alone.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from tables import store

CURVE = Path(__file__).with_name("curve.csv")
STYLES = {
    "map_gn_fast": {"color": "#b2182b", "marker": "o"},
    "map_gn": {"color": "#ef8a8a", "marker": "o"},
    "map_ga_d_np": {"color": "#2166ac", "marker": "s"},
    "map_ga_np": {"color": "#7fb3d9", "marker": "s"},
    "pgdm": {"color": "#1b7837", "marker": "^"},
    "ddrm": {"color": "#fdb863", "marker": "v"},
    "ddnm": {"color": "#e08214", "marker": "v"},
    "ct_zsie": {"color": "#762a83", "marker": "D"},
    "vml_map": {"color": "0.45", "marker": "P"},
}


def draw() -> None:
    import matplotlib.pyplot as plt

    with CURVE.open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["metric"] == "psnr"]
    places = sorted({(float(line["sigma_y"]), line["task"]) for line in lines})
    ticks = sorted({int(line["passes"]) for line in lines})
    figure, panels = plt.subplots(-(-len(places) // 3), 3, figsize=(11.5, 3 * -(-len(places) // 3)), sharex=True)
    for axis, (sigma_y, task) in zip(panels.flat, places, strict=True):
        of_it = [line for line in lines if (float(line["sigma_y"]), line["task"]) == (sigma_y, task)]
        for method, style in STYLES.items():
            own = sorted((line for line in of_it if line["method"] == method), key=lambda line: int(line["passes"]))
            passes = [int(line["passes"]) for line in own]
            mean, low, high = ([float(line[key]) for line in own] for key in ("mean", "low", "high"))
            if own:
                axis.plot(passes, mean, **style, ms=4, lw=1.4, label=method)
                axis.fill_between(passes, low, high, color=style["color"], alpha=0.07, lw=0)
        axis.set(title=f"{task}, noise {sigma_y:g}", xscale="log", xticks=ticks)
        axis.minorticks_off()
        axis.xaxis.set_major_formatter("{x:g}")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="0.92")
    for axis in panels[:, 0]:
        axis.set_ylabel("PSNR (dB)")
    for axis in panels[-1]:
        axis.set_xlabel("passes")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=len(labels), frameon=False, columnspacing=1, handlelength=1.6
    )
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(CURVE.with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    if sys.argv[1:2] == ["store"]:
        store([Path(one) for one in sys.argv[2:]], CURVE, all_pairs=False)
    else:
        draw()

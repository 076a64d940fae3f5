r"""Quality against passes where the posterior is known: tuned methods on draws of overlapping Gaussians and of patches.

    mapga run -m experiment=few_passes_mixture results_dir=RESULTS "metrics=[basic,posterior]" \
        task=box50,half,supres4x task.sigma_y=0,0.05 passes=10,20,100
    python experiments/few_passes/exact.py store RESULTS...    # exact.csv, beside this file
    python experiments/few_passes/exact.py show                # the tables of README.md, and exact.png

Settings are those of 20 passes at any number of them. A line of exact.csv is a method on a task with a noise and so
many passes, with half a 95 % interval beside each mean over draws: dB above the least error possible, nats of the
log-posterior below the certified mode, posterior mass of the component reached.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from curve import STYLES

from mapga.records.collect import collect

HERE = Path(__file__).parent
PRIORS = ("overlapping", "patches")
METRICS = ("gap_to_mmse", "gap_to_mode", "mass_reached")
PLACE = ("prior", "task", "sigma_y", "method", "passes")


def store(results: list[Path]) -> None:
    """Write down every run that is done and no trial, in the place of what was known of such a one."""
    runs = [one for folder in results for one in collect(folder)[0] if one.status == "done" and not one.spec.objective]
    lines = {tuple(line[key] for key in PLACE): line for line in _stored()}
    for run in runs:
        cells = {name: run.metrics["metrics"][name] for name in METRICS}
        names, passes = run.names, run.spec.config["passes"]
        place = (names["prior"], names["task"], f"{run.spec.sigma_y:g}", names["solver"], passes)
        line = dict(zip(PLACE, place, strict=True)) | {
            "images": run.metrics["n_images"],
            "lost": run.metrics["n_failed"],
        }
        for name, cell in cells.items():
            line |= {name: f"{cell['mean']:.4g}", f"{name}_error": f"{1.96 * cell['sem']:.2g}"}
        lines[tuple(str(line[key]) for key in PLACE)] = line
    with (HERE / "exact.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(next(iter(lines.values()))))
        writer.writeheader()
        writer.writerows(lines[place] for place in sorted(lines, key=lambda place: (*place[:-1], int(place[-1]))))


def _stored() -> list[dict[str, Any]]:
    with (HERE / "exact.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def measured(prior: str) -> dict[tuple[str, str, str, int], dict[str, str]]:
    """By task, noise, method and passes."""
    lines = [line for line in _stored() if line["prior"] == prior]
    return {(*(line[key] for key in PLACE[1:4]), int(line["passes"])): line for line in lines}


def show(prior: str) -> str:
    """With 20 passes: dB above the least error, and the mass reached."""
    found = measured(prior)
    columns = list(dict.fromkeys(place[:2] for place in found))
    rows = [f"| 20 passes | {' | '.join(f'{task}, {noise}' for task, noise in columns)} |"]
    rows.append(f"| --- {'| ---: ' * len(columns)}|")
    for method in dict.fromkeys(place[2] for place in found):
        cells = []
        for column in columns:
            line = found.get((*column, method, 20))
            numbers = line and [float(line[name]) for name in ("gap_to_mmse", "gap_to_mmse_error", "mass_reached")]
            cells.append("{:.2f} ± {:.2f}, {:.2f}".format(*numbers) if numbers else "–")
        rows.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def draw(prior: str) -> None:
    import matplotlib.pyplot as plt

    found = measured(prior)
    columns = list(dict.fromkeys(place[:2] for place in found))
    methods = [method for method in STYLES if any(place[2] == method for place in found)]
    titles = {"gap_to_mmse": "dB above the least error", "mass_reached": "mass of the component reached"}
    figure, panels = plt.subplots(
        len(titles), len(columns), figsize=(2.3 * len(columns), 5), sharex=True, sharey="row", squeeze=False
    )
    for across, (metric, title) in zip(panels, titles.items(), strict=True):
        across[0].set_ylabel(title, fontsize=9)
        for axis, (task, noise) in zip(across, columns, strict=True):
            for method in methods:
                own = {k[3]: line for k, line in found.items() if k[:3] == (task, noise, method)}
                passes = sorted(own)
                values, errors = ([float(own[n][f"{metric}{end}"]) for n in passes] for end in ("", "_error"))
                axis.errorbar(passes, values, yerr=errors, **STYLES[method], ms=3.5, lw=1.2, label=method)
            axis.set(xscale="log", xticks=[n for n in (5, 20, 100, 1000) if any(place[3] >= n for place in found)])
            axis.minorticks_off()
            axis.xaxis.set_major_formatter("{x:g}")
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(color="0.92")
    for axis, (task, noise) in zip(panels[0], columns, strict=True):
        axis.set_title(f"{task}, noise {noise}", fontsize=9)
    for axis in panels[-1]:
        axis.set_xlabel("passes")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="upper center", ncols=len(methods), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    figure.savefig(HERE / "exact.png", dpi=110)


if __name__ == "__main__":
    if sys.argv[1:2] == ["store"]:
        store([Path(one) for one in sys.argv[2:]])
    else:
        for prior in PRIORS:
            print(show(prior), end="\n\n")
        draw(PRIORS[0])

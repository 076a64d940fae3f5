"""The tables of README.md, from what was measured, which is stored beside this file.

python experiments/exactness/tables.py
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

Line = dict[str, str]

HERE = Path(__file__).parent

TASKS = ("box50", "half", "supres4x", "deblur", "denoise")
SHOWN = {
    "gap_to_mmse": "dB above the least error",
    "variance_ratio": "variance ratio",
    "mode_weights_tv": "component weights: total variation",
    "mass_reached": "mass of the component reached",
}
BESIDE = ("gap_to_mmse", "mode_weights_tv", "mass_reached")
LAGS: dict[str, list[tuple[str, str, str]]] = {  # which of their lines are shown; []: all
    "lag.csv": [
        *(("D", "0", "1"), ("C8", "0", "1"), ("C64", "0", "1"), ("D", "1", "1"), ("C64", "1", "1"), ("D", "3", "1")),
        *(("C64", "3", "1"), ("D", "10", "1"), ("E2", "10", "1"), ("C8", "10", "1"), ("C64", "10", "1")),
    ],
    "lag_others.csv": [
        *(("D", "0", "1"), ("C8", "0", "1"), ("D", "10", "1"), ("C8", "10", "1"), ("D>1", "10", "1"), ("D", "30", "1")),
        *(("C8", "30", "1"), ("D>1", "30", "1"), ("D", "100", "1"), ("C8", "100", "1"), ("D", "300", "1")),
    ],
    "lag_iterations.csv": [],
    "lag_learned.csv": [
        (of, growth, "1") for of in ("D", "C32", "learned D", "learned C") for growth in ("0", "10", "30", "100")
    ],
}
SOLVERS = (
    *("exact", "pgdm_full", "pgdm", "ddrm", "dps", "ct_zsie", "map_gn_fast", "map_gn"),
    *("map_ga_d", "map_ga_d_np", "map_ga", "map_ga_np"),
)


def lines(few: bool = False) -> list[Line]:
    """What was measured with 100 passes: of a problem that was run twice with more truths, or with 8 alone."""
    with (HERE / "solvers.csv").open(newline="", encoding="utf-8") as file:
        measured = [line for line in csv.DictReader(file) if int(line["passes"] or 0) <= 100]
    measured = [line for line in measured if not few or line["images"] == "8"]
    measured.sort(key=lambda line: int(line["images"]))
    keys = ("prior", "std", "task", "sigma_y", "solver")
    return list({tuple(line[key] for key in keys): line for line in measured}.values())


def table(
    head: str, found: Sequence[Line], across: Callable[[Line], str], columns: Sequence[str], metrics: Mapping[str, str]
) -> str:
    """Solvers down, metrics across by their headings, and in each cell a number for each of ``columns``."""
    rows = [
        f"| {' | '.join([head, *metrics.values()])} |",
        f"| {' | '.join(['---'] * (1 + len(metrics)))} |",
    ]
    for solver in SOLVERS:
        own = {across(line): line for line in found if line["solver"] == solver}
        cells = [", ".join(_number(own.get(column, {}).get(metric, "")) for column in columns) for metric in metrics]
        if any(cell.strip("–, ") for cell in cells):
            rows.append(f"| {' | '.join([f'`{solver}`', *cells])} |")
    return "\n".join(rows)


def beside(noise: str, found: Sequence[Line]) -> str:
    """Exact D and C and learned ones in columns side by side, each metric twice."""
    maps = {"exact": "overlapping", "learned": "learned"}
    of_maps = {
        (of, line["task"], line["solver"]): line for of, own in maps.items() for line in found if line["prior"] == own
    }
    both = [
        {"task": task, "solver": solver}
        | {f"{metric}, {of}": of_maps.get((of, task, solver), {}).get(metric, "") for metric in BESIDE for of in maps}
        for task in TASKS
        for solver in SOLVERS
    ]
    heads = {f"{metric}, {of}": f"{SHOWN[metric]}, {of}" for metric in BESIDE for of in maps}
    return table(f"8 truths, noise {noise}", both, lambda line: line["task"], TASKS, heads)


def _number(text: str) -> str:
    return f"{float(text):.2f}" if text else "–"


def tables() -> Iterator[str]:
    """Tasks at each noise; spreads of the components; patches; learned networks."""
    found = lines()
    usual = [line for line in found if (line["prior"], line["std"]) == ("overlapping", "0.2")]
    for noise in ("0.05", "0", "0.2"):
        own = [line for line in usual if line["sigma_y"] == noise]
        yield table(f"noise {noise}", own, lambda line: line["task"], TASKS, SHOWN)
    family = [
        line for line in found if (line["prior"], line["task"], line["sigma_y"]) == ("overlapping", "box50", "0.05")
    ]
    yield table("std", family, lambda line: line["std"], ("0.05", "0.1", "0.2", "0.3"), SHOWN)
    for noise in ("0.05", "0", "0.2"):
        patches = [line for line in found if (line["prior"], line["sigma_y"]) == ("patches", noise)]
        yield table(f"patches, noise {noise}", patches, lambda line: line["task"], TASKS, dict([*SHOWN.items()][:3]))
    for noise in ("0.05", "0", "0.2"):
        yield beside(noise, [line for line in lines(few=True) if line["sigma_y"] == noise])


def lags() -> Iterator[str]:
    """Share of images that end in their component, and RMSE: a table a file of lag.py."""
    for name, rows in LAGS.items():
        with (HERE / name).open(newline="", encoding="utf-8") as file:
            found = {(line["task"], *_of(line)): line for line in csv.DictReader(file)}
        tasks = list(dict.fromkeys(place[0] for place in found))
        several = len({place[3] for place in found}) > 1
        yield "\n".join(
            [
                f"| map, growth{', steps' if several else ''} | {' | '.join(tasks)} |",
                f"| {' | '.join(['---'] * (1 + len(tasks)))} |",
                *(
                    f"| {', '.join(row[: 2 + several])} | {' | '.join(_lag(found[task, *row]) for task in tasks)} |"
                    for row in rows or dict.fromkeys(place[1:] for place in found)
                ),
            ]
        )


def _of(line: Line) -> tuple[str, str, str]:
    return line["map"], f"{float(line['growth']):g}", line["iterations"]


def _lag(line: Line) -> str:
    return f"{float(line['right']):.2f}, {float(line['rmse']):.3f} ± {float(line['error_95']):.3f}"


if __name__ == "__main__":
    print("\n\n".join([*tables(), *lags()]))

"""README's table is of the demo's numbers in docs/data/demo.csv, and the code still makes those of its first digits."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest

import mapga
from mapga.config.groups import stated_by

ROOT = Path(__file__).parents[1]
DEMO = pandas.read_csv(ROOT / "docs/data/demo.csv")


def table() -> list[str]:
    """Mean and standard error of each method and task, as Markdown; bold is the highest of a column."""
    cells = DEMO.groupby(["solver", "task"], sort=False)["psnr"].agg(["mean", "sem"]).unstack()
    passes = DEMO.groupby("solver")["passes"].first()
    titles = [stated_by("task", task)["operator"]["title"] for task in cells["mean"].columns]
    lines = [f"| PSNR (dB) | passes | {' | '.join(titles)} |", "| --- | ---: |" + " ---: |" * len(titles)]
    for solver, means in cells["mean"].iterrows():
        words = [f"{mean:.2f} ± {cells['sem'].loc[solver, task]:.2f}" for task, mean in means.items()]
        bold = [
            f"**{word}**" if means[task] == cells["mean"][task].max() else word
            for word, task in zip(words, means.index, strict=True)
        ]
        lines.append(f"| {stated_by('solver', solver)['title']} | {passes[solver]} | {' | '.join(bold)} |")
    return lines


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_table_is_of_the_stored_numbers(page: str):
    assert DEMO.groupby(["solver", "task"]).size().unique().tolist() == [32]
    text = (ROOT / page).read_text()
    shown = text.partition("<!-- demo: tests/test_readme.py -->\n")[2].partition("\n<!-- end of demo -->")[0]
    assert shown.splitlines() == table(), "\n".join(table())


def test_the_stored_numbers_are_those_of_the_code():
    truth = mapga.load_images("mnist", limit=2)
    problem = mapga.load_task("supres4x").measure(truth, seed=0)
    restored = mapga.load_solver("ddrm").restore(problem, mapga.load_prior("mnist"), seed=0)
    found = mapga.load_metrics("basic")(restored, truth)["psnr"].tolist()
    stored = DEMO[(DEMO["task"] == "supres4x") & (DEMO["solver"] == "ddrm")]["psnr"].tolist()
    assert found == pytest.approx(stored[:2], abs=0.02)  # another machine rounds otherwise, here and there a grey level


if __name__ == "__main__":
    print("\n".join(table()))

"""The LaTeX compiles, on its own and as a part of a document, whatever the runs are called."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from helpers.folders import unfinished
from helpers.tables import called, measured
from mapga.report import write_report

pytestmark = pytest.mark.usefixtures("undrawn")

HOSTILE = r"<script> a|b & 50% $x_1$ #2 {c} \input{d} ^~ `e` *f* é 漢字 " + "\x07"
PAPER = r"""\documentclass[twocolumn]{article}
\usepackage{booktabs}
\begin{document}
Before. \input{latex/tiny-psnr} After.
\end{document}
"""
PART = r"""\documentclass{article}
\usepackage{booktabs,longtable}
\begin{document}
Before. \input{table} After.
\end{document}
"""


@pytest.fixture
def folder(tmp_path):
    if shutil.which("latexmk") is None:
        if os.environ.get("MAPGA_REQUIRE_LATEX") == "1":
            pytest.fail("MAPGA_REQUIRE_LATEX=1, and there is no latexmk: run .ci/services")
        pytest.skip("there is no latexmk here: apt-get install latexmk texlive-latex-recommended")
    measured(tmp_path, "alpha", {"psnr": [20.0, 21.0, 22.0]})
    measured(tmp_path, "beta", {"psnr": [10.0, 11.5, 12.0]}, names={"prior": HOSTILE})
    unfinished(tmp_path, "gamma").skip(HOSTILE)
    return write_report(tmp_path)


@pytest.mark.parametrize("part", [None, PART, PAPER], ids=["alone", "as a part", "in two columns"])
def test_it_compiles(folder, part):
    name = "table.tex" if part is None else "paper.tex"
    if part is not None:
        (folder / name).write_text(part)
    command = ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / name).with_suffix(".pdf").stat().st_size > 5000


def test_a_table_for_a_paper_marks_the_best_and_the_next(tmp_path):
    n = 24
    noise = [0.1 * (k % 5) for k in range(n)]
    for solver, mean in (("alpha", 20.0), ("beta", 19.0), ("gamma", 12.0)):
        run = measured(tmp_path, solver, {"psnr": [mean + (k % 3) * e for k, e in enumerate(noise)]})
        if solver == "beta":
            called(run, "DDRM & co")
    plain, errors = ((write_report(tmp_path, errors=one) / "latex/tiny-psnr.tex").read_text() for one in (False, True))
    lines = {line.split(" & ")[0]: line for line in plain.splitlines() if line.endswith(r"\\")}
    assert lines["alpha"].endswith(r"\textbf{20.20} \\")
    assert lines[r"DDRM \& co"].endswith(r"\underline{19.20}$^{**}$ \\")
    assert lines["gamma"].endswith(r"12.20$^{**}$ \\")
    assert r"\begin{tabular}{lrr}" in plain and r"\begin{table}" in plain and "longtable" not in plain
    assert "PSNR (dB) on tiny, n = 24 images, higher is better." in plain and "Holm" in plain
    assert re.search(r"\\textbf\{20\.20\} \(0\.\d\d\) ", errors) and "standard errors in brackets" in errors

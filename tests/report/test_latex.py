"""The LaTeX compiles, on its own and as a part of a document, whatever the runs are called."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from helpers.folders import unfinished
from helpers.tables import measured
from mapga.report import write_report

HOSTILE = r"<script> a|b & 50% $x_1$ #2 {c} \input{d} ^~ `e` *f* é 漢字 " + "\x07"
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


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "as a part"])
def test_it_compiles(folder, alone):
    name = "table.tex" if alone else "paper.tex"
    if not alone:
        (folder / name).write_text(PART)
    command = ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / name).with_suffix(".pdf").stat().st_size > 5000

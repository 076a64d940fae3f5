"""The table: bold where nothing is better, every run on a line, and no name that breaks a format."""

from __future__ import annotations

import csv
import io
import re

import pytest
from rich.console import Console

from helpers.folders import finished, summary, unfinished
from mapga.records.collect import collect
from mapga.report.layout import Table, number
from mapga.report.table import csv_text, make_table


def _table(root) -> Table:
    runs, troubles = collect(root)
    assert not troubles
    return make_table(runs)


def _column(table: Table, name: str) -> dict[str, str]:
    return {line[1].text: line[table.header.index(name)].text for line in table.lines}


def _bold(table: Table, name: str) -> set[str]:
    return {line[1].text for line in table.lines if line[table.header.index(name)].best}


def _cell(mean: float | None, lower: bool, **more) -> dict:
    return {"mean": mean, "sem": 0.1, "n": 3, "lower_is_better": lower} | more


def test_a_line_holds_mean_error_counts_and_cost(tmp_path):
    finished(tmp_path, "alpha", summary(20.123))
    table = _table(tmp_path)
    assert table.header == ["problem", "solver", "settings", "psnr", "n", "lost", "NFE", "seconds"]
    assert [cell.text for cell in table.lines[0]] == ["tiny half", "alpha", "", "20.12 ± 0.50", "3", "0", "6", "1.2"]


def test_no_error_and_no_mean_are_shown_as_such(tmp_path):
    single = summary(metrics={"psnr": _cell(20.0, False) | {"sem": None}})
    finished(tmp_path, "single", single)
    finished(tmp_path, "none", summary(None))
    assert _column(_table(tmp_path), "psnr") == {"single": "20.00", "none": "–"}


def test_the_best_follows_the_metrics_direction(tmp_path):
    for solver, high, low in [("a", 20.0, 3.0), ("b", 22.0, 4.0), ("c", 21.0, 2.0)]:
        cells = {"psnr": _cell(high, False), "lpips_alex": _cell(low, True), "zz": _cell(high, True)}
        finished(tmp_path, solver, summary(metrics=cells))
    table = _table(tmp_path)
    assert (_bold(table, "psnr"), _bold(table, "lpips_alex"), _bold(table, "zz")) == ({"b"}, {"c"}, {"a"})
    assert table.header[3:6] == ["psnr", "lpips_alex", "zz"]


def test_equals_are_all_best(tmp_path):
    for solver, psnr in [("a", 20.0), ("b", 20.0), ("c", 19.0)]:
        finished(tmp_path, solver, summary(psnr))
    assert _bold(_table(tmp_path), "psnr") == {"a", "b"}


def test_each_problem_has_its_own_best(tmp_path):
    finished(tmp_path, "a", summary(20.0))
    finished(tmp_path, "b", summary(10.0), names={"task": "box"}, task={"sigma_y": 0.5, "sigma_y_unit": "[-1,1]"})
    finished(tmp_path, "c", summary(9.0), names={"task": "box"}, task={"sigma_y": 0.5, "sigma_y_unit": "[-1,1]"})
    assert _bold(_table(tmp_path), "psnr") == {"a", "b"}


def test_a_run_without_numbers_is_never_best(tmp_path):
    finished(tmp_path, "a", summary(None))
    unfinished(tmp_path, "b")
    assert _bold(_table(tmp_path), "psnr") == set()


def test_protocols_are_not_compared(tmp_path):
    """Acceptance: a table asked to mix N = 1000 and N = 50000 splits."""
    for solver, mean, n in [("a", 10.0, 1000), ("b", 9.0, 50_000)]:
        finished(tmp_path, solver, summary(metrics={"fid": _cell(mean, True, key=f"fid|n={n}", notes=[f"N={n}"])}))
    table = _table(tmp_path)
    assert _bold(table, "fid") == set()
    assert any("fid|n=1000, fid|n=50000" in note and "not compared" in note for note in table.notes)
    assert {"N=1000", "N=50000"} <= set(table.notes)


def test_skips_and_failures_have_a_line_and_a_reason(tmp_path):
    finished(tmp_path, "alpha")
    unfinished(tmp_path, "unable").skip("it needs a closed-form SVD")
    unfinished(tmp_path, "broken").fail("...\nArithmeticError: told apart")
    unfinished(tmp_path, "begun")
    table = _table(tmp_path)
    assert _column(table, "n") == {"alpha": "3", "unable": "skipped", "broken": "failed", "begun": "incomplete"}
    notes = "\n".join(table.notes)
    assert re.search("unable-.* skipped: it needs a closed-form SVD", notes)
    assert re.search("broken-.* failed: ArithmeticError: told apart", notes)


def test_csv_holds_every_number_unrounded(tmp_path):
    finished(tmp_path, "alpha", summary(20.123456789012345), seed=4)
    unfinished(tmp_path, "unable").skip('because, of "this"')
    rows = {row["solver"]: row for row in csv.DictReader(io.StringIO(csv_text(collect(tmp_path)[0])))}
    assert float(rows["alpha"]["psnr"]) == 20.123456789012345 and rows["alpha"]["psnr_n"] == "3"
    assert (rows["alpha"]["seed"], rows["alpha"]["forward"], rows["alpha"]["status"]) == ("4", "4.0", "done")
    assert (rows["unable"]["status"], rows["unable"]["reason"]) == ("skipped", 'because, of "this"')
    assert rows["unable"]["psnr"] == ""


HOSTILE = r"<script>alert(1)</script> a|b & 50% $x_1$ #2 {c} \input{d} ^~ `e` *f* [bold]g[/nope]"


@pytest.fixture
def hostile(tmp_path) -> Table:
    finished(tmp_path, "plain", summary(metrics={HOSTILE: _cell(1.0, True)}), names={"task": HOSTILE})
    unfinished(tmp_path, "unable").skip(HOSTILE + "\nsecond line")
    return _table(tmp_path)


def test_markdown_keeps_its_columns_and_passes_no_html(hostile):
    text = hostile.markdown()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(hostile.lines)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(hostile.header) + 1}
    assert "<" not in text and "&lt;script&gt;" in text
    assert len(re.findall(r"^\* .*skipped:.*second line$", text, re.MULTILINE)) == 1


def test_latex_escapes_every_special_character(hostile):
    text = hostile.latex()
    assert r"\textbackslash{}input\{d\}" in text and r"\textless{}script\textgreater{}" in text
    assert r"50\% \$x\_1\$ \#2 \{c\}" in text and r"\^{}\~{}" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(hostile.header) - 1}
    assert len(rows) == 1 + len(hostile.lines)


def test_latex_groups_by_problem(tmp_path):
    for k, task in enumerate(("box", "box", "half")):
        finished(tmp_path, f"s{k}", names={"task": task}, task={"sigma_y": len(task) / 10, "sigma_y_unit": "[-1,1]"})
    assert _table(tmp_path).latex().count(r"\midrule") == 2


def test_the_terminal_shows_names_as_they_are(hostile):
    console = Console(width=2000, file=io.StringIO(), record=True)
    console.print(hostile.terminal())
    assert HOSTILE in console.export_text()


def test_numbers_have_as_many_digits_as_a_reader_needs():
    assert [number(20.126, 2), number(0.09641, 4), number(0.0, 4)] == ["20.13", "0.0964", "0.0000"]
    assert number(2.07e-9, 4) == "2.1e-09" and number(-0.00005, 4) == "-5.0e-05"

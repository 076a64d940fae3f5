"""The page's tables: sorted, filtered, aligned, shaded by rank, drilled into."""

from __future__ import annotations

from helpers.tables import HOSTILE

BEHIND_ITS_NUMBER = """found => found.map((one) => {
  const text = document.createRange();
  text.selectNodeContents(one.previousSibling);
  return one.getBoundingClientRect().left - text.getBoundingClientRect().right;
})"""


def _methods(page) -> list[str]:
    return page.locator(".board:visible tbody tr:visible .name").all_inner_texts()


def _values(page, task: str) -> list[float]:
    cells = page.locator(f".board:visible tbody td[data-task='{task}']:visible")
    texts = [cells.nth(k).get_attribute("data-value") for k in range(cells.count())]
    return [float(text) for text in texts if text]


def test_a_column_sorts_both_ways_and_empty_cells_stay_last(page):
    head = page.locator(".board:visible thead th[data-task='half'] button")
    head.click()
    rising = _values(page, "half")
    assert rising == sorted(rising) and len(rising) == 3
    assert _methods(page)[-1] == "ct_zsie"
    head.press("Enter")
    assert _values(page, "half") == rising[::-1] and _methods(page)[-1] == "ct_zsie"


def test_tasks_methods_and_metrics_are_filtered(page):
    assert page.locator(".board:visible").count() == 1
    page.locator("form summary").click()
    page.locator("input[name=task][value=half]").uncheck()
    assert page.locator(".board:visible [data-task=half]:visible").count() == 0
    assert page.locator("#show optgroup").nth(1).locator("option").all_inner_texts() == ["box50"]
    assert page.locator(".panels:visible > [data-task]:visible h2").all_inner_texts() == ["box50"]
    page.locator("input[name=method][value=pgdm]").uncheck()
    assert "pgdm" not in _methods(page) and "ddrm" in _methods(page)
    assert page.locator(".drawn [data-method=pgdm]:visible").count() == 0
    assert page.locator(".drawn [data-method=ddrm]:visible").count() > 2
    page.select_option("select[name=metric]", "ssim")
    assert "ssim" in page.locator(".board:visible caption").inner_text()
    assert "ssim" in page.locator(".drawn:visible figcaption").first.inner_text()
    assert "pgdm" not in _methods(page)


def test_decimal_points_stand_below_each_other_and_marks_hang_outside(screen):
    for metric in ("psnr", "error"):
        screen.select_option("select[name=metric]", metric)
        for task in ("half", "box50"):
            cells = screen.locator(f".board:visible td[data-task={task}] .value")
            parts = cells.locator(".part").evaluate_all("found => found.map((one) => one.getBoundingClientRect().left)")
            assert len(parts) == 3 and max(parts) - min(parts) < 0.5
    screen.select_option("select[name=metric]", "psnr")
    marks = screen.locator(".board:visible sup").evaluate_all(BEHIND_ITS_NUMBER)
    assert len(marks) > 1 and min(marks) >= 0
    for row in screen.locator(".board:visible tbody tr").all():
        tops = row.locator(".value").evaluate_all("found => found.map((one) => one.getBoundingClientRect().top)")
        assert not tops or max(tops) - min(tops) < 0.5


def test_cells_are_shaded_by_rank_and_ours_is_marked(page):
    order = page.locator(".board:visible td[data-task=half]").evaluate_all(
        "found => found.map((one) => [one.dataset.value, one.style.getPropertyValue('--shade'), "
        "getComputedStyle(one).backgroundColor])"
    )
    known = sorted((float(value), float(shade), colour) for value, shade, colour in order if value)
    assert [shade for _, shade, _ in known] == [0.0, 0.5, 1.0] and len({colour for *_, colour in known}) == 3
    assert [shade for value, shade, _ in order if not value] == [""]
    assert page.locator(".board:visible tr:has(.tag) .name").all_inner_texts() == [HOSTILE]


def test_a_cell_opens_its_runs_and_their_configs(screen):
    row = screen.locator(".board:visible tbody tr", has_text="pgdm")
    row.locator("td[data-task=half] button").press("Enter")
    dialog = screen.locator("#runs")
    assert dialog.locator("h2").inner_text() == "pgdm on half, PSNR (dB)"
    assert sorted(dialog.locator("tbody").first.locator("td:first-child").all_inner_texts()) == ["steps=3", "steps=9"]
    assert dialog.locator("td.best").count() == 1 and "steps:" in dialog.locator("pre").inner_text()
    assert dialog.locator("td.run").first.inner_text().startswith("tiny-half-pgdm-")
    against = dialog.locator("#pairs tbody tr")
    assert against.count() == 2 and against.first.locator("td").count() == 7
    screen.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_a_skipped_run_says_why(page):
    page.locator("button.cell", has_text="skipped").first.click()
    assert f"because {HOSTILE}" in page.locator("#runs td.run").inner_text()

"""The page in a browser: it sorts, filters, opens images and runs, says nothing on the console and asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.folders import unfinished
from mapga.report import write_report


@pytest.fixture(params=[(1280, 900, "light"), (390, 844, "dark")], ids=["wide-light", "phone-dark"])
def page(browser, report, request) -> Iterator:
    """The page, opened; on closing, nothing was complained of and nothing was asked of the network."""
    width, height, scheme = request.param
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    said, asked, dialogs = [], [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda sent: asked.append(sent.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto((report / "index.html").as_uri())
    yield page
    page.close()
    assert said == [] and dialogs == []
    assert [url for url in asked if not url.startswith("data:")] == [(report / "index.html").as_uri()]


def _methods(page) -> list[str]:
    return page.locator(".board:visible tbody tr:visible th").all_inner_texts()


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
    page.locator("input[name=task][value=half]").uncheck()
    assert page.locator(".board:visible [data-task=half]:visible").count() == 0
    assert page.locator("#thumbs h3").all_inner_texts() == ["box50"]
    page.locator("input[name=method][value=pgdm]").uncheck()
    assert "pgdm" not in _methods(page) and "ddrm" in _methods(page)
    page.select_option("select[name=metric]", "ssim")
    assert "ssim" in page.locator(".board:visible caption").inner_text()
    assert "pgdm" not in _methods(page)


def test_a_cell_opens_its_runs_and_their_configs(page):
    row = page.locator(".board:visible tbody tr", has_text="pgdm")
    row.locator("td[data-task=half] button").press("Enter")
    dialog = page.locator("#runs")
    assert dialog.locator("h2").inner_text() == "pgdm on half"
    assert sorted(dialog.locator("tbody").first.locator("td:first-child").all_inner_texts()) == ["steps=3", "steps=9"]
    assert dialog.locator("td.best").count() == 1 and "steps:" in dialog.locator("pre").inner_text()
    link = dialog.locator("tbody a").first
    assert link.get_attribute("href").startswith("../tiny-half-pgdm-") and link.get_attribute("href").endswith("yaml")
    against = dialog.locator("#pairs tbody tr")
    assert against.count() == 2 and against.first.locator("td").count() == 7
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_an_image_opens_with_a_slider_and_every_method(page):
    page.locator(".thumb").first.click()
    viewer = page.locator("#viewer")
    title = viewer.locator("h2").inner_text()
    assert title.startswith("box50, image 10")
    strip = viewer.locator("#strip button b").all_inner_texts()
    assert strip[:2] == ["truth", "measurement"] and {"ddrm", "pgdm"} <= set(strip) and len(strip) == 5
    assert "psnr" in viewer.locator("#strip button").nth(2).inner_text()
    page.locator("#left").select_option("truth")
    page.locator("#right").select_option("ddrm")
    for value in ("0", "100"):
        page.locator("#slider").fill(value)
        clip = page.locator("#over").evaluate("image => getComputedStyle(image).clipPath")
        assert clip == f"inset(0px {100 - int(value)}% 0px 0px)"
    assert page.locator("#over").evaluate("image => image.naturalWidth") == 8
    page.locator("#next").focus()
    page.keyboard.press("ArrowRight")
    assert viewer.locator("h2").inner_text() != title
    page.keyboard.press("ArrowLeft")
    assert viewer.locator("h2").inner_text() == title
    assert page.locator("#right").input_value() == "ddrm"
    page.keyboard.press("Escape")
    assert not viewer.is_visible()


def test_worst_and_best_cases_are_named(page):
    words = " ".join(page.locator(".thumb small").all_inner_texts())
    assert "worst of" in words and "best of" in words


def test_nothing_overflows_the_width(page):
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0


def test_the_colours_follow_the_system_and_the_button(page):
    def brightness() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))

    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (brightness() < 200) == dark
    page.locator("#theme").click()
    assert (brightness() < 200) != dark


def test_a_report_without_a_finished_run_is_a_page_too(browser, tmp_path):
    unfinished(tmp_path, "alpha").skip("it cannot")
    folder = write_report(tmp_path)
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((folder / "index.html").as_uri())
    assert "it cannot" in page.inner_text("main") and errors == []
    page.close()

"""What the page shows stands in its address, and comes back from it."""

from __future__ import annotations

from helpers.tables import HOSTILE


def test_a_finding_is_an_address(page, report):
    page.select_option("select[name=metric]", "ssim")
    page.locator(".board:visible thead th[data-task=half] button").click()
    page.locator(".board:visible tr[data-method=pgdm] td[data-task=half] button").click()
    assert "metric=ssim" in page.url and "cell=half.pgdm" in page.url and "sort=half" in page.url
    page.goto("about:blank")
    page.goto(f"{(report / 'index.html').as_uri()}#metric=ssim&cell=half.pgdm")
    assert page.locator("#runs h2").inner_text() == "pgdm on half, ssim"
    page.keyboard.press("Escape")
    page.wait_for_function("!location.hash.includes('cell')")
    assert "metric=ssim" in page.evaluate("location.hash")
    assert page.locator("select[name=metric]").input_value() == "ssim"


def test_a_picture_its_sides_and_the_filters_come_back(page):
    page.locator("form summary").click()
    page.locator("input[name=method][value=ddrm]").uncheck()
    page.locator("#grid tbody tr").nth(4).locator("button").last.click()
    page.select_option("#left", "truth")
    shown = page.locator("#viewer h2").inner_text(), page.locator("#right").input_value()
    assert shown[0].startswith("half, image 10") and shown[1] == HOSTILE
    page.reload()
    assert (page.locator("#viewer h2").inner_text(), page.locator("#right").input_value()) == shown
    assert page.locator("#left").input_value() == "truth"
    assert "ddrm" not in page.locator("#grid tbody th").all_inner_texts()


def test_an_address_of_what_is_not_there_shows_what_is(page):
    page.evaluate("location.hash = '#metric=none&study=other&cell=half.nobody&image=half.999&pictures=x&sort=y'")
    assert page.locator(".board:visible caption").inner_text().startswith("PSNR")
    assert page.locator("dialog[open]").count() == 0 and page.locator("#grid img").count() > 0

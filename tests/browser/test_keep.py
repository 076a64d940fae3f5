"""What a reader takes along: tables as text, pictures as files, and the page on paper."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize("kind", ["Markdown", "CSV", "LaTeX"])
def test_a_table_is_copied_as_the_report_has_it(page, report, kind):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.select_option("select[name=metric]", "ssim")
    page.locator(".board:visible button", has_text=kind).click()
    page.locator(".board:visible output", has_text=f"{kind} copied").wait_for()  # the clipboard takes its time
    text = page.evaluate("navigator.clipboard.readText()")
    if kind == "CSV":
        rows = list(csv.DictReader(io.StringIO(text)))
        shown = page.locator(".board:visible td[data-value]:not([data-value=''])").count()
        assert sum(row["value"] != "" for row in rows) == shown == 6
        assert {row["metric"] for row in rows} == {"ssim"}
    else:
        written = {"Markdown": "table.md", "LaTeX": "latex/tiny-ssim.tex"}[kind]
        assert text.strip() and text.strip() in (report / written).read_text()


def test_a_clipboard_that_is_shut_gives_a_file(page):
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('shut')) }")
    with page.expect_download() as download:
        page.locator(".board:visible button", has_text="LaTeX").click()
    assert download.value.suggested_filename == "table.tex"
    assert r"\toprule" in Path(download.value.path()).read_text()


def test_a_picture_is_saved_as_it_was_stored(page, report):
    page.locator("#grid tbody tr", has_text="ddrm").locator("button").last.click()
    with page.expect_download() as download:
        page.locator("#save").click()
    assert download.value.suggested_filename == "half.10-ddrm.png"
    (run,) = report.parent.glob("tiny-half-ddrm-*")
    stored = np.load(run / "images.npy")[0, ..., 0]
    assert np.array_equal(np.asarray(Image.open(download.value.path())), stored)


def test_nothing_leads_out_of_the_file(page):
    assert page.locator("a[href], area, iframe, object, embed, form[action]").count() == 0


def test_paper_has_every_metric_and_nothing_to_press(page):
    page.emulate_media(media="print")
    boards = page.locator(".board")
    assert boards.count() > 3 and all(one.is_visible() for one in boards.all())
    assert all(one.is_visible() for one in page.locator(".drawn").all())
    assert page.locator("form:visible, select:visible, input:visible, .unprinted:visible, #theme:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"
    assert page.locator(".sheet:not([open]):visible").count() == 0
    assert page.locator(".board .notes li:not(.unprinted)").first.is_visible()
    table = page.locator(".board:visible table").first
    table.evaluate("one => one.classList.add('many')")  # as one of more than five tasks, which is no larger on paper
    assert table.evaluate("one => getComputedStyle(one).fontSize") == "10px"
    table.evaluate("one => one.classList.remove('many')")
    assert page.locator("#grid img").first.is_visible()

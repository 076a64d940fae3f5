"""The page's pictures: a grid beside the table, and the viewer."""

from __future__ import annotations

import pytest

from helpers.tables import HOSTILE


def _rows(page) -> list[str]:
    return page.locator("#grid tbody th").all_inner_texts()


def _images(page, selector: str = "#grid") -> list[str]:
    return page.locator(f"{selector} img").evaluate_all("found => found.map((one) => one.src)")


def _sides(page) -> list[str]:
    return [page.locator(side).input_value() for side in ("#left", "#right")]


@pytest.fixture
def viewer(page):
    page.locator("#grid tbody tr").nth(1).locator("button").first.click()
    return page.locator("#viewer")


def test_the_grid_has_the_rows_of_the_table_and_measurements(page):
    table = page.locator(".board:visible tbody .name").all_inner_texts()
    assert _rows(page) == ["truth", "measurement", *table] and page.locator("#grid thead th").count() == 2
    assert len(_images(page)) == 2 * 5 and len(set(_images(page))) == 5  # both tasks have the same random pictures
    page.locator(".board:visible thead th[data-task=half] button").click()
    assert _rows(page)[2:] == page.locator(".board:visible tbody .name").all_inner_texts() != table


def test_it_says_which_setting_is_pictured(page):
    page.select_option("select[name=selection]", "fixed")
    assert page.locator("#pictured").inner_text() == "Of each method the setting that is best by PSNR (dB)."


def test_pictures_of_a_row_are_aligned(page):
    page.select_option("#show", "task.half")
    assert page.locator("#grid thead .case span").count() > 1
    for row in page.locator("#grid tbody tr").all():
        tops = row.locator("img").evaluate_all("found => found.map((one) => one.getBoundingClientRect().top)")
        assert len(set(tops)) <= 1


def test_of_one_task_every_image_is_shown(page):
    page.locator("form summary").click()
    page.locator("input[name=task][value=half]").uncheck()
    assert page.locator("#show").input_value() == "task.box50" and page.locator("#grid thead th").count() >= 3


def test_other_images_tasks_and_worst_cases_are_chosen(page):
    first = _images(page)
    page.locator("#show-next").click()
    assert not {*first} & {*_images(page)}
    page.locator("#show-previous").click()
    assert _images(page) == first
    page.select_option("#show", "task.box50")
    assert page.locator("#grid thead th").count() >= 3
    page.select_option("#show", "worst.pgdm")
    assert page.locator("#grid thead th").all_inner_texts()[0].startswith("box50\n#")
    page.locator("#grid button").first.click()
    assert "worst of" in page.locator("#viewer h2 small").inner_text()


def test_the_divider_is_dragged_on_the_picture(screen):
    screen.locator("#grid tbody tr").nth(1).locator("button").first.click()
    box = screen.locator("#stage").bounding_box()
    screen.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    screen.mouse.down()
    screen.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60)
    screen.mouse.up()
    assert screen.locator("#slider").input_value() == "20"
    clip = screen.locator("#clip").evaluate("one => getComputedStyle(one).clipPath")
    assert "80%" in clip
    screen.locator("#slider").fill("70")
    assert "30%" in screen.locator("#clip").evaluate("one => getComputedStyle(one).clipPath")


def test_truth_and_difference_stand_beside_the_best(page, viewer):
    assert viewer.locator("h2").inner_text().startswith("box50, image 10")
    assert page.locator("#truth").is_visible() and page.locator("#difference img").nth(1).is_visible()
    left, right = _sides(page)
    best = page.locator("#strip tr:has(td.best:nth-child(3)) th")
    assert left == "measurement" and best.inner_text() == right
    numbers = [float(text) for text in page.locator("#strip td:nth-child(3)").all_inner_texts()[1:]]
    assert float(page.locator("#strip td.best:nth-child(3)").inner_text()) == max(numbers)
    grid = page.locator("#grid tbody tr")
    truth = grid.first.locator("img").first.get_attribute("src")
    assert page.locator("#truth").get_attribute("src") == truth
    assert [one.get_attribute("src") for one in page.locator("#difference img").all()] == [
        truth,
        page.locator("#under").get_attribute("src"),
    ]


def test_the_difference_of_a_picture_to_itself_is_black(page, viewer):
    page.select_option("#right", "truth")
    assert _brightness(page) == 0
    page.select_option("#right", "ddrm")
    assert _brightness(page) > 20


def _brightness(page) -> float:
    import io

    import numpy as np
    from PIL import Image

    shot = page.locator("#difference").screenshot()
    return float(np.asarray(Image.open(io.BytesIO(shot)).convert("L"))[5:-5, 5:-5].max())


def test_keys_turn_images_methods_and_zoom(page, viewer):
    title = viewer.locator("h2").inner_text()
    page.keyboard.press("ArrowRight")
    assert viewer.locator("h2").inner_text() != title
    page.keyboard.press("ArrowLeft")
    assert viewer.locator("h2").inner_text() == title
    before = _sides(page)[1]
    page.keyboard.press("ArrowDown")
    after = _sides(page)[1]
    assert after != before
    page.keyboard.press("ArrowRight")
    assert _sides(page)[1] == after
    wide = page.locator("#under").bounding_box()["width"]
    page.keyboard.press("+")
    assert page.locator("#under").bounding_box()["width"] == 2 * wide == page.locator("#over").bounding_box()["width"]
    beside = page.locator("#truth")
    assert abs(beside.bounding_box()["width"] - 2 * beside.evaluate("one => one.offsetWidth")) < 2
    page.keyboard.press("-")
    assert page.locator("#under").bounding_box()["width"] == wide


def test_methods_of_the_filter_only_and_a_press_beside_closes(page):
    page.locator("form summary").click()
    page.locator("input[name=method][value=pgdm]").uncheck()
    page.locator("#grid button").first.click()
    assert page.locator("#strip tbody th").all_inner_texts() == ["ddrm", HOSTILE]
    assert "pgdm" not in page.locator("#right option").all_inner_texts()
    page.mouse.click(2, 2)
    assert not page.locator("#viewer").is_visible()

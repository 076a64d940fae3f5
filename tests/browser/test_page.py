"""The page as a whole: what stands above, that it fits, its colours, and a report without numbers."""

from __future__ import annotations

from helpers.folders import unfinished
from mapga.report import write_report


def test_where_the_numbers_come_from_stands_above(page):
    known = page.locator("dl.facts:visible")
    names, texts = known.locator("dt").all_inner_texts(), known.locator("dd").all_inner_texts()
    facts = dict(zip(names, texts, strict=True))
    assert facts == {"dataset": "tiny", "images": "12 of 250", "noise": "none", "seeds": "0", "prior": "gauss"} | {
        "passes per image": "6 – 18"
    }


def test_the_first_screen_has_the_table_on_the_left_and_pictures_on_the_right(screen):
    table, grid = (screen.locator(one).bounding_box() for one in (".board:visible table", "#grid"))
    if screen.viewport_size["width"] > 1000:
        assert grid["x"] > table["x"] + table["width"] and abs(grid["y"] - table["y"]) < 80
        assert grid["y"] + grid["height"] < screen.viewport_size["height"]
        assert screen.locator("#grid img").first.bounding_box()["width"] > 80
    else:
        assert grid["y"] > table["y"] + table["height"]


def test_nothing_overflows_the_width(screen):
    wide = screen.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0


def test_the_colours_follow_the_system_and_the_button(screen):
    def brightness() -> float:
        colour = screen.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))

    dark = screen.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (brightness() < 200) == dark
    screen.locator("#theme").click()
    assert (brightness() < 200) != dark


def test_a_method_has_one_colour_in_table_pictures_and_figures(screen):
    def colours() -> list[str]:
        found = []
        for method in ("ddrm", "pgdm"):
            places = [f".board:visible tr[data-method={method}] .mark", f".drawn:visible g[data-method={method}]"]
            places += [
                f".drawn:visible .legend [data-method={method}] .mark",
                f".ranks:visible [data-method={method}] td",
            ]
            places.append(f"#grid tr:has-text('{method}') .mark")
            drawn = {screen.locator(one).first.evaluate("one => getComputedStyle(one).color") for one in places}
            assert len(drawn) == 1
            found += drawn
        return found

    before = colours()
    screen.locator("#theme").click()
    assert len({*before, *colours()}) == 4


def test_a_report_without_a_finished_run_is_a_page_too(browser, tmp_path):
    unfinished(tmp_path, "alpha").skip("it cannot")
    folder = write_report(tmp_path)
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((folder / "index.html").as_uri())
    assert "it cannot" in page.inner_text("main") and errors == []
    page.close()

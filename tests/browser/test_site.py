"""The documentation's search box, where ``make docs`` has built the site: ``make check`` does so before the tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "site"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    if not (SITE / "search/search_index.json").is_file():
        pytest.skip("the site is not built: make docs")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_word_is_found_and_leads_to_its_page(tab, address: str):
    asked: list[str] = []

    def note(sent) -> None:
        asked.append(sent.url)

    tab.on("request", note)
    tab.set_viewport_size({"width": 1400, "height": 900})
    tab.goto(f"{address}/index.html")
    tab.locator("input.md-search__input").fill("pseudo-inverse")
    found = tab.locator(".md-search-result__item a").first
    assert "Pseudo-inverse" in found.inner_text()
    found.click()
    tab.wait_for_url("**/pinv.html*")
    assert "solver=pinv" in tab.locator("article").inner_text()
    tab.remove_listener("request", note)
    assert {url.partition(":")[0] for url in asked if not url.startswith(address)} <= {"data", "blob"}

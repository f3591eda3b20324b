"""`lebm explore` in a real browser: each tab does what it says, and nothing leaves the machine."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

COMMAND = [sys.executable, "-m", "lebm_core", "explore"]
SLOW = 120_000  # milliseconds for an answer, on a machine that is busy


@pytest.fixture
def opened(chromium: str, serve: Any, tmp_path: Path) -> Any:
    """A context: the page that a command serves, in a browser of some width."""

    def page_of(command: list[str], width: int = 1280, **more: str) -> Any:
        return in_browser(chromium, serve, command, tmp_path, width, **more)

    return page_of


@contextmanager
def in_browser(
    chromium: str, serve: Any, command: list[str], folder: Path, width: int, **more: str
) -> Iterator[Any]:
    """The page; afterwards no request may have left the machine, nor a connection."""
    from playwright.sync_api import sync_playwright

    with serve(command, folder, **more) as (address, connected), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(SLOW)
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#draw")
        yield page
        browser.close()
    hosts = {urlparse(url).hostname for url in asked if url.startswith("http")}
    assert hosts == {"127.0.0.1"}, hosts
    assert {urlparse(url).scheme for url in asked} <= {"http", "data", "blob"}
    reached = connected.read_text().splitlines()
    assert [line for line in reached if "127.0.0.1" not in line and "AF_UNIX" not in line] == []
    assert errors == []


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def draw(page: Any) -> str:
    """Draw samples; the grid."""
    page.click("#draw")
    page.wait_for_function("document.querySelector('#samples-said').innerText.includes('seed')")
    return str(page.inner_html("#samples"))


def click_map(page: Any, across: float, up: float) -> None:
    box = page.locator("#map img").bounding_box()
    page.mouse.click(box["x"] + across * box["width"], box["y"] + up * box["height"])


def map_and_chain(page: Any) -> None:
    """Two points of the map; the chain with its energy, and back over its steps."""
    open_tab(page, "Map")
    page.wait_for_selector("#map img")
    click_map(page, 0.4, 0.4)
    page.wait_for_selector("#decoded section")
    assert page.locator("#decoded h3").all_inner_texts() == [
        "At the point, on the plane", "At the nearest code, with all its dimensions",
    ]  # fmt: skip
    click_map(page, 0.6, 0.6)
    page.wait_for_function("document.querySelector('#decoded').innerText.includes('second')")
    open_tab(page, "Chain")
    page.click("#run-chain")
    page.wait_for_selector("#energy img")
    last = page.inner_text("#chain-said")
    assert "energy" in last
    slider = page.locator("#step input[type=number]")
    slider.fill("0")
    slider.press("Enter")
    slider.blur()
    page.wait_for_function("document.querySelector('#chain-said').innerText.includes('Step 0 ')")
    open_tab(page, "Report")
    page.wait_for_selector("#report table")
    assert page.locator("#report h3").nth(1).inner_text() == "Results"


def ask(page: Any) -> list[str]:
    """Ask the model; the headings of its answers."""
    page.click("#ask")
    page.wait_for_selector("#answers section, #answers .wrong")
    return list(page.locator("#answers h3").all_inner_texts())


def test_digits_on_a_phone_and_what_the_page_refuses(
    digits: Path, opened: Any, tmp_path: Path
) -> None:
    command = [*COMMAND, str(digits), "--port", "0"]
    with opened(command, width=390) as page:
        first = draw(page)
        assert first.count("<img") == 24
        page.get_by_label("Class", exact=True).first.click()
        page.get_by_role("option", name="3", exact=True).click()
        page.click("#draw")
        page.wait_for_function(f"document.querySelector('#samples').innerHTML != {first!r}")
        map_and_chain(page)
        assert page.locator("#report img").count() > 2
        open_tab(page, "Your own")
        ask(page)
        assert page.inner_text("#answers .wrong") == "Draw something first, or give a file."
        pad = page.locator("#pad canvas")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 40, steps=4)
        page.mouse.up()
        page.click("#ask")
        page.wait_for_selector("#answers section")
        found = page.locator("#answers h3").all_inner_texts()
        assert found == ["As the model sees it", "Reconstruct", "Complete", "Classify", "Score"]
        assert page.locator("#answers table").first.locator("tbody tr").count() == 10
        huge = tmp_path / "huge.png"
        huge.write_bytes(b"\x89PNG" + bytes(11 * 2**20))
        page.locator("#file input[type=file]").set_input_files(huge)
        page.wait_for_selector("text=/exceed the maximum/i")
        damaged = tmp_path / "damaged.png"
        damaged.write_bytes(b"\x89PNG and no more")
        page.reload()
        page.wait_for_selector("#draw")
        open_tab(page, "Your own")
        page.locator("#file input[type=file]").set_input_files(damaged)
        page.wait_for_selector("text=damaged")
        page.wait_for_timeout(500)
        ask(page)
        assert page.inner_text("#answers .wrong") == "damaged.png is not an image that can be read."
        assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.slow
def test_text(run_of: Callable[[str], Path], opened: Any) -> None:
    command = [*COMMAND, str(run_of("text")), "--port", "0"]
    with opened(command) as page:
        draw(page)
        assert page.locator("#samples li").count() == 24
        assert page.get_by_label("Temperature").count() > 0
        map_and_chain(page)
        open_tab(page, "Your own")
        page.locator("#line textarea").fill("the value of the function is returned")
        assert ask(page) == ["As the model sees it", "Reconstruct", "Score"]
        assert "the value of the function" in page.inner_text("#answers")


@pytest.mark.slow
def test_molecules(run_of: Callable[[str], Path], opened: Any) -> None:
    command = [*COMMAND, str(run_of("molecules")), "--port", "0"]
    with opened(command) as page:
        draw(page)
        assert page.locator("#samples figure").count() == 24
        map_and_chain(page)
        open_tab(page, "Your own")
        page.locator("#line textarea").fill("CCO")
        assert ask(page) == ["As the model sees it", "Reconstruct", "Score"]
        assert page.locator("#answers figure").first.locator("img").count() == 1
        page.locator("#line textarea").fill("C(C")
        page.click("#ask")
        page.wait_for_selector("#answers .wrong")
        told = page.inner_text("#answers .wrong")
        assert told.startswith('The molecule at position 0, "C(C": ') and told.endswith(".")
        assert page.locator("#answers section").count() == 0


@pytest.mark.slow
def test_a_table(run_of: Callable[[str], Path], opened: Any) -> None:
    command = [*COMMAND, str(run_of("table")), "--port", "0"]
    with opened(command) as page:
        draw(page)
        assert page.locator("#samples tbody tr").count() == 24
        map_and_chain(page)
        open_tab(page, "Your own")
        page.get_by_label("length").fill("1.0")
        page.get_by_label("width").fill("")
        found = ask(page)
        assert found == ["As the model sees it", "Reconstruct", "Complete", "Score"]
        done = page.locator("#answers section").nth(2).locator("tbody tr")
        assert done.count() == 4
        assert {row.split()[0] for row in done.all_inner_texts()} == {"1"}
        assert all(float(row.split()[1]) for row in done.all_inner_texts())
        page.get_by_label("length").fill("long")
        page.click("#ask")
        page.wait_for_selector("#answers .wrong")
        assert "long" in page.inner_text("#answers .wrong")


@pytest.mark.slow
def test_an_exported_run_is_a_page_too(digits: Path, opened: Any, tmp_path: Path) -> None:
    import gradio

    from lebm_app.export import export_run

    space = export_run(digits, tmp_path / "space")
    readme = (space / "README.md").read_text()
    assert readme.startswith("---\ntitle: semi-digits\n") and "sdk: gradio" in readme
    assert f"sdk_version: {gradio.__version__}" in readme
    command = [sys.executable, str(space / "app.py")]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        more = {"GRADIO_SERVER_PORT": str(free.getsockname()[1])}
    with opened(command, **more) as page:
        assert draw(page).count("<img") == 24

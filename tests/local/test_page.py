"""The page of the embedded Space, in a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gradio_client import Client
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from ..support.servers import PATIENCE, embedded_space

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
STORY = "Tell me a long story about a dog."
MAX_TOKENS = 200
"""So many that a story is still being written when the browser has typed and clicked."""

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="neither Chromium nor Chrome is installed"),
    pytest.mark.usefixtures("server"),
]


@pytest.fixture(scope="module")
def space() -> Iterator[str]:
    with embedded_space("--max-tokens", str(MAX_TOKENS)) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    options.add_argument("--headless=new")
    options.add_argument("--window-size=1200,1000")
    options.add_argument("--no-proxy-server")
    options.add_argument("--no-sandbox")  # which root cannot have
    options.add_argument("--disable-dev-shm-usage")  # which is small in containers
    driver = shutil.which("chromedriver")
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver) if driver else None)
    yield browser
    browser.quit()


class Page:
    """The page, just opened."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        browser.get(url)
        self.message = self.wait_for("textarea[placeholder='Ask something']")
        self.system = browser.find_elements(By.TAG_NAME, "textarea")[-1]
        self.until(lambda: self.system.get_attribute("value"))

    def wait_for(self, selector: str, text: str = "") -> WebElement:
        """The first element that a selector selects and that has a text, once there is one."""

        def found() -> WebElement | None:
            elements = self.browser.find_elements(By.CSS_SELECTOR, selector)
            return next((e for e in elements if e.is_displayed() and text in e.text), None)

        element: WebElement = self.until(found)
        return element

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Wait until something is so."""
        return WebDriverWait(self.browser, 2 * PATIENCE).until(lambda _: is_so())

    def is_covered(self, element: WebElement) -> bool:
        """Whether another element is before the left of this one."""
        return not self.browser.execute_script(
            "arguments[0].scrollIntoView({block: 'center'});"
            "const at = arguments[0].getBoundingClientRect();"
            "const top = document.elementFromPoint(at.x + 20, at.y + at.height / 2);"
            "return arguments[0].contains(top);",
            element,
        )


@pytest.fixture
def page(browser: webdriver.Chrome, space: str) -> Page:
    return Page(browser, space)


def test_what_is_typed_during_a_reply_stays(page: Page) -> None:
    page.message.send_keys(STORY, Keys.ENTER)
    page.wait_for("[data-testid=bot]", "dog")
    page.message.send_keys("And of a cat?", Keys.ENTER)
    page.system.send_keys(" Be brief.")
    page.wait_for("[data-testid=toast-body]", f"cut off after {MAX_TOKENS} tokens")
    assert page.message.get_attribute("value") == "And of a cat?"
    assert page.system.get_attribute("value") == "You are a helpful assistant. Be brief."
    page.message.send_keys(Keys.ENTER)
    page.wait_for("[data-testid=user]", "And of a cat?")


def test_a_reply_cannot_be_interrupted_by_sending_another_message(page: Page) -> None:
    page.message.send_keys(STORY, Keys.ENTER)
    page.wait_for("[data-testid=bot]", "dog")
    page.message.send_keys("And of a cat?")
    page.wait_for("button", "Send").click()
    page.wait_for("[data-testid=toast-body]", f"cut off after {MAX_TOKENS} tokens")
    assert page.message.get_attribute("value") == "And of a cat?"
    assert len(page.browser.find_elements(By.CSS_SELECTOR, "[data-testid=user]")) == 1


def test_an_error_covers_neither_the_conversation_nor_what_is_typed(page: Page) -> None:
    page.message.send_keys(STORY, Keys.ENTER)
    page.wait_for("[data-testid=toast-body]", f"cut off after {MAX_TOKENS} tokens")
    reply = page.wait_for("[data-testid=bot]", "dog")
    page.message.send_keys("  ", Keys.ENTER)
    page.wait_for("[data-testid=toast-body]", "The message is empty")
    assert not page.is_covered(reply)
    assert not page.is_covered(page.message)
    assert not page.is_covered(page.system)


def test_a_user_whose_turn_has_not_come_sees_the_message(page: Page, space: str) -> None:
    others = Client(space, verbose=False, download_files=False)
    jobs = [others.submit(STORY, [], "", api_name="/model_chat") for _ in range(4)]
    page.message.send_keys("And of a cat?", Keys.ENTER)
    page.wait_for("[data-testid=user]", "And of a cat?")
    assert page.message.get_attribute("value") == ""
    assert not all(job.done() for job in jobs)
    for job in jobs:
        job.result(2 * PATIENCE)
    others.close()

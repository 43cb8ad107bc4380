"""Chromium of the system, driven by selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.waiting import GENEROUS_S

_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root, and open only pages of the gateway
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--window-size=1400,1000",
)


@contextmanager
def open_browser() -> Iterator[webdriver.Chrome]:
    """Start a browser; the test is skipped where it is not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("chromium or chromium-driver is not installed")
    options = webdriver.ChromeOptions()
    for option in _OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = browser
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        started.set_page_load_timeout(GENEROUS_S)
        yield started
    finally:
        started.quit()


def problems(browser: webdriver.Chrome) -> list[Any]:
    """Return what the console of the browser reports since the last call of this function.

    These are errors, warnings and violations of the security policy.
    """
    entries: list[Any] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]

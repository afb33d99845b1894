"""A headless Chromium that looks at the dashboard, and what it finds there."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager

DRIVER = shutil.which("chromedriver")
PATIENCE = 90.0  # seconds that a busy machine may take, before a test fails

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1280,900",
)  # fmt: skip

_DATA = """
const source = (window.Bokeh?.documents ?? []).map(one => one.get_model_by_name(arguments[0]))[0]
return source == null ? null : Array.from(source.data[arguments[1]] ?? [])
"""


class Browser:
    """What the tests ask of Chromium."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        self.driver.get(url)

    def size(self, width, height):
        """Make what the page has to itself that large."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def leave(self):
        """Look at nothing, and forget what was complained of."""
        self.driver.get("about:blank")
        self.errors()

    def column(self, source, name):
        """A column of a source as the browser has it; None where there is none yet."""
        return self.driver.execute_script(_DATA, source, name)

    def until(self, source, name, is_so, patience=PATIENCE):
        """Wait until a column is as it should be; return it."""
        deadline = time.monotonic() + patience
        while not ((found := self.column(source, name)) is not None and is_so(found)):
            assert time.monotonic() < deadline, f"{source}.{name} stays {found}"
            time.sleep(0.1)
        return found

    def html(self, name):
        """The text of one of Bokeh's Divs."""
        code = "return Bokeh.documents[0].get_model_by_name(arguments[0]).text"
        return self.driver.execute_script(code, name)

    def until_html(self, name, words):
        """Wait until a Div has these words."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.html(name):
            assert time.monotonic() < deadline, f"{words!r} is not in {self.html(name)}"
            time.sleep(0.1)

    def errors(self):
        """What the browser has complained of."""
        log = self.driver.get_log("browser")
        return [one["message"] for one in log if one["level"] == "SEVERE"]


@contextmanager
def chromium(profile):
    """Start one, with a folder for its profile."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()

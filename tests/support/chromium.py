"""A real, headless Chromium, driven through Debian's chromedriver.

Both programs are found on this computer and named explicitly, so that Selenium never looks for others to
download.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from support.requirements import require_program

HOW_TO_GET = "En Debian o Ubuntu / on Debian or Ubuntu: sudo apt install chromium chromium-driver"

# No sandbox: tests run as root in containers, and open nothing but the project's own pages. The rest keeps
# the browser from calling home, which on a closed network costs time and leaves errors in the log.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-proxy-server",
    "--lang=es",
)


@contextmanager
def run_chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """Run a browser with the empty folder ``profile`` as its own until the block ends.

    Its console (``get_log("browser")``) and its requests (``get_log("performance")``) are recorded. Where
    Chromium is missing the test is skipped with the way to get it; in CI it fails.
    """
    browser = require_program("chromium", HOW_TO_GET)
    driver_program = require_program("chromedriver", HOW_TO_GET)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_program))
    try:
        driver.set_page_load_timeout(30)
        driver.set_script_timeout(20)
        yield driver
    finally:
        driver.quit()

"""The page of a 300-model network in a headless Chromium without a network; skipped where there is none."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""No command of the browser may take longer, however busy the machine."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def page(tmp_path_factory) -> Path:
    """The page of the committed results, of which fc-network has the paper's size, as the command makes it."""
    folder = tmp_path_factory.mktemp("results")
    for path in (ROOT / "results" / "reference").glob("*/"):
        if (path / "results.parquet").exists():
            shutil.copytree(path, folder / path.name)
    command = [sys.executable, "-m", "lineage", "report", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return folder / "report.html"


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A headless Chromium that resolves no name, and writes down what it says and asks for."""
    selenium = pytest.importorskip("selenium", reason="needs selenium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    assert selenium
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
        *("--disable-background-networking", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    chromium.command_executor.client_config.timeout = SECONDS
    chromium.set_page_load_timeout(SECONDS)
    chromium.set_script_timeout(SECONDS)
    chromium.execute_cdp_cmd("Network.enable", {})
    chromium.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    yield chromium
    with contextlib.suppress(OSError):
        chromium.quit()


def requests(browser) -> list[str]:
    """Addresses that the browser asked for since this was last called."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def resized(browser, width: int, height: int = 900) -> None:
    """Gives the page that many CSS pixels."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )


def visit(browser, page: Path, width: int, height: int = 900) -> None:
    """Opens a page afresh and waits until it has loaded, which the driver of a busy machine does not always do.

    What the page before it said and asked for is forgotten.
    """
    resized(browser, width, height)
    _load(browser, "about:blank")
    browser.get_log("browser")
    requests(browser)
    _load(browser, page.as_uri())


def _load(browser, address: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address)
    script = "return location.href === arguments[0] && document.readyState === 'complete'"
    WebDriverWait(browser, SECONDS).until(lambda _: browser.execute_script(script, address))


def loaded(browser) -> float:
    """Milliseconds that the page took to load; waits until it has."""
    from selenium.webdriver.support.ui import WebDriverWait

    script = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
    return WebDriverWait(browser, SECONDS).until(lambda _: browser.execute_script(script))


def draw_all(browser) -> None:
    """Draws every figure, those too that nobody has scrolled to."""
    failed = browser.execute_async_script(
        """const done = arguments[0], failed = [];
        (async () => {
          for (const figure of figures) {
            try { await draw(figure); } catch (error) { failed.push(`${figure.id}: ${error}`); }
          }
          done(failed);
        })();"""
    )
    assert not failed

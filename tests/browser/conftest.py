"""Real pages of the real server in Debian's Chromium, without a network: whatever asks for another host fails its test.

`arena` is a server with two scripted models whose names appear nowhere else; `visit` opens browsers of a size."""

import os
import pathlib
import shutil
import threading

import pytest
from playwright.sync_api import sync_playwright

from arena_server import ArenaServer
from fake_provider import FakeProvider
from pages import NAMES, ORGANISATIONS, Visit, script

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# Off: what a window of Chromium brings along beside its page (a page for the suggestions under the address, another for
# an assistant, a spare process), which took more of the processor than the pages that are tested; and what Playwright
# turns off, of whose list the last one counts: asking the network, waiting with the first paint.
FEATURES_OFF = (
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,SpareRendererForSitePerProcess,HttpsUpgrades,MediaRouter,"
    "NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,PreconnectToSearch"
)
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def chromium():
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip("browser: Debian's chromium is not installed")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", f"--disable-features={FEATURES_OFF}"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def models():
    with FakeProvider() as fake:
        yield fake


@pytest.fixture(scope="module")
def arena(models):
    competitors = [models.competitor(name, organisation=maker) for name, maker in zip(NAMES, ORGANISATIONS)]
    competitors[0]["in_house"] = True
    with ArenaServer(config={"competitors": competitors, "limits": {"min_votes": 3}}) as server:
        yield server


@pytest.fixture(autouse=True)
def plain_answers(models):
    models.scripts.clear()
    models.scripts.update({name: script(name) for name in NAMES})


@pytest.fixture
def hold(models):
    """hold(chunks) has both models stop after so many, until hold.go(): whatever is looked at while they stream."""
    lock = threading.Event()

    def stop(chunks=0):
        for name in NAMES:
            models.scripts[name].hold, models.scripts[name].hold_after = lock, chunks

    stop.go = lock.set
    yield stop
    lock.set()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item):
    """Browsers close before the servers whose pages they show: what such a page asks for then is no complaint."""
    for opened in getattr(item.funcargs.get("visit"), "open", []):
        opened.close()


@pytest.fixture
def visit(chromium, arena):
    """visit(size="desktop", theme="light") opens a browser of its own: another voter."""
    open_visits = []

    def start(size="desktop", theme="light", server=None):
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            has_touch=size == "phone",
            is_mobile=size == "phone",
            reduced_motion="reduce",
        )
        open_visits.append(Visit(context, (server or arena).origin, size))
        return open_visits[-1]

    start.open = open_visits
    yield start
    for opened in open_visits:
        opened.complain()


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


@pytest.fixture(scope="session")
def axe():
    import axe_playwright_python

    return (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

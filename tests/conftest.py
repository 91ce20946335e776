"""Shared by every pytest folder: one server a module, with two scripted competitors behind it."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from arena_server import ArenaServer  # noqa: E402
from fake_provider import FakeProvider, Script  # noqa: E402


@pytest.fixture(scope="module")
def provider():
    with FakeProvider() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(provider):
    with ArenaServer(config=provider.config("left", "right", limits={"min_votes": 1})) as running:
        yield running


@pytest.fixture
def voter(server):
    return server.voter()


@pytest.fixture(autouse=True)
def plain_scripts(request):
    """Every test finds the scripted models as they were."""
    if "provider" in request.fixturenames:
        provider = request.getfixturevalue("provider")
        provider.scripts.clear()
        provider.scripts.update({"left": Script("Apples."), "right": Script("Rivers.")})
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What the servers said stands beside a failure: whoever reads it may have nothing else."""
    report = yield
    if report.failed:
        for known in ArenaServer.known:
            report.sections.append((f"log of {known.data}", known.log()[-4000:]))
    return report

"""The administrator's page of models, and the choice to keep prompts in-house."""

import json

import pytest

from arena_server import ArenaServer
from fake_provider import Script
from pages import NAMES, ORGANISATIONS
from test_axe import check


@pytest.fixture
def mixed(models):
    """Two models of ours and a rival."""
    ours = [models.competitor(name, organisation="Our Lab", in_house=True) for name in ("ours-one", "ours-two")]
    rival = models.competitor(NAMES[1], organisation=ORGANISATIONS[1], price={"input": 1, "output": 2}, retries=1)
    with ArenaServer(config={"competitors": [*ours, rival]}) as server:
        yield server


def test_pausing_and_health(visit, mixed, axe, size, models):
    models.scripts[NAMES[1]] = Script("An answer.", fault="status", status=503, times=1)
    for name in ("ours-one", "ours-two"):
        models.scripts[name] = Script("An answer of ours.")
    player = mixed.voter()
    for _ in range(3):
        battle, _ = player.ready()
        player.vote(battle)
    voter = visit(size, "dark" if size == "phone" else "light", server=mixed).open("/admin/models")
    voter.page.wait_for_selector(".card")
    said = voter.page.inner_text("#models")
    assert "ours-one" in said and "prompts go to 127.0.0.1" in said
    check(voter, axe, "models")
    voter.page.click(f"[aria-label='Pause {NAMES[1]}']")
    voter.page.wait_for_selector(f"[aria-label='Resume {NAMES[1]}']")
    assert "2 models answering, no rivals" in voter.page.inner_text("#summary")
    rows = json.loads((mixed.data / "test-config.json").read_text())["competitors"]
    assert rows[2]["state"] == "paused"
    check(voter, axe, "paused")


def test_prompts_stay_in_house(visit, mixed, models):
    before = len(models.calls)
    voter = visit(server=mixed).open()
    voter.page.wait_for_selector("#recipients:not([hidden])")
    assert ORGANISATIONS[1] in voter.page.inner_text("#recipients")
    voter.page.check("#in-house-only")
    for _ in range(3):
        voter.open()
        voter.page.wait_for_selector("#recipients:not([hidden])")
        assert voter.page.is_checked("#in-house-only"), "the choice is remembered"
        voter.ready()
    assert NAMES[1] not in {call["model"] for call in models.calls[before:]}

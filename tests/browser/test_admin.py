"""The administrator's pages, and the choice to keep prompts in-house."""

import json
import random
import subprocess

import pytest

from arena_server import ArenaServer, binary
from fake_provider import Script
from pages import NAMES, ORGANISATIONS, check


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


def test_setting_a_model(visit, mixed, axe, size):
    """Weight with its share, caps, a code name, versions; by keyboard; and the simulator that puts weights in force."""
    player = mixed.voter()
    for _ in range(4):
        battle, _ = player.ready()
        player.vote(battle)
    voter = visit(size, "dark" if size == "phone" else "light", server=mixed).open("/admin/models")
    page = voter.page
    page.focus("[aria-label='Change ours-one']")
    page.keyboard.press("Enter")
    page.fill("dialog [name=weight]", "0")
    page.wait_for_selector("dialog >> text=0 % of battles would have it.")
    page.fill("dialog [name=weight]", "4")
    page.wait_for_selector("dialog >> text=/[1-9]\\d* % of battles would have it/")
    page.fill("dialog [name=battles_a_day]", "50")
    page.fill("dialog [name=code_name]", "ours-one")
    check(voter, axe, "change")
    voter.allowed.append("400")  # a code name that tells
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog [role=alert]:not([hidden])")
    assert "away" in page.inner_text("dialog [role=alert]")
    page.fill("dialog [name=code_name]", "maple")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=voters know it as maple")
    assert not page.query_selector("dialog")
    card = page.locator("article[aria-label=ours-one]")
    assert "of 50" in card.inner_text()
    card.locator("summary").click()
    page.wait_for_selector(".versions .badge")
    assert "model ours-one" in card.inner_text()
    check(voter, axe, "versions")
    said = json.dumps(player.get("/api/leaderboard").json) + json.dumps(player.get("/api/battles").json)
    assert "ours-one" not in said and "maple" in said
    page.click(f"[aria-label='Pause {NAMES[1]}']")
    page.click(f"[aria-label='Say why {NAMES[1]}']")
    page.fill("dialog [name=reason]", "provider outage")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=/Paused since .*: provider outage/")
    voter.open("/admin/sampling")
    page.fill("[name='weight ours-two']", "3")
    page.keyboard.press("Tab")
    page.click("text=Put these weights in force")
    page.get_by_role("button", name="Put these weights in force").wait_for(state="hidden")
    voter.open("/admin/models")
    page.click("[aria-label='Publish ours-one']")
    page.wait_for_selector("[aria-label='Publish ours-one']", state="detached")
    rows = {row["name"]: row for row in json.loads((mixed.data / "test-config.json").read_text())["competitors"]}
    assert rows["ours-two"]["weight"] == 3 and rows["ours-one"]["weight"] == 4
    assert "code_name" not in rows["ours-one"] and rows[NAMES[1]]["paused_reason"] == "provider outage"
    acts = [entry["detail"] for entry in player.get("/api/audit").json["entries"] if entry["act"] == "change models"]
    assert len(acts) == 5 and "maple" in acts[-1]


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


# ---- people, voters, sampling, moderation, audit ----


def import_votes(server):
    """Nine voters who read, and one who always takes the left."""
    dice, rows = random.Random(7), ["model_a,model_b,winner,judge"]
    for voter in range(10):
        for _ in range(60):
            a, b = dice.sample(("ours-one", "ours-two", "other"), 2)
            better, worse = ("model_a", "model_b") if a < b else ("model_b", "model_a")
            winner = "model_a" if voter == 0 else better if dice.random() < 0.8 else worse
            rows.append(f"{a},{b},{winner},v{voter}")
    path = server.data / "votes.csv"
    path.write_text("\n".join(rows) + "\n")
    subprocess.run([binary(), "import", str(path), "--data", str(server.data)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def filled(models):
    ours = [models.competitor(name, organisation="Our Lab", in_house=True) for name in ("ours-one", "ours-two")]
    with ArenaServer(config={"competitors": ours}) as server:
        import_votes(server)
        models.scripts["ours-one"] = Script("I am ours-one, and I say so.")
        models.scripts["ours-two"] = Script("An answer.")
        player = server.voter()
        battle, _ = player.ready("Who are you?")
        player.vote(battle)
        yield server


@pytest.fixture
def admin(visit, filled, size):
    return visit(size, "dark" if size == "phone" else "light", server=filled)


def test_inviting_people(admin, axe, size):
    page = admin.open("/admin/people").page
    page.wait_for_selector(".card")
    check(admin, axe, "people")
    page.click("text=Invite >> nth=0")
    page.fill("dialog [name=count]", "2")
    page.fill("dialog [name=cohort]", f"panel {size}")
    check(admin, axe, "inviting")
    page.click("dialog .button.main")
    page.wait_for_selector(".sheet li")
    links = page.locator(".sheet code").all_inner_texts()
    assert len(links) == 2 and all("/join/" in link for link in links)
    check(admin, axe, "sheet")
    page.emulate_media(media="print")
    assert page.is_visible(".sheet") and not page.is_visible(".rooms") and not page.is_visible(".cards")
    page.emulate_media(media="screen")
    page.locator("[aria-label^='Withdraw invitation']").first.click()
    page.wait_for_selector("text=/used, expired or/")
    page.reload()
    page.wait_for_selector(".card")
    assert links[0] not in admin.everything(), "shown once"


def test_changing_a_person(admin, axe):
    page = admin.open("/admin/people").page
    page.locator("[aria-label^='Change Voter']").first.click()
    page.fill("dialog [name=cohort]", "night shift")
    page.check("dialog [name=staff]")
    check(admin, axe, "changing")
    page.click("dialog .button.main")
    page.wait_for_selector("text=night shift")


def test_a_suspicious_voter(admin, axe):
    page = admin.open("/admin/voters").page
    page.wait_for_selector("[aria-label=v0]")
    check(admin, axe, "voters")
    assert "on the left much more often" in page.inner_text("[aria-label=v0]")
    page.click("[aria-label='Leave out v0']")
    page.fill("dialog [name=note]", "always left")
    page.fill("dialog [name=from]", "2026-01-02")
    check(admin, axe, "leaving out")
    page.click("dialog .button.main")
    page.click("[aria-label='Count v0 again']")
    page.fill("dialog [name=note]", "for the next test")
    page.click("dialog .button.main")
    page.wait_for_selector("[aria-label='Leave out v0']")


def test_sampling_and_moderation_and_the_log(admin, axe):
    page = admin.open("/admin/sampling").page
    page.wait_for_selector("tbody td")
    check(admin, axe, "sampling")
    page.fill("[name='weight ours-one']", "0")
    page.press("[name='weight ours-one']", "Tab")
    page.wait_for_selector("text=No two models may meet")
    page = admin.open("/admin/moderation").page
    page.click("summary")
    assert "I am ours-one" in page.inner_text(".card")
    check(admin, axe, "moderation")
    page.check("[name=all]")
    page.wait_for_selector(".card")
    page = admin.open("/admin/audit").page
    page.wait_for_selector(".log li, .lead")
    check(admin, axe, "audit")
    rooms = page.locator(".rooms a").all_inner_texts()
    assert rooms[0] == "Models" and "Audit" in rooms and page.title() == "Audit · arena"


def test_what_exports_hold_back(visit, mixed, axe, models):
    page = (admin := visit(server=mixed).open("/admin/moderation")).page
    page.wait_for_selector("text=Nothing to look at")
    assert not page.is_visible("h2:text-is('Battles')")
    models.scripts["ours-one"] = models.scripts["ours-two"] = models.scripts[NAMES[1]] = Script("Write to her then.")
    player = mixed.voter()
    player.agree("export")
    battle, _ = player.ready("My address is ada.lovelace@lab-mail.org, what now?")
    player.vote(battle)
    admin.open("/admin/moderation")
    page.wait_for_selector("text=Held back from exports")
    page.click("button:text-is('Look')")
    page.wait_for_selector("text=Write to her then. >> nth=0")
    check(admin, axe, "held back")
    page.click("button:text-is('Release')")
    page.wait_for_selector("text=Held back from exports", state="detached")
    assert json.loads(player.get("/api/review").body)["battles"] == []
    assert player.get("/api/audit").json["entries"]


def test_the_boards_are_published(visit, mixed, axe, size):
    admin = visit(size, "dark" if size == "phone" else "light", server=mixed).open("/admin/boards")
    page = admin.page
    page.wait_for_selector("text=Nothing yet.")
    page.click("text=Publish…")
    page.fill("[name=note]", "week one")
    check(admin, axe, "publishing")
    page.click("dialog .main")
    page.wait_for_selector(".log li")
    assert "week one" in page.inner_text(".log") and "voters see it" in page.inner_text(".log")
    check(admin, axe, "published")
    assert admin.overflow() <= 0

"""A whole campaign: one command of its lead, five voters in the queue, the report that ends it, and its signature."""

import json
import re
import sqlite3
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary, wait_until
from pages import NAMES, ORGANISATIONS, OVER, RATE, READY, check

PROMPTS = [f"Question {number}: why is the sky blue?" for number in range(10)]
GOLD = {"prompt": "What is two and two?", "chosen": "It is four.", "rejected": "It is five, as everybody knows."}


def arena_command(server, *arguments, code=0):
    done = subprocess.run([binary(), *arguments, "--data", str(server.data)],
                          capture_output=True, text=True, timeout=PATIENCE)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def served(models):
    competitors = [models.competitor(name, organisation=maker) for name, maker in zip(NAMES, ORGANISATIONS)]
    competitors[0]["in_house"] = True
    config = {"competitors": competitors, "limits": {"min_votes": 3}}
    with ArenaServer(config=config) as server:
        (server.data / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in PROMPTS))
        (server.data / "gold.jsonl").write_text(json.dumps(GOLD) + "\n")
        yield server


def create(server, *more):
    said = arena_command(
        server, "campaign", "create", "--model", NAMES[0], "--versus", NAMES[1],
        "--prompts", str(server.data / "prompts.jsonl"), "--overlap", "3", *more,
    )  # fmt: skip
    return re.match(r"campaign (\w{26}) is registered", said).group(1), said


def wait_for_queue(server, pairs):
    """Until the answers are made; a voter could begin before."""
    voter = server.voter()
    voter.start("hello")  # who has no session yet has no queue
    wait_until(lambda: voter.get("/api/queue").json["left"] >= pairs,
               lambda: arena_command(server, "campaign", "list"))  # fmt: skip


def told(visit):
    text = visit.everything().lower()
    return [word for word in NAMES + ORGANISATIONS if word.lower() in text]


def judge(visit, better):
    """Votes on what the queue shows, as a reader with a taste would; gives what the page then shows."""
    visit.page.wait_for_selector(READY)
    assert told(visit) == []
    before = visit.page.inner_text("#queue-text")
    texts = {lane: visit.answer(lane) if visit.size != "phone" else "" for lane in "ab"}
    if GOLD["chosen"] in texts.values():
        winner = "model_a" if texts["a"] == GOLD["chosen"] else "model_b"
    elif texts["a"] == texts["b"]:
        winner = "tie"
    else:
        winner = "model_a" if better in texts["a"] else "model_b"
    visit.read_both()
    visit.page.click(f"[data-winner={winner}]")
    wait_until(lambda: visit.shown(RATE) or not visit.shown("#vote")
               or visit.page.inner_text("#queue-text") != before)  # fmt: skip
    if visit.shown(RATE):  # "did you recognise a model?" comes before the next pair, and no name does
        assert visit.shown("#rate-recognised") and told(visit) == []
        assert visit.page.inner_text("#rate-done-text") == "Next pair"
        visit.page.click("#rate-done")
        visit.page.wait_for_selector(RATE, state="hidden")


def test_five_voters_from_the_command_to_the_signed_report(served, visit, axe, tmp_path):
    campaign, said = create(
        served, "--votes", "15", "--gold", str(served.data / "gold.jsonl"), "--gold-rate", "0.1",
        "--same-model", "0.1",
    )  # fmt: skip
    assert f"{NAMES[0]} against {NAMES[1]}" in said and "stops when 15 votes count" in said
    wait_for_queue(served, 10)
    lead = visit(server=served).open(f"/campaigns/{campaign}")
    lead.page.wait_for_selector("#end")
    voters = [visit(server=served).open("/") for _ in range(5)]
    for voter in voters:
        voter.page.click("#queue-start")
    looks_on = served.voter()

    def counted():
        return looks_on.get(f"/api/campaigns/{campaign}").json["progress"]["votes"]

    for turn in range(60):
        number, voter = turn % 5, voters[turn % 5]
        voter.page.wait_for_selector(f"{READY}, #welcome:not([hidden])")
        if voter.shown(READY) and counted() < 15:
            judge(voter, "air" if number else "crayons")  # one of them likes the other

    def status():
        return json.loads(arena_command(served, "campaign", "status", campaign, "--format", "json"))

    wait_until(lambda: status()["state"] == "ended")
    ended = status()
    assert ended["reason"] == "15 votes were cast"
    report = ended["report"]
    assert report["question"]["model"]["name"] == NAMES[0] and report["results"][0]["votes"] == 15
    assert report["votes"]["voters"] >= 3 and report["raters"]["shared_items"] > 0
    assert report["results"][0]["wins"] + report["results"][0]["losses"] == 15
    assert report["results"][0]["wins"] > report["results"][0]["losses"]
    assert [row["model"] for row in report["variants"]] == [NAMES[0]]
    assert "campaigns: 1 reports, each signed" in arena_command(served, "verify")

    lead.page.wait_for_selector("text=This report is final")
    assert lead.page.locator(".results tbody tr").count() == 1
    check(lead, axe, "report")
    phone = visit("phone", "dark", server=served).open(f"/campaigns/{campaign}")
    phone.page.wait_for_selector("text=This report is final")
    check(phone, axe, "report on a phone")
    with lead.page.expect_download() as download:
        lead.page.click("text=Download the report")
    download.value.save_as(tmp_path / "downloaded.json")
    arena_command(served, "campaign", "report", campaign, "--output", str(tmp_path / "report.json"))
    assert (tmp_path / "downloaded.json").read_bytes() == (tmp_path / "report.json").read_bytes()
    arena_command(served, "verify", "--report", str(tmp_path / "report.json"))
    checked = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(served.data / "arena.pub"), "-rawin",
         "-in", str(tmp_path / "report.json"), "-sigfile", str(tmp_path / "report.json.sig")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    (tmp_path / "report.json").write_bytes((tmp_path / "report.json").read_bytes().replace(b'"wins":', b'"wins": '))
    arena_command(served, "verify", "--report", str(tmp_path / "report.json"), code=1)


def test_the_queue_on_a_phone(served, visit, axe):
    create(served, "--votes", "1000", "--same-model", "0", "--gold-rate", "0")
    wait_for_queue(served, 10)
    voter = visit("phone", server=served).open("/")
    voter.page.wait_for_selector("#queue-start")
    voter.page.click("#queue-start")
    voter.page.wait_for_selector(READY)
    assert voter.page.inner_text("#queue-text") == "0 voted, 9 more"
    check(voter, axe, "queue")
    first = voter.page.inner_text("#opening")
    voter.page.reload()  # the same pair again: it is this voter's for half an hour
    voter.page.wait_for_selector(READY)
    assert voter.page.inner_text("#opening") == first
    for _ in range(3):
        judge(voter, "air")
    assert voter.page.inner_text("#queue-text") == "3 voted, 6 more"
    voter.page.check("#queue-why-on")
    voter.read_both()
    voter.page.click("[data-winner=tie]")
    voter.page.wait_for_selector(RATE)
    voter.page.click("#rate-done")
    voter.page.wait_for_selector(RATE, state="hidden")
    with sqlite3.connect(f"file:{served.data}/arena.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT count(*), count(DISTINCT item), sum(source = 1), sum(probability = 1.0)"
                          " FROM battles WHERE item IS NOT NULL").fetchone()  # fmt: skip
        reads = db.execute("SELECT min(s.read_ms), min(s.delay_ms) FROM votes s").fetchone()
    assert rows[0] == rows[1] == rows[2] == rows[3] and rows[0] in (4, 5)
    assert reads[0] is not None and reads[0] >= 0 and reads[1] >= 0


def test_the_lead_writes_the_question(served, visit, axe, size, tmp_path):
    lead = visit(size, server=served).open("/campaigns")
    lead.allowed.append("400")  # a question that does not fit is tried, too
    lead.page.click("text=New campaign")
    lead.page.wait_for_selector("text=Choose whom it is compared with")
    lead.page.check(f"[name=versus][value={NAMES[1]}]")
    lead.page.fill("[name=prompts]", "\n".join(PROMPTS))
    lead.page.wait_for_selector("text=10 prompts, 10 pairs")
    assert "The prompts give 20 votes at most" in lead.page.inner_text(".takes")
    expected = int(re.search(r"([\d,]+)\s+votes expected", lead.page.inner_text(".takes"))[1].replace(",", ""))
    (tmp_path / "gold.jsonl").write_text(json.dumps(GOLD) + "\n")
    lead.page.set_input_files(".pasted:has([name=gold]) [type=file]", tmp_path / "gold.jsonl")
    lead.page.wait_for_selector("text=Known winners")
    lead.page.fill("[name=cohort]", "testers")
    lead.page.fill("[name=gold_rate]", "10")
    lead.page.fill("[name=precision]", "")
    lead.page.wait_for_selector("text=needs a rule to stop by")
    assert lead.page.is_disabled(".takes button")
    lead.page.fill("[name=votes]", "15")
    lead.page.wait_for_selector(".takes .big:has-text('15')")
    check(lead, axe, "question")
    lead.page.click(".takes button")
    lead.page.click("dialog[open] .button.main")
    lead.page.wait_for_selector("#end")
    campaign = lead.page.url.rsplit("/", 1)[1]
    question = json.loads(arena_command(served, "campaign", "status", campaign, "--format", "json"))["question"]
    assert question["stop"] == {"votes": 15} and question["cohort"] == "testers" and question["gold"] == 1
    assert question["gold_rate"] == 0.1 and question["overlap"] == 2 and expected > 300
    with sqlite3.connect(f"file:{served.data}/arena.db?mode=ro", uri=True) as db:
        assert db.execute("SELECT count(*) FROM audit WHERE act = 'campaign create' AND detail = ?",
                          (campaign,)).fetchone() == (1,)  # fmt: skip


def test_a_model_that_is_away_pauses_it(served, visit):
    create(served, "--votes", "9", "--live")
    lead, voter = visit(server=served).open("/campaigns"), visit(server=served).open("/")
    lead.page.wait_for_selector(".campaigns")
    assert not lead.shown(".alarm") and not voter.shown("#queue-paused")
    served.voter().post("/api/roster", {"action": "pause", "name": NAMES[1]})
    lead.open("/campaigns").page.wait_for_selector(".alarm")
    assert f"{NAMES[1]} does not answer in the version that was registered" in lead.page.inner_text(".alarm")
    voter.open("/").page.wait_for_selector("#queue-paused")
    served.voter().post("/api/roster", {"action": "resume", "name": NAMES[1]})


def test_the_lead_ends_it(served, visit, axe, size):
    campaign, _ = create(served, "--precision", "5", "--decided", "0")
    lead = visit(size, server=served).open("/campaigns")
    lead.page.wait_for_selector(f"a[href='/campaigns/{campaign}']")
    check(lead, axe, "campaigns")
    lead.page.click(f"a[href='/campaigns/{campaign}']")
    lead.page.click("#end")
    lead.page.fill("#stop-reason", "the checkpoint was withdrawn")
    lead.page.click("#stop-form button")
    lead.page.wait_for_selector("text=This report is final")
    assert "the checkpoint was withdrawn" in lead.page.inner_text("#content")
    assert lead.overflow() <= 0
    report = json.loads(arena_command(served, "campaign", "report", campaign, "--format", "json"))
    assert report["votes"]["counted"] == 0


@pytest.mark.parametrize("mode,lanes", [("side_by_side", "ab"), ("direct", "a")])
def test_named_models_never_reach_the_board(served, visit, axe, size, mode, lanes):
    voter = visit(size, server=served).open("/")
    voter.page.check(f"[name=mode][value={mode}]", force=True)
    voter.page.wait_for_selector("#named select")
    voter.ready()
    assert voter.page.locator(".head .who b").all_text_contents() == list(NAMES[: len(lanes)])
    check(voter, axe, "named models")
    if mode == "side_by_side":
        voter.read_both()
    voter.page.click("[data-winner=model_a]")
    voter.page.wait_for_selector(OVER)
    assert "does not move the leaderboard" in voter.page.inner_text("#outcome-text")
    board = served.voter().get("/api/leaderboard").json
    assert board["votes"] == 0
    with sqlite3.connect(f"file:{served.data}/arena.db?mode=ro", uri=True) as db:
        assert db.execute("SELECT counted FROM votes").fetchall() == [(2,)]

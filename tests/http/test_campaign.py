"""Campaigns over HTTP and from the command line: registered once, for a cohort, stopped by the rule, verified; the
queue that evaluations fill; the commitment to a pair; how blind it was."""
import hashlib
import json
import signal
import sqlite3
import subprocess
import threading

import pytest

import contract
from arena_server import PATIENCE, ArenaServer, binary, wait_until, within_a_day
from fake_provider import Script

STOPPED, DONE = 1, 2  # a run's states
MODELS = ("ours", "rival", "third")


def command(server, *arguments, code=0):
    done = subprocess.run([binary(), *arguments, "--data", str(server.data)], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def arena(provider):
    for name in MODELS:
        provider.scripts[name] = Script(text=f"{len(name)} words.")
    with ArenaServer(config=provider.config(*MODELS)) as server:
        yield server


def create(server, *arguments):
    return command(server, "campaign", "create", *arguments).split()[1]


def wait_for_queue(voter, pairs):
    wait_until(lambda: voter.get("/api/queue").json["left"] >= pairs, "the queue did not fill")


def wait_for_the_end(voter, campaign):
    """Its report is made by a worker, after the vote that ends it."""
    def ended():
        one = contract.ok(voter.get(f"/api/campaigns/{campaign}"), "campaign")
        return one["state"] == "ended" and one
    return wait_until(ended, "the campaign does not end")


def take(voter, winner="model_a"):
    """Votes on the next pair of the queue; gives the battle and the vote's answer, or None."""
    battle = contract.ok(voter.post("/api/queue/next"), "queue_next")["battle"]
    if battle is None:
        return None
    return battle, contract.ok(voter.vote(battle["battle_id"], winner), "vote_answer")


def test_a_live_campaign_draws_its_pairs_and_stops_by_its_rule(arena):
    campaign = create(arena, "--model", "ours", "--versus", "rival,third", "--prompts", "live", "--votes", "6",
                      "--same-model", "0")
    voter = arena.voter()
    pairs = []
    for number in range(6):
        battle, _ = voter.ready(f"question {number}")
        models = voter.vote(battle).json["models"]
        pairs.append({models["a"]["name"], models["b"]["name"]})
    assert all("ours" in pair for pair in pairs)
    one = wait_for_the_end(voter, campaign)
    assert one["reason"] == "6 votes were cast" and one["report"]["votes"]["with_own_prompts"] == 6
    assert sum(row["votes"] for row in one["results"]) == 6
    contract.ok(voter.get("/api/campaigns"), "campaigns")
    contract.refused(voter.post(f"/api/campaigns/{campaign}/stop"), "wrong_state", "ended already")
    assert "1 reports, each signed" in command(arena, "verify")


def test_a_restart_goes_on_where_it_was(arena):
    campaign = create(arena, "--model", "ours", "--versus", "rival", "--prompts", "live", "--votes", "2",
                      "--same-model", "0")
    voter = arena.voter()
    for number in range(2):
        battle, _ = voter.ready(f"question {number}")
        arena.kill()
        arena.start()
        voter.origin = arena.origin
        assert voter.vote(battle).status == 200
    wait_for_the_end(voter, campaign)
    assert "1 reports, each signed" in command(arena, "verify")


def test_the_day_has_its_number_of_votes(provider):
    config = provider.config("ours", "rival", limits={"daily_votes": 2})
    with ArenaServer(config=config) as server:
        cast = []

        def three():
            voter, reasons = server.voter(), []
            for number in range(3):
                battle, _ = voter.ready(f"question {number}")
                reasons.append(contract.ok(voter.vote(battle), "vote_answer")["reason"])
            cast.extend(reasons)
            return reasons
        assert within_a_day(three) == [None, None, "daily_cap"]
        assert server.voter().board(cast.count(None))


def test_one_may_be_registered_before_anybody_serves(arena):
    (arena.data / "prompts.jsonl").write_text(json.dumps({"prompt": "Why?"}) + "\n")
    arena.kill()
    said = command(arena, "campaign", "create", "--model", "ours", "--versus", "rival", "--votes", "5",
                   "--prompts", str(arena.data / "prompts.jsonl"), "--config", str(arena.data / "test-config.json"))
    assert "is registered" in said and "nobody serves" in said
    arena.start()
    voter = arena.voter()
    voter.start()
    wait_for_queue(voter, 1)
    battle, _ = take(voter)
    assert battle["turns"][0]["prompt"] == "Why?"


def test_one_model_twice_is_a_control(arena):
    create(arena, "--model", "ours", "--versus", "rival", "--prompts", "live", "--votes", "100", "--same-model", "0.5")
    voter = arena.voter()
    counted = []
    while len(counted) < 12 or len(set(counted)) < 2 and len(counted) < 60:
        battle, _ = voter.ready(f"question {len(counted)}")
        vote = voter.vote(battle).json
        same = vote["models"]["a"]["name"] == vote["models"]["b"]["name"]
        assert vote["counted"] != same and vote["reason"] == ("control" if same else None)
        counted.append(vote["counted"])
    assert set(counted) == {True, False}  # by chance alone it is not so once in 10^18
    assert voter.board(counted.count(True))


def test_a_cohort_alone_votes(provider):
    config = provider.config("ours", "rival", auth={"mode": "invite"})
    for name in ("ours", "rival"):
        provider.scripts[name] = Script(hold=threading.Event())
    with ArenaServer(config=config) as server:
        create(server, "--model", "ours", "--versus", "rival", "--prompts", "live", "--votes", "5", "--cohort", "night")
        ids = {}
        for cohort in ("night", "day"):
            link = command(server, "invite", "--cohort", cohort).split()[0]
            voter = server.voter()
            assert voter.post("/api/join", {"token": link.rsplit("/", 1)[1]}).status == 201
            assert voter.post("/api/consent", {"scope": "inside", "notice": voter.get("/api/consent").json["notice"]})
            ids[cohort] = voter.start()
            contract.refused(voter.post("/api/battles", {"prompt": "one more"}), "too_many", "a battle is streaming")
        with sqlite3.connect(f"file:{server.data}/arena.db?mode=ro", uri=True) as db:
            found = dict(db.execute("SELECT id, campaign IS NOT NULL FROM battles").fetchall())
        assert found[ids["night"]] == 1 and found[ids["day"]] == 0


def test_a_question_is_registered_once_and_for_all(arena):
    campaign = create(arena, "--model", "ours", "--versus", "rival", "--prompts", "live", "--precision", "5")
    one = arena.voter().get(f"/api/campaigns/{campaign}").json
    assert one["question"]["expected"]["votes"] > 300 and len(one["question"]["model"]["version"]) == 64
    with sqlite3.connect(arena.data / "arena.db") as db:
        for change in ("UPDATE campaigns SET question = '{}'", "DELETE FROM campaigns"):
            with pytest.raises(sqlite3.DatabaseError, match="never changes|stays"):
                db.execute(change)
    command(arena, "campaign", "stop", campaign)
    with sqlite3.connect(arena.data / "arena.db") as db:
        with pytest.raises(sqlite3.DatabaseError, match="final"):
            db.execute("UPDATE campaigns SET report = '{}'")
        db.execute("DROP TRIGGER campaign_reports_are_final")
        db.execute("UPDATE campaigns SET report = replace(report, 'its lead ended it', 'it was perfect')")
    assert "does not have the arena's signature" in command(arena, "verify", code=1)


@pytest.mark.parametrize("arguments,says", [
    (["--versus", "rival", "--prompts", "live", "--votes", "5"], "--model"),
    (["--model", "ours", "--versus", "rival", "--prompts", "live"], "rule to stop by"),
    (["--model", "ours", "--versus", "ours", "--prompts", "live", "--votes", "5"], "itself"),
    (["--model", "ours", "--versus", "nobody", "--prompts", "live", "--votes", "5"], "nobody"),
    (["--model", "ours", "--versus", "rival", "--votes", "5"], "prompts"),
    (["--model", "ours", "--versus", "rival", "--prompts", "/nowhere.jsonl", "--votes", "5"], "/nowhere.jsonl"),
    (["--model", "ours", "--versus", "rival", "--prompts", "live", "--votes", "5", "--gold", "/dev/null/x"],
     "/dev/null"),
])
def test_what_makes_no_sense_is_said(arena, arguments, says):
    done = subprocess.run([binary(), "campaign", "create", *arguments, "--data", str(arena.data)], capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode in (1, 2) and says in done.stderr, done


def answering_as(arena, name, **more):
    """The roster as it was at first, with more in one row, read anew."""
    path = arena.data / "test-config.json"
    rows = [row | more if row["name"] == name else row for row in arena.config["competitors"]]
    path.write_text(json.dumps(arena.config | {"competitors": rows}))
    arena.process.send_signal(signal.SIGHUP)


def test_a_model_that_becomes_another_version_pauses_its_campaign(arena):
    campaign = create(arena, "--model", "ours", "--versus", "rival", "--prompts", "live", "--votes", "5",
                      "--same-model", "0")
    voter = arena.voter()

    def counted():
        battle, _ = voter.ready("a question")
        voter.vote(battle)
        return voter.get(f"/api/campaigns/{campaign}").json["progress"]["votes"]

    def waits_for():
        return contract.ok(voter.get(f"/api/campaigns/{campaign}"), "campaign")["waits_for"]
    assert counted() == 1 and waits_for() == []
    assert contract.ok(voter.get("/api/queue"), "queue_progress")["paused"] is False
    answering_as(arena, "rival", system="Be brief.")
    wait_until(lambda: waits_for() == ["rival"])
    assert voter.get("/api/queue").json["paused"] and voter.post("/api/queue/next").json["progress"]["paused"]
    assert "the version of rival that was registered does not answer now" in command(arena, "campaign", "list")
    assert counted() == 1, "a battle of other versions is none of the campaign's"
    answering_as(arena, "rival")
    wait_until(lambda: waits_for() == [])
    assert counted() == 2 and not voter.get("/api/queue").json["paused"]


def test_one_rival_of_two_may_be_away(arena):
    campaign = create(arena, "--model", "ours", "--versus", "rival,third", "--prompts", "live", "--votes", "9",
                      "--same-model", "0")
    voter = arena.voter()
    voter.post("/api/roster", {"action": "pause", "name": "third"})
    assert voter.get(f"/api/campaigns/{campaign}").json["waits_for"] == ["third"]
    assert not voter.get("/api/queue").json["paused"], "the other pair goes on"
    battle, _ = voter.ready("a question")
    assert {model["name"] for model in voter.vote(battle).json["models"].values()} == {"ours", "rival"}


def test_answers_of_another_version_are_not_made_for_it(arena):
    (arena.data / "prompts.jsonl").write_text(json.dumps({"prompt": "Why?"}) + "\n")
    arena.kill()
    command(arena, "campaign", "create", "--model", "ours", "--versus", "rival", "--votes", "5",
            "--prompts", str(arena.data / "prompts.jsonl"), "--config", str(arena.data / "test-config.json"))
    config = json.loads((arena.data / "test-config.json").read_text())
    config["competitors"][0]["system"] = "Be brief."
    arena.config = config
    arena.start()
    assert "its models do not answer as they were registered" in arena.log()
    assert not arena.voter().get("/api/queue").json["preparing"]
    del config["competitors"][0]["system"]
    answering_as(arena, "ours")
    wait_for_queue(arena.voter(), 1)


def test_answers_that_a_change_of_version_stopped_are_made_when_it_is_back(arena, provider):
    """Half made, a model changes; what failed until then is asked again, and every pair gets its answers."""
    held = threading.Event()
    provider.scripts["ours"].hold = held
    provider.scripts["rival"] = Script(fault="status", status=400, body='{"error":{"message":"no"}}')
    prompts = [{"turns": [f"Why {n}?", "And then?"]} for n in range(4)]
    (arena.data / "prompts.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    campaign = create(arena, "--model", "ours", "--versus", "rival", "--votes", "9", "--same-model", "0", "--prompts",
                      str(arena.data / "prompts.jsonl"))
    voter = arena.voter()
    voter.start()

    def asked(query):
        database = sqlite3.connect(f"file:{arena.data}/arena.db?mode=ro", uri=True)
        return database.execute(query).fetchone()

    def run():
        return asked("SELECT state, reason FROM eval_runs")
    wait_until(lambda: asked("SELECT count(*) FROM eval_calls WHERE answer IS NULL")[0] == 4)
    answering_as(arena, "ours", system="Be brief.")
    wait_until(lambda: voter.get(f"/api/campaigns/{campaign}").json["waits_for"] == ["ours"])
    held.set()
    wait_until(lambda: run()[0] == STOPPED)
    assert "as it was when the run began" in run()[1] and voter.get("/api/queue").json["left"] == 0
    provider.scripts["rival"] = Script(text="At last an answer.")
    answering_as(arena, "ours")
    wait_for_queue(voter, 4)
    wait_until(lambda: run()[0] == DONE)


def test_a_question_is_tried_before_it_is_registered(arena):
    voter = arena.voter()
    body = {"model": "ours", "versus": ["rival", "third"], "precision": 5,
            "prompts": ["Why?", {"turns": ["How?", "And then?"], "category": "maths"}, "Why?"]}
    tried = contract.ok(voter.post("/api/campaigns/expect", body), "campaign_expected")
    assert tried["prompts"] == 2 and tried["question"]["expected"]["votes"] > 600
    assert voter.get("/api/campaigns").json["campaigns"] == []
    contract.refused(voter.post("/api/campaigns/expect", body | {"prompts": [{"no": "prompt"}]}), "bad_request",
                     '"prompts"[0]')
    contract.refused(voter.post("/api/campaigns/expect", body | {"gold": [{"prompt": "x"}]}), "bad_request", "pair 1")
    contract.refused(voter.post("/api/campaigns/expect", body | {"precision": None}), "bad_request", "stop by")
    created = contract.ok(voter.post("/api/campaigns", body), "campaign_created", 201)
    assert created["question"] == tried["question"]
    voter.start()
    wait_for_queue(voter, 4)


def test_a_browser_names_no_files(arena):
    voter = arena.voter()
    body = {"model": "ours", "versus": ["rival"], "votes": 5, "prompts": "/etc/passwd"}
    contract.refused(voter.post("/api/campaigns", body), "forbidden", "own machine")
    body["prompts"] = ["Why?", "And how?"]
    steers = voter.post("/api/campaigns", body | {"title": "\x1b[2J"})
    contract.refused(steers, "bad_request", "control character")
    created = contract.ok(voter.post("/api/campaigns", body), "campaign_created", 201)
    voter.start()
    wait_for_queue(voter, 2)
    battle, vote = take(voter)
    assert battle["turns"][0]["prompt"] in body["prompts"] and battle["queued"] and vote["counted"]
    assert created["question"]["prompts"]


def test_pairs_of_an_evaluation_wait_for_people(arena):
    spec = {"name": "overnight", "prompts": [{"id": "1", "turns": ["Why?"]}, {"id": "2", "turns": ["How?"]}],
            "competitors": ["ours", "rival"], "judge": "human", "overlap": 2}
    (arena.data / "spec.json").write_text(json.dumps(spec))
    command(arena, "eval", "run", str(arena.data / "spec.json"))
    voters = [arena.voter() for _ in range(3)]
    for voter in voters:
        voter.start()
    wait_for_queue(voters[0], 2)
    given = [[take(voter) for _ in range(3)] for voter in voters]
    assert [len([pair for pair in pairs if pair]) for pairs in given] == [2, 2, 0]
    for pairs in given[:2]:
        prompts = [battle["turns"][0]["prompt"] for battle, _ in pairs[:2]]
        assert sorted(prompts) == ["How?", "Why?"], "never the same pair twice"
    assert arena.voter().board(4)
    assert "every invariant holds" in command(arena, "verify")


def test_a_commitment_is_opened_by_the_reveal(arena):
    voter = arena.voter()
    begun = voter.post("/api/battles", {"prompt": "hello"}).json
    voter.events(begun["battle_id"]).until("ready")
    vote = voter.vote(begun["battle_id"]).json
    said = "\n".join([vote["models"]["a"]["name"], vote["models"]["b"]["name"], vote["nonce"]])
    assert hashlib.sha256(said.encode()).hexdigest() == begun["commitment"] == vote["commitment"]


def board_with(voter, votes, answered):
    """The board once it has heard of these: a busy machine hands out the one before for a moment."""
    def look():
        board = contract.ok(voter.get("/api/leaderboard"), "leaderboard")
        return (board["votes"], board["blinding"]["answered"]) == (votes, answered) and board
    return wait_until(look)


def test_how_blind_it_was(arena):
    voter, boards = arena.voter(), []
    for number, said in enumerate(["no", {"sides": "a", "a": "someone else"}, "both", None]):
        battle, _ = voter.ready(f"question {number}")
        voter.vote(battle, reveal=False)
        if said:
            assert voter.post(f"/api/battles/{battle}/feedback", {"recognised": said}).status == 200
        boards.append(board_with(voter, number + 1, min(number + 1, 3)))
    assert boards[-1]["blinding"]["recognised"] == 3 and boards[-1]["blinding"]["wrong"] == 1
    assert boards[0]["blinding"]["index"] == 0 and boards[2]["blinding"]["index"] > 0
    without = contract.check("leaderboard", voter.board(2, "?without=recognised"))
    assert without["filter"]["without"] == "recognised"
    contract.refused(voter.get("/api/leaderboard?without=x"), "bad_request", "recognised")
    assert "blinding index" in command(arena, "leaderboard")
    assert "2 votes" in command(arena, "leaderboard", "--without-recognised")


def test_what_the_pacer_did_is_kept(arena):
    voter = arena.voter()
    battle, _ = voter.ready()
    voter.vote(battle, read_ms=5)
    with sqlite3.connect(f"file:{arena.data}/arena.db?mode=ro", uri=True) as db:
        first, ended, released, shown = db.execute(
            "SELECT max(first_ms_a, first_ms_b), max(ended_ms_a, ended_ms_b), released_ms, shown_ms"
            " FROM turns").fetchone()
        read = db.execute("SELECT read_ms FROM votes").fetchone()[0]
    assert first <= released <= shown and ended <= shown and read == 5

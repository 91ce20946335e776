"""Outside the mode local voters see the boards as they were published; analysts and administrators see live ones."""
import json
import pathlib
import re
import sqlite3
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from contract import check, ok, refused
from fake_provider import Script

SECRET = "a good long password"

# Every route whose reply to a voter is made of votes: nothing in it may move with somebody else's.
BOARDS = ["", "?category=overall", "?category=coding", "?category=english", "?style=1", "?method=elo", "?judge=human",
          "?judge=any", "?judge=model", "?voids=losses", "?without=recognised", "?published=1"]
ROUTES = [f"/api/leaderboard{query}" for query in BOARDS] + [
    "/api/models", "/api/account/leaderboard", "/api/account/data", "/api/account", "/api/queue", "/api/battles",
    "/api/consent"]
# What else can be read, and is made of nobody's votes, or of one's own alone.
ELSEWHERE = {"/healthz", "/api/battles/*", "/api/battles/*/events", "/v1/models", "/v1/models/*"}
CLOSED = ["/api/leaderboard?published=0", "/api/publications", "/api/campaigns", "/api/suspects", "/api/people",
          "/api/moderation", "/api/roster", "/api/roster/versions", "/api/keys", "/api/audit", "/api/requests",
          "/api/review", "/api/invitations", "/api/campaigns/*", "/api/campaigns/*/report", "/api/evals",
          "/api/evals/*/report", "/api/evals/*/prompt", "/api/why", "/api/why/lost", "/api/why/battles/*", "/metrics"]
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent / "arena" / "http" / "route.c"


def arena(server, *arguments):
    done = subprocess.run([binary(), *arguments, "--data", str(server.data)], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def newcomer(server, role="voter"):
    voter = server.voter()
    token = arena(server, "invite", "--role", role).strip().rsplit("/", 1)[1]
    assert voter.post("/api/join", {"token": token}).status == 201
    voter.agree()
    if role == "admin":
        assert voter.post("/api/account/password", {"name": "lead", "password": SECRET}).status == 200
    return voter


def cast(voter, prompt="hello", winner="model_a", recognised=None):
    battle, _ = voter.ready(prompt)
    assert ok(voter.vote(battle, winner, reveal=recognised is None), "vote_answer")["counted"]
    if recognised:
        assert voter.post(f"/api/battles/{battle}/feedback", {"recognised": recognised}).status == 200
        assert voter.post(f"/api/battles/{battle}/reveal").status == 200


def live(analyst, votes, query=""):
    """Once it has heard of them: on a busy machine the one before is shown for a moment."""
    return check("leaderboard", analyst.board(votes, query))


@pytest.fixture(scope="module")
def house(provider):
    provider.scripts.clear()
    config = provider.config("left", "right", auth={"mode": "invite"}, limits={"min_votes": 1})
    with ArenaServer(config=config) as running:
        running.lead, running.analyst = newcomer(running, "admin"), newcomer(running, "analyst")
        yield running


def test_every_route_that_reads_is_here():
    reads = set(re.findall(r'\{"GET", "([^"]+)"', SOURCE.read_text()))
    assert reads - ELSEWHERE == {path.partition("?")[0] for path in ROUTES + CLOSED}


def test_nothing_is_shown_before_the_first_publication(house):
    voter = newcomer(house)
    cast(voter)
    for query in BOARDS:
        board = ok(voter.get(f"/api/leaderboard{query}"), "leaderboard")
        assert board["votes"] == 0 and board["models"] == [] and board["published"] is None and "live" not in board
        assert board["reliability"] == [] and board["blinding"]["answered"] == 0
    own = ok(voter.get("/api/account/leaderboard"), "leaderboard")
    assert own["votes"] == 1 and len(voter.get("/api/battles").json["battles"]) == 1
    seen = live(house.analyst, 1)
    assert seen["live"] is True and "published" not in seen
    assert ok(house.analyst.get("/api/leaderboard?published=1"), "leaderboard")["published"] is None


def test_a_voter_sees_no_vote_cast_after_the_publication(house, provider):
    voter, other = newcomer(house), newcomer(house)
    for winner in ("model_a", "model_b", "tie"):
        cast(other, "```python\nprint(1)\n``` what is this?", winner, recognised="no")
    published = ok(house.lead.post("/api/publications", {"note": "week one"}), "publication", 201)
    before = {path: voter.get(path) for path in ROUTES}
    votes = ok(before["/api/leaderboard"], "leaderboard")["votes"]
    assert votes == published["votes"] and json.loads(before["/api/leaderboard"].body)["published"] == published
    assert json.loads(before["/api/leaderboard?category=coding"].body)["votes"] == 3

    for winner in ("model_a", "model_a", "model_b"):
        cast(other, "```python\nprint(2)\n``` and this?", winner, recognised="both")
    provider.scripts["left"] = Script(fault="status", status=500)
    battle = other.start()
    other.events(battle).until("void")
    provider.scripts.clear()
    rows = "".join(json.dumps({"id": f"m{i}", "model_a": "left", "model_b": "new", "winner": "model_a",
                               "judge_kind": "model"}) + "\n" for i in range(4))
    (house.data / "more.jsonl").write_text(rows)
    arena(house, "import", str(house.data / "more.jsonl"))
    house_number = sqlite3.connect(f"file:{house.data}/arena.db?mode=ro", uri=True).execute(
        "SELECT voter FROM votes ORDER BY seq LIMIT 1").fetchone()[0]
    arena(house, "voters", "exclude", str(house_number), "--note", "left out since")

    live(house.analyst, votes + 3 - 1)
    assert live(house.analyst, 4, "?judge=model")["votes"] == 4
    for path in ROUTES:
        after = voter.get(path)
        assert (after.status, after.body) == (before[path].status, before[path].body), path
        assert after.headers.get("ETag") == before[path].headers.get("ETag"), path  # which would tell of new votes
    for path in CLOSED:
        refused(voter.get(path.replace("*", "0" * 26)), "forbidden")
    assert house.analyst.get("/api/leaderboard?published=1").body == before["/api/leaderboard"].body
    assert house.lead.get("/api/leaderboard?published=0").json["votes"] == votes + 2

    house.stop()  # what was published stands after a restart
    house.start()
    for who in (voter, other, house.lead, house.analyst):
        who.origin = house.origin
    for path in ROUTES:
        assert voter.get(path).body == before[path].body, path

    again = int(arena(house, "leaderboard", "publish", "--note", "week two").split()[1].rstrip(":"))
    assert again == published["id"] + 1
    seen = ok(voter.get("/api/leaderboard"), "leaderboard")
    assert seen["published"]["id"] == again and seen["votes"] == votes + 2
    listed = ok(house.analyst.get("/api/publications"), "publications")["publications"]
    assert [row["note"] for row in listed] == ["week two", "week one"] and listed[0]["actor"] == "command line"
    acts = [(row["act"], row["detail"]) for row in house.lead.get("/api/audit").json["entries"]]
    assert ("publish leaderboards", f"publication {again}, up to vote {seen['published']['votes']}: week two") in acts


def test_publishing_is_confirmed_and_checked(house):
    lead = house.voter()
    lead.post("/api/login", {"name": "lead", "password": SECRET})
    refused(lead.post("/api/publications", {"note": "x" * 501}), "bad_request", "500 bytes")
    refused(lead.post("/api/publications", {"notes": "x"}), "bad_request", "notes")
    fresh = newcomer(house, "analyst")
    refused(fresh.post("/api/publications", {}), "forbidden")
    house.stop()
    house.start()  # a confirmation does not outlive the server
    house.lead.origin = house.analyst.origin = house.origin
    refused(house.lead.post("/api/publications", {}), "confirm_required")
    refused(newcomer(house).get("/api/leaderboard?published=2"), "bad_request", "0 or 1")


def test_local_mode_is_live_and_verify_checks_what_was_published(provider, tmp_path):
    provider.scripts.clear()
    config = provider.config("left", "right", limits={"min_votes": 1})
    with ArenaServer(config=config, data=tmp_path) as home:
        voter = home.voter()
        cast(voter)
        home.stop()
        assert arena(home, "leaderboard", "publish") == "publication 1: the leaderboards up to vote 1\n"  # alone
        home.start()
        voter.origin = home.origin
        cast(voter)
        seen = live(voter, 2)
        assert "live" not in seen and "published" not in seen
        old = ok(voter.get("/api/leaderboard?published=1&category=english"), "leaderboard")
        assert old["published"]["id"] == 1 and old["votes"] <= 1
    assert "every invariant holds" in arena(home, "verify")
    with sqlite3.connect(tmp_path / "arena.db") as db:
        assert db.execute("SELECT actor, act FROM audit").fetchall() == [("command line", "publish leaderboards")]
        db.execute("UPDATE publications SET hash = zeroblob(32)")
    done = subprocess.run([binary(), "verify", "--data", str(tmp_path)], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 1 and "publication" in done.stdout + done.stderr

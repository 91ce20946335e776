"""The board without some of its votes: the web shows what the command prints, and how far any one voter moves it."""
import json
import random
import sqlite3
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from contract import ok, refused

SECRET = "a good long password"
NAMES = ["north", "east", "south", "west"]
QUERIES = {
    "": [], "without=staff": ["--without-staff"], "without=fast": ["--without-fast", "2000"],
    "without=recognised": ["--without-recognised"],
    "without=staff,fast,recognised": ["--without-staff", "--without-fast", "2000", "--without-recognised"],
    "without=staff&style=1": ["--without-staff", "--style"],
    "without=fast&category=coding": ["--without-fast", "2000", "--category", "coding"],
}


def arena(server, *arguments):
    done = subprocess.run([binary(), *map(str, arguments), "--data", str(server.data)], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def newcomer(server, role="voter", *more):
    voter = server.voter()
    token = arena(server, "invite", "--role", role, *more).strip().rsplit("/", 1)[1]
    assert voter.post("/api/join", {"token": token}).status == 201
    voter.agree()
    if role == "admin":
        assert voter.post("/api/account/password", {"name": "lead", "password": SECRET}).status == 200
    return voter


def cast(voter, read_ms, recognised=None):
    battle, _ = voter.ready("```python\nprint(1)\n``` what is this?")
    answer = voter.vote(battle, "model_a", read_ms=read_ms, reveal=recognised is None)
    assert ok(answer, "vote_answer")["counted"]
    if recognised:
        assert voter.post(f"/api/battles/{battle}/feedback", {"recognised": recognised}).status == 200


def imported(path):
    """Eight voters of unequal zeal, one of whom is alone in having let the last model win."""
    draw = random.Random(3)
    rows = []
    for voter in range(8):
        for _ in range(6 + 5 * voter):
            a, b = draw.sample(range(3), 2)
            winner = "model_a" if draw.random() < 0.5 + 0.12 * (b - a) else "model_b"
            rows.append((NAMES[a], NAMES[b], winner, voter))
    rows += [("north", "west", "model_a", 0), ("west", "south", "model_b", 1), ("west", "east", "model_a", 2)]
    path.write_text("".join(json.dumps({"id": f"v{i}", "model_a": a, "model_b": b, "winner": winner,
                                        "voter": f"voter {voter}"}) + "\n"
                            for i, (a, b, winner, voter) in enumerate(rows)))
    return len(rows)


@pytest.fixture(scope="module")
def house(provider, tmp_path_factory):
    provider.scripts.clear()
    config = provider.config(*NAMES, auth={"mode": "invite"}, limits={"min_votes": 1})
    with ArenaServer(config=config) as running:
        running.lead, running.analyst, running.person = (newcomer(running, role) for role in
                                                         ("admin", "analyst", "voter"))
        path = tmp_path_factory.mktemp("without") / "votes.jsonl"
        running.votes = imported(path) + 4
        arena(running, "import", path)
        cast(newcomer(running, "voter", "--staff"), 9000)
        cast(running.person, 5)
        cast(running.person, 9000, "both")
        cast(running.person, 9000, "no")
        yield running


def board(voter, query, votes=None):
    """With `votes` once it has so many: on a busy machine the one before is shown for a moment."""
    if votes is not None:
        voter.board(votes, f"?{query}")
    return ok(voter.get(f"/api/leaderboard?{query}"), "leaderboard")


def rows(server, query):
    return sqlite3.connect(f"file:{server.data}/arena.db?mode=ro", uri=True).execute(query).fetchall()


def fast(server):
    """Most of those that were cast here: hardly an answer had been there for two seconds, whatever its voter says."""
    return rows(server, "SELECT count(*) FROM votes WHERE read_ms < 2000")[0][0]


def printed(server, *options):
    return json.loads(arena(server, "leaderboard", "--min-votes", 1, "--format", "json", *options))


def same(web, said):
    assert (web["votes"], web["warnings"], web["filter"]) == (said["votes"], said["warnings"], said["filter"])
    for kind in ("models", "unranked"):
        assert web[kind] == [{key: row[key] for key in mine} for row, mine in zip(said[kind], web[kind])]
        assert len(web[kind]) == len(said[kind])


def test_the_web_shows_what_the_command_prints(house):
    for query, options in QUERIES.items():
        said = printed(house, *options)
        same(board(house.lead, query, said["votes"]), said)
        same(board(house.lead, query, said["votes"]), said)  # and so it does from its memory
    whole = board(house.lead, "", house.votes)
    assert [board(house.lead, f"without={word}")["votes"] for word in ("staff", "fast", "recognised")] == [
        house.votes - 1, house.votes - fast(house), house.votes - 1]
    assert fast(house) > 0
    assert whole["votes"] == house.votes and "without" not in whole["filter"]
    refused(house.lead.get("/api/leaderboard?without=staff,x"), "bad_request", "recognised, staff, fast")


def test_a_given_voter_is_left_out_for_administrators_alone(house):
    number = rows(house, "SELECT voter FROM votes ORDER BY seq LIMIT 1")[0][0]
    same(board(house.lead, f"voter={number}"), printed(house, "--without-voter", number))
    both = board(house.lead, f"voter={number}&without=staff")
    same(both, printed(house, "--without-voter", number, "--without-staff"))
    assert both["filter"]["without_voters"] == [number]
    for who in (house.analyst, house.person):
        refused(who.get(f"/api/leaderboard?voter={number}"), "forbidden")
    refused(house.voter().get(f"/api/leaderboard?voter={number}"), "unauthorized")
    refused(house.lead.get("/api/leaderboard?voter=x"), "bad_request", "voter")


def farthest(server, board_of_all):
    """The same by the command: each voter left out in turn."""
    voters = [row[0] for row in rows(server, "SELECT DISTINCT voter FROM votes ORDER BY voter")]
    most = {row["model"]: {"rating_change": 0, "rank_change": 0, "unranked": False} for row in board_of_all["models"]}
    for voter in voters:
        left = {row["model"]: row for row in printed(server, "--without-voter", voter)["models"]}
        for row in board_of_all["models"]:
            its = most[row["model"]]
            if row["model"] not in left:
                its["unranked"] = True
                continue
            change = left[row["model"]]["rating"] - row["rating"]
            its["rating_change"] = max(its["rating_change"], change, key=abs)
            its["rank_change"] = max(abs(its["rank_change"]), abs(left[row["model"]]["rank"] - row["rank"]))
    return len(voters), most


def test_influence_is_what_leaving_each_voter_out_shows(house):
    whole = board(house.lead, "", house.votes)
    voters, most = farthest(house, whole)
    found = board(house.lead, "influence=1", house.votes)["influence"]
    assert (found["voters"], found["tried"]) == (voters, voters)
    assert [row["model"] for row in found["models"]] == [row["model"] for row in whole["models"]]
    for row in found["models"]:
        expected = most[row["model"]]
        assert row["rating_change"] == pytest.approx(expected["rating_change"], abs=1e-3), row
        assert abs(row["rank_change"]) == expected["rank_change"] and row["unranked"] == expected["unranked"]
        left = board(house.lead, f"voter={row['voter']}")
        if row["unranked"]:
            assert row["model"] not in [its["model"] for its in left["models"]]
    assert any(row["unranked"] for row in found["models"]) and any(row["rating_change"] for row in found["models"])
    for query in ("method=elo", "style=1", "voids=losses"):
        refused(house.lead.get(f"/api/leaderboard?influence=1&{query}"), "bad_request", "influence")


def test_whose_votes_move_a_board_is_for_administrators(house):
    seen = board(house.analyst, "influence=1", house.votes)["influence"]["models"]
    assert seen and not any("voter" in row for row in seen)
    assert all("voter" in row for row in board(house.lead, "influence=1")["influence"]["models"])


def test_voters_see_of_it_what_was_published(house):
    assert board(house.person, "without=staff")["votes"] == 0
    assert board(house.person, "influence=1")["influence"] == {"voters": 0, "tried": 0, "models": []}
    assert house.lead.post("/api/publications", {"note": "now"}).status == 201
    published = {query: board(house.person, query) for query in ("without=staff", "without=fast", "influence=1")}
    assert [its["votes"] for its in published.values()] == [
        house.votes - 1, house.votes - fast(house), house.votes]
    assert not any("voter" in row for row in published["influence=1"]["influence"]["models"])
    cast(newcomer(house), 9000)
    house.votes += 1
    board(house.lead, "without=staff", house.votes - 1)
    for query, before in published.items():
        assert board(house.person, query)["models"] == before["models"], query
        assert board(house.person, query).get("influence") == before.get("influence"), query


def test_the_board_follows_who_is_staff(house):
    someone = newcomer(house)
    cast(someone, 9000)
    house.votes += 1
    own = rows(house, "SELECT w.id FROM votes v JOIN voters w ON w.number = v.voter ORDER BY v.seq DESC LIMIT 1")[0][0]
    board(house.lead, "without=staff", house.votes - 1)
    assert house.lead.post(f"/api/people/{own}/change", {"staff": True}).status == 200
    board(house.lead, "without=staff", house.votes - 2)

"""What administrators set of a model: weight, caps, pauses with a reason, code names; and its versions. In force at
once, after a restart too, the same from the command line; and nothing of it told to whoever votes."""
import hashlib
import json
import sqlite3
import subprocess

import pytest

from arena_server import ArenaServer, binary
from contract import ok, refused
from fake_provider import FakeProvider, Script

NAMES = ["left", "right", "third"]


@pytest.fixture
def provider():
    with FakeProvider() as running:
        for name in NAMES:
            running.scripts[name] = Script(f"An answer of some length, number {len(name)}.")
        yield running


def write(folder, provider, **more):
    competitors = [provider.competitor(name, organisation=f"Maker {name}", price={"input": 1, "output": 2})
                   for name in NAMES]
    (folder / "arena.json").write_text(json.dumps(
        {"competitors": competitors, "limits": {"min_votes": 1}, "sampling": {"rule": "uniform"}, **more}))


@pytest.fixture
def house(provider, tmp_path):
    write(tmp_path, provider)
    with ArenaServer(data=tmp_path) as server:
        yield server


def models(data, *arguments, code=0):
    done = subprocess.run([binary(), "models", *arguments, "--data", str(data)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


def change(voter, *rows, **one):
    return voter.post("/api/roster", {"action": "set", "competitors": list(rows) or [one]})


def row(voter, name):
    return {row["name"]: row for row in ok(voter.get("/api/roster"), "roster")["competitors"]}[name]


def in_file(data, name):
    return {row["name"]: row for row in json.loads((data / "arena.json").read_text())["competitors"]}[name]


def played(voter, winner="model_a"):
    battle, _ = voter.ready()
    return ok(voter.vote(battle, winner), "vote_answer")["models"]


def names_of(voter):
    return {side["name"] for side in played(voter).values()}


def restart(house, voter):
    house.stop()
    house.start()
    voter.origin = house.origin  # another port


def test_weights_are_in_force_at_once_and_after_a_restart(house, provider):
    voter = house.voter()
    battle = voter.start()  # begun before: it keeps its pair
    done = ok(change(voter, {"name": "third", "weight": 0}, {"name": "left", "weight": 2.5}), "roster_changed")
    assert "third" in done["detail"] and "2.5" in done["detail"]
    voter.events(battle).until("ready")
    ok(voter.vote(battle), "vote_answer")
    assert row(voter, "left")["weight"] == 2.5 and in_file(house.data, "third")["weight"] == 0
    shares = {row["name"]: row["share"] for row in ok(voter.post("/api/sampling", {}), "sampling")["models"]}
    assert shares == {"left": 1, "right": 1, "third": 0}
    for _ in range(8):  # by the weights of before it is missing once in 6,000; of now it always is
        assert names_of(voter) == {"left", "right"}
    restart(house, voter)
    assert row(voter, "left")["weight"] == 2.5
    ok(change(voter, name="left", weight=None), "roster_changed")  # back to the default
    assert row(voter, "left")["weight"] == 1 and "weight" not in in_file(house.data, "left")


def test_nonsense_changes_nothing(house):
    voter = house.voter()
    before = (house.data / "arena.json").read_text()
    for row_, code, says in (
            ({"name": "left", "weight": -1}, "bad_config", "weight"),
            ({"name": "left", "weight": "2"}, "bad_config", "weight"),
            ({"name": "left", "weight": 1001}, "bad_config", "1000"),
            ({"name": "left", "battles_a_day": 0}, "bad_config", "battles_a_day"),
            ({"name": "left", "votes_a_day": 1.5}, "bad_config", "votes_a_day"),
            ({"name": "left", "budget": -3}, "bad_config", "budget"),
            ({"name": "left", "code_name": ""}, "bad_config", "code_name"),
            ({"name": "left", "code_name": "a\nb"}, "bad_config", "control"),
            ({"name": "left", "code_name": "Right"}, "bad_config", "right"),
            ({"name": "left", "code_name": "left-blue"}, "bad_config", "gives"),
            ({"name": "left", "code_name": "MAKER LEFT"}, "bad_config", "gives"),
            ({"name": "left", "model": "other"}, "bad_request", "model"),
            ({"name": "nobody", "weight": 1}, "not_found", "nobody"),
            ({"weight": 1}, "bad_request", "name")):
        refused(change(voter, row_), code, says)
        assert (house.data / "arena.json").read_text() == before
    refused(change(voter, *({"name": name, "weight": 0} for name in NAMES)), "bad_request", "no battle")
    refused(change(voter, {"name": "left", "weight": 0}, {"name": "right", "weight": 0}), "bad_request", "no battle")
    refused(change(voter, {"name": "left", "code_name": "maple"}, {"name": "third", "code_name": "Maple"}),
            "bad_config", "maple")
    refused(voter.post("/api/roster", {"action": "set"}), "bad_request", "competitors")
    refused(voter.post("/api/roster", {"action": "pause", "name": "left", "reason": "x" * 201}), "bad_request", "200")
    refused(voter.post("/api/roster", {"action": "resume", "name": "left", "reason": "x"}), "bad_request", "reason")
    raw = voter.request("POST", "/api/roster", None)
    refused(raw, "bad_request")
    assert (house.data / "arena.json").read_text() == before


def test_caps_hold_until_the_day_is_over(house):
    voter = house.voter()
    ok(change(voter, {"name": "left", "battles_a_day": 1}, {"name": "right", "weight": 1000}), "roster_changed")
    seen = [names_of(voter) for _ in range(9)]
    assert sum("left" in pair for pair in seen) <= 1
    ok(change(voter, {"name": "left", "battles_a_day": None}, {"name": "third", "votes_a_day": 1}), "roster_changed")
    used = row(voter, "third")
    assert used["battles_today"] and used["votes_today"] and used["barred"] == "votes_a_day"
    assert all("third" not in names_of(voter) for _ in range(4))
    restart(house, voter)  # the day goes on
    assert row(voter, "third")["barred"] == "votes_a_day"
    assert names_of(voter) == {"left", "right"}
    ok(change(voter, name="right", battles_a_day=1), "roster_changed")
    refused(voter.post("/api/battles", {"prompt": "x"}), "busy", "for now")


def test_a_cap_tells_a_voter_nothing(house):
    """The day's figures move when a battle is over, never when it begins."""
    voter = house.voter()
    voter.ready()
    assert [row(voter, name)["battles_today"] for name in NAMES] == [0, 0, 0]
    ok(change(voter, *({"name": name, "battles_a_day": 1} for name in NAMES)), "roster_changed")
    assert [row(voter, name)["barred"] for name in NAMES] == [None] * 3


def test_a_pause_says_why_and_since_when(house):
    voter = house.voter()
    ok(voter.post("/api/roster", {"action": "pause", "name": "left", "reason": "provider outage"}), "roster_changed")
    paused = row(voter, "left")
    assert paused["state"] == "paused" and paused["paused_reason"] == "provider outage" and paused["paused_since"]
    ok(voter.post("/api/roster", {"action": "pause", "name": "left", "reason": "still"}), "roster_changed")
    assert row(voter, "left")["paused_since"] == paused["paused_since"]
    assert {side["name"] for side in played(voter).values()} == {"right", "third"}
    restart(house, voter)
    assert row(voter, "left")["paused_reason"] == "still"
    models(house.data, "resume", "left")
    back = row(voter, "left")
    assert (back["state"], back["paused_reason"], back["paused_since"]) == ("active", None, None)
    assert not {"paused_reason", "paused_since"} & set(in_file(house.data, "left"))
    models(house.data, "pause", "left", "--reason", "by hand")
    assert row(voter, "left")["paused_reason"] == "by hand"


def test_the_command_line_sets_the_same(house, tmp_path, provider):
    voter = house.voter()
    said = models(house.data, "set", "left", "--weight", "3", "--battles-a-day", "20", "--votes-a-day", "10",
                  "--at-once", "4", "--budget", "2.5", "--code-name", "maple")
    assert "in force now" in said
    now = row(voter, "left")
    assert [now[key] for key in ("weight", "battles_a_day", "votes_a_day", "at_once", "budget_usd", "code_name")] == [
        3, 20, 10, 4, 2.5, "maple"]
    log = [entry for entry in voter.get("/api/audit").json["entries"] if entry["act"] == "change models"]
    assert "set left" in log[0]["detail"] and "maple" in log[0]["detail"]
    models(house.data, "set", "left", "--at-once", "none", "--code-name", "none")
    assert row(voter, "left")["at_once"] is None and row(voter, "left")["code_name"] is None
    for wrong in (["set", "left"], ["set", "left", "--weight", "nan"], ["set", "left", "--weight", "-1"],
                  ["set", "left", "--at-once", "none", "--votes-a-day", "0"], ["set", "left", "--budget", "lots"],
                  ["set", "nobody", "--weight", "1"], ["set", "left", "--code-name", "right"]):
        assert models(house.data, *wrong, code=2)
    house.stop()
    assert "when the arena is served" in models(house.data, "set", "left", "--weight", "7")
    assert in_file(house.data, "left")["weight"] == 7


def texts(voter, battle):
    """All that a voter's own routes say."""
    paths = ["/api/models", "/api/leaderboard", "/api/leaderboard?style=1", "/api/leaderboard?published=1",
             "/api/account/data", "/api/account/leaderboard", "/api/battles", f"/api/battles/{battle}", "/api/consent"]
    return {path: voter.get(path).body.decode() for path in paths}


def test_a_code_name_is_all_that_voters_are_told(house, provider):
    voter = house.voter()
    for name in NAMES:
        provider.scripts[name] = Script("The same words whoever says them.")
    played(voter)
    ok(change(voter, {"name": "left", "code_name": "maple"}, {"name": "third", "weight": 0}), "roster_changed")
    battle, _ = voter.ready()
    begun = ok(voter.get(f"/api/battles/{battle}"), "battle")
    assert "maple" not in json.dumps(begun) and "left" not in json.dumps(begun)
    vote = ok(voter.vote(battle), "vote_answer")
    told = {side["name"]: side for side in vote["models"].values()}
    assert set(told) == {"maple", "right"} and vote["nonce"] is None
    assert told["maple"] == {"name": "maple", "code_name": True, "organisation": None, "licence": None,
                             "in_house": False, "version": None}
    voter.get("/api/leaderboard")
    for path, text in texts(voter, battle).items():
        recipients = "Maker left" if path == "/api/consent" else "\0"  # who receives prompts is told, apart from names
        assert "left" not in text.replace(recipients, ""), (path, text)
    listed = {model["name"]: model for model in ok(voter.get("/api/models"), "models")["models"]}
    assert listed["maple"]["provider"] is None and listed["maple"]["price"] == {"input": None, "output": None}
    direct = {"prompt": "x", "mode": "direct", "models": ["left"]}
    refused(voter.post("/api/battles", direct), "bad_request", "no active")
    restart(house, voter)
    rows = voter.get("/api/leaderboard").json
    assert {"maple", "right"} <= {model["model"] for model in rows["models"] + rows["unranked"]}
    assert "left" not in json.dumps(rows)
    board = json.loads(subprocess.run([binary(), "leaderboard", "--format", "json", "--data", str(house.data)],
                                      capture_output=True, text=True, check=True, timeout=60).stdout)
    assert "left" in json.dumps(board) and "maple" not in json.dumps(board)
    house.stop()
    done = subprocess.run([binary(), "verify", "--data", str(house.data)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_publishing_tells_the_name_and_opens_the_commitment(house):
    voter = house.voter()
    ok(change(voter, {"name": "left", "code_name": "maple"}, {"name": "third", "weight": 0}), "roster_changed")
    battle, _ = voter.ready()
    commitment = ok(voter.get(f"/api/battles/{battle}"), "battle")["commitment"]
    assert ok(voter.vote(battle), "vote_answer")["nonce"] is None
    house.stop()
    models(house.data, "set", "left", "--code-name", "none")
    house.start()
    name, = voter.get("/api/models").json["models"][:1]
    assert name["name"] == "left" and "code_name" not in name
    told = ok(voter.get(f"/api/battles/{battle}"), "battle")
    a, b = told["models"]["a"]["name"], told["models"]["b"]["name"]
    assert {a, b} == {"left", "right"}
    assert hashlib.sha256(f"{a}\n{b}\n{told['nonce']}".encode()).hexdigest() == commitment


def test_leaving_the_configuration_publishes_nothing(house):
    voter = house.voter()
    ok(change(voter, {"name": "left", "code_name": "maple"}), "roster_changed")
    for _ in range(4):
        played(voter)
    house.stop()
    path = house.data / "arena.json"
    config = json.loads(path.read_text())
    config["competitors"] = [row for row in config["competitors"] if row["name"] != "left"]
    path.write_text(json.dumps(config))
    house.start()
    assert "left" not in json.dumps(voter.get("/api/leaderboard").json)
    assert "maple" in json.dumps(voter.get("/api/account/leaderboard").json)


def test_versions_tell_what_changed(house, provider):
    voter = house.voter()
    for _ in range(4):
        played(voter)
    first = ok(voter.get("/api/roster/versions?name=left"), "roster_versions")["versions"]
    assert len(first) == 1 and first[0]["live"] and first[0]["label"] == "left" and not first[0]["changes"]
    config = json.loads((house.data / "arena.json").read_text())
    config["competitors"][0]["params"] = {"temperature": 0.5}
    config["competitors"][0]["system"] = "Be brief."
    (house.data / "arena.json").write_text(json.dumps(config))
    ok(voter.post("/api/roster", {"action": "reload"}), "roster_changed")
    old, new = ok(voter.get("/api/roster/versions?name=left"), "roster_versions")["versions"]
    assert not old["live"] and new["live"] and old["label"] == f"left@{old['version'][:8]}" and new["battles"] == 0
    assert old["battles"] == first[0]["battles"] and old["votes"] == first[0]["votes"]
    assert {"key": "params.temperature", "from": None, "to": 0.5} in new["changes"]
    assert {"key": "system", "from": None, "to": "Be brief."} in new["changes"] and len(new["changes"]) == 2
    total = sum(version["votes"] for name in NAMES
                for version in voter.get(f"/api/roster/versions?name={name}").json["versions"])
    assert total == 2 * sqlite3.connect(f"file:{house.data}/arena.db?mode=ro", uri=True).execute(
        "SELECT count(*) FROM votes").fetchone()[0]
    assert "params.temperature: null -> 0.5" in models(house.data, "versions", "left")
    assert len(json.loads(models(house.data, "versions", "left", "--format", "json"))["versions"]) == 2
    refused(voter.get("/api/roster/versions?name=nobody"), "not_found", "nobody")
    refused(voter.get("/api/roster/versions"), "bad_request", "name")
    assert "nobody" in models(house.data, "versions", "nobody", code=2)

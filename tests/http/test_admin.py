"""What administrators see and change: people, suspicious voters, sampling, moderation, the audit log."""
import random
import sqlite3
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from contract import ok, refused
from fake_provider import Script

SECRET = "typed just now"


def arena(server, *arguments):
    done = subprocess.run([binary(), *arguments, "--data", str(server.data)], capture_output=True, text=True,
                          timeout=PATIENCE, check=True)
    return done.stdout.splitlines()


def newcomer(server, name, *options):
    [link] = arena(server, "invite", *options)
    voter = server.voter()
    assert voter.post("/api/join", {"token": link.rsplit("/", 1)[1]}).status == 201
    voter.agree()
    assert voter.post("/api/account/password", {"name": name, "password": SECRET}).status == 200
    return voter


def person(admin, name):
    return next(row for row in ok(admin.get("/api/people"), "people")["people"] if row["name"] == name)


def audit(admin):
    return [row["act"] for row in ok(admin.get("/api/audit"), "audit")["entries"]]


@pytest.fixture
def house(provider):
    provider.scripts.clear()
    with ArenaServer(config=provider.config("left", "right", auth={"mode": "invite"})) as running:
        yield running


@pytest.fixture
def home(provider):
    provider.scripts.clear()
    with ArenaServer(config=provider.config("left", "right")) as running:
        yield running


def test_people(house):
    admin = newcomer(house, "lead", "--role", "admin")
    voter = newcomer(house, "eve", "--cohort", "panel")
    battle, _ = voter.ready()
    voter.vote(battle)
    row = person(admin, "eve")
    assert (row["role"], row["cohort"], row["votes"], row["counted"], row["sessions"]) == ("voter", "panel", 1, 1, 1)
    assert row["last_ms"] >= row["since_ms"] and person(admin, "lead")["votes"] == 0
    assert row["id"] not in str(voter.get("/api/leaderboard").body)
    changed = admin.post(f"/api/people/{row['id']}/change", {"role": "analyst", "cohort": "", "staff": True})
    assert ok(changed, "person_changed") == {"id": row["id"], "role": "analyst", "cohort": None, "staff": True}
    assert voter.get("/api/campaigns").status == 200, "in force at once"
    assert person(admin, "eve")["staff"] is True
    mine = person(admin, "lead")["id"]
    refused(admin.post(f"/api/people/{mine}/change", {"role": "voter"}), "wrong_state", "another administrator")
    refused(admin.post(f"/api/people/{'0' * 26}/change", {"role": "voter"}), "not_found")
    refused(admin.post(f"/api/people/{row['id']}/change", {"role": "king"}), "bad_request", "role")
    assert ok(admin.post(f"/api/people/{row['id']}/signout"), "empty") == {}
    refused(voter.get("/api/account"), "unauthorized")
    assert person(admin, "eve")["sessions"] == 0
    assert audit(admin)[:2] == ["end sessions", "change voter"]


def test_invitations(house):
    admin = newcomer(house, "lead", "--role", "admin")
    made = admin.post("/api/invitations", {"count": 3, "cohort": "panel", "note": "May"}).json["invitations"]
    listed = ok(admin.get("/api/invitations"), "invitation_list")
    assert [row["state"] for row in listed["invitations"]].count("open") == 3 and listed["known"] == 4
    assert admin.post(f"/api/invitations/{made[0]['id']}/revoke").status == 200
    house.voter().post("/api/join", {"token": made[1]["link"].rsplit("/", 1)[1]})
    states = {row["id"]: row["state"] for row in admin.get("/api/invitations").json["invitations"]}
    assert [states[row["id"]] for row in made] == ["withdrawn", "used", "open"]
    assert made[2]["link"].rsplit("/", 1)[1] not in admin.get("/api/invitations").body.decode()


def votes_file(path):
    """Nine who read, and one who always takes the left."""
    dice, rows = random.Random(7), []
    for voter in range(10):
        for _ in range(60):
            a, b = dice.sample(["strong", "middle", "weak"], 2)
            order = ["strong", "middle", "weak"]
            better = "model_a" if order.index(a) < order.index(b) else "model_b"
            worse = "model_b" if better == "model_a" else "model_a"
            winner = "model_a" if voter == 0 else better if dice.random() < 0.75 else worse
            rows.append(f"{a},{b},{winner},v{voter}")
    path.write_text("model_a,model_b,winner,judge\n" + "\n".join(rows) + "\n")


def test_suspicious_voters_are_left_out_and_taken_back(home, tmp_path):
    votes_file(tmp_path / "votes.csv")
    arena(home, "import", str(tmp_path / "votes.csv"))
    admin = home.voter()
    found = ok(admin.get("/api/suspects"), "suspects")
    worst = found["voters"][0]
    assert worst["name"] == "v0" and worst["flagged"] and worst["reason"] == "side" and found["excluded"] == []
    assert sum(row["flagged"] for row in found["voters"]) == 1
    body = {"voter": worst["voter"], "from": "2020-01-01", "note": "always left"}
    assert admin.post("/api/exclusions", body).status == 201
    [row] = ok(admin.get("/api/suspects"), "suspects")["excluded"]
    assert (row["voter"], row["note"], row["told"]) == (worst["voter"], "always left", False)
    assert admin.post("/api/exclusions", {"voter": worst["voter"], "back": True, "note": "a mistake"}).status == 201
    assert ok(admin.get("/api/suspects"), "suspects")["excluded"] == []
    assert audit(admin)[:2] == ["count votes again", "leave out votes"]


def test_an_appeal(house):
    admin, voter = newcomer(house, "lead", "--role", "admin"), newcomer(house, "eve")
    number = person(admin, "eve")["voter"]
    say = {"text": "I read every answer."}
    refused(voter.post("/api/account/appeal", say), "wrong_state")
    admin.post("/api/exclusions", {"voter": number, "note": "fast"})
    assert ok(voter.get("/api/account"), "account")["left_out"] is None, "not told"
    refused(voter.post("/api/account/appeal", say), "wrong_state")
    admin.post("/api/exclusions", {"voter": number, "note": "fast", "from": "2026-01-01", "tell": True})
    mine = ok(voter.get("/api/account"), "account")["left_out"]
    assert mine["from_ms"] > 0 and mine["appeal"] is None and "fast" not in str(mine)
    assert voter.post("/api/account/appeal", say).status == 200
    assert voter.get("/api/account").json["left_out"]["appeal"] == say["text"]
    assert admin.get("/api/suspects").json["excluded"][0]["appeal"] == say["text"]
    refused(voter.post("/api/account/appeal", {"text": "x" * 5000}), "bad_request")
    assert voter.post("/api/account/erase", {"erase": "everything"}).status == 200
    assert sqlite3.connect(house.data / "arena.db").execute("SELECT count(*) FROM appeals").fetchone() == (0,)


def test_sampling_is_only_tried(provider):
    with ArenaServer(config=provider.config("one", "two", "three")) as server:
        admin = server.voter()
        now = ok(admin.post("/api/sampling", {}), "sampling")
        assert len(now["pairs"]) == 3 and abs(sum(row["probability"] for row in now["pairs"]) - 1) < 1e-5
        assert abs(sum(row["share"] for row in now["models"]) - 2) < 1e-5
        tried = ok(admin.post("/api/sampling", {"rule": "uniform", "weights": {"one": 4, "two": 0}}), "sampling")
        assert [(row["a"], row["b"], row["probability"]) for row in tried["pairs"]] == [("one", "three", 1)]
        tried = ok(admin.post("/api/sampling", {"rule": "uniform", "weights": {"one": 4}}), "sampling")
        chance = {frozenset((row["a"], row["b"])): row["probability"] for row in tried["pairs"]}
        assert chance[frozenset(("one", "two"))] == pytest.approx(4 / 9, abs=1e-5)
        alone = ok(admin.post("/api/sampling", {"weights": {"one": 0, "two": 0}}), "sampling")
        assert alone["meets"] is False and alone["pairs"] == []
        assert ok(admin.post("/api/sampling", {"target": "two"}), "sampling")["target"] == "two"
        refused(admin.post("/api/sampling", {"target": "nobody"}), "bad_request")
        refused(admin.post("/api/sampling", {"weights": {"one": -1}}), "bad_request")
        assert ok(admin.post("/api/sampling", {}), "sampling") == now


def test_moderation(house, provider):
    admin, voter = newcomer(house, "lead", "--role", "admin"), newcomer(house, "eve")
    provider.scripts["left"] = Script("I am left, made by nobody.")
    provider.scripts["right"] = Script("An answer.")
    told, _ = voter.ready("who are you?")
    assert voter.vote(told).json["counted"] is False
    provider.scripts["left"] = Script("Another answer.")
    plain, _ = voter.ready("a plain question")
    voter.vote(plain)
    [row] = ok(admin.get("/api/moderation"), "moderation")["battles"]
    assert row["battle_id"] == told and row["self_identified"] and row["vote"]["counted"] == "self_identified"
    assert row["turns"][0]["prompt"] == "who are you?" and {row["model_a"], row["model_b"]} == {"left", "right"}
    every = ok(admin.get("/api/moderation?show=all"), "moderation")["battles"]
    assert [row["battle_id"] for row in every] == [plain, told]
    running, _ = voter.ready("still open")
    assert len(admin.get("/api/moderation?show=all").json["battles"]) == 2, "only what is over"
    [one] = ok(admin.get(f"/api/moderation?battle={plain}"), "moderation")["battles"]
    assert one["battle_id"] == plain
    assert admin.get("/api/moderation?battle=" + "x" * 500).json["battles"] == []
    refused(admin.get("/api/moderation?before=x"), "bad_request")


def test_the_audit_log_has_pages_and_everything(home):
    admin = home.voter()
    for _ in range(60):
        admin.post("/api/invitations", {})
    assert admin.post("/api/roster", {"action": "pause", "name": "left"}).status == 200
    first = ok(admin.get("/api/audit"), "audit")
    assert len(first["entries"]) == 50 and first["entries"][0]["act"] == "change models"
    assert first["entries"][0]["detail"] == "pause left"
    second = ok(admin.get(f"/api/audit?before={first['next']}"), "audit")
    assert len(second["entries"]) == 11 and second["next"] is None

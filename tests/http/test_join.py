"""Getting in: links made, used, used again, expired, withdrawn; sessions; who may listen where; keys and consent."""
import re
import sqlite3
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from contract import check, ok, refused

AUTH = {"mode": "invite"}


def arena(server, *arguments, code=0):
    """A command on this server's data directory; gives its output lines."""
    command = [binary(), *arguments, "--data", str(server.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == code, done
    return done.stdout.splitlines() if code == 0 else done.stderr


def token(link):
    return link.rsplit("/", 1)[1]


def join(server, link):
    voter = server.voter()
    reply = voter.post("/api/join", {"token": token(link)})
    return voter, reply


@pytest.fixture(scope="module")
def house(provider):
    with ArenaServer(config=provider.config("left", "right", auth=AUTH, limits={"min_votes": 1})) as running:
        yield running


def test_nobody_gets_in_without_an_invitation(house):
    stranger = house.voter()
    refused(stranger.post("/api/battles", {"prompt": "hi"}), "unauthorized", "invitation")
    refused(stranger.get("/api/leaderboard"), "unauthorized")
    assert not stranger.cookies


def test_a_link_lets_in_once(house):
    links = arena(house, "invite", "--count", "3", "--cohort", "panel", "--expires", "7")
    assert len(set(links)) == 3
    assert all(re.fullmatch(rf"{house.origin}/join/[\w-]{{43}}", link) for link in links)
    page = house.voter().get(links[0].removeprefix(house.origin))
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    voter, reply = join(house, links[0])
    assert ok(reply, "joined", 201) == {"role": "voter", "cohort": "panel"}
    cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and token(links[0]) not in str(reply.headers)
    refused(voter.post("/api/battles", {"prompt": "hi"}), "consent_required", "/consent")
    voter.agree()
    battle, _ = voter.ready()
    assert ok(voter.vote(battle), "vote_answer")["counted"] is True
    _, again = join(house, links[0])
    refused(again, "forbidden", "used already")
    assert "Set-Cookie" not in again.headers
    other, _ = join(house, links[1])
    assert other.get(f"/api/battles/{battle}").status == 404


def test_expired_withdrawn_and_unknown_links(house):
    late, gone = arena(house, "invite", "--count", "2")
    with sqlite3.connect(house.data / "arena.db", timeout=30) as db:
        db.execute("UPDATE invitations SET expires_ms = 1 WHERE token_hash = "
                   "(SELECT token_hash FROM invitations ORDER BY created_ms DESC LIMIT 1)")
    links = {row.split()[1]: row.split()[0] for row in arena(house, "invite", "list")}
    assert {"open", "used", "expired"} <= set(links)
    replies = [join(house, link)[1] for link in (late, gone)]
    assert sorted(reply.status for reply in replies) == [201, 403]
    assert any("expired" in str(reply.json) for reply in replies)
    [link] = arena(house, "invite", "--role", "admin")
    [number] = [row.split()[0] for row in arena(house, "invite", "list") if "open" in row and "admin" in row]
    arena(house, "invite", "revoke", number)
    refused(join(house, link)[1], "forbidden", "withdrawn")
    assert "no open invitation" in arena(house, "invite", "revoke", number, code=2)
    for bad in ("x", "A" * 43, "é" * 43, ""):
        refused(house.voter().post("/api/join", {"token": bad}), "not_found")
    refused(house.voter().post("/api/join", {"token": 7}), "bad_request")
    refused(house.voter().post("/api/join"), "bad_request")


def test_opening_a_link_uses_nothing_up(house):
    [link] = arena(house, "invite")
    for method in ("GET", "HEAD", "GET"):
        assert house.voter().request(method, link.removeprefix(house.origin)).status == 200
    assert join(house, link)[1].status == 201


def test_tokens_are_stored_as_digests_only(house):
    [link] = arena(house, "invite")
    voter, _ = join(house, link)
    everything = b"".join(path.read_bytes() for path in house.data.iterdir() if path.is_file())
    assert token(link).encode() not in everything
    assert voter.cookies["arena_voter"].encode() not in everything


def test_a_session_that_was_planted_is_not_taken_over(house):
    [link] = arena(house, "invite")
    planted = house.voter()
    planted.cookies["arena_voter"] = "A" * 43
    reply = planted.post("/api/join", {"token": token(link)})
    assert reply.status == 201 and planted.cookies["arena_voter"] != "A" * 43
    attacker = house.voter()
    attacker.cookies["arena_voter"] = "A" * 43
    refused(attacker.get("/api/models"), "unauthorized")


def test_a_foreign_page_cannot_join(house):
    [link] = arena(house, "invite")
    foreign = house.voter(origin="https://evil.example")
    refused(foreign.post("/api/join", {"token": token(link)}), "bad_origin")
    assert join(house, link)[1].status == 201


def test_sessions_and_open_links_outlive_a_restart(provider, tmp_path):
    config = provider.config("left", "right", auth=AUTH)
    server = ArenaServer(config=config, data=tmp_path)
    [before] = arena(server, "invite", "--role", "analyst")  # nobody owns the directory yet
    with server:
        voter, reply = join(server, before)
        assert reply.json["role"] == "analyst"
        assert voter.agree("export", in_house_only=False)["current"] is True
        [kept] = arena(server, "invite")
        server.terminate()
        server.start()
        voter.server, voter.origin = server, server.origin
        assert voter.get("/api/models").status == 200
        assert ok(voter.post("/api/battles", {"prompt": "hi"}), "battle_step", 201)
        assert join(server, kept)[1].status == 201


def test_another_link_for_a_voter_that_exists(house):
    [first] = arena(house, "invite", "--cohort", "again")
    voter, _ = join(house, first)
    voter.agree()
    battle, _ = voter.ready()
    with sqlite3.connect(f"file:{house.data}/arena.db?mode=ro", uri=True) as db:
        [who] = db.execute("SELECT id FROM voters WHERE cohort = 'again'").fetchone()
    [second] = arena(house, "invite", "--voter", who)
    elsewhere, _ = join(house, second)
    assert ok(elsewhere.get(f"/api/battles/{battle}"), "battle")["state"] == "ready"
    ok(elsewhere.post("/api/battles", {"prompt": "hi"}), "battle_step", 201)  # what was agreed to holds here too


def test_an_administrator_invites_by_http(house):
    [link] = arena(house, "invite", "--role", "admin")
    admin, _ = join(house, link)
    assert admin.post("/api/account/password", {"name": "lead", "password": "typed just now"}).status == 200
    made = ok(admin.post("/api/invitations", {"count": 2, "role": "voter", "days": 1}), "invitations", 201)
    assert len(made["invitations"]) == 2
    ok(admin.post(f"/api/invitations/{made['invitations'][0]['id']}/revoke"), "key_revoked")
    refused(join(house, made["invitations"][0]["link"])[1], "forbidden", "withdrawn")
    refused(admin.post("/api/invitations", {"count": 0}), "bad_request", "count")
    refused(admin.post("/api/invitations", {"role": "king"}), "bad_request", "role")
    refused(admin.post("/api/invitations", {"cohort": "x" * 200}), "bad_request", "cohort")
    with sqlite3.connect(f"file:{house.data}/arena.db?mode=ro", uri=True) as db:
        acts = db.execute("SELECT actor, act, detail FROM audit ORDER BY id DESC LIMIT 2").fetchall()
    assert [row[1] for row in acts] == ["revoke invitation", "invite"] and acts[1][2] == "2 for the role voter"


def test_consent(house):
    [link] = arena(house, "invite")
    voter, _ = join(house, link)
    asked = ok(voter.get("/api/consent"), "consent")
    assert (asked["scope"], asked["current"], asked["first"]) == ("none", False, True)
    refused(voter.post("/api/consent", {"scope": "all", "notice": asked["notice"]}), "bad_request", "scope")
    refused(voter.post("/api/consent", {"scope": "inside", "notice": "old"}), "conflict", "reload")
    for scope in ("inside", "inside", "publish"):
        given = ok(voter.post("/api/consent", {"scope": scope, "notice": asked["notice"]}), "consent")
        assert (given["scope"], given["current"], given["first"]) == (scope, True, False)
    assert ok(voter.get("/api/consent"), "consent") == given
    with sqlite3.connect(f"file:{house.data}/arena.db?mode=ro", uri=True) as db:
        rows = [row[0] for row in db.execute("SELECT scope FROM consents WHERE voter = (SELECT max(voter) FROM "
                                             "consents) ORDER BY id")]
    assert rows == ["inside", "publish"]


def test_consent_at_home_is_not_asked_for(server):
    voter = server.voter()
    assert ok(voter.get("/api/consent"), "consent")["first"] is False
    assert not voter.cookies


@pytest.mark.parametrize("auth, says", [
    ({"mode": "local"}, "administrator"),
    ({"mode": "invite"}, "without TLS"),
    ({"mode": "invite", "https": True}, "hosts"),
    ({"mode": "local", "hosts": ["arena.example"]}, "invite"),
    ({"mode": "invite", "hosts": ["a b"]}, "such as arena.example.org"),
    ({"mode": "invite", "hosts": "arena.example"}, "list"),
])
def test_an_exposed_arena_is_refused(provider, tmp_path, auth, says):
    server = ArenaServer(config=provider.config("left", "right", auth=auth), data=tmp_path, listen="0.0.0.0:0")
    with pytest.raises(AssertionError) as told:
        server.start()
    assert says in str(told.value) and "ended with 2" in str(told.value)


def test_behind_a_proxy(provider, tmp_path):
    config = provider.config("left", "right", auth={"mode": "invite", "hosts": ["arena.example"], "https": True})
    with ArenaServer(config=config, data=tmp_path) as server:
        [link] = arena(server, "invite")
        assert link.startswith("https://arena.example/join/")
        voter = server.voter(origin="https://arena.example")
        reply = voter.request("POST", "/api/join", {"token": token(link)}, {"Host": "arena.example"})
        assert reply.status == 201 and "Secure" in reply.headers["Set-Cookie"]
        reply = voter.request("GET", "/api/models", headers={"Host": "evil.example"})
        refused(reply, "bad_host")
        refused(voter.request("GET", "/metrics", headers={"Host": "arena.example"}), "forbidden")


def test_keys(provider, tmp_path):
    config = provider.config("left", "right", auth=AUTH)
    config["competitors"][0]["in_house"] = True
    server = ArenaServer(config=config, data=tmp_path)
    [alone] = arena(server, "keys", "create", "early bird", "--organisation", "Birds")
    with server:
        [asked] = arena(server, "keys", "create", "second", "--requests-per-minute", "100", "--expires", "30")
        for secret in (alone, asked):
            reply = server.voter(origin=None).get("/v1/models", headers={"Authorization": f"Bearer {secret}"})
            check("v1_models", reply.json)
        rows = arena(server, "keys", "list")
        assert len(rows) == 2 and any("early bird, Birds" in row and "open" in row for row in rows)
        assert not any(secret in "\n".join(rows) for secret in (alone, asked))
        [number] = [row.split()[0] for row in rows if "second" in row]
        arena(server, "keys", "revoke", number)
        reply = server.voter(origin=None).get("/v1/models", headers={"Authorization": f"Bearer {asked}"})
        assert reply.status == 401
        assert arena(server, "keys", "revoke", number, code=2)
    [other] = [row.split()[0] for row in arena(server, "keys", "list") if "early" in row]
    arena(server, "keys", "revoke", other)
    assert all("revoked" in row for row in arena(server, "keys", "list"))


def test_commands_say_what_they_want(house):
    assert "arena help invite" in arena(house, "invite", "frobnicate", code=2)
    assert "arena help keys" in arena(house, "keys", code=2)
    assert "not one of" in arena(house, "invite", "--role", "king", code=2)
    assert "no invitation's id" in arena(house, "invite", "revoke", "../keys", code=2)

"""Idempotency-Key on every POST: done once, answered alike; after a restart too, where the answer is no secret."""
import concurrent.futures
import pathlib
import re
import sqlite3
import subprocess

import pytest

from arena_server import ArenaServer, binary
from contract import refused

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent / "arena" / "http" / "route.c"
SECRET = "a good long password"


def invite(server, *options):
    done = subprocess.run([binary(), "invite", *options, "--data", str(server.data)], capture_output=True, text=True,
                          check=True)
    return done.stdout.strip().rsplit("/", 1)[1]


def rows(server, sql):
    with sqlite3.connect(f"file:{server.data}/arena.db?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


@pytest.fixture(scope="module")
def house(provider):
    provider.scripts.clear()
    config = provider.config("left", "right", auth={"mode": "invite"}, limits={"min_votes": 1}, early_access=True)
    with ArenaServer(config=config) as running:
        running.lead = running.voter()
        assert running.lead.post("/api/join", {"token": invite(running, "--role", "admin")}).status == 201
        running.lead.agree()
        body = {"name": "lead", "password": SECRET}
        assert running.lead.post("/api/account/password", body, key="first").status == 200
        yield running


def voter_of(house):
    voter = house.voter()
    voter.post("/api/join", {"token": invite(house)})
    voter.agree()
    return voter


# Who asks, what, and whether its answer may be on the disk.
def cases(house):
    lead, voter = house.lead, voter_of(house)
    person = voter.get("/api/account").json["id"]
    made = lead.post("/api/keys", {"name": "k"}).json["key_id"]
    link = lead.post("/api/invitations", {"count": 1}).json["invitations"][0]["id"]
    asked = house.voter().post("/api/access", {"name": "n", "email": "a@b.org", "use": "x"})
    request = lead.get("/api/requests").json["requests"][0]["request_id"]
    campaign = {"model": "left", "versus": ["right"], "votes": 5, "prompts": ["Why?"]}
    return [
        (lead, "/api/publications", {"note": "once"}, True),
        (lead, "/api/exclusions", {"voter": person, "note": "once", "back": True}, True),
        (lead, "/api/roster", {"action": "resume", "name": "left"}, True),
        (lead, f"/api/people/{person}/change", {"cohort": "once"}, True),
        (lead, f"/api/people/{person}/signout", {}, True),
        (lead, f"/api/invitations/{link}/revoke", {}, True),
        (lead, f"/api/keys/{made}/revoke", {}, True),
        (lead, "/api/campaigns", campaign, True),
        (lead, f"/api/requests/{request}/decide", {"state": "waiting"}, True),
        (lead, "/api/consent", {"scope": "inside", "notice": lead.get("/api/consent").json["notice"]}, True),
        (lead, "/api/keys", {"name": "once"}, False),
        (lead, "/api/invitations", {"count": 2}, False),
        (lead, "/api/account/link", {}, False),
        (lead, "/api/account/confirm", {"password": SECRET}, False),
        (lead, "/api/sampling", {}, False),
        (house.voter(), "/api/access", {"name": "n", "email": "a@b.org", "use": "once"}, False),
        (house.voter(), "/api/access/state", {"token": asked.json["link"].rsplit("/", 1)[1].rsplit("#", 1)[-1]}, False),
        (house.voter(), "/api/login", {"name": "lead", "password": SECRET}, False),
        (house.voter(), "/api/join", {"token": invite(house)}, False),
    ]


def test_the_same_key_is_answered_alike_and_done_once(house):
    stored = []
    for number, (who, path, body, disk) in enumerate(cases(house)):
        key = f"case {number}"
        before = dict(who.cookies)
        first = who.post(path, body, key=key)
        assert first.status in (200, 201), (path, first)
        acts = rows(house, "SELECT count(*) FROM audit")
        who.cookies = dict(before)  # the answer was lost on its way
        again = who.post(path, body, key=key)
        assert (again.status, again.body) == (first.status, first.body), path
        assert again.headers["Set-Cookie"] == first.headers["Set-Cookie"], path
        assert rows(house, "SELECT count(*) FROM audit") == acts, path
        who.cookies = dict(before)
        refused(who.post(path, {**body, "note": "another"}, key=key), "conflict", "another request")
        if disk:
            stored.append((who, path, body, key, first))
    written = rows(house, "SELECT route FROM idempotency WHERE key LIKE 'case %'")
    assert sorted(route for route, in written) == sorted(f"POST {path}" for _, path, *_ in stored)
    house.stop()
    house.start()
    for who, path, body, key, first in stored:
        who.origin = house.origin
        if path.startswith("/api/consent"):
            assert who.post(path, body, key=key).body == first.body
    assert house.lead.post("/api/account/confirm", {"password": SECRET}).status == 200
    for who, path, body, key, first in stored:
        again = who.post(path, body, key=key)
        assert (again.status, again.body) == (first.status, first.body), path
    replies = rows(house, "SELECT group_concat(reply) FROM idempotency")[0][0]
    assert "/join/" not in replies and '"key":' not in replies and SECRET not in replies


def test_many_at_once_are_one(house):
    for path, body, table in (("/api/publications", {"note": "race"}, "publications"),
                              ("/api/keys", {"name": "race"}, "api_keys")):
        before = rows(house, f"SELECT count(*) FROM {table}")[0][0]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: house.lead.post(path, body, key=f"race {path}"), range(8)))
        good = [reply for reply in replies if reply.status == 201]
        assert good and len({reply.body for reply in good}) == 1
        assert {reply.code for reply in replies if reply.status != 201} <= {"conflict"}
        assert rows(house, f"SELECT count(*) FROM {table}")[0][0] == before + 1


def test_a_refusal_may_be_tried_again_with_its_key(house):
    for path, bad, good in (("/api/exclusions", {"voter": 1}, {"voter": 1, "note": "x", "back": True}),
                            ("/api/keys", {"name": ""}, {"name": "fine"})):
        refused(house.lead.post(path, bad, key=f"again {path}"), "bad_request")
        assert house.lead.post(path, good, key=f"again {path}").status == 201


def test_keys_are_each_callers_own(house):
    one, two = voter_of(house), voter_of(house)
    for path in ("/api/account/link", "/api/consent"):
        body = {"scope": "export", "notice": one.get("/api/consent").json["notice"]} if "consent" in path else {}
        first, other = one.post(path, body, key="mine"), two.post(path, body, key="mine")
        assert first.status < 300 and other.status < 300
        assert path == "/api/consent" or first.json["link"] != other.json["link"]
    assert rows(house, "SELECT count(DISTINCT voter) FROM idempotency WHERE key = 'mine'")[0][0] == 2


def test_a_request_that_ended_with_the_server_is_not_done_again(house):
    with sqlite3.connect(house.data / "arena.db") as db:  # as a kill between the act and its answer leaves it
        db.execute("INSERT INTO idempotency SELECT voter, route, 'cut', request, 0, '', created_ms FROM idempotency"
                   " WHERE route = 'POST /api/publications' LIMIT 1")
    before = rows(house, "SELECT count(*) FROM publications")
    body = {"note": "once"}
    said = house.lead.post("/api/publications", body, key="cut")
    refused(said, "conflict")
    assert rows(house, "SELECT count(*) FROM publications") == before


def test_every_route_is_tried_here_or_elsewhere():
    posts = set(re.findall(r'\{"POST", "([^"]+)"', SOURCE.read_text()))
    source = pathlib.Path(__file__).read_text()
    elsewhere = {  # battles have their own tests; the socket's commands send no keys; the rest is done in one's session
        "/api/queue/next", "/api/evals", "/api/evals/*/resume", "/api/evals/*/stop", "/api/import",
        "/v1/chat/completions", "/api/account/password", "/api/account/erase", "/api/account/appeal", "/api/logout",
        "/api/review/*", "/api/access/key", "/api/campaigns/*/stop", "/api/campaigns/expect"}
    for path in posts - elsewhere:
        parts = [part for part in path.split("*") if part]
        assert path.startswith("/api/battles") or all(part in source for part in parts), path

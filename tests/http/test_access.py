"""Early access: from the request form to a working key, and everything that a stranger may try on the way."""
import csv
import io
import sqlite3
import time

import pytest

from arena_server import ArenaServer, wait_until
from contract import ok, refused

ASKING = {"name": "Ada", "email": "ada@example.org", "organisation": "Analytical", "use": "Ranking engines.\nDaily."}


@pytest.fixture(scope="module")
def open_house(provider):
    models = [provider.competitor("ours", in_house=True), provider.competitor("rival")]
    with ArenaServer(config={"competitors": models, "early_access": True}) as running:
        yield running


@pytest.fixture
def own(provider, tmp_path):
    with ArenaServer(config={**provider.config("left", "right"), "early_access": True}, data=tmp_path) as running:
        yield running


def ask(server, **more):
    stranger = server.voter()
    reply = ok(stranger.post("/api/access", {**ASKING, **more}), "access_asked", 201)
    link = reply["link"]
    assert reply["state"] == "pending" and link.startswith(f"{server.origin}/access/")
    return stranger, link.rsplit("/", 1)[1]


def state(stranger, token):
    return ok(stranger.post("/api/access/state", {"token": token}), "access_state")


def queue(admin):
    return ok(admin.get("/api/requests"), "access_requests")["requests"]


def decide(admin, number, **decision):
    return admin.post(f"/api/requests/{number}/decide", decision)


def test_from_the_form_to_a_working_key(open_house):
    admin = open_house.voter()
    stranger, token = ask(open_house)
    assert not stranger.cookies, "a stranger stays one"
    assert state(stranger, token)["state"] == "pending"
    [row] = queue(admin)
    assert (row["email"], row["use"], row["state"]) == ("ada@example.org", ASKING["use"], "pending")
    refused(stranger.post("/api/access/key", {"token": token}), "wrong_state")
    done = decide(admin, row["request_id"], state="approved", requests_per_minute=3, tokens_per_day=1000, days=7)
    assert ok(done, "access_decided")["state"] == "approved"
    seen = state(stranger, token)
    assert seen["key_waits"] and seen["grant"]["tokens_per_day"] == 1000
    made = ok(stranger.post("/api/access/key", {"token": token}), "key_created", 201)
    refused(stranger.post("/api/access/key", {"token": token}), "wrong_state")
    assert state(stranger, token)["key_id"] == made["key_id"]
    bearer = {"Authorization": f"Bearer {made['key']}"}
    body = {"model": "ours", "messages": [{"role": "user", "content": "hi"}]}
    assert stranger.post("/v1/chat/completions", body, headers=bearer).status == 200
    for _ in range(2):
        assert stranger.get("/v1/models", headers=bearer).status == 200
    assert 429 in [stranger.get("/v1/models", headers=bearer).status for _ in range(20)], "three a minute"

    def used():  # what was used is stored soon after it was answered
        [key] = ok(admin.get("/api/keys"), "keys")["keys"]
        return key["all"]["requests"] and key
    key = wait_until(used)
    assert key["name"] == "Ada" and key["tokens_per_day"] == 1000 and key["expires_ms"] == seen["grant"]["expires_ms"]
    if key["today"]["requests"]:  # else the day has ended since
        assert key["today"] == key["month"] == key["all"]
    assert made["key"] not in open_house.log() and token not in open_house.log()


def test_secrets_are_nowhere_in_the_database(own):
    admin = own.voter()
    stranger, token = ask(own)
    decide(admin, queue(admin)[0]["request_id"], state="approved")
    key = stranger.post("/api/access/key", {"token": token}).json["key"]
    stored = b"".join(path.read_bytes() for path in own.data.glob("arena.db*"))
    assert token.encode() not in stored and key.encode() not in stored
    acts = [row[0] for row in sqlite3.connect(own.data / "arena.db").execute("SELECT act FROM audit ORDER BY id")]
    assert acts == ["approve request", "create key"]


def test_waiting_and_refused(own):
    admin = own.voter()
    first, one = ask(own)
    second, two = ask(own, email="bob@example.org")
    ids = [row["request_id"] for row in queue(admin)]
    for number in ids:
        assert decide(admin, number, state="waiting").status == 200
    assert [state(first, one)["place"], state(second, two)["place"]] == [1, 2]
    refused(decide(admin, ids[0], state="refused"), "bad_request", "reason")
    assert decide(admin, ids[0], state="refused", reason="Not before May.").status == 200
    seen = state(first, one)
    assert (seen["state"], seen["reason"], seen["key_waits"]) == ("refused", "Not before May.", False)
    assert state(second, two)["place"] == 1
    refused(decide(admin, ids[0], state="approved"), "wrong_state", "decided")
    refused(decide(admin, "0" * 26, state="waiting"), "not_found")
    refused(decide(admin, ids[1], state="lost"), "bad_request", "waiting")


def test_a_lost_key_is_revoked_and_granted_anew(own):
    admin = own.voter()
    stranger, token = ask(own)
    [row] = queue(admin)
    decide(admin, row["request_id"], state="approved")
    lost = stranger.post("/api/access/key", {"token": token}).json
    refused(decide(admin, row["request_id"], state="approved"), "wrong_state", "revoke")
    assert admin.post(f"/api/keys/{lost['key_id']}/revoke").status == 200
    assert decide(admin, row["request_id"], state="approved").status == 200
    other = ok(stranger.post("/api/access/key", {"token": token}), "key_created", 201)
    assert other["key"] != lost["key"]
    assert stranger.get("/v1/models", headers={"Authorization": f"Bearer {lost['key']}"}).status == 401


@pytest.mark.parametrize("wrong, says", [
    ({"name": ""}, "name"), ({"name": "x" * 200}, "name"), ({"name": 7}, "name"),
    ({"email": "nobody"}, "email"), ({"email": "a b@c.d"}, "email"),
    ({"use": " \n"}, "use"), ({"use": "x" * 3000}, "use"), ({"organisation": "a\u0007b"}, "organisation"),
    ({"role": "admin"}, "role"),
])
def test_what_is_no_request(provider, tmp_path, wrong, says):
    with ArenaServer(config={**provider.config("left", "right"), "early_access": True}, data=tmp_path) as server:
        refused(server.voter().post("/api/access", {**ASKING, **wrong}), "bad_request", says)
        assert queue(server.voter()) == []


def test_requests_are_counted_by_address(own):
    begun = time.monotonic()
    replies = [own.voter().post("/api/access", ASKING) for _ in range(20)]
    let_in = [reply.status for reply in replies].count(201)
    assert 5 <= let_in <= 6 + 5 * (time.monotonic() - begun) / 60, "five at once, five a minute"
    for reply in replies:
        if reply.status != 201:
            refused(reply, "too_many")
            assert int(reply.headers["Retry-After"]) > 0


def test_a_guess_opens_nothing(open_house):
    stranger = open_house.voter()
    for guess in ("", "x", "A" * 43, "../../etc/passwd"):
        for path in ("state", "key"):
            refused(stranger.post(f"/api/access/{path}", {"token": guess}), "not_found")


def test_the_spreadsheet_computes_nothing(own):
    ask(own, name="=HYPERLINK(\"http://evil\")", use='+1, "quoted"\nlines', organisation="@lab")
    reply = own.voter().get("/api/requests?format=csv")
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    [head, row] = list(csv.reader(io.StringIO(reply.body.decode())))
    cells = dict(zip(head, row))
    assert cells["name"] == "'=HYPERLINK(\"http://evil\")" and cells["organisation"] == "'@lab"
    assert cells["use"] == '\'+1, "quoted"\nlines' and cells["state"] == "pending"


def test_off_by_default(provider, tmp_path):
    with ArenaServer(config=provider.config("left", "right"), data=tmp_path) as server:
        refused(server.voter().post("/api/access", ASKING), "not_found", "not offered")
        assert server.voter().get("/access").status == 404

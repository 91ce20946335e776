"""What somebody outside tries: planted sessions, foreign pages, rebound names, redirects, split headers, guesses, and
races. Every route that changes anything is tried, as the routes' own table lists them."""
import concurrent.futures
import pathlib
import re
import secrets
import sqlite3
import subprocess
import time

import pytest

from arena_server import ArenaServer, binary
from contract import ok, refused

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent / "arena" / "http" / "route.c"
LIMITS = {"/api/account/link": (20, 20), "/api/account/data": (60, 60),  # a minute, and at once
          "/api/join": (60, 60), "/api/login": (5, 10)}
POSTS = re.findall(r'\{"POST", "([^"]+)"', SOURCE.read_text())
ID = "0" * 26
PASSWORD = "a good long password"


def invite(server, *arguments):
    done = subprocess.run([binary(), "invite", *arguments, "--data", str(server.data)], capture_output=True, text=True,
                          check=True)
    return done.stdout.strip().rsplit("/", 1)[1]


def newcomer(server, role="voter", planted=None):
    voter = server.voter()
    if planted:
        voter.cookies["arena_voter"] = planted
    assert voter.post("/api/join", {"token": invite(server, "--role", role)}).status == 201
    voter.agree()
    return voter


@pytest.fixture(scope="module")
def house(provider):
    config = provider.config("left", "right", auth={"mode": "invite"}, limits={"min_votes": 1})
    with ArenaServer(config=config) as running:
        yield running


# --- sessions ---

def test_a_session_is_new_after_every_way_in(house):
    """Fixation: whatever cookie was there before, the one that opens the voter is a fresh one."""
    victim = newcomer(house, planted="B" * 43)
    first = victim.cookies["arena_voter"]
    assert first != "B" * 43
    assert victim.post("/api/account/password", {"name": "victim", "password": PASSWORD}).status == 200
    own = newcomer(house)  # the attacker's session, planted into the victim's other browser
    browser = house.voter()
    browser.cookies = dict(own.cookies)
    browser.post("/api/login", {"name": "victim", "password": PASSWORD})
    assert browser.cookies["arena_voter"] not in (first, own.cookies["arena_voter"])
    assert own.get("/api/account").json["name"] != "victim"


def test_a_session_that_was_signed_out_is_dead(house):
    voter = newcomer(house)
    copy = house.voter()
    copy.cookies = dict(voter.cookies)
    assert copy.get("/api/account").status == 200
    assert voter.post("/api/logout", {}).status == 200
    refused(copy.get("/api/account"), "unauthorized")


def test_a_new_password_ends_what_the_old_one_opened(house):
    """Whoever had the session or the password, and made a link to come back with, is out."""
    owner = newcomer(house)
    assert owner.post("/api/account/password", {"name": "mallet", "password": PASSWORD}).status == 200
    thief = house.voter()
    thief.cookies = dict(owner.cookies)
    link = thief.post("/api/account/link").json["link"].rsplit("/", 1)[1]
    elsewhere = house.voter()
    assert elsewhere.post("/api/login", {"name": "mallet", "password": PASSWORD}).status == 200
    before = owner.cookies["arena_voter"]
    body = {"name": "mallet", "password": "another good one", "current": PASSWORD}
    assert owner.post("/api/account/password", body).status == 200
    assert owner.cookies["arena_voter"] != before and owner.get("/api/account").json["name"] == "mallet"
    for lost in (thief, elsewhere):
        refused(lost.get("/api/account"), "unauthorized")
    refused(house.voter().post("/api/join", {"token": link}), "forbidden", "withdrawn")


def test_signing_out_everywhere_withdraws_links(house):
    voter = newcomer(house)
    link = voter.post("/api/account/link").json["link"].rsplit("/", 1)[1]
    assert voter.post("/api/logout", {"everywhere": True}).status == 200
    refused(house.voter().post("/api/join", {"token": link}), "forbidden", "withdrawn")


def test_a_neighbour_can_plant_no_session_over_https(provider):
    """A page of another name of the same domain can set any cookie there but one whose name begins with __Host-."""
    auth = {"mode": "invite", "hosts": ["arena.example"], "https": True}
    with ArenaServer(config=provider.config("left", "right", auth=auth)) as server:
        attacker = server.voter(origin=None)
        reply = attacker.post("/api/join", {"token": invite(server)})
        said = reply.headers["Set-Cookie"]
        assert said.startswith("__Host-arena_voter=") and "Secure" in said and "Domain" not in said
        assert "Path=/;" in said and attacker.get("/api/account").status == 200
        victim = server.voter(origin=None)
        victim.cookies = {"arena_voter": attacker.cookies["__Host-arena_voter"]}
        refused(victim.get("/api/account"), "unauthorized")


@pytest.mark.parametrize("method, path, body", [("POST", "/api/account/link", {}), ("GET", "/api/account/data", None)])
def test_one_voter_cannot_make_the_arena_busy(house, method, path, body):
    """What costs a row or a worker is throttled by voter, wherever the voter comes from."""
    voter = newcomer(house)
    per_minute, burst = LIMITS[path]
    begun = time.monotonic()
    replies = [voter.request(method, path, body) for _ in range(75)]
    allowed = burst + per_minute * (time.monotonic() - begun) / 60
    let_in = [reply for reply in replies if reply.status < 300]
    assert replies[0] in let_in and len(let_in) <= allowed + 1
    for reply in replies:
        assert reply in let_in or reply.status == 429 and int(reply.headers["Retry-After"]) >= 1
    assert newcomer(house).request(method, path, body).status < 300


# --- foreign pages ---

@pytest.mark.parametrize("path", POSTS)
def test_a_foreign_page_changes_nothing(house, path):
    """CSRF: a browser that is signed in as the administrator, on somebody else's page."""
    if path.startswith("/v1/"):
        pytest.skip("opened by a key in a header, which no foreign page has; cookies mean nothing to it")
    admin = getattr(house, "admin", None) or newcomer(house, "admin")
    house.admin = admin
    where = path.replace("*", ID)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"},
                    {"Origin": None, "Sec-Fetch-Site": "cross-site"}, {"Origin": house.origin + ".evil.example"}):
        refused(admin.post(where, {}, headers=headers), "bad_origin")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        refused(admin.request("POST", where, b"{}", {"Content-Type": kind}), "media_type")


def test_a_rebound_name_is_not_answered(house):
    for host in ("evil.example", f"evil.example:{house.port}", "127.0.0.1.evil.example", "localhost.evil.example",
                 "[::2]"):
        reply = house.voter().get("/api/models", {"Host": host})
        refused(reply, "bad_host")
        assert "Access-Control-Allow-Origin" not in reply.headers


# --- redirects and headers ---

def test_nothing_redirects(house):
    """No answer has a Location, so none can be pointed elsewhere."""
    voter = newcomer(house)
    for path in ("/", "//evil.example", "/login?next=https://evil.example", "/join/x?next=//evil.example",
                 "/account?return=//evil.example", "/leaderboard?redirect=https://evil.example",
                 "/%2f%2fevil.example/"):
        reply = voter.get(path)
        assert reply.status < 300 or reply.status >= 400, reply
        assert "Location" not in reply.headers and "Refresh" not in reply.headers
        assert b"evil.example" not in reply.body


@pytest.mark.parametrize("path", ["/x%0d%0aSet-Cookie:%20a=b", "/join/x%0d%0aSet-Cookie:%20a=b",
                                  "/api/battles/a%0d%0aX-Evil:%201", "/api/leaderboard?category=a%0d%0aX-Evil:%201"])
def test_no_header_is_smuggled_in(house, path):
    reply = newcomer(house).get(path)
    assert "X-Evil" not in reply.headers and "a=b" not in (reply.headers.get("Set-Cookie") or "")


def test_what_is_echoed_is_no_header(house):
    voter = newcomer(house)
    reply = voter.post("/api/account/password", {"name": "a\r\nX-Evil: 1", "password": PASSWORD})
    assert "X-Evil" not in reply.headers
    reply = voter.get("/api/models", {"If-None-Match": '"a", X-Evil', "Last-Event-ID": "1 X-Evil: 1"})
    assert "X-Evil" not in reply.headers


# --- guessing ---

def test_guessed_battles_look_like_none(house):
    """Somebody else's battle and one that there is not are refused with the same bytes."""
    owner, other = newcomer(house), newcomer(house)
    battle, _ = owner.ready()
    for action in ("", "/events"):
        theirs, none = other.get(f"/api/battles/{battle}{action}"), other.get(f"/api/battles/{ID}{action}")
        assert (theirs.status, theirs.body) == (none.status, none.body) == (404, none.body)
    for action in ("vote", "skip", "stop", "reveal", "private", "turns", "regenerate"):
        body = {"vote": {"winner": "tie"}, "private": {"private": True}, "turns": {"prompt": "x"}}.get(action, {})
        theirs, none = (other.post(f"/api/battles/{name}/{action}", body) for name in (battle, ID))
        assert (theirs.status, theirs.body) == (none.status, none.body) == (404, none.body)
    assert owner.get(f"/api/battles/{battle}").json["state"] == "ready"


def test_ids_and_tokens_cannot_be_counted_up(house):
    """Ids are 128 random bits or more; tokens 256, and only their digests are stored, so that finding one takes no
    comparison with a secret: how long a look-up takes tells of digests alone."""
    battles = [newcomer(house).ready()[0] for _ in range(3)]
    assert len({name[:6] for name in battles}) == 3 and all(re.fullmatch("[0-9a-z]{26}", name) for name in battles)
    tokens = [invite(house) for _ in range(3)]
    assert all(re.fullmatch(r"[\w-]{43}", token) for token in tokens) and len({token[:4] for token in tokens}) == 3
    with sqlite3.connect(house.data / "arena.db") as db:
        for table in ("voter_sessions", "invitations", "api_keys"):
            assert all(len(row[0]) == 32 for row in db.execute(f"SELECT token_hash FROM {table}"))


@pytest.mark.parametrize("path, body", [("/api/join", lambda: {"token": secrets.token_urlsafe(32)}),
                                        ("/api/login", lambda: {"name": "victim", "password": secrets.token_hex(8)})])
def test_guesses_are_throttled(provider, path, body):
    with ArenaServer(config=provider.config("left", "right", auth={"mode": "invite"})) as house:
        per_minute, burst = LIMITS[path]
        begun = time.monotonic()
        replies = [house.voter().post(path, body()) for _ in range(120)]
        allowed = burst + per_minute * (time.monotonic() - begun) / 60
        throttled = [reply for reply in replies if reply.status == 429]
        assert 120 - len(throttled) <= allowed + 1
        assert all(int(reply.headers["Retry-After"]) >= 1 for reply in throttled)
        assert not any("Set-Cookie" in reply.headers for reply in replies)


# --- races ---

def test_parallel_votes_on_one_battle(house):
    """Forty connections with different wishes: one vote is counted, everybody else is told which."""
    voter = newcomer(house)
    battle, _ = voter.ready()
    wishes = ["model_a", "model_b", "tie", "both_bad"] * 10
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(lambda wish: voter.vote(battle, wish), wishes))
    won = [reply for reply in replies if reply.status == 200]
    assert len(won) == 1
    winner = ok(won[0], "vote_answer")["winner"]
    for reply in replies:
        if reply is not won[0] and reply.status != 429:
            assert refused(reply, "already_voted")["winner"] == winner
    with sqlite3.connect(house.data / "arena.db") as db:
        assert db.execute("SELECT count(*) FROM votes v JOIN battles b ON b.number = v.battle WHERE b.id = ?",
                          (battle,)).fetchone() == (1,)


def test_one_link_opened_by_many_at_once(house):
    token = invite(house)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: house.voter().post("/api/join", {"token": token}), range(20)))
    assert sorted(reply.status for reply in replies).count(201) == 1


def test_two_passwords_at_once(house):
    """Both know the old one while the slow check runs; the first to be stored ends that, and the other is told."""
    owner = newcomer(house)
    assert owner.post("/api/account/password", {"name": "trudy", "password": PASSWORD}).status == 200
    thief = house.voter()
    thief.cookies = dict(owner.cookies)
    bodies = [{"name": "trudy", "password": f"another good one {who}", "current": PASSWORD} for who in range(2)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        login = pool.submit(house.voter().post, "/api/login", {"name": "trudy", "password": PASSWORD})
        replies = list(pool.map(lambda one, body: one.post("/api/account/password", body), (owner, thief), bodies))
    statuses = [reply.status for reply in replies]
    assert statuses.count(200) == 1 and login.result().status in (200, 401, 409)
    first = statuses.index(200)  # asked first, too: wrong ones before it would have it wait

    def enter(body):
        return house.voter().post("/api/login", {"name": "trudy", "password": body["password"]}).status
    assert enter(bodies[first]) == 200 and enter(bodies[1 - first]) in (401, 429)

"""Every route as nobody and as every role. A route without a row here fails the test."""
import pathlib
import re
import subprocess

import pytest

from arena_server import ArenaServer, binary

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent / "arena" / "http" / "route.c"
ROLES = ("voter", "analyst", "admin")
ID = "0" * 26

ANYONE = {"nobody": True, "voter": True, "analyst": True, "admin": True}
VOTER = {"nobody": False, "voter": True, "analyst": True, "admin": True}
ADMIN = {"nobody": False, "voter": False, "analyst": False, "admin": True}
ANALYST = {"nobody": False, "voter": False, "analyst": True, "admin": True}
NONE = {"nobody": False, "voter": False, "analyst": False, "admin": False}

# method and pattern: who may, and a body that gets past the door
ROWS = {
    ("GET", "/healthz"): (ANYONE, None),
    ("GET", "/metrics"): (ADMIN, None),
    ("GET", "/api/battles"): (VOTER, None),
    ("POST", "/api/battles"): (VOTER, {"prompt": "hello"}),
    ("GET", "/api/battles/*"): (VOTER, None),
    ("GET", "/api/battles/*/events"): (VOTER, None),
    ("POST", "/api/battles/*/turns"): (VOTER, {"prompt": "hello"}),
    ("POST", "/api/battles/*/vote"): (VOTER, {"winner": "tie"}),
    ("POST", "/api/battles/*/feedback"): (VOTER, {}),
    ("POST", "/api/battles/*/reveal"): (VOTER, {}),
    ("POST", "/api/battles/*/private"): (VOTER, {"private": True}),
    ("POST", "/api/battles/*/stop"): (VOTER, {}),
    ("POST", "/api/battles/*/skip"): (VOTER, {}),
    ("POST", "/api/battles/*/regenerate"): (VOTER, {}),
    ("GET", "/api/leaderboard"): (VOTER, None),
    ("GET", "/api/models"): (VOTER, None),
    ("GET", "/api/consent"): (VOTER, None),
    ("POST", "/api/consent"): (VOTER, {"scope": "inside", "notice": "x"}),
    ("POST", "/api/login"): (None, {"name": "x", "password": "a wrong one"}),
    ("POST", "/api/logout"): (VOTER, {"everywhere": "perhaps"}),
    ("GET", "/api/account"): (VOTER, None),
    ("GET", "/api/account/data"): (VOTER, None),
    ("GET", "/api/account/leaderboard"): (VOTER, None),
    ("POST", "/api/account/password"): (VOTER, {"name": "", "password": "short"}),
    ("POST", "/api/account/confirm"): (VOTER, {}),
    ("POST", "/api/account/link"): (VOTER, {}),
    ("POST", "/api/account/erase"): (VOTER, {}),
    ("POST", "/api/account/appeal"): (VOTER, {"text": "It was me."}),
    ("POST", "/api/join"): (ANYONE, {"token": "x"}),
    ("GET", "/api/people"): (ADMIN, None),
    ("POST", "/api/people/*/change"): (ADMIN, {}),
    ("POST", "/api/people/*/signout"): (ADMIN, {}),
    ("GET", "/api/suspects"): (ADMIN, None),
    ("GET", "/api/moderation"): (ADMIN, None),
    ("GET", "/api/audit"): (ADMIN, None),
    ("POST", "/api/sampling"): (ANALYST, {}),
    ("GET", "/api/invitations"): (ADMIN, None),
    ("POST", "/api/invitations"): (ADMIN, {}),
    ("POST", "/api/invitations/*/revoke"): (ADMIN, {}),
    ("GET", "/api/publications"): (ANALYST, None),
    ("POST", "/api/publications"): (ADMIN, {"note": "tried"}),
    ("POST", "/api/exclusions"): (ADMIN, {}),
    ("GET", "/api/review"): (ANALYST, None),
    ("POST", "/api/review/*"): (ANALYST, {"release": True}),
    ("GET", "/api/why"): (ANALYST, None),
    ("GET", "/api/why/lost"): (ANALYST, None),
    ("GET", "/api/why/battles/*"): (ANALYST, None),
    ("GET", "/api/evals"): (ANALYST, None),
    ("GET", "/api/evals/*/report"): (ANALYST, None),
    ("GET", "/api/evals/*/prompt"): (ANALYST, None),
    ("POST", "/api/evals"): (NONE, {}),  # over the data directory's socket only, as the two below and
    ("POST", "/api/evals/*/resume"): (NONE, {}),
    ("POST", "/api/evals/*/stop"): (NONE, {}),
    ("POST", "/api/import"): (NONE, {}),  # over the data directory's socket only
    ("GET", "/api/roster"): (ADMIN, None),
    ("GET", "/api/roster/versions"): (ADMIN, None),
    ("POST", "/api/roster"): (ADMIN, {"action": "pause", "name": "nobody"}),
    ("POST", "/api/access"): (ANYONE, {}),
    ("POST", "/api/access/state"): (ANYONE, {"token": "x"}),
    ("POST", "/api/access/key"): (ANYONE, {"token": "x"}),
    ("GET", "/api/requests"): (ADMIN, None),
    ("POST", "/api/requests/*/decide"): (ADMIN, {"state": "waiting"}),
    ("GET", "/api/keys"): (ADMIN, None),
    ("POST", "/api/keys"): (ADMIN, {"name": "tests"}),
    ("POST", "/api/keys/*/revoke"): (ADMIN, {}),
    ("GET", "/api/campaigns"): (ANALYST, None),
    ("POST", "/api/campaigns"): (ADMIN, {}),
    ("POST", "/api/campaigns/expect"): (ANALYST, {}),
    ("GET", "/api/campaigns/*"): (ANALYST, None),
    ("GET", "/api/campaigns/*/report"): (ANALYST, None),
    ("POST", "/api/campaigns/*/stop"): (ADMIN, {}),
    ("GET", "/api/queue"): (VOTER, None),
    ("POST", "/api/queue/next"): (VOTER, {}),
    # A key decides here, not a role: without one everybody is refused by the handler.
    ("POST", "/v1/chat/completions"): (None, {"model": "left", "messages": [{"role": "user", "content": "x"}]}),
    ("GET", "/v1/models"): (None, None),
    ("GET", "/v1/models/*"): (None, None),
}


def routes():
    return set(re.findall(r'\{"(GET|POST)", "([^"]+)"', SOURCE.read_text()))


@pytest.fixture(scope="module")
def arena(provider):
    config = provider.config("left", "right", auth={"mode": "invite", "hosts": ["arena.example"], "https": True})
    with ArenaServer(config=config) as server:
        server.cookies = {"nobody": {}}
        for role in ROLES:
            link = subprocess.run([binary(), "invite", "--role", role, "--data", str(server.data)],
                                  capture_output=True, text=True, check=True).stdout.strip()
            newcomer = server.voter(origin=None)
            assert newcomer.post("/api/join", {"token": link.rsplit("/", 1)[1]}).json["role"] == role
            newcomer.agree()
            newcomer.post("/api/account/password", {"name": role, "password": "typed just now"})  # acts ask for it
            server.cookies[role] = newcomer.cookies
        yield server


def test_every_route_has_its_row():
    assert routes() - set(ROWS) == set()


@pytest.mark.parametrize("who", ["nobody", *ROLES])
@pytest.mark.parametrize("method, pattern", sorted(routes() & set(ROWS)))
def test_who_may(arena, who, method, pattern):
    allowed, body = ROWS[method, pattern]
    voter = arena.voter(origin=None)
    voter.cookies = dict(arena.cookies[who])
    reply = voter.request(method, pattern.replace("*", ID), body)
    if allowed is None:
        assert reply.status == 401, reply
    elif allowed[who]:
        assert reply.status < 500 and reply.status not in (401, 403), reply
    else:
        refusal = (401, "unauthorized") if who == "nobody" else (403, "forbidden")
        assert (reply.status, reply.code) == refusal, reply
        guessed = voter.request(method, pattern.replace("*", ID), body, {"If-None-Match": "*"})
        assert (guessed.status, guessed.code) == refusal, guessed  # not a 304, which would tell what is there

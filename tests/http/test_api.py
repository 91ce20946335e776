"""Every route, asked rightly and wrongly; every reply against the published schema."""
import concurrent.futures
import re
import threading

import pytest

from arena_server import ArenaServer, wait_until
from contract import ERRORS, FOLDER, check, ok, refused

NOBODY = "00000000000000000000000000"


def test_error_words_are_the_published_ones():
    source = (FOLDER.parent / "arena" / "base" / "err.h").read_text()
    rows = re.findall(r'X\((?:ERR_\w+), (\d+), "(\w+)"\)', source)
    assert [(word, int(status)) for status, word in rows if word != "ok"] == \
        [(row["code"], row["status"]) for row in ERRORS["codes"]]


def test_every_route_is_published():
    routes = re.findall(r'\{"(GET|POST)", "([^"]+)"', (FOLDER.parent / "arena" / "http" / "route.c").read_text())
    published = (FOLDER / "openapi.yaml").read_text()
    for method, pattern in routes:
        path = re.escape(pattern).replace(r"\*", r"\{\w+\}")
        block = re.search(rf"\n  {path}:\n((?:    .*\n)+)", published)
        assert block and f"    {method.lower()}:" in block.group(1), (method, pattern)


def test_health_and_models(voter):
    ok(voter.get("/healthz"), "health")
    models = ok(voter.get("/api/models"), "models")["models"]
    assert [model["name"] for model in models] == ["left", "right"]


def test_head_is_get_without_a_body(voter):
    got, head = voter.get("/api/models"), voter.request("HEAD", "/api/models")
    assert head.status == 200 and head.body == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


def test_a_whole_battle(voter):
    started = ok(voter.post("/api/battles", {"prompt": "say something"}), "battle_step", 201)
    battle = started["battle_id"]
    events = voter.events(battle)
    assert events.status == 200 and events.headers["Content-Type"] == "text/event-stream"
    seen = events.until("ready")
    for event in seen:
        check(f"event_{event.kind}", event.data)
    assert [event.id for event in seen] == list(range(seen[0].id, seen[0].id + len(seen)))
    deltas = [event.data for event in seen if event.kind == "delta"]
    texts = {lane: "".join(data["text"] for data in deltas if data["lane"] == lane) for lane in "ab"}
    assert sorted(texts.values()) == ["Apples.", "Rivers."]

    shown = ok(voter.get(f"/api/battles/{battle}"), "battle")
    assert shown["state"] == "ready" and "models" not in shown
    assert {lane: shown["turns"][0][lane]["text"] for lane in "ab"} == texts
    listed = ok(voter.get("/api/battles"), "battle_list")["battles"]
    assert [row["battle_id"] for row in listed] == [battle] and "models" not in listed[0]

    vote = ok(voter.vote(battle, "model_b"), "vote_answer")
    assert vote["winner"] == "model_b" and vote["counted"] is True
    names = {lane: vote["models"][lane]["name"] for lane in "ab"}
    assert {names[lane]: texts[lane] for lane in "ab"} == {"left": "Apples.", "right": "Rivers."}
    rest = list(events)
    assert [event.kind for event in rest] == ["voted"]
    check("event_voted", rest[0].data)
    after = ok(voter.get(f"/api/battles/{battle}"), "battle")
    assert after["models"] == vote["models"] and after["commitment"] == started["commitment"]
    # The log has ended and was read: an EventSource must not come back for ever.
    assert voter.events(battle, last_id=rest[0].id).status == 204


def test_turns_regenerate_and_stop(voter, provider):
    battle, _ = voter.ready("first")
    ok(voter.post(f"/api/battles/{battle}/turns", {"prompt": "second"}), "battle_step")
    events = voter.events(battle)
    ready = [event for event in events.until("ready")]
    while ready[-1].data["turn"] != 2:
        ready = events.until("ready")
    assert {e.data["turn"] for e in ready if e.kind == "delta"} == {2}
    ok(voter.post(f"/api/battles/{battle}/regenerate"), "battle_step")
    again = events.until("ready")
    assert again[0].kind == "reset" and again[0].data == {"turn": 2}

    provider.scripts["left"].gap = provider.scripts["right"].gap = 0.5
    provider.scripts["left"].text = provider.scripts["right"].text = "word " * 100
    ok(voter.post(f"/api/battles/{battle}/turns", {"prompt": "third"}), "battle_step")
    while True:
        event = next(iter(events))
        if event.kind == "delta" and event.data["turn"] == 3:
            break
    refused(voter.vote(battle), "wrong_state", "still coming")
    stopped = ok(voter.post(f"/api/battles/{battle}/stop"), "battle_step")
    assert stopped["turn"] == 3
    events.until("ready")
    events.close()
    shown = ok(voter.get(f"/api/battles/{battle}"), "battle")
    assert shown["state"] == "ready" and len(shown["turns"]) == 3
    asked = [call["messages"] for call in provider.calls[-2:]]
    for messages in asked:
        assert [m["content"] for m in messages if m["role"] == "user"] == ["first", "second", "third"]
    ok(voter.vote(battle, "tie"), "vote_answer")


def test_skip_reveals_nothing(voter):
    battle, _ = voter.ready()
    skipped = ok(voter.post(f"/api/battles/{battle}/skip"), "battle_step")
    assert skipped["state"] == "skipped" and "models" not in skipped
    refused(voter.vote(battle), "wrong_state", "skipped")
    refused(voter.post(f"/api/battles/{battle}/turns", {"prompt": "x"}), "wrong_state")
    assert [e.kind for e in voter.events(battle)][-1] == "void"


def test_vote_without_reveal_then_feedback_then_names(voter):
    battle, _ = voter.ready()
    refused(voter.post(f"/api/battles/{battle}/reveal"), "wrong_state")
    refused(voter.post(f"/api/battles/{battle}/feedback", {"comment": "early"}), "wrong_state")
    vote = ok(voter.vote(battle, "both_bad", reveal=False), "vote_answer")
    assert vote["models"] is None and vote["winner"] == "both_bad"
    assert ok(voter.get(f"/api/battles/{battle}"), "battle")["models"] is None
    body = refused(voter.vote(battle, "tie"), "already_voted")
    assert body["winner"] == "both_bad" and body["models"] is None
    ok(voter.post(f"/api/battles/{battle}/feedback", {"reasons": ["clear"], "comment": "fine", "recognised": None}),
       "vote_answer")
    names = ok(voter.post(f"/api/battles/{battle}/reveal"), "vote_answer")["models"]
    assert {names["a"]["name"], names["b"]["name"]} == {"left", "right"}
    refused(voter.post(f"/api/battles/{battle}/feedback", {"comment": "late"}), "wrong_state")


def test_a_second_vote(voter):
    battle, _ = voter.ready()
    first = ok(voter.vote(battle, "model_a", key="one"), "vote_answer")
    assert ok(voter.vote(battle, "model_a", key="one"), "vote_answer") == first
    body = refused(voter.vote(battle, "model_b", key="two"), "already_voted")
    assert body["winner"] == "model_a" and body["models"] == first["models"]
    body = refused(voter.vote(battle, "model_b"), "already_voted")
    assert body["winner"] == "model_a"
    refused(voter.vote(battle, "model_b", key="one"), "conflict")


def test_idempotent_start_and_turn(voter, provider):
    first = voter.post("/api/battles", {"prompt": "once"}, key="start-1")
    battle = ok(first, "battle_step", 201)["battle_id"]
    again = voter.post("/api/battles", {"prompt": "once"}, key="start-1")
    assert ok(again, "battle_step", 201)["battle_id"] == battle
    refused(voter.post("/api/battles", {"prompt": "other"}, key="start-1"), "conflict")
    voter.events(battle).until("ready")
    calls = len(provider.calls)
    for _ in range(2):
        ok(voter.post(f"/api/battles/{battle}/turns", {"prompt": "next"}, key="turn-1"), "battle_step")
    events = voter.events(battle)
    while events.until("ready")[-1].data["turn"] != 2:
        pass
    events.close()
    assert len(provider.calls) == calls + 2
    refused(voter.post("/api/battles", {"prompt": "x"}, key="k" * 129), "bad_request", "Idempotency-Key")


def test_somebody_elses_battle(server, voter):
    battle, _ = voter.ready()
    for other in (server.voter(), server.voter()):
        if other is not None and not other.cookies:
            other.get("/api/battles")
        for answer in (other.get(f"/api/battles/{battle}"), other.vote(battle),
                       other.post(f"/api/battles/{battle}/skip"),
                       other.post(f"/api/battles/{battle}/turns", {"prompt": "x"})):
            refused(answer, "not_found")
        assert other.events(battle).status == 404
        assert ok(other.get("/api/battles"), "battle_list") == {"battles": [], "next": None}
        other.start()  # and the same as a voter with a session
        refused(other.get(f"/api/battles/{battle}"), "not_found")
        refused(other.vote(battle), "not_found")
        assert other.events(battle).status == 404
    assert ok(voter.get(f"/api/battles/{battle}"), "battle")["state"] == "ready"


def test_the_list_goes_on(voter):
    made = [voter.ready(f"number {i}")[0] for i in range(3)]
    first = ok(voter.get("/api/battles?limit=2"), "battle_list")
    assert [row["battle_id"] for row in first["battles"]] == made[:0:-1]
    rest = ok(voter.get(f"/api/battles?limit=2&before={first['next']}"), "battle_list")
    assert [row["battle_id"] for row in rest["battles"]] == made[:1] and rest["next"] is None
    for bad in ("0", "101", "x", "-1", "1.5"):
        refused(voter.get(f"/api/battles?limit={bad}"), "bad_request", "limit")


BAD_BODIES = [
    ({"prompt": ""}, "prompt_empty"), ({"prompt": " \n\t"}, "prompt_empty"), ({}, "bad_request"),
    ({"prompt": 5}, "bad_request"), ({"prompt": None}, "bad_request"), ({"prompt": ["x"]}, "bad_request"),
    ({"prompt": "x", "extra": 1}, "bad_request"), ({"prompt": "x" * 32769}, "prompt_too_long"),
    (b"", "bad_request"), (b"{", "bad_json"), (b"[]", "bad_request"), (b'"x"', "bad_json"), (b"null", "bad_json"),
    (b'{"prompt":"x"} {}', "bad_json"), (b'{"prompt":"x","prompt":"y"}', "bad_json"), (b"{'prompt':'x'}", "bad_json"),
    (b'{"prompt":"\xff"}', "bad_utf8"), (b'{"prompt":"\\ud800"}', "bad_json"), (b'{"prompt":"a\\u0000b"}', "bad_json"),
    (b'{"prompt":' + b"[" * 100 + b"]" * 100 + b"}", "bad_json"), (b'{"prompt":NaN}', "bad_json"),
    (b'{"prompt":"x' + b" " * (256 << 10) + b'"}', "too_large"),
]


@pytest.mark.parametrize("body,code", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_bad_bodies(voter, body, code):
    answer = voter.post("/api/battles", body)
    # A top-level value of the wrong kind may be called either; both are 400.
    if code in ("bad_json", "bad_request") and answer.status == 400:
        assert answer.code in ("bad_json", "bad_request", "bad_utf8"), answer
    refused(answer, answer.code if answer.status == 400 and code != "bad_utf8" and code != "prompt_empty" else code)
    assert answer.status == {"prompt_too_long": 413, "too_large": 413}.get(code, 400)


def test_longest_prompt_is_taken(voter):
    battle, _ = voter.ready("ä" * 16384)
    turn = voter.get(f"/api/battles/{battle}").json["turns"][0]
    assert turn["prompt"] == "ä" * 16384


def test_prompts_are_not_trimmed(voter, provider):
    battle, _ = voter.ready("  two spaces, a tab\t\nand a line \n")
    assert voter.get(f"/api/battles/{battle}").json["turns"][0]["prompt"] == "  two spaces, a tab\t\nand a line \n"
    assert provider.calls[-1]["messages"][-1]["content"] == "  two spaces, a tab\t\nand a line \n"


@pytest.mark.parametrize("body", [{}, {"winner": "a"}, {"winner": "tie (bothbad)"}, {"winner": 1}, {"winner": None},
                                  {"winner": "tie", "reveal": "no"}, {"winner": "tie", "x": 1}])
def test_bad_votes(voter, body):
    battle, _ = voter.ready()
    refused(voter.post(f"/api/battles/{battle}/vote", body), "bad_request")
    ok(voter.vote(battle, "tie"), "vote_answer")


@pytest.mark.parametrize("identity", [NOBODY, "x", "a" * 27, "A" * 26, "..%2f..%2fetc", "%20", "ä", "'%20OR%201=1--"])
def test_unknown_battles(voter, identity):
    voter.start()
    for answer in (voter.get(f"/api/battles/{identity.replace('ä', '%C3%A4')}"),
                   voter.vote(identity.replace("ä", "%C3%A4"))):
        assert answer.status == 404 and answer.code == "not_found", answer


def test_unknown_places(voter):
    refused(voter.get("/api/nothing"), "not_found")
    refused(voter.get("/api/battles/"), "not_found")
    refused(voter.get("/api/battles/x/y/z"), "not_found")
    refused(voter.get("/nothing"), "not_found")
    page = voter.get("/nothing", {"Accept": "text/html,*/*"})
    assert page.status == 404 and page.headers["Content-Type"].startswith("text/html")
    refused(voter.get("/../../etc/passwd"), "not_found")
    refused(voter.get("/%2e%2e/%2e%2e/etc/passwd"), "not_found")


@pytest.mark.parametrize("method,path,allow", [
    ("POST", "/api/models", "GET, HEAD"), ("DELETE", "/api/battles", "GET, HEAD, POST"),
    ("GET", f"/api/battles/{NOBODY}/vote", "POST"),
    ("PUT", "/healthz", "GET, HEAD"), ("OPTIONS", "/api/battles", "GET, HEAD, POST"), ("PATCH", "/", "GET, HEAD"),
    ("TRACE", "/healthz", "GET, HEAD"), ("FROBNICATE", "/api/models", "GET, HEAD")])
def test_other_methods(voter, method, path, allow):
    answer = voter.request(method, path)
    refused(answer, "method_not_allowed")
    assert answer.headers["Allow"] == allow
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.fixture
def first(provider):
    """The first voter of an arena."""
    with ArenaServer(config=provider.config("left", "right", limits={"min_votes": 1})) as fresh:
        yield fresh.voter()


def test_leaderboard(first):
    voter = first
    battle, _ = voter.ready()
    voter.vote(battle, "model_a")
    voter.board(1)
    answer = voter.get("/api/leaderboard")
    board = ok(answer, "leaderboard")
    assert board["votes"] == 1
    assert {row["model"] for row in board["models"] + board["unranked"]} == {"left", "right"}
    tag = answer.headers["ETag"]
    assert voter.get("/api/leaderboard", {"If-None-Match": tag}).status == 304
    assert voter.get("/api/leaderboard", {"If-None-Match": '"other"'}).status == 200
    packed = voter.get("/api/leaderboard", {"Accept-Encoding": "gzip"})
    if packed.headers["Content-Encoding"] == "gzip":
        import gzip
        assert gzip.decompress(packed.body) == answer.body
    battle, _ = voter.ready()
    voter.vote(battle, "model_b")
    wait_until(lambda: voter.get("/api/leaderboard", {"If-None-Match": tag}).status == 200)
    for query in ("method=elo", "method=bt", "style=0", "category="):
        ok(voter.get(f"/api/leaderboard?{query}"), "leaderboard")
    refused(voter.get("/api/leaderboard?style=2"), "bad_request", "style")
    assert voter.get("/api/leaderboard?method=magic").status in (400, 404)
    # What no vote is of is named, with what there is; LMArena's own categories may be empty.
    text = refused(voter.get("/api/leaderboard?category=nothing"), "bad_request", "nothing")["error"]["message"]
    assert "creative_writing" in text and "korean" in text
    assert ok(voter.get("/api/leaderboard?category=hard_prompts"), "leaderboard")["votes"] == 0
    for query, what in (("judge=nobody", "human, model or any"), ("voids=wins", "none or losses"),
                        ("method=elo&style=1", "elo"), ("method=elo&voids=losses", "elo")):
        refused(voter.get(f"/api/leaderboard?{query}"), "bad_request", what)
    for query in ("judge=human", "judge=any", "judge=model", "voids=losses", "voids=none",
                  "voids=losses&category=math"):
        board = ok(voter.get(f"/api/leaderboard?{query}"), "leaderboard")
        assert board["filter"]["judge"] == ("human" if "judge" not in query else query[6:])


def test_security_headers_on_everything(voter):
    for path in ("/", "/leaderboard", "/api/models", "/api/nothing", "/favicon.svg", "/healthz"):
        headers = voter.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "Server" not in headers
    page = voter.get("/").headers["Content-Security-Policy"]
    assert "trusted-types 'none'" in page and "require-trusted-types-for 'script'" in page
    assert "unsafe" not in page
    assert voter.get("/api/models").headers["Cache-Control"] == "no-store"


def test_pages_and_their_caching(voter):
    import gzip
    page = voter.get("/")
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    packed = voter.get("/", {"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip" and gzip.decompress(packed.body) == page.body
    assert "Accept-Encoding" in packed.headers["Vary"]
    for tag in (page.headers["ETag"], packed.headers["ETag"], "*", f'"x", W/{page.headers["ETag"]}'):
        same = voter.get("/", {"If-None-Match": tag})
        assert same.status == 304 and same.body == b""
    assert voter.get("/", {"Accept-Encoding": "gzip;q=0"}).headers["Content-Encoding"] is None
    version = page.headers["ETag"].strip('"')
    assert "immutable" in voter.get(f"/?v={version}").headers["Cache-Control"]
    assert "immutable" not in voter.get("/?v=old").headers["Cache-Control"]


def test_the_cookie(server):
    fresh = server.voter()
    answer = fresh.post("/api/battles", {"prompt": "x"})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Secure" not in cookie
    assert fresh.get("/api/battles").headers["Set-Cookie"] is None
    for value in ("", "x" * 43, "../../x", "x" * 5000):
        bad = server.voter()
        bad.cookies["arena_voter"] = value
        assert ok(bad.get("/api/battles"), "battle_list")["battles"] == []


def test_origin_and_host(server, voter):
    start = ("/api/battles", {"prompt": "x"})
    for origin in ("http://evil.example", "null", "https://" + server.origin[7:], server.origin + "0",
                   "http://localhost"):
        refused(voter.post(*start, headers={"Origin": origin}), "bad_origin")
    for site in ("cross-site", "same-site"):
        refused(voter.post(*start, headers={"Origin": None, "Sec-Fetch-Site": site}), "bad_origin")
    for headers in ({"Origin": None}, {"Sec-Fetch-Site": "same-origin"}):
        begun = ok(voter.post(*start, headers=headers), "battle_step", 201)
        ok(voter.post(f"/api/battles/{begun['battle_id']}/skip"), "battle_step")
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "", "a b"):
        refused(voter.get("/api/models", {"Host": host}), "bad_host")
    for host in (f"localhost:{server.port}", "127.0.0.1", "[::1]:9"):
        assert voter.get("/api/models", {"Host": host}).status == 200
    # A rebound name fails even where Origin and Host agree.
    refused(voter.post(*start, headers={"Host": "evil.example", "Origin": "http://evil.example"}), "bad_host")


def test_only_json(server, voter):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                 "application/jsonx", None):
        refused(voter.request("POST", "/api/battles", b'{"prompt":"x"}', {"Content-Type": kind}), "media_type")
    ok(voter.request("POST", "/api/battles", b'{"prompt":"x"}', {"Content-Type": "application/json;charset=UTF-8"}),
       "battle_step", 201)


def test_metrics(voter):
    text = voter.get("/metrics")
    assert text.status == 200 and text.headers["Content-Type"].startswith("text/plain")
    for line in text.body.decode().splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) arena_\w+ .+|arena_\w+(\{(\w+="[^"]*",?)+\})? [-+.0-9e]+', line), line


def test_too_many_at_once(voter, provider):
    provider.scripts["left"].hold = provider.scripts["right"].hold = threading.Event()
    battle = voter.start()
    answer = voter.post("/api/battles", {"prompt": "another"})
    refused(answer, "too_many", "a battle is streaming for you already: wait for it, or stop it")
    assert int(answer.headers["Retry-After"]) >= 1
    ok(voter.post(f"/api/battles/{battle}/skip"), "battle_step")
    voter.start()


def test_one_battle_streams_however_many_ask_at_once(server, provider):
    voter = server.voter()
    waiting = [voter.ready()[0] for _ in range(6)]
    provider.scripts["left"].hold = provider.scripts["right"].hold = threading.Event()
    for act, body in (("/turns", {"prompt": "and?"}), ("/regenerate", {}), (None, {"prompt": "hello"})):
        paths = [f"/api/battles/{battle}{act}" if act else "/api/battles" for battle in waiting]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            replies = list(pool.map(lambda path: voter.post(path, body), paths))
        begun = [reply for reply in replies if reply.status < 300]
        assert len(begun) == 1 and {reply.code for reply in replies if reply.status >= 300} == {"too_many"}, replies
        battle = begun[0].json["battle_id"]
        ok(voter.post(f"/api/battles/{battle}/skip"), "battle_step")
        waiting = [other for other in waiting if other != battle]


def test_administrative_socket(server):
    import socket
    path = server.data / "arena.sock"
    assert (path.stat().st_mode & 0o777) == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in client.recv(65536)

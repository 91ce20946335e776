"""Every fault of a provider, in a battle: on one lane, on both, and only at first. However it fails, the battle ends as
the design says (ready after a retry or a swap; void where something of the lost answer was shown, or nobody is left),
no answer is spliced, and nothing tells who it was.

The prompt names the fault, and the stand-in for the providers looks it up there, so that all battles run at once."""
import concurrent.futures
import json

import pytest

from arena_server import ArenaServer, own_port
from replay_provider import ReplayProvider, Reply

GOOD_TEXT = "Oak trees grow slowly, and live for a very long time."
PARTIAL = "PLANTED-PARTIAL "
SECRET = "PLANTED-ERROR of planted-vendor"
NAMES = ["planted-left", "planted-right", "planted-spare"]
KEYS = {f"ARENA_TEST_KEY_{index}": f"sk-planted-key-{index}-0123456789" for index in range(3)}
TIMEOUTS = {"first_byte": 5, "first_content": 6, "idle": 5, "total": 30}


def event(text=None, finish=None):
    return ("data: " + json.dumps({"model": "planted-model", "choices": [
        {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}) + "\n\n").encode()


GOOD = event(GOOD_TEXT[:20]) + event(GOOD_TEXT[20:]) + event(finish="stop") + b"data: [DONE]\n\n"
HALF = event(PARTIAL)
ERROR = json.dumps({"error": {"message": SECRET, "type": "server_error"}}).encode()

# What may follow when one competitor fails for good. Nothing was shown: another takes its place, and the battle gets
# ready. Something may have been shown: ready or void, whichever the reader's pace made it.
SWAP, EITHER = {"ready"}, {"ready", "void"}
FAULTS = {
    "hang before headers": (Reply(hang="headers"), SWAP),
    "hang in headers": (Reply(hang="middle"), SWAP),
    "hang after headers": (Reply(b"", hang="body"), SWAP),
    "hang in the stream": (Reply(HALF, hang="body"), EITHER),
    "reset before headers": (Reply(b"", raw=True, reset=True), SWAP),
    "reset in the stream": (Reply(HALF, reset=True), EITHER),
    "half-close before headers": (Reply(b"", raw=True, half_close=True), SWAP),
    "half-close in the stream": (Reply(HALF, half_close=True), EITHER),
    "cut without a finish": (Reply(HALF), EITHER),
    "an error in the stream": (Reply(HALF + b"data: " + ERROR + b"\n\n"), EITHER),
    "an error after the finish": (Reply(HALF + event(finish="stop") + ERROR), EITHER),
    "nothing but the end": (Reply(b"data: [DONE]\n\n"), SWAP),
    "garbage": (Reply(bytes(range(256)) * 8, raw=True), SWAP),
    "garbage in the body": (Reply(bytes(range(128, 256)) * 64), SWAP),
    "garbage in an event": (Reply(b"data: {{{{\n\n"), SWAP),
    "huge line": (Reply(b"data: " + b"x" * (9 << 20)), SWAP),
    "endless comments": (Reply(b": ping\n\n" * 2000, piece=8, gap=0.01), SWAP),
    "429": (Reply(ERROR, status=429), SWAP),
    "429 Retry-After": (Reply(ERROR, status=429, headers={"Retry-After": "1"}), SWAP),
    "429 Retry-After too long": (Reply(ERROR, status=429, headers={"Retry-After": "86400"}), SWAP),
    "429 Retry-After in the past": (Reply(ERROR, status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
                                    SWAP),
    "429 retry-after-ms 0": (Reply(ERROR, status=429, headers={"retry-after-ms": "0"}), SWAP),
    "429 in words": (Reply(b'{"error":{"message":"Please try again in 300ms"}}', status=429), SWAP),
    "429 retryDelay": (Reply(b'{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"0.4s"}]}}',
                             status=429), SWAP),
    "500": (Reply(ERROR, status=500), SWAP),
    "503 without a body": (Reply(b"", status=503), SWAP),
    "401": (Reply(ERROR, status=401), SWAP),
    "HTML 502": (Reply(f"<html><h1>{SECRET}</h1></html>".encode(), status=502), SWAP),
    "HTML 200": (Reply(f"<html><h1>{SECRET}</h1></html>".encode()), SWAP),
    "redirect": (Reply(b"", status=307, headers={"Location": "http://127.0.0.1:1/planted-vendor"}), SWAP),
}
# Those that only a deadline ends: they have an arena with short ones, where little else happens.
LATE = {name for name, (reply, _) in FAULTS.items() if reply.hang} | {"endless comments"}
# Trying these again would change nothing: where both lanes meet one, there is one spare for two.
NOT_RETRIED = {"garbage in the body", "garbage in an event", "huge line", "401", "HTML 200", "redirect",
               "429 Retry-After too long"}
# Slow, but no fault: the answer is whole.
FINE = {"drip": Reply(GOOD, piece=3, gap=0.002), "gaps": Reply(GOOD, piece=60, gap=0.2), 
        "pings": Reply(b": p\n\n" * 50 + GOOD)}


class FaultProvider(ReplayProvider):
    """The prompt is "FAULT|who (numbers: it must name nobody)|how often"."""

    def __init__(self):
        super().__init__([])
        self.failed = {}

    def choose(self, request):
        prompt = request["body"]["messages"][-1]["content"]
        name, who, times = prompt.split("|")
        key = (prompt, request["body"]["model"])
        if str(NAMES.index(request["body"]["model"])) not in who or self.failed.get(key, 0) >= int(times):
            return Reply(GOOD)
        self.failed[key] = self.failed.get(key, 0) + 1
        return FINE[name] if name in FINE else FAULTS[name][0]

    def config(self, **more):
        base = {"provider": "openai-compatible", "base_url": f"http://127.0.0.1:{self.port}/v1", "retries": 1,
                "timeouts": TIMEOUTS, **more}
        weights = [1, 1, 1e-9]  # the spare plays only when another has failed
        return {"competitors": [{"name": name, "model": name, "api_key_env": f"ARENA_TEST_KEY_{index}",
                                 "weight": weights[index], **base} for index, name in enumerate(NAMES)]}


@pytest.fixture(scope="module")
def arenas():
    """One with the usual deadlines, one with short ones."""
    with FaultProvider() as faults, ArenaServer(config=faults.config(timeouts={}), environment=KEYS) as patient, \
            ArenaServer(config=faults.config(), environment=KEYS) as hasty:
        yield patient, hasty
        for path in [*patient.data.rglob("*"), *hasty.data.rglob("*")]:
            if path.is_file():
                assert not any(key.encode() in path.read_bytes() for key in KEYS.values()), path


def play(server, prompt):
    """Plays until the vote is open or the battle is void: (the last event's kind, the lanes' texts)."""
    voter = server.voter()
    voter.remember = True
    battle = voter.start(prompt)
    events = voter.events(battle)
    seen = events.until("ready", "void")
    events.close()
    voter.seen += events.raw
    state = voter.get(f"/api/battles/{battle}")
    texts = {"a": "", "b": ""}
    for one in seen:
        if one.kind == "delta":
            texts[one.data["lane"]] += one.data["text"]
    for planted in NAMES + list(KEYS.values()) + ["planted-model", "planted-vendor", "PLANTED-ERROR", "127.0.0.1:1/"]:
        assert planted.encode() not in bytes(voter.seen), (prompt, planted)
    assert state.json["state"] == seen[-1].kind, (prompt, state)
    if seen[-1].kind == "ready":
        assert set(texts.values()) == {GOOD_TEXT}, (prompt, texts)
        assert voter.vote(battle, "tie").status == 200
    return seen[-1].kind


def play_all(arenas, prompts):
    with concurrent.futures.ThreadPoolExecutor(len(prompts)) as pool:
        return dict(zip(prompts, pool.map(lambda prompt: play(arenas[prompt.split("|")[0] in LATE], prompt), prompts)))


def test_a_fault_that_passes_is_tried_again(arenas):
    prompts = [f"{name}|{who}|1" for name in FAULTS for who in ("0", "01")]
    for prompt, kind in play_all(arenas, prompts).items():
        name, who, _ = prompt.split("|")
        hopeless = who == "01" and name in NOT_RETRIED
        assert kind in ({"void"} if hopeless else FAULTS[name][1]), (prompt, kind)


def test_a_fault_that_stays_gets_another_competitor(arenas):
    for prompt, kind in play_all(arenas, [f"{name}|1|99" for name in FAULTS]).items():
        assert kind in FAULTS[prompt.split("|")[0]][1], (prompt, kind)


def test_nobody_left_is_void(arenas):
    for prompt, kind in play_all(arenas, [f"{name}|012|99" for name in FAULTS]).items():
        assert kind == "void", prompt


def test_slow_is_no_fault(arenas):
    for prompt, kind in play_all(arenas, [f"{name}|012|99" for name in FINE]).items():
        assert kind == "ready", prompt


def test_no_connection_and_no_tls():
    """Nothing listens; something listens that speaks no TLS: the others play."""
    with FaultProvider() as faults, own_port() as nobody:
        refused = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        config = faults.config(retries=0, timeouts={})
        config["competitors"][0]["timeouts"] = TIMEOUTS
        config["competitors"][0]["base_url"] = refused
        with ArenaServer(config=config, environment=KEYS) as server:
            assert play(server, "drip||0") == "ready"
        config["competitors"][0]["base_url"] = f"https://127.0.0.1:{faults.port}/v1"
        with ArenaServer(config=config, environment=KEYS) as server:
            assert play(server, "drip||0") == "ready"

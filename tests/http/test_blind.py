"""Blindness (the design's second invariant): before the vote no byte but the answers' own text tells who answers."""
import gzip
import sqlite3

import pytest

from arena_server import ArenaServer
from contract import ok, refused
from fake_provider import FakeProvider, Script

# Names that occur nowhere else, in every place where a name can stand.
PLANTED = {
    "left": {"name": "zephyrine-9b", "model": "zq-upstream-left", "organisation": "Quillon Labs",
             "licence": "zq-licence-left",
             "aliases": ["zephyrina"], "system": "zq system prompt left"},
    "right": {"name": "ostravane-xl", "model": "zq-upstream-right", "organisation": "Brackwater AI",
              "licence": "zq-licence-right", "aliases": ["ostravan"], "system": "zq system prompt right"},
}
SECRETS = [value.lower() for side in PLANTED.values() for value in
           (side["name"], side["model"], side["organisation"], side["licence"], *side["aliases"], side["system"])]
SECRETS += ["chatcmpl-planted", "prompt_tokens", "completion_tokens", "openai-compatible"]


def configuration(provider):
    return {"competitors": [provider.competitor(**{**side, "model": side["model"]}) for side in PLANTED.values()],
            "limits": {"min_votes": 1}}


def leaks(data):
    low = bytes(data).lower()
    return [secret for secret in SECRETS if secret.encode() in low]


@pytest.fixture(scope="module")
def arena(provider):
    with ArenaServer(config=configuration(provider)) as running:
        yield running


@pytest.fixture
def scripts(provider):
    def set_both(left, right):
        provider.scripts["zq-upstream-left"], provider.scripts["zq-upstream-right"] = left, right
    set_both(Script("One answer."), Script("Another one."))
    return set_both


def watched(arena):
    voter = arena.voter()
    voter.remember = True
    return voter


def test_the_search_finds_what_is_there(arena, scripts):
    """After the vote the names are told: the same search must find them then."""
    voter = watched(arena)
    battle, _ = voter.ready()
    assert leaks(voter.seen) == []
    ok(voter.vote(battle), "vote_answer")
    assert {"zephyrine-9b", "ostravane-xl", "quillon labs"} <= set(leaks(voter.seen))


def test_nothing_is_told_before_the_vote(arena, scripts):
    voter = watched(arena)
    battle, _ = voter.ready()
    voter.post(f"/api/battles/{battle}/turns", {"prompt": "more"})
    events = voter.events(battle)
    while events.until("ready")[-1].data["turn"] != 2:
        pass
    voter.seen += events.raw
    events.close()
    voter.get(f"/api/battles/{battle}")
    voter.get("/api/battles")
    voter.post(f"/api/battles/{battle}/reveal")
    voter.post(f"/api/battles/{battle}/feedback", {"comment": "x"})
    voter.post(f"/api/battles/{battle}/vote", {"winner": "left"})
    voter.post(f"/api/battles/{battle}/regenerate")
    voter.post(f"/api/battles/{battle}/stop")
    voter.get("/healthz")
    ok(voter.vote(battle, "tie", reveal=False), "vote_answer")
    refused(voter.vote(battle, "model_a"), "already_voted")
    voter.get(f"/api/battles/{battle}")
    voter.get("/api/battles")
    assert leaks(voter.seen) == []


def test_nothing_is_told_of_a_skipped_battle(arena, scripts):
    voter = watched(arena)
    battle, _ = voter.ready()
    voter.post(f"/api/battles/{battle}/skip")
    voter.get(f"/api/battles/{battle}")
    list(voter.events(battle))
    voter.vote(battle)
    voter.post(f"/api/battles/{battle}/reveal")
    assert leaks(voter.seen) == []


FAULTS = [Script(fault="status", status=401, body='{"error":{"message":"bad key for zq-upstream-left"}}'),
          Script(fault="status", status=404, body='{"error":{"message":"no such model zq-upstream-left"}}'),
          Script(fault="status", status=500, body="<html>zephyrine-9b at Quillon Labs is down</html>"),
          Script(fault="reset", fault_after=2), Script(fault="truncated",
                                                       fault_after=3), Script(finish="content_filter"),
          Script(finish="length"), Script(text=" ")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda s: s.fault + str(s.status if s.fault == "status" else s.finish))
def test_failures_tell_nothing(arena, scripts, fault):
    """Whatever a provider answers, the voter sees text or a fixed word, and the battle ends."""
    voter = watched(arena)
    scripts(fault, Script("A sound answer."))
    battle = voter.start()
    events = voter.events(battle)
    last = events.until("ready", "void")[-1]
    voter.seen += events.raw
    events.close()
    voter.get(f"/api/battles/{battle}")
    voter.get("/api/battles")
    if last.kind == "void":
        assert last.data == {"code": "failed"}
        refused(voter.vote(battle), "wrong_state")
    assert leaks(voter.seen) == []


def frames(events):
    """What a voter's browser could measure without reading a word: the frames of both lanes, in order and size."""
    return [(event.kind, event.data.get("lane"), len(event.data.get("text", ""))) for event in events]


def test_frames_of_both_lanes_are_alike(arena, scripts):
    """One competitor streams slowly in small pieces, the other at once in large ones: their lanes' frames come in the
    same events, at the same times, with as many characters."""
    scripts(Script("abcde " * 50, chunk=3, gap=0.005, first=0.2), Script("vwxyz " * 50, chunk=300))
    for _ in range(3):
        voter = arena.voter()
        _, seen = voter.ready()
        deltas = [event for event in seen if event.kind == "delta"]
        a = [event for event in deltas if event.data["lane"] == "a"]
        b = [event for event in deltas if event.data["lane"] == "b"]
        assert [len(event.data["text"]) for event in a] == [len(event.data["text"]) for event in b]
        together = [first.read == second.read for first, second in zip(a, b)]
        assert sum(together) > len(together) / 2  # one right after the other, out of the same piece


def test_headers_and_sizes_do_not_depend_on_who_answers(arena, scripts):
    """The same texts from swapped competitors: every reply before the vote has the same headers and the same length."""
    shapes = set()
    for left, right in (("Same text.", "Same text."),) * 4:
        scripts(Script(left, chunk=2, gap=0.01), Script(right, chunk=100))
        voter = arena.voter()
        started = voter.post("/api/battles", {"prompt": "p"})
        battle = started.json["battle_id"]
        events = voter.events(battle)
        events.until("ready")
        events.close()
        shown = voter.get(f"/api/battles/{battle}")
        listed = voter.get("/api/battles")
        shapes.add(tuple((reply.status, len(reply.body), tuple(sorted(
            (name, value) for name, value in reply.headers.items() if name not in ("Date", "Set-Cookie"))))
            for reply in (started, shown, listed)))
    assert len(shapes) == 1


def figures(voter):
    """What is told of single competitors, for an administrator."""
    metrics = [line for line in voter.get("/metrics").body.decode().splitlines() if leaks(line.encode())]
    return metrics, voter.get("/api/roster").body


def test_figures_stand_still_while_a_battle_runs(arena, scripts):
    """Nothing on /metrics, the board or the roster moves with one competitor before the battle is over."""
    voter = arena.voter()
    with sqlite3.connect(f"file:{arena.data}/arena.db?mode=ro", uri=True) as db:
        [[votes]] = db.execute("SELECT count(*) FROM votes WHERE counted = 0")
    voter.board(votes)  # what was voted before is on it
    before = voter.get("/api/leaderboard").body, voter.get("/api/models").body
    counted = figures(voter)
    battle, _ = voter.ready()
    assert (voter.get("/api/leaderboard").body, voter.get("/api/models").body) == before
    assert figures(voter) == counted
    voter.post(f"/api/battles/{battle}/skip")
    assert (voter.get("/api/leaderboard").body, voter.get("/api/models").body) == before
    assert figures(voter) != counted, "a battle that is over is counted"


def test_sides_and_ids_do_not_tell(arena, scripts):
    """Over a few battles both competitors come up on both sides, and nothing known before the vote goes with it."""
    scripts(Script("Left text."), Script("Right text."))
    rows = []
    for _ in range(24):
        voter = arena.voter()
        started = voter.post("/api/battles", {"prompt": "p"}).json
        voter.events(started["battle_id"]).until("ready")
        vote = ok(voter.vote(started["battle_id"], "tie"), "vote_answer")
        rows.append((vote["models"]["a"]["name"], started["battle_id"], started["commitment"]))
    assert {row[0] for row in rows} == {"zephyrine-9b", "ostravane-xl"}  # by chance alone: 1 in 8 million
    assert len({row[2] for row in rows}) == len(rows), "a commitment must hide its pair behind a nonce"


def test_a_model_that_names_itself(arena, scripts):
    """It is told after the vote, not before, that the vote does not count."""
    scripts(Script("I am Zephyrine-9B, made by Quillon Labs."), Script("I would rather not say."))
    voter = arena.voter()
    battle, _ = voter.ready("who are you?")
    shown = voter.get(f"/api/battles/{battle}").json
    assert "counted" not in shown and "reason" not in shown
    vote = ok(voter.vote(battle, "model_a"), "vote_answer")
    assert vote["counted"] is False and vote["reason"] == "self_identified"


def test_the_commitment_opens(arena, scripts):
    """The digest shown before the vote is the digest of what is revealed."""
    voter = arena.voter()
    started = voter.post("/api/battles", {"prompt": "p"}).json
    voter.events(started["battle_id"]).until("ready")
    vote = ok(voter.vote(started["battle_id"], "tie"), "vote_answer")
    assert vote["commitment"] == started["commitment"] and len(vote["nonce"]) >= 32

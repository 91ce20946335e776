"""What was acknowledged is there: after kill -9, a restart, a full disk, and whatever is sent twice."""
import os
import random
import sqlite3
import subprocess
import threading
import time

import pytest

from arena_server import PATIENCE, ArenaServer, wait_until
from contract import ok, refused
from fake_provider import Script

RELEASE = os.environ.get("ARENA_VARIANT") in (None, "release")
VOTERS = 12
WINNERS = ("model_a", "model_b", "tie", "both_bad")


def stored_votes(folder):
    """battle id -> the words of its votes, straight from the database."""
    with sqlite3.connect(f"file:{folder}/arena.db?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = db.execute("SELECT b.id, v.winner FROM votes v JOIN battles b ON b.number = v.battle").fetchall()
    votes = {}
    for battle, winner in rows:
        votes.setdefault(battle, []).append(winner)
    return votes


class Crowd:
    """Voters that start battles and vote until the server is gone; they remember what they were told."""

    def __init__(self, server):
        self.server, self.acknowledged, self.asked, self.lock = server, {}, {}, threading.Lock()
        self.stop = threading.Event()
        self.voters = [server.voter() for _ in range(VOTERS)]

    def run(self, voter):
        while not self.stop.is_set():
            try:
                battle, _ = voter.ready("a prompt")
                winner = random.choice(WINNERS)
                with self.lock:
                    self.asked[battle] = (voter, winner)
                reply = voter.vote(battle, winner, key=f"key-{battle}")
                if reply.status == 200:
                    with self.lock:
                        self.acknowledged[battle] = (voter, winner, reply.json)
                else:
                    assert reply.status in (503, 404), reply
            except (OSError, AssertionError, ValueError, EOFError) as problem:
                if isinstance(problem,
                              AssertionError) and "stream ended" not in str(problem) and "void" not in str(problem):
                    raise
                return
            except Exception:  # http.client's own, when the server dies in the middle of a reply
                return

    def __enter__(self):
        self.threads = [threading.Thread(target=self.run, args=(voter,), daemon=True) for voter in self.voters]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *arguments):
        self.stop.set()
        for thread in self.threads:
            thread.join(PATIENCE)


def test_kill_9_loses_no_acknowledged_vote(provider, tmp_path):
    """Killed at random moments under concurrent voters: every vote that was acknowledged is stored once, as it was; the
    same Idempotency-Key gives the same reply after the restart; a vote that was cut off can be cast, once."""
    provider.scripts["left"], provider.scripts["right"] = Script("Red."), Script("Blue.")
    server = ArenaServer(config=provider.config("left", "right"), data=tmp_path / "data")
    total, everything, asked = 0, {}, {}
    try:
        for _ in range(20 if RELEASE else 6):
            server.start()
            with Crowd(server) as crowd:
                wait_until(lambda: len(crowd.acknowledged) > 2, "nobody votes")
                time.sleep(random.uniform(0, 0.6))
                server.kill()
            everything.update(crowd.acknowledged)
            asked.update(crowd.asked)
            total += len(crowd.acknowledged)
        server.start()
        assert not RELEASE or server.cpu_seconds() < 5, "what was killed is soon back"
        assert total > 20, "too few votes were cast to prove anything"
        stored = stored_votes(server.data)
        for battle, (_, winner, _) in everything.items():
            assert len(stored.get(battle, [])) == 1, f"{battle} was acknowledged, stored: {stored.get(battle)}"
        assert all(len(votes) == 1 for votes in stored.values())
        for battle, (voter, winner, reply) in list(everything.items())[-20:]:
            voter.server, voter.origin = server, server.origin
            assert ok(voter.vote(battle, winner, key=f"key-{battle}"), "vote_answer") == reply
            assert ok(voter.get(f"/api/battles/{battle}"), "battle")["winner"] == winner
        for battle, (voter, winner) in asked.items():
            if battle in everything:
                continue
            voter.server, voter.origin = server, server.origin
            reply = voter.vote(battle, winner, key=f"key-{battle}")
            assert reply.status == 200 and reply.json["winner"] == winner, reply
        stored = stored_votes(server.data)
        assert all(len(votes) == 1 for votes in stored.values()) and set(asked) <= set(stored)
        assert server.voter().board(len(stored))
        server.stop()
    finally:
        server.kill()


def test_a_restart_keeps_everything(provider, tmp_path):
    """Voters, sessions, ready battles, votes, history; what streamed is void."""
    provider.scripts["left"], provider.scripts["right"] = Script("Red."), Script("Blue.")
    with ArenaServer(config=provider.config("left", "right"), data=tmp_path / "data") as server:
        voter = server.voter()
        voted, _ = voter.ready("voted")
        answer = ok(voter.vote(voted, "model_a", key="v"), "vote_answer")
        open_one, seen = voter.ready("open")
        provider.scripts["left"] = provider.scripts["right"] = Script("slow " * 100, gap=0.2)
        streaming = voter.start("streaming")
        events = voter.events(streaming)
        next(iter(events))
        server.kill()
        events.close()
        server.start()
        voter.server, voter.origin = server, server.origin
        states = {row["prompt"]: row["state"] for row in ok(voter.get("/api/battles"), "battle_list")["battles"]}
        assert states == {"voted": "voted", "open": "ready", "streaming": "void"}
        void = ok(voter.get(f"/api/battles/{streaming}"), "battle")
        assert void["code"] == "restart" and "models" not in void
        assert list(voter.events(streaming))[-1].kind == "void"
        refused(voter.vote(streaming), "wrong_state")
        assert ok(voter.vote(voted, "model_a", key="v"), "vote_answer") == answer
        refused(voter.vote(voted, "model_b"), "already_voted")
        again = voter.events(open_one, last_id=seen[-1].id).until("ready")
        assert again[0].kind == "reset"
        ok(voter.vote(open_one, "tie"), "vote_answer")


def test_one_vote_from_many_connections(server, provider):
    """The same battle, voted at once from everywhere: one vote counts, all others hear which."""
    voter = server.voter()
    for _ in range(5):
        battle, _ = voter.ready()
        replies, barrier = [], threading.Barrier(16)

        def cast(number):
            barrier.wait()
            replies.append(voter.vote(battle, WINNERS[number % 4], key=None if number % 2 else f"k{number}"))

        threads = [threading.Thread(target=cast, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = [reply for reply in replies if reply.status == 200]
        assert len(won) == 1 and len(replies) == 16
        for reply in replies:
            if reply is not won[0]:
                assert refused(reply, "already_voted")["winner"] == won[0].json["winner"]


def test_the_same_key_from_many_connections(server, provider):
    """A retry storm: one vote, one reply, told to all."""
    voter = server.voter()
    battle, _ = voter.ready()
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(voter.vote(battle, "tie",
                                                                         key="same"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status for reply in replies} == {200} and len({reply.body for reply in replies}) == 1


def test_one_battle_from_a_retried_start(server, provider):
    voter = server.voter()
    voter.ready()
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(voter.post("/api/battles", {"prompt": "once"}, key="s")))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [reply for reply in replies if reply.status == 201]
    assert good and len({reply.json["battle_id"] for reply in good}) == 1
    assert len([row for row in voter.get("/api/battles").json["battles"] if row["prompt"] == "once"]) == 1


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    made = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)],
                                                capture_output=True).returncode == 0
    if not made:
        pytest.skip("a small file system needs root and the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk(provider, small_disk):
    """Refused with 503 and nothing acknowledged while it is full; reading goes on; well again when there is room."""
    provider.scripts["left"], provider.scripts["right"] = Script("Red."), Script("Blue.")
    server = ArenaServer(config=provider.config("left", "right"), data=small_disk / "data")
    server.log_path = small_disk.parent / "server.log"
    try:
        server.start()
        voter = server.voter()
        battles = [voter.ready()[0] for _ in range(2)]
        filler = small_disk / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        acknowledged, refusals = [], 0
        for attempt in range(60):
            reply = voter.post("/api/battles", {"prompt": "x" * 20000})
            if reply.status == 503:
                refused(reply, "store_unavailable")
                assert reply.headers["Retry-After"]
                refusals += 1
                break
        assert refusals, "the disk never filled"
        reply = voter.vote(battles[0], "model_a")
        if reply.status == 200:
            acknowledged.append(battles[0])
        else:
            refused(reply, "store_unavailable")
            assert ok(voter.get(f"/api/battles/{battles[0]}"), "battle")["state"] == "ready"
        assert voter.get("/api/leaderboard").status == 200 and voter.get("/").status == 200
        assert server.process.poll() is None
        filler.unlink()
        wait_until(lambda: voter.vote(battles[1], "model_b").status == 200)
        if battles[0] not in acknowledged:
            ok(voter.vote(battles[0], "model_a"), "vote_answer")
        server.stop()
        assert set(stored_votes(server.data)) >= set(battles)
    finally:
        server.kill()

"""`arena verify` over what a real arena stored: all is well while it serves and after; what was touched is named."""
import contextlib
import sqlite3
import subprocess

from arena_server import PATIENCE, ArenaServer, binary
from contract import ok
from fake_provider import Script

# What somebody with the file and an editor may do, and what must be said of it.
TAMPERINGS = [
    ("UPDATE votes SET winner = 3 - winner WHERE seq = 2", "vote 2 was changed"),
    ("UPDATE answers SET text = 'better' WHERE id = (SELECT answer_a FROM turns WHERE battle ="
     " (SELECT battle FROM votes WHERE seq = 3))", "vote 3 was changed"),
    ("DELETE FROM votes WHERE seq = 1", "vote 1 was removed"),
    ("DELETE FROM votes WHERE seq = (SELECT max(seq) FROM votes)", "was removed"),
    ("UPDATE battles SET state = 1, ended_ms = NULL WHERE state = 2", "has a vote but is not voted"),
    ("UPDATE boards SET json = replace(json, '\"votes\":', '\"votes\":1')", "comes out otherwise"),
    ("UPDATE boards SET data_hash = zeroblob(32)", "does not stand on the first"),
]


def verify(folder):
    return subprocess.run([binary(), "verify", "--data", str(folder)], capture_output=True, text=True, timeout=PATIENCE)


def test_what_was_touched_is_named(provider, tmp_path):
    provider.scripts["left"], provider.scripts["right"] = Script("Red."), Script("Blue.")
    data = tmp_path / "data"
    with ArenaServer(config=provider.config("left", "right", limits={"min_votes": 1}), data=data) as server:
        voter = server.voter()
        for number, winner in enumerate(("model_a", "model_b", "tie", "both_bad", "model_a", "model_b")):
            battle, _ = voter.ready(f"prompt {number}")
            ok(voter.vote(battle, winner), "vote_answer")
        ok(voter.get("/api/leaderboard"), "leaderboard")
        beside = verify(data)
        assert beside.returncode == 0, beside.stdout + beside.stderr
        server.stop()
    after = verify(data)
    assert after.returncode == 0 and "ledger: 6 votes" in after.stdout, after.stdout + after.stderr
    assert "boards: 0 stored" not in after.stdout, after.stdout
    untouched = (data / "arena.db").read_bytes()
    for sql, said in TAMPERINGS:
        for left in data.glob("arena.db*"):
            left.unlink()
        (data / "arena.db").write_bytes(untouched)
        with contextlib.closing(sqlite3.connect(data / "arena.db")) as db:
            db.executescript("DROP TRIGGER votes_are_final; DROP TRIGGER votes_stay;" + sql)
        found = verify(data)
        assert found.returncode == 1 and said in found.stdout, (sql, found.stdout, found.stderr)


def test_nothing_to_verify_is_said(tmp_path):
    empty = verify(tmp_path)
    assert empty.returncode == 2 and "there is no arena in" in empty.stderr
    (tmp_path / "arena.db").write_text("this is no database, but long enough to be looked at " * 20)
    wrong = verify(tmp_path)
    assert wrong.returncode == 2 and "is not a database" in wrong.stderr

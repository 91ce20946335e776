"""`arena import` while the arena is served: the owner reads the file, and its board follows at once."""

import subprocess
import time

from arena_server import ArenaServer, binary
from contract import ok
from test_data_import import arena, lines, load, vote


def test_the_owner_imports(provider, tmp_path):
    records = [vote(n) for n in range(50)]
    file = lines(tmp_path / "votes.jsonl", records)
    config = provider.config("left", "right", limits={"min_votes": 1})
    with ArenaServer(config=config, data=tmp_path / "d") as server:
        voter = server.voter()
        battle, _ = voter.ready("hello")
        ok(voter.vote(battle, "model_a"), "vote_answer")
        assert load(file, tmp_path / "d") == 50
        assert load(file, tmp_path / "d") == 0
        assert (
            load(
                "-", tmp_path / "d", stdin='{"id": "z", "model_a": "m0", "model_b": "m1", "winner": "tie"}\n'
            )
            == 1
        )
        voter.board(52)
        records[7]["winner"] = "?"
        bad = arena("import", lines(tmp_path / "bad.jsonl", records), "--data", tmp_path / "d", code=2)
        assert "bad.jsonl, line 8" in bad.stderr
        arena("import", tmp_path / "none.jsonl", "--data", tmp_path / "d", code=2)
        refused = voter.post("/api/import", {"path": str(file)})
        assert refused.status == 403 and refused.code == "forbidden", "a browser names no files"
        assert voter.get("/api/leaderboard").json["votes"] == 52
    assert arena("verify", "--data", tmp_path / "d").returncode == 0


def test_votes_imported_just_before_a_kill_stay(provider, tmp_path):
    file = lines(tmp_path / "votes.jsonl", [vote(n) for n in range(500)])
    with ArenaServer(config=provider.config("left", "right"), data=tmp_path / "d") as server:
        assert load(file, tmp_path / "d") == 500
        server.kill()
    assert load(file, tmp_path / "d") == 0


def test_an_import_that_is_killed_is_all_or_nothing(tmp_path):
    big = lines(tmp_path / "big.jsonl", [vote(n) for n in range(30000)])
    for wait in (0.02, 0.1, 0.2, 0.3):
        data = tmp_path / f"d{wait}"
        running = subprocess.Popen([binary(), "import", big, "--data", data], stdout=subprocess.DEVNULL)
        time.sleep(wait)
        running.kill()
        done = running.wait() == 0
        # A kill between the commit and the exit finds everything stored: what is stored is all or nothing either way.
        assert load(big, data) in ((0,) if done else (0, 30000))

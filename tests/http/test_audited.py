"""What the commands change stands in the audit log: who, what and when; with a server and without one."""
import json
import sqlite3
import subprocess
import time

import pytest

from arena_server import PATIENCE, ArenaServer, binary

TIMES = 8


def rows(data):
    with sqlite3.connect(f"file:{data}/arena.db?mode=ro", uri=True) as db:
        return db.execute("SELECT at_ms, actor, act, detail FROM audit ORDER BY id").fetchall()


def arena(data, *arguments):
    done = subprocess.run([binary(), *arguments, "--data", str(data)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("served", [False, True])
def test_commands_leave_their_trace(provider, tmp_path, served):
    provider.scripts.clear()
    config = provider.config("left", "right")
    (tmp_path / "arena.json").write_text(json.dumps(config))
    votes = tmp_path / "votes.jsonl"
    votes.write_text(json.dumps({"id": "1", "model_a": "x", "model_b": "y", "winner": "tie"}) + "\n")
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"name": "n", "prompts": [{"id": "1", "turns": ["Why?"]}],
                                "competitors": ["left", "right"], "judge": "human"}))
    server = ArenaServer(data=tmp_path)
    if served:
        server.start()
    begun = time.time() * 1000
    try:
        arena(tmp_path, "import", str(votes))
        arena(tmp_path, "import", str(votes))
        arena(tmp_path, "eval", "run", str(spec))
        run = sqlite3.connect(f"file:{tmp_path}/arena.db?mode=ro", uri=True).execute(
            "SELECT id FROM eval_runs").fetchone()[0]
        for _ in range(TIMES):  # the command waits for this end, not for the one before
            arena(tmp_path, "eval", "resume", run)
        arena(tmp_path, "models", "pause", "left")
        arena(tmp_path, "leaderboard", "publish")
    finally:
        server.stop()
    found = rows(tmp_path)
    assert [row[2:] for row in found] == [
        ("import votes", f"1 added, 0 stored before: {votes}"), ("import votes", f"0 added, 1 stored before: {votes}"),
        ("run evaluation", run), *[("resume evaluation", run)] * TIMES, ("change models", "pause left"),
        ("publish leaderboards", "publication 1, up to vote 1")]
    assert {row[1] for row in found} == {"command line"}
    assert all(begun - 1000 <= row[0] <= time.time() * 1000 for row in found)

"""Whose votes count: excluded voters, failures as losses, kinds of judges; on the live board as in the terminal."""
import json
import sqlite3
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from contract import check, ok, refused
from fake_provider import Script


def arena(*arguments):
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)


def board(voter, query="", votes=None):
    """The board; with `votes` once it has so many: on a busy machine the one before is shown for a moment."""
    return check("leaderboard", voter.board(votes, query)) if votes is not None else ok(
        voter.get(f"/api/leaderboard{query}"), "leaderboard")


@pytest.fixture
def own(provider, tmp_path):
    with ArenaServer(config=provider.config("left", "right", limits={"min_votes": 1}), data=tmp_path) as server:
        server.data_dir = tmp_path
        yield server


def cast(server, count=1, voter=None):
    voter = voter or server.voter()
    for _ in range(count):
        battle, _ = voter.ready()
        assert voter.vote(battle).status == 200
    return voter


def test_an_excluded_voter_counts_nowhere(own):
    cast(own, 2)
    suspect = cast(own, 3)
    data = own.data_dir
    number = sqlite3.connect(f"file:{data}/arena.db?mode=ro", uri=True).execute(
        "SELECT voter FROM votes ORDER BY seq DESC LIMIT 1").fetchone()[0]
    assert board(suspect, votes=5)["votes"] == 5
    assert arena("voters", "exclude", number, "--data", data).returncode == 2  # why?
    assert arena("voters", "exclude", 99, "--note", "x", "--data", data).returncode != 0
    done = arena("voters", "exclude", number, "--note", "always left", "--data", data)
    assert done.returncode == 0, done.stderr
    live = board(suspect, votes=2)
    assert live["votes"] == 2 and live["filter"]["exclusions"] == 1
    assert any("excluded" in warning for warning in live["warnings"])
    assert "always left" in arena("voters", "list", "--data", data).stdout
    assert json.loads(arena("leaderboard", "--data", data, "--format", "json").stdout)["votes"] == 2
    lines = arena("export", "votes", "--data", data).stdout.splitlines()
    assert len(lines) == 2
    everything = [json.loads(line) for line in arena("export", "votes", "--all", "--data", data).stdout.splitlines()]
    assert [row["counted"] for row in everything] == ["counted"] * 2 + ["excluded"] * 3
    cast(own, 1, suspect)  # the voter is not told, and goes on
    assert board(suspect)["votes"] == 2
    assert arena("voters", "restore", number, "--note", "talked to them", "--data", data).returncode == 0
    assert board(suspect, votes=6)["votes"] == 6
    own.stop()
    done = arena("verify", "--data", data)
    assert done.returncode == 0 and "each the same when computed again" in done.stdout, done.stdout
    assert arena("voters", "exclude", number, "--note", "again", "--data", data).returncode == 0  # without an owner
    assert json.loads(arena("leaderboard", "--data", data, "--format", "json").stdout)["votes"] == 2


def test_exclusions_are_refused_with_a_reason(own):
    voter = cast(own, 1)
    for body, says in (({}, "voter"), ({"voter": 1}, "note"), ({"voter": 1, "note": "x", "from": "soon"}, "date"),
                       ({"voter": 1, "note": "x", "from": "2026-01-01", "back": True}, "back"),
                       ({"voter": 1, "note": "x", "until": 3}, "until")):
        refused(voter.post("/api/exclusions", body), "bad_request", says)
    refused(voter.post("/api/exclusions", {"voter": 77, "note": "x"}), "not_found", "77")


def test_without_on_one_command(own):
    one, two = cast(own, 2), cast(own, 1)
    del one, two
    def votes(*more):
        done = arena("leaderboard", "--data", own.data_dir, "--format", "json", *more)
        return json.loads(done.stdout)["votes"] if done.returncode == 0 else done.returncode
    assert (votes(), votes("--without-voter", "1"), votes("--without-voter", "1,2")) == (3, 1, 0)
    assert votes("--without-voter", "nobody") == 2 and votes("--without-staff") == 3


def test_a_failure_counts_as_a_loss_when_asked(own, provider):
    voter = cast(own, 2)
    provider.scripts["left"] = Script(fault="status", status=500)
    battle = voter.start()
    assert voter.events(battle).until("void", "ready")[-1].kind == "void"
    plain, losses = board(voter, votes=2), board(voter, "?voids=losses", votes=3)
    assert (plain["votes"], losses["votes"], losses["filter"]["losses"]) == (2, 3, 1)
    names = {model["model"]: model for model in losses["models"] + losses["unranked"]}
    assert names["left"]["losses"] + names["right"]["losses"] == 3
    assert any("failed to answer" in warning for warning in losses["warnings"])
    done = arena("leaderboard", "--data", own.data_dir, "--voids", "losses", "--format", "json")
    found = json.loads(done.stdout)
    assert found["votes"] == 3
    rates = {its["model"]: its for its in found["reliability"]}
    assert rates["left"]["voids"] == 1 and rates["left"]["void_rate"] == pytest.approx(1 / 3)
    assert rates["right"]["void_rate"] == 0
    for kind in ("table", "md", "html"):
        text = arena("leaderboard", "--data", own.data_dir, "--format", kind).stdout
        assert "Failures and refusals" in text and "33.3 %" in text
    assert arena("leaderboard", "--data", own.data_dir, "--voids", "losses", "--method", "elo").returncode == 2
    own.stop()
    assert arena("verify", "--data", own.data_dir).returncode == 0


def test_kinds_of_judges_are_not_mixed_unasked(own, tmp_path):
    voter = cast(own, 1)
    rows = [{"id": f"m{i}", "model_a": "left", "model_b": "right", "winner": "model_a", "judge_kind": "model"}
            for i in range(4)]
    (tmp_path / "v.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert arena("import", tmp_path / "v.jsonl", "--data", own.data_dir).returncode == 0
    for query, votes in (("", 1), ("?judge=human", 1), ("?judge=model", 4), ("?judge=any", 5)):
        assert board(voter, query, votes)["votes"] == votes
    for more, votes in (((), 1), (("--judge", "model"), 4), (("--judge", "any"), 5)):
        done = arena("leaderboard", "--data", own.data_dir, "--format", "json", *more)
        assert json.loads(done.stdout)["votes"] == votes
    own.stop()
    assert arena("verify", "--data", own.data_dir).returncode == 0


def test_a_store_of_models_votes_alone_shows_those(provider, tmp_path):
    rows = [{"id": f"m{i}", "model_a": "x", "model_b": "y", "winner": "tie", "judge_kind": "model"} for i in range(4)]
    (tmp_path / "v.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert arena("import", tmp_path / "v.jsonl", "--data", tmp_path / "d").returncode == 0
    assert json.loads(arena("leaderboard", "--data", tmp_path / "d", "--format", "json").stdout)["votes"] == 4
    with ArenaServer(config=provider.config("left", "right"), data=tmp_path / "d") as server:
        voter = server.voter()
        first = board(voter)
        assert (first["votes"], first["filter"]["judge"]) == (4, "model")
        cast(server, 1, voter)
        then = board(voter, votes=1)
        assert (then["votes"], then["filter"]["judge"]) == (1, "human")

"""`arena export`: votes that give the board again, battles and pairs with the texts that may go out, strict CSV."""

import csv
import io
import json
import os
import sqlite3
import subprocess

from arena_server import ArenaServer, binary
from test_data_import import arena, board, lines, load, rank, rows, same, vote


def export(what, data, *more):
    done = arena("export", what, "--data", data, *more)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_votes_alone_give_the_board_again(tmp_path):
    records = [
        vote(
            n,
            judge_hash=f"anna {n % 5}",
            prompt=f"secret prompt {n % 7}",
            is_code=n % 2 == 0,
            tstamp=1700000000 + n,
            conv_metadata={
                "sum_assistant_a_tokens": n,
                "header_count_a": {"h1": 1, "h2": 2},
                "list_count_a": {"ordered": 0},
                "bold_count_a": {"**": 1},
                "sum_assistant_b_tokens": 3,
                "header_count_b": {"h1": 0},
                "list_count_b": {"ordered": 1},
                "bold_count_b": {"**": 0},
                "turns": 1 + n % 3,
            },
        )
        for n in range(200)
    ]
    load(lines(tmp_path / "in.jsonl", records), tmp_path / "d")
    out = tmp_path / "out.jsonl"
    arena("export", "votes", "--data", tmp_path / "d", "--output", out)
    assert same(rank(out), board(tmp_path / "d"))
    for category in ("coding", "multiturn"):
        assert same(rank(out, "--category", category), board(tmp_path / "d", "--category", category))
    assert "anna" not in out.read_text() and "secret" not in out.read_text()
    assert load(out, tmp_path / "d") == 0, "an imported vote keeps its id"
    assert load(out, tmp_path / "e") == 200
    assert same(board(tmp_path / "e"), board(tmp_path / "d"))
    table = tmp_path / "out.csv"
    arena("export", "votes", "--data", tmp_path / "d", "--format", "csv", "--output", table)
    assert same(rank(table), board(tmp_path / "d"))
    found, _ = export("votes", tmp_path / "d", "--category", "coding", "--model", "m1")
    assert found and all(row["is_code"] and "m1" in (row["model_a"], row["model_b"]) for row in found)
    assert len(export("votes", tmp_path / "d", "--from", "2023-11-14", "--to", "2023-11-15")[0]) == 200
    assert export("votes", tmp_path / "d", "--to", "2023-11-14")[0] == []


def test_judges_are_not_mixed(tmp_path):
    load(lines(tmp_path / "a.jsonl", [vote(n) for n in range(9)]), tmp_path / "d")
    load(
        lines(tmp_path / "b.jsonl", [vote(n, id=f"j{n}", judge_kind="model", judge="gpt") for n in range(4)]),
        tmp_path / "d",
    )
    votes = lambda *more: board(tmp_path / "d", *more)["votes"]
    assert (votes(), votes("--judge", "human"), votes("--judge", "model"), votes("--judge", "any")) == (9, 9, 4, 13)
    count = lambda *more: len(export("votes", tmp_path / "d", *more)[0])
    assert (count(), count("--judge", "human"), count("--judge", "model"), count("--judge", "any")) == (
        9,
        9,
        4,
        13,
    )


def test_cells_that_a_spreadsheet_would_compute(tmp_path):
    names = ["=1+1", "@x", 'a "b", c', "'+y"]
    load(
        lines(
            tmp_path / "in.jsonl",
            [{"model_a": names[n % 4], "model_b": names[(n + 1) % 4], "winner": "tie"} for n in range(8)],
        ),
        tmp_path / "d",
    )
    text = arena("export", "votes", "--data", tmp_path / "d", "--format", "csv").stdout
    found = list(csv.reader(io.StringIO(text), strict=True))
    assert len({len(row) for row in found}) == 1 and len(found) == 9
    assert {row[1] for row in found[1:]} == {"'=1+1", "'@x", 'a "b", c', "''+y"}
    assert {row["model_a"] for row in export("votes", tmp_path / "d")[0]} == set(names), "JSON needs no guard"
    (tmp_path / "out.csv").write_text(text)
    load(tmp_path / "out.csv", tmp_path / "again")
    back = export("votes", tmp_path / "again")[0]
    assert {row["model_a"] for row in back} == set(names), "what the guard added is taken away"


def test_a_table_without_rows_says_its_columns(provider, tmp_path):
    config = provider.config("left", "right", limits={"min_votes": 1})
    for competitor in config["competitors"]:
        competitor["outputs_may_train"] = True
    kinds = (["battles"], ["votes"], ["preferences"], ["preferences", "--form", "kto"], ["leaderboard"])
    with ArenaServer(config=config, data=tmp_path / "d") as server:
        def headers():
            return [arena("export", *kind, "--data", tmp_path / "d", "--format", "csv").stdout.splitlines()
                    for kind in kinds]
        empty = headers()
        voter = server.voter()
        battle, _ = voter.ready()
        assert voter.vote(battle).status == 200
        full = headers()
    for none, some in zip(empty, full):
        assert len(none) == 1 and len(some) > 1 and none[0] == some[0]


def test_what_a_killed_export_left_is_taken_away(tmp_path):
    load(lines(tmp_path / "in.jsonl", [{"model_a": "x", "model_b": "y", "winner": "tie"}]), tmp_path / "d")
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, other, alive = (tmp_path / f"out.csv.part-{end}" for end in (gone.pid, "mine", os.getpid()))
    for path in (left, other, alive):
        path.write_text("half")
    arena("export", "votes", "--data", tmp_path / "d", "--format", "csv", "--output", tmp_path / "out.csv")
    assert not left.exists() and other.exists() and alive.exists() and (tmp_path / "out.csv").exists()


def test_battles_and_pairs_of_a_real_arena(provider, tmp_path):
    config = provider.config("left", "right", limits={"min_votes": 1})
    for competitor in config["competitors"]:
        competitor["outputs_may_train"] = True
    with ArenaServer(config=config, data=tmp_path / "d") as server:
        voter = server.voter()
        voted = {}
        for number, winner in enumerate(("model_a", "model_b", "tie", "both_bad")):
            battle, _ = voter.ready(f"=prompt {number}")
            assert voter.vote(battle, winner).status == 200
            voted[battle] = winner
        two_turns, _ = voter.ready("first")
        assert voter.post(f"/api/battles/{two_turns}/turns", {"prompt": "second"}).status in (200, 201, 202)
        voter.events(two_turns, last_id=0).close()
        battles, told = export("battles", tmp_path / "d")
        served = export("votes", tmp_path / "d")[0]
    assert [row["winner"] for row in battles if row["id"] in voted] == list(voted.values())
    assert len(served) == 4
    first = battles[0]
    text = {"left": "Apples.", "right": "Rivers."}
    assert first["full_conversation"][0]["user"]["content"] == [{"type": "text", "text": "=prompt 0"}]
    for side in "ab":
        assert [part["content"][0]["text"] for part in first[f"conversation_{side}"]] == [
            "=prompt 0",
            text[first[f"model_{side}"]],
        ]
        assert first[f"finish_reason_{side}"] == "stop" and first[f"dur_ms_{side}"] >= 0
    assert first["judge_kind"] == "human" and first["pair_propensity"] > 0
    pairs, told = export("preferences", tmp_path / "d")
    assert len(pairs) == 2 and "2 ties and both-bad left out" in told
    for pair in pairs:
        assert pair["prompt"].startswith("=prompt") and {pair["chosen"], pair["rejected"]} == set(
            text.values()
        )
        assert (
            pair["chosen"] == text[pair["chosen_model"]] and pair["rejected"] == text[pair["rejected_model"]]
        )
    private = next(battle for battle, winner in voted.items() if winner == "model_a")
    with sqlite3.connect(tmp_path / "d" / "arena.db") as db:
        db.execute("UPDATE battles SET keep_private = 1 WHERE id = ?", (private,))
    left, told = export("preferences", tmp_path / "d")
    assert left == pairs[1:] and "keep them private" in told
    with sqlite3.connect(tmp_path / "d" / "arena.db") as db:
        db.execute("UPDATE battles SET keep_private = 0")
    labels = [row["label"] for row in export("preferences", tmp_path / "d", "--form", "kto")[0]]
    assert sorted(labels) == [False] * 4 + [True] * 2, "two wins, and both-bad twice false"
    rows = list(
        csv.reader(
            io.StringIO(arena("export", "preferences", "--data", tmp_path / "d", "--format", "csv").stdout),
            strict=True,
        )
    )
    assert {row[0] for row in rows[1:]} == {"'=prompt 0", "'=prompt 1"}
    strict = tmp_path / "invite.json"
    strict.write_text(json.dumps({**config, "auth": {"mode": "invite"}}))
    pairs, told = export("preferences", tmp_path / "d", "--config", strict)
    assert pairs == [] and "4 pairs left out: no consent" in told
    assert all(
        row["conversation_a"] is None for row in export("battles", tmp_path / "d", "--config", strict)[0]
    )
    exported = tmp_path / "votes.jsonl"
    arena("export", "votes", "--data", tmp_path / "d", "--output", exported)
    assert load(exported, tmp_path / "other") == 4


def test_what_goes_out_is_what_is_stored(provider, tmp_path):
    """Figure by figure against the tables; what a voter wrote goes no further than the texts do."""
    config, data = provider.config("left", "right"), tmp_path / "d"
    with ArenaServer(config=config, data=data) as server:
        voter = server.voter()
        for number, recognised in enumerate(("no", "both")):
            battle, _ = voter.ready(f"prompt {number}")
            assert voter.vote(battle, "model_a", reveal=False, read_ms=number).status == 200
            said = {"recognised": recognised, "comment": f"comment {number}", "reasons": {"a": ["useful"]}}
            assert voter.post(f"/api/battles/{battle}/feedback", said).status == 200
    load(lines(tmp_path / "in.jsonl", [vote(1), vote(2, anony=False)]), data)
    votes, _ = export("votes", data, "--all")
    assert [row["anony"] for row in votes] == [True, True, True, False]
    assert [row["recognised"] for row in votes] == [False, True, False, False]
    columns = ("timestamp", "vote_delay_ms", "dwell_ms", "pair_propensity", "model_version_a", "model_version_b")
    assert [tuple(row[name] for name in columns) for row in votes] == rows(
        data, "SELECT v.at_ms, v.delay_ms, v.read_ms, b.probability, x.digest, y.digest FROM votes v"
        " JOIN battles b ON b.number = v.battle JOIN competitor_versions x ON x.id = b.version_a"
        " JOIN competitor_versions y ON y.id = b.version_b ORDER BY v.seq")
    battles, _ = export("battles", data)
    columns = ("timestamp", "vote_timestamp", "vote_delay_ms", "dwell_ms", "pair_propensity", "side_propensity")
    assert [tuple(row[name] for name in columns) for row in battles] == rows(
        data, "SELECT b.created_ms, v.at_ms, v.delay_ms, v.read_ms, b.probability, b.side_probability"
        " FROM votes v JOIN battles b ON b.number = v.battle ORDER BY v.seq")
    for number, row in enumerate(battles[:2]):
        turn = row["full_conversation"][0]
        for side in "ab":
            said = turn[f"model_side_{side}"]["content"][0]["text"]
            assert said == {"left": "Apples.", "right": "Rivers."}[row[f"model_{side}"]]
        assert (row["comment"], row["guess"]) == (f"comment {number}", ("no", "both")[number])
    strict = tmp_path / "invite.json"
    strict.write_text(json.dumps({**config, "auth": {"mode": "invite"}}))
    held, _ = export("battles", data, "--config", strict)
    assert {(row["full_conversation"], row["comment"], row["guess"]) for row in held} == {(None, None, None)}
    assert "comment" not in json.dumps([held[0]["reasons"], held[1]["reasons"]])


def test_one_side_that_may_not_train_is_enough(provider, tmp_path):
    config = provider.config("left", "right")
    config["competitors"][0]["outputs_may_train"] = True
    with ArenaServer(config=config, data=tmp_path / "d") as server:
        voter = server.voter()
        battle, _ = voter.ready("hello")
        voter.vote(battle, "model_a")
    pairs, told = export("preferences", tmp_path / "d")
    assert pairs == [] and '1 pairs left out: "outputs_may_train" is not true' in told


def test_outputs_that_may_not_train_stay(provider, tmp_path):
    with ArenaServer(config=provider.config("left", "right"), data=tmp_path / "d") as server:
        voter = server.voter()
        battle, _ = voter.ready("hello")
        voter.vote(battle, "model_a")
    pairs, told = export("preferences", tmp_path / "d")
    assert pairs == [] and '1 pairs left out: "outputs_may_train" is not true' in told


def test_bad_wishes(tmp_path):
    load(lines(tmp_path / "a.jsonl", [vote(n) for n in range(3)]), tmp_path / "d")
    for wrong in (
        ["nothing"],
        [],
        ["votes", "--format", "xml"],
        ["votes", "--category", ""],
        ["votes", "--from", "soon"],
        ["votes", "--output", str(tmp_path / "no" / "such")],
    ):
        done = subprocess.run(
            [binary(), "export", *wrong, "--data", tmp_path / "d"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2 and done.stderr.startswith("arena export: "), (wrong, done)
    arena("export", "votes", "--data", tmp_path / "none", code=2)
    full = subprocess.run(
        f"{binary()} export votes --data {tmp_path / 'd'} > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert full.returncode != 0 and "cannot write" in full.stderr


def test_the_board_a_row_a_model(tmp_path):
    load(lines(tmp_path / "a.jsonl", [vote(n) for n in range(60)]), tmp_path / "d")
    rows = export("leaderboard", tmp_path / "d")[0]
    assert [row["model"] for row in rows] == [row["model"] for row in board(tmp_path / "d")["models"]]
    table = list(
        csv.DictReader(
            io.StringIO(arena("export", "leaderboard", "--data", tmp_path / "d", "--format", "csv").stdout)
        )
    )
    assert [row["model"] for row in table] == [row["model"] for row in rows]


def test_outputs_go_where_they_may(tmp_path):
    """The database is no place for an export, whatever path leads there."""
    load(lines(tmp_path / "in.jsonl", [{"model_a": "x", "model_b": "y", "winner": "tie"}]), tmp_path / "d")
    (tmp_path / "link").symlink_to(tmp_path / "d" / "arena.db")
    commands = (["export", "votes"], ["leaderboard"])
    for command in commands:
        for path in (tmp_path / "d" / "arena.db", tmp_path / "d" / "arena.key", tmp_path / "link"):
            done = run(*command, "--data", tmp_path / "d", "--output", path)
            assert done.returncode == 2 and "is the arena's own" in done.stderr, done
        done = run(*command, "--data", tmp_path / "d", "--output", "")
        assert done.returncode == 2 and "needs a file's name" in done.stderr, done
        for path in (tmp_path, tmp_path / "no" / "where"):
            done = run(*command, "--data", tmp_path / "d", "--output", path)
            assert done.returncode == 2 and str(path) in done.stderr, done
        assert run(*command, "--data", tmp_path / "d", "--output", "-").stdout
    assert arena("verify", "--data", tmp_path / "d").returncode == 0
    assert not list(tmp_path.glob("*.part-*")) and not list((tmp_path / "d").glob("*.part-*"))


def run(*arguments):
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=60)

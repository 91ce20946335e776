"""`arena import`: every format, all or nothing, and the same file again adds none."""

import csv
import gzip
import json
import os
import pathlib
import sqlite3
import subprocess

import pytest

from arena_server import PATIENCE, binary

FIXTURES = os.environ.get("ARENA_FIXTURES", "")


def arena(*arguments, stdin=None, code=0):
    done = subprocess.run(
        [binary(), *map(str, arguments)], capture_output=True, text=True, timeout=4 * PATIENCE, input=stdin
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def load(file, data, *more, stdin=None):
    """How many votes were added."""
    return int(arena("import", file, "--data", data, *more, stdin=stdin).stdout.split()[0])


def board(data, *more):
    return json.loads(
        arena("leaderboard", "--data", data, "--min-votes", 0, "--format", "json", *more).stdout
    )


def rank(file, *more):
    return json.loads(arena("rank", file, "--format", "json", *more).stdout)


def rows(data, sql):
    with sqlite3.connect(data / "arena.db") as db:
        return db.execute(sql).fetchall()


def vote(number, **more):
    return {
        "id": f"v{number}",
        "model_a": f"m{number % 3}",
        "model_b": f"m{(number + 1) % 3}",
        "winner": ("model_a", "model_b", "tie", "both_bad", "model_a", "model_a", "model_b")[
            number * number * 31 % 7
        ],
        **more,
    }


def lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def same(one, other):
    strip = lambda found: {
        row["model"]: [round(row[key], 6) for key in ("rating", "rating_lower", "rating_upper")]
        + [row["votes"]]
        for row in found["models"]
    }
    return one["votes"] == other["votes"] and strip(one) == strip(other)


def test_the_board_of_a_file_is_the_board_of_the_store(tmp_path):
    file = lines(
        tmp_path / "votes.jsonl",
        [vote(n, judge_hash=f"u{n * 7 % 31}", prompt=f"p{n * 17 % 101}") for n in range(300)],
    )
    assert load(file, tmp_path / "d") == 300
    assert same(board(tmp_path / "d"), rank(file))
    assert load(file, tmp_path / "d") == 0
    assert board(tmp_path / "d")["votes"] == 300
    assert arena("verify", "--data", tmp_path / "d").returncode == 0


def test_equal_rows_without_an_id_are_separate_votes(tmp_path):
    file = tmp_path / "votes.csv"
    file.write_text("left,right,winner\n" + "x,y,left\n" * 3 + "x,y,right\n")
    packed = tmp_path / "votes.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    columns = ("--columns", "left,right,winner")
    assert load(file, tmp_path / "d", *columns) == 4
    assert load(file, tmp_path / "d", *columns) == 0
    assert (
        load(packed, tmp_path / "d", *columns) == 0
    ), "what a file says is what counts, not how it is packed"
    file.write_text(file.read_text() + "x,y,tie\n")
    assert load(file, tmp_path / "d", *columns) == 5, "another file"


BAD = [
    ("unknown outcome", {"winner": "nobody"}, "line 3", '"nobody" is no outcome'),
    ("no winner", {"winner": None}, "line 3", 'no field "winner"'),
    ("itself", {"model_b": "m2"}, "line 3", "m2 meets itself"),
    ("no model", {"model_a": ""}, "line 3", '"model_a" is empty'),
    ("twice", {"id": "v0"}, "line 3", "this vote's id was there before"),
    ("time", {"tstamp": "yesterday"}, "line 3", "is no time"),
    ("far time", {"tstamp": 1e30}, "line 3", "is no time"),
]


@pytest.mark.parametrize("name,change,where,what", BAD, ids=[bad[0] for bad in BAD])
def test_a_bad_row_stores_nothing(tmp_path, name, change, where, what):
    records = [vote(n) for n in range(6)]
    records[2].update(change)
    file = lines(tmp_path / "votes.jsonl", records)
    done = arena("import", file, "--data", tmp_path / "d", code=2)
    assert where in done.stderr and what in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "d" / "arena.db").exists() or rows(
        tmp_path / "d", "SELECT count(*) FROM votes"
    ) == [(0,)]


def test_bad_files(tmp_path):
    for name, content in (
        ("empty.jsonl", b""),
        ("cut.jsonl", b'{"model_a": "x", "model_b'),
        ("zero.csv", b"a\0b"),
        ("cut.gz", gzip.compress(b"x" * 1000)[:50]),
        ("open.json", b'[{"model_a": "x"'),
        ("numbers.json", b"[1, 2]"),
        ("after.json", b'[{"a": 1}] x'),
        ("columns.csv", b"a,b\n1,2\n"),
    ):
        (tmp_path / name).write_bytes(content)
        done = arena("import", tmp_path / name, "--data", tmp_path / "d", code=2)
        assert done.stderr.startswith("arena import: ") and name in done.stderr, done.stderr
    assert not (tmp_path / "d").exists()
    arena("import", tmp_path / "none", "--data", tmp_path / "d", code=2)
    arena("import", "--data", tmp_path / "d", code=2)
    arena("import", tmp_path / "empty.jsonl", "--columns", "a,b", code=2)


def test_one_id_is_one_vote(tmp_path):
    load(lines(tmp_path / "a.jsonl", [vote(1), vote(2)]), tmp_path / "d")
    done = arena(
        "import",
        lines(tmp_path / "b.jsonl", [vote(3), {**vote(2), "winner": "both_bad"}]),
        "--data",
        tmp_path / "d",
        code=2,
    )
    assert "line 2" in done.stderr and "another vote with the id v2" in done.stderr
    assert board(tmp_path / "d")["votes"] == 2, "nothing of the second file"


def test_many_votes_leave_everything_in_its_place(tmp_path):
    """For many votes indexes are laid aside and built at the end: also where it fails, all are there again."""
    data, many = tmp_path / "d", 21000
    schema = lambda: sorted(rows(data, "SELECT name, sql FROM sqlite_schema"), key=str)
    records = [vote(n, judge_hash=f"u{n % 500}") for n in range(many)]
    load(lines(tmp_path / "few.jsonl", [vote(0), vote(10**6)]), data)
    whole = schema()
    file = lines(tmp_path / "many.jsonl", records)
    assert arena("import", file, "--data", data).stdout == f"{many - 1} votes imported\n1 were stored before\n"
    assert schema() == whole and rows(data, "SELECT count(*) FROM votes") == [(many + 1,)]
    assert load(file, data) == 0
    fresh = tmp_path / "fresh"
    assert load(file, fresh) == many
    records[-1] = {**records[-1], "winner": "both_bad" if records[-1]["winner"] != "both_bad" else "tie"}
    other = lines(tmp_path / "other.jsonl", [vote(n + 2 * 10**6) for n in range(2 * many)] + records[-1:])
    done = arena("import", other, "--data", fresh, code=2)
    assert f"line {2 * many + 1}" in done.stderr and "is stored already" in done.stderr
    assert rows(fresh, "SELECT count(*) FROM votes") == [(many,)]
    for folder in (data, fresh):
        assert sorted(rows(folder, "SELECT name, sql FROM sqlite_schema"), key=str) == whole
        assert arena("verify", "--data", folder).returncode == 0


def test_fastchat_clean_battles(tmp_path):
    battles = [
        {
            "question_id": f"q{n}",
            "model_a": f"m{n % 3}",
            "model_b": f"m{(n + 1) % 3}",
            "winner": "tie (bothbad)" if n % 5 else "model_a",
            "judge": f"arena_user_{n % 4}",
            "conversation_a": [
                {"role": "user", "content": 'a "quoted" [ } text'},
                {"role": "assistant", "content": "# head\n**bold** one two"},
            ],
            "conversation_b": [],
            "turn": 1 + n % 2,
            "anony": n != 7,
            "language": "English" if n % 2 else "German",
            "tstamp": 1700000000.5 + n,
        }
        for n in range(20)
    ]
    file = tmp_path / "clean_battle.json"
    file.write_text(json.dumps(battles, indent=2, ensure_ascii=False))
    assert load(file, tmp_path / "d") == 20 and load(file, tmp_path / "d") == 0
    assert board(tmp_path / "d")["votes"] == 19, "one was not blind"
    assert board(tmp_path / "d", "--category", "german")["votes"] == 10
    assert board(tmp_path / "d", "--category", "multiturn")["votes"] == 9
    assert rows(tmp_path / "d", "SELECT at_ms FROM votes WHERE seq = 3") == [(1700000002500,)]
    assert rows(tmp_path / "d", "SELECT headers_a, bold_a FROM battles LIMIT 1") == [(1, 1)]
    battles[4]["winner"] = "?"
    file.write_text(json.dumps(battles, indent=2))
    assert "clean_battle.json, record 5" in arena("import", file, "--data", tmp_path / "d", code=2).stderr


def test_open_webui_feedback(tmp_path):
    feedback = [
        {
            "id": "f1",
            "user_id": "u1",
            "version": 0,
            "type": "rating",
            "created_at": 1730000000,
            "updated_at": 1730000001,
            "data": {
                "rating": 1,
                "model_id": "x",
                "sibling_model_ids": ["y", "z"],
                "reason": None,
                "comment": "",
                "tags": ["poetry"],
            },
            "meta": {"arena": True, "chat_id": "c", "message_id": "m"},
            "snapshot": {"chat": {"title": ']}{[\\"'}},
        },
        {
            "id": "f2",
            "user_id": "u2",
            "type": "rating",
            "created_at": 1730000100,
            "data": {"rating": "-1", "model_id": "x", "sibling_model_ids": ["y"]},
            "meta": {},
        },
        {"id": "f3", "user_id": "u2", "type": "rating", "data": {"rating": 1, "model_id": "x"}, "meta": {}},
    ]
    file = tmp_path / "feedback.json"
    file.write_text(json.dumps(feedback))
    done = arena("import", file, "--data", tmp_path / "d")
    assert done.stdout == "3 votes imported\n1 record compares nothing and was left out\n"
    got = rows(
        tmp_path / "d",
        "SELECT c.name, e.name, v.winner, v.at_ms FROM votes v JOIN battles b ON b.number = v.battle"
        " JOIN competitor_versions d ON d.id = b.version_a JOIN competitors c ON c.number = d.competitor"
        " JOIN competitor_versions f ON f.id = b.version_b JOIN competitors e ON e.number = f.competitor"
        " ORDER BY v.seq",
    )
    assert got == [("x", "y", 0, 1730000000000), ("x", "z", 0, 1730000000000), ("x", "y", 1, 1730000100000)]
    assert board(tmp_path / "d", "--category", "poetry")["votes"] == 2
    assert load(file, tmp_path / "d") == 0


def test_standard_input_counts_and_judges(tmp_path):
    text = "".join(json.dumps(vote(n, judge_kind="model", judge_hash="gpt-judge")) + "\n" for n in range(4))
    assert load("-", tmp_path / "d", stdin=text) == 4
    assert rows(
        tmp_path / "d", "SELECT DISTINCT v.judge, w.name FROM votes v JOIN voters w ON w.number = v.voter"
    ) == [(1, "gpt-judge")]
    counts = tmp_path / "counts.json"
    counts.write_text('{"models": ["x", "y", "z"], "X": [[0, 1], [1, 2]], "Y": [[2, 1, 1, 0], [3, 0, 0, 2]]}')
    assert load(counts, tmp_path / "e") == 9 and load(counts, tmp_path / "e") == 0
    assert same(board(tmp_path / "e"), rank(counts))


@pytest.mark.skipif(not FIXTURES, reason="ARENA_FIXTURES is not set")
def test_llmfao_gives_the_board_of_rank(tmp_path):
    file = pathlib.Path(FIXTURES) / "ranking/evalica/llmfao.csv"
    columns = ("--columns", "left,right,winner", "--voter", "worker", "--prompt", "prompt")
    assert load(file, tmp_path / "d", *columns) == 8931
    assert same(board(tmp_path / "d"), rank(file, *columns))
    with open(file) as stream:
        assert board(tmp_path / "d")["votes"] == len(list(csv.DictReader(stream)))

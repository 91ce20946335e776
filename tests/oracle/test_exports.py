"""What `arena export` writes, opened by those who will open it: pandas, Hugging Face datasets, Python's strict CSV
reader, and arena-rank, which finds the same board in the votes."""
import csv
import json
import os
import random
import subprocess

import numpy as np
import pandas as pd
import pytest

from arena_server import PATIENCE, ArenaServer
from fake_provider import FakeProvider, Script
from test_rank import arena_rank_board, assert_same_board, rank

os.environ |= {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
ARENA = os.environ["ARENA_BINARY"]
MODELS = ("left", "right", "=plus")
HOSTILE = '=1+1,"quoted"\r\nand more\tü 漢 \u2028 \U0001f600 \\n'


def arena(*words):
    done = subprocess.run([ARENA, *map(str, words)], capture_output=True, text=True, timeout=2 * PATIENCE)
    assert done.returncode == 0, done.stderr
    return done


def file_of_votes(path):
    random.seed(4)
    names = [*MODELS, *(f"m{k}" for k in range(6))]
    with open(path, "w") as out:
        for number in range(1500):
            a, b = random.sample(range(len(names)), 2)
            lean = 0.5 + 0.04 * (a - b)
            winner = random.choice(["tie", "both_bad"]) if random.random() < 0.2 else (
                "model_a" if random.random() < lean else "model_b")
            row = {"id": f"v{number}", "model_a": names[a], "model_b": names[b], "winner": winner,
                   "judge_hash": f"u{number % 97}", "tstamp": 1.7e9 + number,
                   "language": HOSTILE if number % 9 else None, "is_code": number % 3 == 0,
                   "category_tag": {"math_v0.1": {"math": number % 2 == 0}}}
            out.write(json.dumps(row) + "\n")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """{(what, format): path} of an arena with battles of its own and imported votes."""
    folder = tmp_path_factory.mktemp("exports")
    with FakeProvider() as provider:
        for name, word in zip(MODELS, ("apples", "rivers", "stones")):
            provider.scripts[name] = Script(text=f"{HOSTILE} {word}", chunk=4096)
        config = provider.config(*MODELS, limits={"min_votes": 1})
        for row in config["competitors"]:
            row["outputs_may_train"] = True
        with ArenaServer(config=config, data=folder / "data") as server:
            voter = server.voter()
            for number, winner in enumerate(("model_a", "model_b", "tie", "both_bad", "model_a")):
                battle, _ = voter.ready(f"{HOSTILE} {number}")
                assert voter.vote(battle, winner).status == 200
            file_of_votes(folder / "votes.jsonl")
            arena("import", folder / "votes.jsonl", "--data", folder / "data")
            paths, data = {}, ("--data", folder / "data")
            for what in ("battles", "votes", "preferences", "leaderboard", "kto"):
                words = ["preferences", "--form", "kto"] if what == "kto" else [what]
                for form in ("jsonl", "csv"):
                    paths[what, form] = folder / f"{what}.{form}"
                    arena("export", *words, "--format", form, "--output", paths[what, form], *data)
            board = json.loads(arena("leaderboard", "--format", "json", "--min-votes", 0, *data).stdout)
    return paths, board


ROWS = {"battles": 1505, "votes": 1505, "preferences": 3, "leaderboard": None, "kto": 8}


def lines(paths, what):
    return [json.loads(line) for line in paths[what, "jsonl"].read_text().splitlines()]


@pytest.mark.parametrize("what", ROWS)
def test_every_reader_finds_the_same_rows(exports, what):
    paths, _ = exports
    rows = [json.loads(line) for line in open(paths[what, "jsonl"], newline="\n")]
    assert ROWS[what] in (None, len(rows))
    names = list(rows[0])
    assert all(list(row) == names for row in rows), "every row has the same fields in the same order"
    with open(paths[what, "csv"], newline="") as file:
        header, *cells = csv.reader(file, strict=True)
    assert header == names and len(cells) == len(rows) and {len(row) for row in cells} == {len(names)}
    for form, read in (("jsonl", lambda path: pd.read_json(path, lines=True)), ("csv", pd.read_csv)):
        frame = read(paths[what, form])
        assert list(frame.columns) == names and len(frame) == len(rows)
    for row, written in zip(rows, cells):
        for name, cell in zip(names, written):
            value = row[name]
            if isinstance(value, str):
                assert cell in (value, "'" + value), (name, value, cell)
                assert (cell != value) == (value[:1] in tuple("=+-@\t\r")), "a formula is defused, and nothing else"


@pytest.mark.parametrize("what", ROWS)
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_datasets_loads_them(exports, what, form, tmp_path):
    from datasets import load_dataset
    paths, _ = exports
    builder = "json" if form == "jsonl" else "csv"
    loaded = load_dataset(builder, data_files=str(paths[what, form]), cache_dir=str(tmp_path), split="train")
    rows = [json.loads(line) for line in open(paths[what, "jsonl"], newline="\n")]
    assert loaded.column_names == list(rows[0]) and loaded.num_rows == len(rows)
    key = {"preferences": "chosen_model", "kto": "model", "leaderboard": "model"}.get(what, "model_a")
    assert [value.lstrip("'") for value in loaded[key]] == [row[key] for row in rows]


def test_pairs_are_what_trainers_take(exports):
    paths, _ = exports
    pairs = pd.read_json(paths["preferences", "jsonl"], lines=True)
    assert {"prompt", "chosen", "rejected"} <= set(pairs.columns)
    assert all(text.startswith(HOSTILE) for column in ("prompt", "chosen", "rejected") for text in pairs[column])
    labels = pd.read_json(paths["kto", "jsonl"], lines=True)
    assert {"prompt", "completion", "label"} <= set(labels.columns)
    assert sorted(labels["label"]) == [False] * 5 + [True] * 3


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_arena_rank_finds_the_same_board(exports, form):
    paths, board = exports
    frame = pd.read_json(paths["votes", form], lines=True) if form == "jsonl" else pd.read_csv(paths["votes", form])
    for column in ("model_a", "model_b"):  # a name that would be a formula is guarded in a CSV; arena takes it off
        frame[column] = frame[column].str.removeprefix("'")
    theirs = arena_rank_board(frame[frame["source"] == "import"], False)  # our five battles connect nothing
    compatible = rank(paths["votes", form], "--compatible", "arena-rank", "--filter", "source=import")
    assert_same_board(compatible, theirs, 1e-3, 1e-2)
    ours = rank(paths["votes", form])
    assert ours["votes"] == board["votes"] == 1505 and len(board["models"]) >= 9
    for row, again in zip(board["models"], ours["models"]):
        assert row["model"] == again["model"].lstrip("'")
        assert np.allclose([row[k] for k in ("rating", "rating_lower", "rating_upper")],
                           [again[k] for k in ("rating", "rating_lower", "rating_upper")], atol=1e-6)
    written = pd.read_csv(paths["leaderboard", "csv"])
    ranked = written[written["rating"].notna()]
    assert [name.lstrip("'") for name in ranked["model"]] == [row["model"] for row in board["models"]]
    assert np.allclose(ranked["rating"], [row["rating"] for row in board["models"]], atol=1e-6)

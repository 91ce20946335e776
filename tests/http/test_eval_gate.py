"""`arena gate`: the exit code, one observation a prompt, judges and versions kept apart."""

import json
import random
import subprocess
import xml.etree.ElementTree

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from test_data_import import arena, lines, load

HOLDS, FAILS, USAGE, UNDECIDED = 0, 1, 2, 3


def gate(data, *more, model="x", versus="y"):
    done = subprocess.run(
        [
            binary(),
            "gate",
            "--data",
            data,
            "--model",
            model,
            "--versus",
            versus,
            "--format",
            "json",
            *map(str, more),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    found = json.loads(done.stdout) if done.stdout else {}
    assert not found or found["exit_code"] == done.returncode
    return done.returncode, found, done.stderr


def votes(count, rate, prompts=None, seed=1, **more):
    """x wins `rate` of them; sides swap."""
    draw = random.Random(seed)
    for number in range(count):
        x_wins, swapped = draw.random() < rate, number % 2
        yield {
            "model_a": "y" if swapped else "x",
            "model_b": "x" if swapped else "y",
            "winner": "model_b" if x_wins == bool(swapped) else "model_a",
            **({"prompt": f"p{number % prompts}"} if prompts else {}),
            **more,
        }


def store(tmp_path, records, name="votes"):
    load(lines(tmp_path / f"{name}.jsonl", list(records)), tmp_path / "d")
    return tmp_path / "d"


@pytest.mark.parametrize(
    "count,rate,code", [(400, 0.7, HOLDS), (400, 0.2, FAILS), (20, 0.5, UNDECIDED), (2, 1.0, UNDECIDED)]
)
def test_the_exit_code(tmp_path, count, rate, code):
    got, found, _ = gate(store(tmp_path, votes(count, rate)))
    assert got == code, found
    assert (
        found["votes"] == found["prompts"] == count
        and found["wins"] + found["losses"] + found["ties"] == count
    )
    assert abs(found["win_rate"] - 100 * found["wins"] / count) < 1e-9
    assert (found["prompts_needed"] or 0) >= (1 if code == UNDECIDED and count == 20 else 0)


def test_the_other_side_sees_the_mirror(tmp_path):
    data = store(tmp_path, votes(300, 0.75))
    assert gate(data)[0] == HOLDS and gate(data, model="y", versus="x")[0] == FAILS
    assert gate(data)[1]["win_rate"] == pytest.approx(100 - gate(data, model="y", versus="x")[1]["win_rate"])


def test_many_votes_on_few_prompts_prove_little(tmp_path):
    data = store(tmp_path, votes(600, 0.75, prompts=4))
    code, found, _ = gate(data)
    assert (code, found["prompts"], found["votes"]) == (UNDECIDED, 4, 600)


def test_a_smaller_margin_and_more_confidence_need_more(tmp_path):
    data = store(tmp_path, votes(30, 0.62))
    evidence = [gate(data, "--min-delta", delta)[1]["e_holds"] for delta in (0, 5, 20)]
    assert evidence == sorted(evidence)
    assert gate(data, "--min-delta", 20)[0] == HOLDS
    assert gate(data, "--min-delta", 20, "--confidence", 0.999999)[0] == UNDECIDED


def test_which_judges_count_must_be_said(tmp_path):
    data = store(tmp_path, votes(300, 0.8), "people")
    assert gate(data)[0] == HOLDS
    store(tmp_path, votes(300, 0.1, judge_kind="model"), "models")
    code, _, told = gate(data)
    assert code == USAGE and "--judge human, model or any" in told
    assert gate(data, "--judge", "human")[0] == HOLDS and gate(data, "--judge", "model")[0] == FAILS
    assert gate(data, "--judge", "any")[1]["votes"] == 600
    only = tmp_path / "only"
    load(tmp_path / "models.jsonl", only)
    assert gate(only)[0] == FAILS, "the one kind that is stored"


def test_categories_and_the_whole_board(tmp_path):
    coding = [{**vote, "is_code": True} for vote in votes(200, 0.2, seed=2)]
    bridge = [
        {"model_a": a, "model_b": b, "winner": "model_a" if n % 4 else "model_b"}
        for n in range(300)
        for a, b in (("x", "z"), ("z", "w"))
    ]
    data = store(tmp_path, [*votes(400, 0.8), *coding, *bridge])
    assert gate(data, "--category", "coding")[0] == FAILS
    assert gate(data, model="x", versus="w")[0] == UNDECIDED, "they never met"
    code, found, _ = gate(data, "--transitive", model="x", versus="w")
    assert code == HOLDS and found["method"] == "board"
    assert gate(data, "--transitive", model="w", versus="x")[0] == FAILS


def test_failures_are_never_an_answer(tmp_path):
    data = store(tmp_path, votes(10, 0.5))
    for more in (
        ("--model", "nobody"),
        ("--min-delta", "60"),
        ("--confidence", "2"),
        ("--category", ""),
        ("--data", tmp_path / "none"),
        ("--versus", "x"),
    ):
        assert gate(data, *more)[0] == USAGE, more
    assert subprocess.run([binary(), "gate", "--data", data], capture_output=True).returncode == USAGE


def test_for_pipelines(tmp_path):
    data = store(tmp_path, votes(300, 0.2))
    ask = lambda form: subprocess.run(
        [binary(), "gate", "--data", data, "--model", "x", "--versus", "y", "--format", form],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    suite = xml.etree.ElementTree.fromstring(ask("junit").stdout).find("testsuite")
    assert suite.get("failures") == "1" and suite.find("testcase/failure").get("message").startswith(
        "x is worse than y"
    )
    assert ask("md").stdout.startswith("### Fails\n") and "| win rate |" in ask("md").stdout
    assert ask("text").stdout.startswith("FAILS: x is worse than y by more than 5 points\n")


def test_versions_are_never_mixed(provider, tmp_path):
    config = provider.config("left", "right")
    for rounds, system in ((3, "be brief"), (2, "be kind")):
        config["competitors"][0]["system"] = system
        with ArenaServer(config=config, data=tmp_path / "d") as server:
            voter = server.voter()
            for number in range(rounds):
                battle, _ = voter.ready(f"{system} {number}")
                voter.vote(battle, "tie")
        (tmp_path / "d" / "test-server.log").unlink()
    code, found, _ = gate(tmp_path / "d", model="left", versus="right")
    assert (code, found["votes"], found["other_versions_votes"]) == (UNDECIDED, 2, 3)
    board = json.loads(
        arena("leaderboard", "--data", tmp_path / "d", "--min-votes", "0", "--format", "json").stdout
    )
    old = next(
        row["model"] for row in board["models"] + board["unranked"] if row["model"].startswith("left@")
    )
    assert gate(tmp_path / "d", model=old, versus="right")[1]["votes"] == 3

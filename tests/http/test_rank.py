"""`arena rank` as a stranger meets it: files, pipes, gzip, formats, exit codes, and one line for whatever is wrong."""
import gzip
import json
import os
import subprocess

import pytest

ARENA = os.environ["ARENA_BINARY"]
VOTES = "model_a,model_b,winner,judge\n" + "".join(
    f"{a},{b},{w},v{k % 7}\n" for k, (a, b, w) in enumerate(
        [("x", "y", "model_a"), ("y", "z", "model_a"), ("z", "x", "model_a"),
         ("x", "z", "tie"), ("y", "x", "both_bad")] * 6
        + [("x", "y", "model_a"), ("x", "z", "model_a"), ("new", "x", "model_a")]))


def rank(*args, data=None):
    return subprocess.run([ARENA, "rank", *map(str, args)], input=data, capture_output=True, timeout=60)


@pytest.fixture
def votes(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(VOTES)
    return path


def test_same_board_from_file_pipe_and_gzip(votes, tmp_path):
    packed = tmp_path / "votes.csv.gz"
    packed.write_bytes(gzip.compress(VOTES.encode()))
    plain = rank(votes, "--format", "json")
    assert plain.returncode == 0 and plain.stderr == b""
    assert rank("-", "--format", "json", data=VOTES.encode()).stdout == plain.stdout
    assert rank(packed, "--format", "json").stdout == plain.stdout
    assert rank(votes, "--format", "json", "--threads", "3").stdout == plain.stdout
    board = json.loads(plain.stdout)
    assert [row["model"] for row in board["models"]][0] == "x"
    assert board["votes"] == 33 and board["interval"] == "clustered" and board["voters"] == 7
    assert abs(sum(row["rating"] for row in board["models"]) / 3 - 1000) < 1e-6
    assert board["unranked"][0]["model"] == "new" and "undefeated" in board["unranked"][0]["reason"]
    assert any("7 voters" in line for line in board["warnings"])


@pytest.mark.parametrize("options", [[], ["--method", "elo"], ["--ci", "bootstrap", "--rounds", "20"],
                                     ["--ci", "sandwich"], ["--reweighted"], ["--ties", "davidson"],
                                     ["--ties", "rao-kupper"],
                                     ["--ties", "grounded"], ["--simultaneous"], ["--detail"], ["--anchor", "x=1100"],
                                     ["--min-votes", "5"], ["--compatible", "arena-rank"], ["--filter", "judge!=v1"]])
@pytest.mark.parametrize("format", ["table", "json", "csv", "md", "html"])
def test_every_option_in_every_format(votes, options, format):
    run = rank(votes, "--format", format, *options)
    assert run.returncode == 0, run.stderr
    assert b"x" in run.stdout and b"nan" not in run.stdout


@pytest.mark.parametrize("ties", ["half", "davidson", "rao-kupper", "grounded"])
@pytest.mark.parametrize("ci", ["sandwich", "clustered"])
def test_every_tie_model_keeps_the_scale(votes, ties, ci):
    board = json.loads(rank(votes, "--ties", ties, "--ci", ci, "--format", "json").stdout)
    models = board["models"]
    assert abs(sum(row["rating"] for row in models) / 3 - 1000) < 1e-6
    assert all(row["rating_lower"] < row["rating"] < row["rating_upper"] for row in models)
    if ties == "grounded":
        assert len({round(row["rating"] - row["absolute"], 6) for row in models}) == 1


def test_seeded_bootstrap_repeats(votes):
    options = ["--ci", "bootstrap", "--rounds", "50", "--format", "json"]
    first = rank(votes, *options, "--seed", "7", "--threads", "1").stdout
    assert rank(votes, *options, "--seed", "7", "--threads", "3").stdout == first
    assert rank(votes, *options, "--seed", "8").stdout != first


@pytest.mark.parametrize("args, message", [
    ([], "which file"),
    (["/nonexistent"], "cannot open /nonexistent"),
    (["/"], "cannot read /"),
    (["VOTES", "--columns", "a,b"], "three names"),
    (["VOTES", "--columns", "a,b,c"], 'no column "a"'),
    (["VOTES", "--anchor", "x"], "MODEL=RATING"),
    (["VOTES", "--anchor", "nobody=1"], 'no model "nobody"'),
    (["VOTES", "--method", "glicko"], "is not one of"),
    (["VOTES", "--ties", "davidson", "--compatible", "arena-rank"], "leave --ties out"),
    (["VOTES", "--filter", "judge"], "is no filter"),
    (["VOTES", "--category", "nonesuch"], 'no vote is of category "nonesuch"; known are overall'),
    (["VOTES", "--category", "overall,"], 'no category'),
    (["VOTES", "--style"], "style"),
    (["VOTES", "--rounds", "0"], "--rounds"),
    (["VOTES", "VOTES"], "unexpected argument"),
])
def test_bad_usage_is_one_clear_line(votes, args, message):
    run = rank(*[votes if arg == "VOTES" else arg for arg in args])
    assert run.returncode == 2
    assert message in run.stderr.decode()
    assert run.stdout == b""


def test_several_boards_from_one_pass(tmp_path):
    path = tmp_path / "votes.csv"
    rows = VOTES.splitlines()
    path.write_text("\n".join([rows[0] + ",language", *(f"{row},{('en', 'de', 'fr')[k % 3 if k % 2 else 0]}"
                                                       for k, row in enumerate(rows[1:]))]) + "\n")
    run = rank(path, "--category", "overall,english", "--category", "de", "--format", "json")
    assert run.returncode == 0, run.stderr
    boards = json.loads(run.stdout)["boards"]
    assert [board["category"] for board in boards] == ["overall", "english", "de"]
    for board in boards:
        assert board == json.loads(rank(path, "--category", board["category"], "--format", "json").stdout)
    assert rank(path, "--category", "en,de", "--format", "csv").stdout.startswith(b"category,rank,")
    for format in ("table", "md", "html"):
        text = rank(path, "--category", "english,de", "--format", format).stdout
        assert text.count(b"x") > 1 and b"english" in text and b"de" in text


def test_filter_on_the_voter_keeps_the_voters(votes):
    board = json.loads(rank(votes, "--filter", "judge!=v1", "--format", "json").stdout)
    assert board["voters"] == 6 and board["interval"] == "clustered"


def test_lenient_counts_what_it_skips(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(VOTES + "x,x,tie,v1\nx,y,maybe,v1\n")
    strict = rank(path)
    assert strict.returncode == 2 and b"line 35: x meets itself" in strict.stderr
    run = rank(path, "--lenient", "--format", "json")
    assert run.returncode == 0 and b"skipped 2 of 35" in run.stderr
    assert json.loads(run.stdout)["votes_skipped"] == 2


def test_help():
    run = subprocess.run([ARENA, "rank", "--help"], capture_output=True, text=True)
    assert run.returncode == 0 and "--compatible" in run.stdout

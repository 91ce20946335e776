"""`arena rank` as a stranger meets it: files, pipes, gzip, formats, exit codes, and one line for whatever is wrong."""
import gzip
import json
import math
import os
import subprocess
import time

import pytest

from arena_server import PATIENCE

ARENA = os.environ["ARENA_BINARY"]
VOTES = "model_a,model_b,winner,judge\n" + "".join(
    f"{a},{b},{w},v{k % 7}\n" for k, (a, b, w) in enumerate(
        [("x", "y", "model_a"), ("y", "z", "model_a"), ("z", "x", "model_a"),
         ("x", "z", "tie"), ("y", "x", "both_bad")] * 6
        + [("x", "y", "model_a"), ("x", "z", "model_a"), ("new", "x", "model_a")]))


def rank(*args, data=None):
    return subprocess.run([ARENA, "rank", *map(str, args)], input=data, capture_output=True, timeout=PATIENCE)


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
    (["VOTES", "--columns", "model_a,model_a,winner"], "names a column twice"),
    (["VOTES", "--filter", "nonesuch!=1"], 'no column "nonesuch"'),
    (["VOTES", "--weight", "nonesuch"], 'winner,judge)\n'),
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


@pytest.mark.parametrize("name, content, options, message", [
    ("utf-16.csv", VOTES.encode("utf-16"), [], "is UTF-16"),
    ("utf-16-be.jsonl", '{"model_a":"x"}\n'.encode("utf-16-be"), [], "zero byte"),
    ("escapes.csv", b"\x1b[2Jname,\xff\n1,2\n", [], "(the columns are ?[2Jname,?)"),
    ("below-0.jsonl", b'{"model_a":"x","model_b":"y","winner":"tie","conv_metadata":{"sum_assistant_a_tokens":-5}}\n',
     ["--style"], "line 1: neither style counts (numbers of 0 or more"),
])
def test_strange_files_are_told_apart(tmp_path, name, content, options, message):
    path = tmp_path / name
    path.write_bytes(content)
    run = rank(path, *options)
    assert (run.returncode, run.stdout) == (2, b"") and message in run.stderr.decode()


def test_a_filter_that_no_vote_matches_is_said(tmp_path):
    path = tmp_path / "votes.jsonl"
    path.write_text('{"model_a":"x","model_b":"y","winner":"tie"}\n' * 3)
    run = rank(path, "--filter", "langauge=English", "--format", "json")
    assert run.returncode == 0
    assert "none of 3 votes matches what was asked for" in json.loads(run.stdout)["warnings"]


def test_the_result_may_go_where_no_file_is(votes, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        assert rank(votes, "--format", "csv", "--output", pipe).returncode == 0
        assert reader.stdout.read() == rank(votes, "--format", "csv").stdout
    assert pipe.is_fifo()


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


def weighted(tmp_path, copies=1, weight=lambda k: 1):
    """The votes, each `copies(k)` times, with a column of weights."""
    path = tmp_path / "weighted.csv"
    rows = VOTES.splitlines()
    lines = [rows[0] + ",w", *(f"{row},{weight(k)}" for k, row in enumerate(rows[1:-1])
                               for _ in range(copies(k) if callable(copies) else copies))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_weights(tmp_path):
    def ratings(path, *options):
        models = json.loads(rank(path, "--ci", "sandwich", "--format", "json", *options).stdout)["models"]
        return {row["model"]: (row["rating"], row["standard_error"]) for row in models}

    plain = ratings(weighted(tmp_path))
    for weight, option in ((lambda k: 1, "w"), (lambda k: 7.5, "w"), (lambda k: 0.25, "1/w")):
        for model, (rating, error) in ratings(weighted(tmp_path, weight=weight), "--weight", option).items():
            assert abs(rating - plain[model][0]) < 1e-6 and abs(error - plain[model][1]) < 1e-6
    repeated = ratings(weighted(tmp_path, copies=lambda k: 1 + k % 3))
    for weight, option in ((lambda k: 1 + k % 3, "w"), (lambda k: 1 / (1 + k % 3), "1/w")):
        ours = ratings(weighted(tmp_path, weight=weight), "--weight", option)
        for model, (rating, error) in ours.items():
            assert abs(rating - repeated[model][0]) < 1e-3
            assert error > repeated[model][1]  # one vote of weight 3 says less than three votes
    for bad in ("0", "-1", "", "x", "nan", "inf", "1e30"):
        run = rank(weighted(tmp_path, weight=lambda k: bad if k == 4 else 1), "--weight", "w")
        assert run.returncode == 2 and b'line 6: "w" is no weight' in run.stderr
    assert b"is no probability" in rank(weighted(tmp_path, weight=lambda k: 1.5), "--weight", "1/w").stderr
    assert b'no column "nope"' in rank(weighted(tmp_path), "--weight", "nope").stderr
    assert rank(weighted(tmp_path), "--weight", "w", "--ties", "davidson").returncode == 2


def test_daily_cap(tmp_path):
    path = tmp_path / "votes.csv"
    days = ["2025-07-01T10:00:00Z", "2025-07-02", "1751414400.5", "1751500800000", ""]
    path.write_text("model_a,model_b,winner,judge,timestamp\n" + "".join(
        f"{'xy'[k % 2]},{'yx'[k % 2]},{('model_a', 'tie')[k % 3 == 0]},v{k % 2},{days[k % 5]}\n" for k in range(100)))
    board = json.loads(rank(path, "--daily-cap", "3", "--format", "json").stdout)
    assert board["votes"] == 20 + 2 * 3 * 3  # no day: all; 1 July, 2 July (written twice), 3 July: three a voter
    assert any("62 votes over a voter's daily cap were left out" in line for line in board["warnings"])
    assert json.loads(rank(path, "--daily-cap", "1000", "--format", "json").stdout)["votes"] == 100
    assert b"needs votes that name their voter and time" in rank(weighted(tmp_path), "--daily-cap", "3").stderr
    path.write_text(path.read_text().replace("2025-07-02", "today"))
    assert b'line 3: "timestamp" is no time' in rank(path, "--daily-cap", "3").stderr


@pytest.mark.parametrize("options", [[], ["--ci", "bootstrap"], ["--anchor", "y=1000"], ["--ties", "grounded"]])
def test_scale_base_and_initial(votes, options):
    usual = json.loads(rank(votes, "--detail", "--format", "json", *options).stdout)
    other = json.loads(rank(votes, "--detail", "--format", "json", "--scale", "100", "--base", "2", "--initial", "0",
                            *options).stdout)
    wider = (100 / math.log(2)) / (400 / math.log(10))
    zero = 1000 if "--anchor" in options else 0
    for was, now in zip(usual["models"], other["models"]):
        assert was["model"] == now["model"]
        for field in ("rating", "rating_lower", "rating_upper"):
            assert abs(now[field] - zero - (was[field] - 1000) * wider) < 1e-6
        assert abs(now["standard_error"] - was["standard_error"] * wider) < 1e-6
    assert usual["head_to_head"] == other["head_to_head"]
    assert (other["scale"], other["base"], other["initial"]) == (100, 2, 0)


def test_scale_of_elo(votes):
    other = rank(votes, "--method", "elo", "--k", "8", "--scale", "200", "--base", "100", "--initial", "5",
                 "--format", "json", "--min-votes", "0")
    ratings = dict.fromkeys(("x", "y", "z", "new"), 5.0)
    for line in VOTES.splitlines()[1:]:
        a, b, outcome, _ = line.split(",")
        expected = 1 / (1 + 100 ** ((ratings[b] - ratings[a]) / 200))
        change = 8 * ({"model_a": 1, "model_b": 0}.get(outcome, 0.5) - expected)
        ratings[a] += change
        ratings[b] -= change
    for row in json.loads(other.stdout)["models"]:
        assert abs(row["rating"] - ratings[row["model"]]) < 1e-9


@pytest.mark.parametrize("option, value", [("--scale", "0"), ("--scale", "nan"), ("--base", "1"), ("--base", "-3")])
def test_scales_that_are_none(votes, option, value):
    run = rank(votes, option, value)
    assert run.returncode == 2 and option.encode() in run.stderr


def dated(tmp_path, days):
    path = tmp_path / "dated.csv"
    rows = VOTES.splitlines()
    path.write_text("\n".join([rows[0] + ",tstamp", *(f"{row},{1_700_000_000 + 86400 * days * k // len(rows)}"
                                                     for k, row in enumerate(rows[1:-1]))]) + "\n")
    return path


@pytest.mark.parametrize("days, points, first", [(8, 9, "2023-11-14"), (100, 14, "2023-11-20"),
                                                 (400, 14, "2023-11-30"), (1500, 24, "2023-12-31")])
@pytest.mark.parametrize("options", [[], ["--ties", "davidson"], ["--method", "elo"], ["--reweighted"]])
def test_ratings_over_time(tmp_path, days, points, first, options):
    path = dated(tmp_path, days)
    board = json.loads(rank(path, "--detail", "--format", "json", *options).stdout)
    history = board["history"]
    assert len(history) in (points, points - 1) and history[0]["date"] == first
    assert [point["date"] for point in history] == sorted({point["date"] for point in history})
    for row, last in zip(board["models"], history[-1]["ratings"]):
        assert abs(row["rating"] - last) < 1e-3
    assert b"Ratings over time" in rank(path, "--format", "html", *options).stdout
    until = tmp_path / "until.csv"
    end = 1_700_000_000 // 86400 * 86400 + 86400 * (days // 2)
    rows = path.read_text().splitlines()
    until.write_text("\n".join([rows[0], *(row for row in rows[1:] if int(row.split(",")[-1]) < end)]) + "\n")
    then = json.loads(rank(until, "--format", "json", *options).stdout)
    same = [point for point in history if point["date"] == time.strftime("%Y-%m-%d", time.gmtime(end - 86400))]
    for point in same:  # what that day's board was
        ratings = {row["model"]: row["rating"] for row in then["models"]}
        for row, rating in zip(board["models"], point["ratings"]):
            assert (rating is None) == (row["model"] not in ratings)
            assert rating is None or abs(rating - ratings[row["model"]]) < 1e-3


def test_one_vote_is_not_votes(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("model_a,model_b,winner\nx,y,model_a\n")
    for format in ("table", "md", "html"):
        text = rank(path, "--format", format).stdout.decode()
        assert "1 vote" in text and "1 votes" not in text


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

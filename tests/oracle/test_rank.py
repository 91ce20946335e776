"""`arena rank` against arena-rank and evalica from PyPI, on the same votes.

arena-rank stops its optimiser early, so it is run here with tolerances that let it reach its own optimum; then ratings,
intervals and style coefficients must agree. evalica's iteration stops at 1e-6, so its tolerance is tightened too.
"""
import csv
import json
import os
import random
import subprocess

import numpy as np
import pandas as pd
import pytest

from arena_server import PATIENCE

ARENA = os.environ["ARENA_BINARY"]
FIXTURES = os.environ.get("ARENA_FIXTURES") or None
LLMFAO = ["--columns", "left,right,winner"]


def rank(path, *options):
    run = subprocess.run([ARENA, "rank", str(path), "--format", "json", *options],
                         capture_output=True, text=True, timeout=2 * PATIENCE)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def by_model(board, field):
    return {row["model"]: row[field] for row in board["models"]}


@pytest.fixture(scope="module")
def votes(tmp_path_factory):
    """Simulated votes with style counts, as LMArena publishes them."""
    random.seed(3)
    rows = []
    for k in range(6000):
        a, b = random.sample(range(12), 2)
        style = {}
        for side in "ab":
            style[side] = [random.randint(20, 800), random.randint(0, 6), random.randint(0, 12), random.randint(0, 9)]
        lean = 0.3 * (a - b) / 3 + 0.8 * (style["a"][0] - style["b"][0]) / (style["a"][0] + style["b"][0])
        u = random.random()
        p = 1 / (1 + np.exp(-lean))
        winner = "tie" if u < 0.2 else "model_a" if u < 0.2 + 0.8 * p else "model_b"
        rows.append({"model_a": f"m{a:02}", "model_b": f"m{b:02}", "winner": winner, "style": style})
    path = tmp_path_factory.mktemp("oracle") / "votes.jsonl"
    with open(path, "w") as out:
        for row in rows:
            meta = {}
            for side, (tokens, headers, lists, bold) in row["style"].items():
                meta[f"sum_assistant_{side}_tokens"] = tokens
                meta[f"header_count_{side}"] = {"h1": headers, "h2": 0}
                meta[f"list_count_{side}"] = {"ordered": lists, "unordered": 0}
                meta[f"bold_count_{side}"] = {"**": bold, "__": 0}
            vote = {k: row[k] for k in ("model_a", "model_b", "winner")}
            out.write(json.dumps({**vote, "conv_metadata": meta}) + "\n")
    return path, rows


def arena_rank_board(frame, reweighted, columns=("model_a", "model_b")):
    from arena_rank.models.bradley_terry import BradleyTerry
    from arena_rank.utils.data_utils import PairDataset
    data = PairDataset.from_pandas(frame, competitor_cols=list(columns), reweighted=reweighted)
    model = BradleyTerry(n_competitors=len(data.competitors), ftol=0.0, gtol=1e-12, max_iter=5000)
    return model.compute_ratings_and_cis(data)


def assert_same_board(ours, theirs, rating_tolerance, bound_tolerance):
    for field, tolerance in (("rating", rating_tolerance), ("rating_lower", bound_tolerance),
                             ("rating_upper", bound_tolerance)):
        values = by_model(ours, field)
        theirs_field = "ratings" if field == "rating" else field
        for model, value in zip(theirs["competitors"], np.asarray(theirs[theirs_field])):
            assert abs(values[model] - value) < tolerance, (field, model, values[model], value)


@pytest.mark.parametrize("reweighted", [False, True])
def test_bradley_terry_and_sandwich(votes, reweighted):
    path, rows = votes
    theirs = arena_rank_board(pd.DataFrame(rows), reweighted)
    ours = rank(path, "--compatible", "arena-rank", *(["--reweighted"] if reweighted else []))
    assert_same_board(ours, theirs, 1e-4, 1e-3)


@pytest.mark.skipif(not FIXTURES, reason="no fixtures")
def test_real_votes():
    path = f"{FIXTURES}/ranking/evalica/llmfao.csv"
    frame = pd.read_csv(path)
    frame["winner"] = frame["winner"].map({"left": "model_a", "right": "model_b", "tie": "tie"})
    theirs = arena_rank_board(frame, False, ("left", "right"))
    assert_same_board(rank(path, *LLMFAO, "--compatible", "arena-rank"), theirs, 1e-3, 1e-2)


@pytest.mark.parametrize("options", [[], ["--reweighted"]])
def test_style(votes, options):
    from arena_rank.models.contextual_bradley_terry import ContextualBradleyTerry
    from arena_rank.utils.data_utils import ContextualPairDataset
    path, rows = votes
    frame = pd.DataFrame(rows)
    names = ["tokens", "headers", "lists", "bold"]
    for f, name in enumerate(names):
        a = frame["style"].map(lambda s: s["a"][f]).astype(float)
        b = frame["style"].map(lambda s: s["b"][f]).astype(float)
        raw = (a - b) / (a + b).replace(0, 1)
        frame[name] = (raw - raw.mean()) / raw.std()
    data = ContextualPairDataset.from_pandas(frame, feature_cols=names)  # reweighted, by default
    model = ContextualBradleyTerry(n_competitors=len(data.competitors), n_features=4, ftol=0.0, gtol=1e-12,
                                   max_iter=5000)
    theirs = model.compute_ratings_and_cis(data)
    ours = rank(path, "--style", "--compatible", "arena-rank", *options)
    assert_same_board(ours, theirs, 1e-3, 1e-2)
    coefficients = [row["value"] for row in ours["coefficients"]]
    assert np.allclose(coefficients, np.asarray(model.params["coeffs"]), atol=1e-6)
    plain = rank(path, "--style")["coefficients"][0]["value"]
    assert plain > 3 * coefficients[0]  # the penalty that arena-rank puts on a mean loss shrinks style several times


def evalica_input(path):
    from evalica import Winner
    words = {"left": Winner.X, "right": Winner.Y, "tie": Winner.Draw}
    with open(path) as file:
        rows = list(csv.DictReader(file))
    return [r["left"] for r in rows], [r["right"] for r in rows], [words[r["winner"]] for r in rows]


@pytest.mark.skipif(not FIXTURES, reason="no fixtures")
@pytest.mark.parametrize("name", ["food", "simple", "llmfao"])
def test_evalica(name):
    import evalica
    path = f"{FIXTURES}/ranking/evalica/{name}.csv"
    xs, ys, winners = evalica_input(path)
    theirs = evalica.bradley_terry(xs, ys, winners, tolerance=1e-13, limit=100000).scores
    ours = by_model(rank(path, *LLMFAO), "rating")
    for model, score in theirs.items():
        centred = np.log(score) - np.log(theirs).mean()
        assert abs(ours[str(model)] - (1000 + 400 / np.log(10) * centred)) < 1e-3
    elo = evalica.elo(xs, ys, winners).scores
    ours = by_model(rank(path, *LLMFAO, "--method", "elo"), "rating")
    for model, score in elo.items():
        assert abs(ours[str(model)] - score) < 1e-8
    newman = evalica.newman(xs, ys, winners, tolerance=1e-13, limit=100000).scores
    ours = by_model(rank(path, *LLMFAO, "--ties", "davidson"), "rating")
    for model, score in newman.items():
        centred = np.log(score) - np.log(newman).mean()
        assert abs(ours[str(model)] - (1000 + 400 / np.log(10) * centred)) < 1e-2

"""What the pages of evaluations read: why a model stands where it stands, a run's report, any pair of it."""
import json
import re
import subprocess
import threading

import pytest

import contract
from arena_server import PATIENCE, ArenaServer, wait_until
from fake_provider import Script
from test_eval_run import Lab, Models, judging

SAID = {"ours": "Ours: apples are red.", "rival": "Rivers are **long**.", "third": "Thirds are few."}


def answer(model, messages):
    return SAID.get(model, "")


def favour(judge, a, b):
    """The rival first, then ours, then the third."""
    order = [SAID["rival"], SAID["ours"], SAID["third"]]
    return "A" if order.index(a) < order.index(b) else "B"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    decide = judging(favour)
    with Models(lambda model, messages: decide(model, messages) if model == "judge" else answer(model, messages)) as \
            models:
        config = models.config("ours", "rival", "third", "judge")
        config["competitors"][0]["in_house"] = True
        lab = Lab(folder, config)
        with ArenaServer(config=config, data=lab.data) as server:
            lab.run("run", lab.spec(4, competitors=["ours", "rival", "third"], judge=["judge", "human"]))
            voter = server.voter()
            for _ in range(12):
                shown = voter.post("/api/queue/next").json["battle"]
                texts = [shown["turns"][0][lane]["text"] for lane in "ab"]
                winner = "model_a" if favour("", *texts) == "A" else "model_b"
                voter.post(f"/api/battles/{shown['battle_id']}/vote", {"winner": winner, "reveal": False})
                voter.post(f"/api/battles/{shown['battle_id']}/feedback",
                           {"reasons": {winner[-1]: ["useful"]}, "comment": "it says more"})
            yield server, lab, voter


def test_why_is_what_the_command_prints(served):
    server, lab, voter = served
    listed = contract.ok(voter.get("/api/why"), "why")
    assert listed["models"][0] == {"name": "ours", "in_house": True, "votes": 16} and "tables" not in listed
    for word in ("human", "model"):
        page = contract.ok(voter.get(f"/api/why?model=ours&votes={word}"), "why")
        printed = json.loads(lab.run("why", "--model", "ours", "--votes", word, "--format", "json").stdout)
        assert page["tables"] == printed and page["votes_of"] == word
    assert contract.ok(voter.get("/api/why?model=ours"), "why")["votes_of"] == "human"
    tables = {table["title"]: table for table in page["tables"]}
    met = tables["Against each rival and each version of its own"]["rows"]
    assert [(row[2], row[8], row[9]) for row in met] == [("everybody", "4", "4"), ("rival", "0", "4"),
                                                        ("third", "4", "0")]
    by_category = {(row[0], row[2]): row[7] for row in tables["By category"]["rows"]}
    assert by_category["even", "rival"] == by_category["odd", "third"] == "2"
    contract.refused(voter.get("/api/why?model=nobody"), "not_found", "nobody")
    contract.refused(voter.get("/api/why?model=ours&votes=all"), "bad_request", "any, human or model")
    contract.refused(voter.get("/api/why?model=" + "x" * 300), "bad_request", "model")


def test_lost_battles_are_filtered_and_read(served):
    server, lab, voter = served
    lost = contract.ok(voter.get("/api/why/lost?model=ours"), "why_lost")
    assert len(lost["battles"]) == 4 and lost["next"] is None
    assert {row["rival"] for row in lost["battles"]} == {"rival"} and lost["battles"][0]["judge"] == "human"
    assert voter.get("/api/why/lost?model=ours&rival=third").json["battles"] == []
    odd = voter.get("/api/why/lost?model=ours&category=odd&votes=any").json["battles"]
    assert {row["opening"] for row in odd} == {"question 1", "question 3"} and len(odd) == 4
    assert voter.get("/api/why/lost?model=ours&category=english").json["battles"] == []
    older = voter.get(f"/api/why/lost?model=ours&before={lost['battles'][0]['vote']}").json["battles"]
    assert older == lost["battles"][1:]
    battle = contract.ok(voter.get(f"/api/why/battles/{lost['battles'][0]['battle_id']}"), "why_battle")
    side = "a" if battle["a"]["model"] == "ours" else "b"
    other = "ab".replace(side, "")
    assert battle["turns"][0][side]["text"] == SAID["ours"] and battle[other]["model"] == "rival"
    vote, = battle["votes"]
    assert vote["winner"] == f"model_{other}" and vote["comment"] == "it says more"
    assert vote["reasons"] == {other: ["useful"]} and battle["a"]["settings"]
    contract.refused(voter.get("/api/why/battles/" + "0" * 26), "not_found")


def test_what_is_kept_private_is_not_shown(served):
    server, lab, voter = served
    lost = voter.get("/api/why/lost?model=ours").json["battles"]
    battle = lost[-1]["battle_id"]
    assert voter.post(f"/api/battles/{battle}/private", {"private": True}).status == 200
    assert voter.get("/api/why/lost?model=ours").json["battles"] == lost[:-1]
    contract.refused(voter.get(f"/api/why/battles/{battle}"), "not_found")
    printed = lab.run("why", "--model", "ours", "--votes", "human").stdout
    assert "4 in all; those that their voters keep private are not shown." in printed and battle not in printed
    voter.post(f"/api/battles/{battle}/private", {"private": False})


def test_runs_and_their_pairs(served):
    server, lab, voter = served
    run, = contract.ok(voter.get("/api/evals"), "eval_list")["runs"]
    assert run["state"] == "done" and run["progress"]["votes"] == 12
    page = contract.ok(voter.get(f"/api/evals/{run['id']}/report"), "eval_report")
    assert page["report"] == lab.report()
    assert [side["model"] for side in page["sides"]] == ["ours", "rival", "third"]
    assert len(page["pairs"]) == page["pairs_in_all"] == 12 and len(page["votes"]) == 24
    lost = {(page["pairs"][pair][0], rater) for pair, rater, winner in page["votes"]
            if page["pairs"][pair][2 + (winner == 0)] == 0 and winner < 2}
    assert lost == {(prompt, rater) for prompt in range(4) for rater in (0, 1)}
    why = [row for row in page["report"]["why"] if row["category"] is None]
    assert {(row["against"], row["raters"], row["losses"]) for row in why} == {
        ("rival", "judges", 4), ("rival", "people", 4), ("third", "judges", 0), ("third", "people", 0)}
    board = next(table for table in page["tables"] if table["title"] == "Votes of judges")
    assert {row[0] for row in board["rows"]} == {"ours", "rival", "third"}
    assert board["note"].startswith("Not ranked: ") and "rival (undefeated: " in board["note"]  # why, below the table
    prompt = contract.ok(voter.get(f"/api/evals/{run['id']}/prompt?prompt=3"), "eval_prompt")
    assert prompt["prompt"]["turns"] == ["question 3"] and prompt["prompt"]["category"] == "odd"
    assert [side[0]["text"] for side in prompt["answers"][0]] == list(SAID.values())
    judged = [vote for vote in prompt["votes"] if vote["judge"] == "model"]
    assert len(judged) == 3 and all(len(vote["replies"]) == 2 and not vote["disagreement"] for vote in judged)
    people = [vote for vote in prompt["votes"] if vote["judge"] == "human"]
    assert len(people) == 3 and people[0]["comment"] == "it says more"
    for vote in prompt["votes"]:  # sides as the pair has them
        names = [prompt["sides"][vote[side]]["model"] for side in "ab"]
        assert vote["winner"] == ("model_a" if favour("", *(SAID[name] for name in names)) == "A" else "model_b")
        if vote.get("reasons"):
            assert list(vote["reasons"]) == [vote["winner"][-1]]
    contract.refused(voter.get(f"/api/evals/{run['id']}/prompt?prompt=4"), "not_found", "4 prompts")
    contract.refused(voter.get(f"/api/evals/{'0' * 26}/report"), "not_found")


def test_the_report_asks_why_of_our_own(served):
    server, lab, voter = served
    for form in ("table", "md", "html"):
        text = lab.run("report", "--format", form).stdout
        assert "Our models against each rival, by category" in text and "What our models lost" in text
        assert "Every version that was tried" in text
    for number in range(1, 5):  # every link in it leads to a prompt of it
        assert f'<a href="#p{number}">' in text and f'id="p{number}"' in text
    assert set(re.findall(r'href="#(\w+)"', text)) <= set(re.findall(r'id="(\w+)"', text))


def test_any_word_may_be_a_category(tmp_path):
    """Those that cannot select votes are no category of their own, and stop nothing."""
    words = ["hard_prompt/coding", "x=y", "a|b", "<b>", '"quoted"', "größer", "long" * 30]
    decide = judging(favour)
    with Models(lambda model, messages: decide(model, messages) if model == "judge" else answer(model, messages)) as \
            models:
        lab = Lab(tmp_path, models.config("ours", "rival", "judge"))
        lab.run("run", lab.spec([{"prompt": f"about {word}", "category": word} for word in words],
                                competitors=["ours", "rival"], judge="judge"))
        tables = {table["title"]: table for table in json.loads(
            lab.run("why", "--model", "ours", "--format", "json").stdout)}
        found = {row[0] for row in tables["By category"]["rows"]}
        assert {"hard_prompt/coding", '"quoted"', "größer"} <= found and not found & {"x=y", "a|b", "long" * 30}
        assert len(tables["Battles it lost, the newest first"]["rows"]) == len(words)
        assert "größer" in lab.run("report").stdout


def test_a_run_that_was_killed_is_told_apart(tmp_path):
    go_on = threading.Event()
    with Models(lambda model, messages: Script("an answer", hold=go_on)) as models:
        config = models.config("x", "y")
        lab = Lab(tmp_path, config)
        process = lab.start("run", lab.spec(60, competitors=["x", "y"]))
        wait_until(lambda: len(models.calls) >= 2)
        process.kill()
        process.communicate()
        with ArenaServer(config=config, data=lab.data) as server:
            run, = server.voter().get("/api/evals").json["runs"]
            assert run["state"] == "interrupted"
            process = subprocess.Popen(lab.command("resume", run["id"]), stderr=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL)
            voter = server.voter()
            wait_until(lambda: voter.get("/api/evals").json["runs"][0]["state"] == "running")
            go_on.set()
            assert process.wait(PATIENCE) == 0
            assert voter.get("/api/evals").json["runs"][0]["state"] == "done"

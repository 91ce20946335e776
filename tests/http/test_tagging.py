"""Categories by a model: asked in the background, in one form, never in front of a battle, resumed after a restart."""
import json
import subprocess
import threading
import time

import pytest

from arena_server import PATIENCE, ArenaServer, binary, wait_until
from contract import ok
from fake_provider import FakeProvider, Script

POEM, PLAIN, ODD = "Write a poem about rain.", "What is 2 + 2?", "odd one"


class Labeller(FakeProvider):
    """Answers a tagger's three questions; `odd` prompts in no form."""

    def call(self, body):
        if body["messages"][0]["role"] != "system":  # in a battle it is one among others
            return super().call(body)
        with self.lock:
            self.calls.append(body)
        system, prompt = body["messages"][0]["content"], body["messages"][-1]["content"]
        if prompt == ODD:
            return Script(text="I would say that it is creative.")
        if "creative writing" in system:
            return Script(text="yes" if "poem" in prompt else "no")
        return Script(text="[1, 2, 3, 4, 5, 6]" if "numbers" in system else "0")

    def questions(self):
        with self.lock:
            return sum(call["messages"][0]["role"] == "system" for call in self.calls)

    def asked(self, prompt):
        with self.lock:
            calls = [call for call in self.calls if call["messages"][0]["role"] == "system"]
        return sum(call["messages"][-1]["content"] == prompt for call in calls)


@pytest.fixture
def labeller():
    with Labeller() as fake:
        yield fake


def config(fake, **more):
    tagging = {"model": "labeller", "quiet_seconds": 0, **more}
    return fake.config("left", "right", "labeller", limits={"min_votes": 1}, tagging=tagging)


def board(voter, query=""):
    return ok(voter.get(f"/api/leaderboard{query}"), "leaderboard")


def leaderboard(data, *more):
    done = subprocess.run([binary(), "leaderboard", "--data", data, *more], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_model_tags_what_was_voted_on(labeller, tmp_path):
    with ArenaServer(config=config(labeller), data=tmp_path) as server:
        voter = server.voter()
        for prompt in (POEM, PLAIN, ODD):
            battle, _ = voter.ready(prompt)
            assert labeller.asked(prompt) == 0  # a battle is tagged after its vote
            assert voter.vote(battle).status == 200
        wait_until(lambda: board(voter, "?category=creative_writing")["tagger"]["tagged"] == 2)
        wait_until(lambda: board(voter, "?category=hard_prompts")["tagger"]["malformed"] == 3)
        assert [board(voter, f"?category={name}")["votes"] for name in
                ("creative_writing", "hard_prompts", "instruction_following")] == [1, 2, 0]
        found = board(voter, "?category=hard_prompts")
        assert found["tagger"]["agreement"]["sample"] == 36
        assert found["filter"]["tags"] == 3  # what is stored can be computed again
        assert [labeller.asked(prompt) for prompt in (POEM, PLAIN, ODD)] == [3, 3, 3]

    table = leaderboard(tmp_path, "--category", "creative_writing")
    assert "as labeller says" in table and "of 36 prompts labelled by people" in table
    verified = subprocess.run([binary(), "verify", "--data", tmp_path], capture_output=True, text=True,
                              timeout=PATIENCE)
    assert verified.returncode == 0 and "WRONG" not in verified.stdout, verified.stdout
    exported = subprocess.run([binary(), "export", "votes", "--data", tmp_path], capture_output=True, text=True)
    tags = [json.loads(line)["category_tag"] for line in exported.stdout.splitlines()]
    assert sum(tag.get("creative_writing_v0.1", {}).get("creative_writing", False) for tag in tags) == 1

    with server:  # started again: nothing is asked twice, what is new is
        voter = server.voter()
        battle, _ = voter.ready("Another poem, please.")
        assert voter.vote(battle).status == 200
        wait_until(lambda: board(voter, "?category=creative_writing")["votes"] == 2)
        assert [labeller.asked(prompt) for prompt in (POEM, PLAIN, ODD)] == [3, 3, 3]


def test_a_battle_comes_first(labeller, tmp_path):
    """While an answer is under way nothing is asked; the sample waits."""
    with ArenaServer(config=config(labeller), data=tmp_path) as server:
        voter = server.voter()
        battle, _ = voter.ready(PLAIN)
        assert voter.vote(battle).status == 200
        wait_until(lambda: labeller.questions() > 5)  # the sample is under way
        answer = threading.Event()
        for name in ("left", "right", "labeller"):
            labeller.scripts[name] = Script(hold=answer)
        battle = voter.start("hold it up")

        def silent():  # a question under way is let go of, then there is none for a while
            before = labeller.questions()
            time.sleep(1)
            return labeller.questions() == before
        wait_until(silent, "a question is asked beside the battle")
        before = labeller.questions()
        answer.set()
        voter.events(battle).until("ready")
        wait_until(lambda: labeller.questions() > before + 3)  # and goes on afterwards


def test_off_is_off_and_nobody_is_refused(labeller, tmp_path):
    with ArenaServer(config=config(labeller, model="off"), data=tmp_path / "off") as server:
        voter = server.voter()
        battle, _ = voter.ready(POEM)
        assert voter.vote(battle).status == 200
        assert "tagger" not in board(voter)
    (tmp_path / "arena.json").write_text(json.dumps(config(labeller, model="nobody")))
    done = subprocess.run([binary(), "serve", "--config", tmp_path / "arena.json", "--data", tmp_path / "d"],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2 and "nobody" in done.stderr and '"off"' in done.stderr

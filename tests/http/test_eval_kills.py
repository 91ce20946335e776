"""Fifty kills of `arena eval` at random moments: no answered call is made again, and in the end nothing is missing."""

import hashlib
import json
import random
import signal
import threading
import time

from test_eval_run import Lab, Models

KILLS, LABS, SEED = 50, 5, 8
PROMPTS, MODELS = 24, ("x", "y", "z")


def mark(call):
    """What was asked, in a word that its answer begins with."""
    return hashlib.sha256(json.dumps([call["model"], call["messages"]]).encode()).hexdigest()


def answer(model, messages):
    verdict = "\n[[A]]" if model == "judge" else ""
    return f"{mark({'model': model, 'messages': messages})} is said by {model}{verdict}"


def stored(lab):
    if not lab.has("answers"):
        return set()
    return {text.split()[0] for (text,) in lab.ask("SELECT text FROM answers")}


class Killer:
    """One run after another in folders of its own, each killed and resumed until it is done."""

    def __init__(self, folder, number, kills):
        self.folder, self.kills, self.rounds, self.problems = folder, kills, 0, []
        self.random = random.Random(SEED * 1000 + number)
        self.thread = threading.Thread(target=self.work)

    def work(self):
        try:
            while self.kills:
                self.one_run(self.folder / f"round{self.rounds}")
                self.rounds += 1
        except BaseException as problem:  # told by the test's own thread
            self.problems.append(problem)

    def one_run(self, folder):
        folder.mkdir(parents=True)
        with Models(answer, gap=0.02) as models:
            lab = Lab(folder, models.config(*MODELS, "judge"))
            spec = lab.spec(
                [{"turns": [f"first {i}", f"then {i}"]} for i in range(PROMPTS)],
                competitors=list(MODELS),
                judge="judge",
            )
            words, self.known = ["run", spec], []
            while self.kills:
                killed = self.kill_one(lab, words)
                self.known.append((len(models.calls), stored(lab)))
                if lab.has("eval_runs"):
                    words = ["resume", lab.id()]
                if not killed:
                    break
            lab.run(*words)
            self.check(lab, models)

    def kill_one(self, lab, words):
        process = lab.start(*words)
        time.sleep(0.01 + self.random.random() * 0.25)
        running = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.kills -= running
        return running

    def check(self, lab, models):
        answers = PROMPTS * len(MODELS) * 2
        judged = PROMPTS * len(MODELS) * 2
        marks = [mark(call) for call in models.calls]
        for place, known in self.known:
            again = known & set(marks[place:])
            assert not again, f"{len(again)} calls that were answered and stored were made again"
        assert stored(lab) == set(marks) and len(set(marks)) == answers + judged
        assert lab.ask("SELECT count(*) FROM answers") == [(answers + judged,)]
        assert lab.ask("SELECT count(*) FROM eval_runs") == [(1,)]
        assert lab.ask("SELECT count(*), sum(judge) FROM votes") == [(PROMPTS * 3,) * 2]
        self.report = lab.report()


def comparable(report):
    """What does not depend on when and how fast."""
    return {
        "boards": report["boards"],
        "failures": report["failures"],
        "judges": [{**row, "version": ""} for row in report["judges"]],
    }


def test_fifty_kills(tmp_path):
    killers = [Killer(tmp_path / f"lab{n}", n, KILLS // LABS) for n in range(LABS)]
    for killer in killers:
        killer.thread.start()
    for killer in killers:
        killer.thread.join()
    for killer in killers:
        for problem in killer.problems:
            raise problem
    assert all(killer.kills == 0 for killer in killers)
    unkilled = Killer(tmp_path / "unkilled", 99, 0)
    unkilled.one_run(tmp_path / "unkilled" / "run")
    for killer in killers:
        assert comparable(killer.report) == comparable(unkilled.report)

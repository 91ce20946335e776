"""The analyst's pages: why a model stands where it stands, evaluations as they run, and any pair side by side."""

import json
import signal
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from fake_provider import FakeProvider, Script
from pages import NAMES, ORGANISATIONS, check

OURS, RIVAL = NAMES
LONG = "### Answer\n\nIt is **{}**:\n\n- first\n- second\n\n```py\nprint(1)\n```\n\n|a|b|\n|-|-|\n|1|2|\n"
SAID = {OURS: LONG.format("so"), RIVAL: "A short *plain* answer.", "third": "Nothing."}
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> [go](javascript:alert(3)) what is it?"
PROMPTS = [{"prompt": HOSTILE, "category": "odd"}] + [
    {"turns": [f"Question {number}: why is the sky blue?", "And at dusk?"], "category": "plain"} for number in range(5)]

TURNED = "Question 4"  # here the last is the best, so that everybody can be ranked


class Judged(FakeProvider):
    def call(self, body):
        script = super().call(body)
        return judge(body) if body["model"] == "judge" else script


def judge(request):
    shown = request["messages"][-1]["content"]
    first = shown.split("Answer A begins")[1].split("Answer A ends")[0]
    second = shown.split("Answer B begins")[1].split("Answer B ends")[0]
    order = [SAID[RIVAL][:20], "first", "Nothing."]
    rank = [next(i for i, mark in enumerate(order) if mark in text) for text in (first, second)]
    return Script(f"I have read both.\n[[{'A' if (rank[0] < rank[1]) != (TURNED in shown) else 'B'}]]")


@pytest.fixture(scope="module")
def lab():
    """An arena behind invitations: a run that a model judged and a person, and links for two roles."""
    with Judged() as models:
        makers = dict(zip((*NAMES, "third", "judge"), (*ORGANISATIONS, "Third", "Judges")))
        competitors = [models.competitor(name, organisation=maker) for name, maker in makers.items()]
        competitors[0]["in_house"] = True
        models.scripts.update({name: Script(text, chunk=500) for name, text in SAID.items()})
        with ArenaServer(config={"competitors": competitors, "auth": {"mode": "invite"}}) as server:
            server.models, server.run = models, evaluate(server)
            yield server


def evaluate(server):
    """A run, its judge's votes and a person's; gives its id."""
    spec = {"name": "nightly", "prompts": PROMPTS, "competitors": [*NAMES, "third"], "judge": ["judge", "human"]}
    (server.data / "spec.json").write_text(json.dumps(spec))
    done = subprocess.run([binary(), "eval", "run", str(server.data / "spec.json"), "--data", str(server.data)],
                          capture_output=True, text=True, timeout=PATIENCE)  # fmt: skip
    assert done.returncode == 0, done.stderr
    voter = server.voter()
    voter.post("/api/join", {"token": invite(server, "voter").rsplit("/", 1)[1]})
    voter.agree()
    better = [SAID[RIVAL], SAID[OURS], SAID["third"]]
    for _ in range(len(PROMPTS) * 3):
        battle = voter.post("/api/queue/next").json["battle"]
        first, second = (battle["turns"][0][lane]["text"] for lane in "ab")
        first_wins = (better.index(first) < better.index(second)) != (TURNED in battle["turns"][0]["prompt"])
        winner = "model_a" if first_wins else "model_b"
        voter.post(f"/api/battles/{battle['battle_id']}/vote", {"winner": winner, "reveal": False})
        voter.post(f"/api/battles/{battle['battle_id']}/feedback",
                   {"reasons": {winner[-1]: ["useful", "complete"]}, "comment": "It says <b>more</b>."})  # fmt: skip
    return done.stdout.split()[0]


def invite(server, role):
    return subprocess.run([binary(), "invite", "--role", role, "--data", str(server.data)],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip


@pytest.fixture
def enter(visit, lab):
    def come(role, size="desktop", theme="light"):
        guest = visit(size, theme, server=lab)
        token = invite(lab, role).rsplit("/", 1)[1]
        member = lab.voter()
        member.post("/api/join", {"token": token})
        member.agree()
        guest.context.add_cookies([{"name": name, "value": value, "url": lab.origin}
                                   for name, value in member.cookies.items()])  # fmt: skip
        return guest

    return come


def test_why_as_an_analyst(enter, axe, size):
    analyst = enter("analyst", size, "dark" if size == "phone" else "light").open("/leaderboard")
    page = analyst.page
    page.click("text=Why?")  # from the navigation
    page.wait_for_selector(".columns")
    assert page.inner_text("h1") == "Why 2nd?" and f"{OURS} is 2nd of 3" in page.inner_text("#summary")
    rooms = page.locator("#rooms a").all_inner_texts()
    assert "Why?" in rooms and "Evaluations" in rooms and "People" not in rooms
    check(analyst, axe, "why")
    # The battles that were lost, by filter, by key and by button.
    assert page.locator(".picks button").count() == len(PROMPTS)
    page.select_option("[name=rival]", "third")
    page.wait_for_selector("#where:has-text('1 of 1')")
    page.select_option("[name=category]", "odd")
    page.wait_for_selector("text=None such.")
    page.select_option("[name=rival]", RIVAL)
    page.select_option("[name=category]", "plain")
    page.wait_for_selector("#where:has-text('1 of 4')")
    page.wait_for_selector(".pane:has-text('And at dusk?')")
    texts = page.locator(".columns .answer").all_inner_texts()
    assert any("so" in text for text in texts) and page.locator(".columns .answer pre").count() > 0
    opinions = page.inner_text(".opinions")
    assert f"{RIVAL} is better" in opinions and f"{RIVAL}: Useful, Complete" in opinions
    assert "It says <b>more</b>." in opinions
    page.keyboard.press("j")
    page.wait_for_selector("#where:has-text('2 of 4')")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#where:has-text('3 of 4')")
    page.keyboard.press("k")
    page.click("text=Previous")
    page.wait_for_selector("#where:has-text('1 of 4')")
    page.click("text=Settings of both")
    check(analyst, axe, "reading")
    # What a model or a prompt holds is text, and what the judges said counts apart.
    page.select_option("[name=category]", "odd")
    page.wait_for_selector("#where:has-text('1 of 1')")
    page.wait_for_selector(".pane:has-text('what is it?')")
    assert HOSTILE in page.inner_text(".pane")
    page.select_option("[name=votes]", "model")
    page.wait_for_selector("#summary:has-text('models’ votes')")
    page.wait_for_selector(".opinions:has-text('judge@')")
    assert "votes=model" in page.url
    page.reload()
    page.wait_for_selector("#summary:has-text('models’ votes')")


def test_evaluations_as_an_analyst(enter, lab, axe, size):
    analyst = enter("analyst", size, "light" if size == "phone" else "dark").open("/admin/evaluations")
    page = analyst.page
    page.wait_for_selector(".card")
    assert "nightly" in page.inner_text(".card") and "Done" in page.inner_text(".card .badge")
    check(analyst, axe, "evaluations")
    page.click("text=Report and pairs")
    page.wait_for_selector(".columns")
    assert lab.run in page.inner_text("#summary") and page.inner_text("h1") == "nightly"
    titles = page.locator(".report h2").all_inner_texts()
    assert titles[0] == "Votes of judges" and "Why? What our models lost" in titles
    assert "1 of 18" in page.inner_text("#where")
    check(analyst, axe, "report")
    page.select_option("[name=model]", label=OURS)
    page.select_option("[name=which]", "lost")
    page.wait_for_selector(f"#where:has-text('1 of {len(PROMPTS)}')")
    assert "I have read both." not in page.inner_text(".opinions")
    page.locator(".opinions summary").first.click()
    assert "I have read both." in page.inner_text(".opinions")
    page.select_option("[name=which]", "differ")
    page.wait_for_selector("text=None such.")
    page.locator(".plain-link:has-text('prompt 3')").first.click()
    page.wait_for_selector(".pane:has-text('Question 1')")


def test_the_page_of_a_report(visit, lab, tmp_path):
    """The file that the command writes: a link to a prompt opens it, without a script."""
    subprocess.run([binary(), "eval", "report", lab.run, "--format", "html", "--output", str(tmp_path / "report.html"),
                    "--data", str(lab.data)], check=True)  # fmt: skip
    page = visit(server=lab).context.new_page()
    page.goto(f"file://{tmp_path}/report.html")
    assert not page.locator("#p3 .sides").is_visible()
    page.locator("td a[href='#p3']").first.click()
    assert page.locator("#p3 .sides").is_visible() and "Question 1" in page.inner_text("#p3 pre >> nth=0")
    page.click("#p3 >> text=next")
    assert page.locator("#p4 .sides").is_visible() and not page.locator("#p3 .sides").is_visible()
    assert page.locator("img, script").count() == 0


def test_voters_are_refused(enter, axe):
    voter = enter("voter").open("/leaderboard")
    voter.allowed.append("403")
    voter.page.wait_for_selector("#method, #empty:not([hidden])", state="attached")
    for path in ("/admin/why", "/admin/evaluations"):
        voter.open(path)
        voter.page.wait_for_selector("#problem:not([hidden])")
        assert "needs the role of analyst" in voter.page.inner_text("#problem")
        assert voter.page.locator("#rooms a").count() == 0
        check(voter, axe, path)
    voter.open("/leaderboard")
    voter.page.wait_for_selector("#ways")
    assert voter.page.locator("#ways a").all_inner_texts() == ["Battle", "Leaderboard"]


def test_an_evaluation_as_it_runs(enter, lab):
    lab.models.scripts["third"] = Script(fault="hang")
    spec = {"name": "slow", "prompts": [{"prompt": f"slow {i}"} for i in range(6)], "competitors": [OURS, "third"]}
    (lab.data / "slow.json").write_text(json.dumps(spec))
    page = enter("analyst").open("/admin/evaluations").page
    page.wait_for_selector(".card")
    run = subprocess.Popen([binary(), "eval", "run", str(lab.data / "slow.json"), "--data", str(lab.data)],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    page.wait_for_selector("[aria-label=slow] .badge:has-text('Running')")
    page.wait_for_selector("[aria-label=slow]:has-text('6 of 12')")  # without a reload
    assert page.locator("[aria-label=slow] progress").count() == 1
    run.send_signal(signal.SIGINT)
    page.wait_for_selector("[aria-label=slow] .badge:has-text('Stopped')")
    assert "stopped by hand" in page.inner_text("[aria-label=slow]")
    assert run.wait(PATIENCE) == 1

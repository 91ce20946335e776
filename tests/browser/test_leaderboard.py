"""The leaderboard: empty, with its first vote, and with enough of them to rank."""

import json
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from pages import NAMES, ORGANISATIONS, PATIENCE_MS, RATE, check


@pytest.fixture
def fresh(models, tmp_path):
    competitors = [models.competitor(name, organisation=maker) for name, maker in zip(NAMES, ORGANISATIONS)]
    competitors[0]["in_house"] = True
    with ArenaServer(config={"competitors": competitors, "limits": {"min_votes": 3}}, data=tmp_path) as server:
        yield server


def cast(server, winner, **more):
    """A vote for the competitor of that name, or 'tie', by a voter of its own."""
    voter = server.voter()
    battle, events = voter.ready()
    text = "".join(event.data["text"] for event in events if event.kind == "delta" and event.data["lane"] == "a")
    a = NAMES[1] if "crayons" in text else NAMES[0]
    word = winner if winner == "tie" else "model_a" if winner == a else "model_b"
    assert voter.vote(battle, word, **more).status == 200
    return voter


def board(voter):
    voter.open("/leaderboard")
    voter.page.wait_for_selector("#empty:not([hidden]), #unranked:not([hidden]), #ranked:not([hidden])")
    return voter.page


def test_empty_then_first_vote_then_ranked(visit, fresh, size, axe):
    voter = visit(size, server=fresh)
    page = board(voter)
    assert "No votes yet" in page.inner_text("main") and page.is_visible("text=Start the first battle")

    cast(fresh, NAMES[0]).board(1)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.wait_for_selector("#unranked:not([hidden])")
    assert "1 vote" in page.inner_text("#summary")
    assert all(name in page.inner_text("#unranked") for name in NAMES)
    assert voter.overflow() == 0

    for winner in (NAMES[0], NAMES[0], NAMES[1], "tie"):
        last = cast(fresh, winner)
    last.board(5)
    page = board(voter)
    page.wait_for_selector("#ranked:not([hidden])")
    rows = page.locator(".ranked tbody tr")
    assert rows.count() == 2 and NAMES[0] in rows.nth(0).inner_text() and ORGANISATIONS[0] in rows.nth(0).inner_text()
    assert rows.nth(0).locator(".badge").inner_text() == "in-house" and rows.nth(1).locator(".badge").count() == 0
    assert "3–1–1" in page.locator(".ranked").inner_text().replace("\u2060", "")
    assert page.locator(".matrix td.self").count() == 2
    check(voter, axe, "ranked")


def test_intervals_are_drawn_to_scale(visit, fresh):
    for winner in (NAMES[0], NAMES[0], NAMES[1], NAMES[0]):
        last = cast(fresh, winner)
    last.board(4)
    page = board(visit(server=fresh))
    page.wait_for_selector("#ranked:not([hidden])")
    models = fresh.voter().get("/api/leaderboard").json["models"]
    drawn = page.eval_on_selector_all(
        ".ranked tbody .interval",
        """charts => charts.map((chart) => [".span x1", ".span x2", ".estimate cx"]
        .map((part) => parseFloat(chart.querySelector(part.split(" ")[0]).getAttribute(part.split(" ")[1]))))""",
    )
    points = [
        (drawn[i][j], models[i][key])
        for i in range(2)
        for j, key in enumerate(("rating_lower", "rating_upper", "rating"))
    ]
    (x0, r0), (x1, r1) = min(points), max(points)
    for x, rating in points:
        assert abs((x - x0) - (x1 - x0) * (rating - r0) / (r1 - r0)) < 0.05
        assert 0 <= x <= 100


def test_a_vote_in_another_tab_shows_at_once(visit, fresh):
    voter = visit(server=fresh)
    page = board(voter)
    other = voter.context.new_page()
    other.goto(fresh.origin + "/")
    other.fill("#prompt", "Why?")
    other.press("#prompt", "Enter")
    other.wait_for_selector("#vote:not([hidden])", timeout=PATIENCE_MS)
    other.click("[data-winner=tie]")
    other.wait_for_selector(RATE)
    page.wait_for_selector("#unranked:not([hidden])")
    assert "1 vote" in page.inner_text("#summary")


def two_voters(server, tmp_path):
    """One voter alone puts "south" before "north"."""
    rows = [("north", "south", "model_a", "one")] * 6 + [("north", "south", "model_b", "one")] * 2
    rows += [("north", "south", "model_a", "two")] + [("north", "south", "model_b", "two")] * 9
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps({"model_a": a, "model_b": b, "winner": winner, "voter": voter}) + "\n"
                            for a, b, winner, voter in rows))
    done = subprocess.run([binary(), "import", path, "--data", server.data], capture_output=True, text=True,
                          timeout=PATIENCE)  # fmt: skip
    assert done.returncode == 0, done.stderr


def names(page):
    return [text.split("@")[0] for text in page.locator(".ranked tbody .name b").all_inner_texts()]


def test_without_any_one_voter(visit, fresh, size, axe, tmp_path_factory):
    two_voters(fresh, tmp_path_factory.mktemp("votes"))
    fresh.voter().board(18)
    voter = visit(size, server=fresh)
    page = board(voter)
    page.wait_for_selector("#ranked:not([hidden])")
    assert names(page) == ["south", "north"] and page.locator(".moved").count() == 0
    page.click("#voters summary")
    page.wait_for_selector("#voters table")
    assert "1 up" in page.inner_text("#voters") and "Of 2 voters" in page.inner_text("#voters")
    check(voter, axe, "voters")
    page.locator("#voters td a").first.click()
    page.wait_for_selector(".moves")
    assert names(page) == ["north", "south"] and "10 of 18 votes are left out" in page.inner_text(".moves")
    assert page.locator(".moved").count() == 2 and page.is_hidden("#voters")
    assert "voter" in page.inner_text(".without summary") and voter.overflow() == 0
    page.click(".without summary")
    page.click(".without .one")
    page.wait_for_selector(".moves", state="detached")
    assert names(page) == ["south", "north"] and page.inner_text(".without summary b") == "nothing"


def test_kinds_of_votes_are_left_out_together(visit, fresh, size, axe, tmp_path_factory):
    two_voters(fresh, tmp_path_factory.mktemp("votes"))
    cast(fresh, "tie", read_ms=5).board(19)  # read for no two seconds
    voter = visit(size, server=fresh)
    page = board(voter)
    page.wait_for_selector("#ranked:not([hidden])")
    page.click(".without summary")
    page.check("[name=without][value=fast]")
    page.wait_for_selector(".moves")
    assert "1 of 19 votes are left out: no rank moves." in page.inner_text(".moves")
    page.check("[name=without][value=staff]")
    page.wait_for_url("**/leaderboard?without=fast%2Cstaff")
    page.wait_for_selector(".without summary b:text-is('quick votes, staff')")
    assert page.locator(".without fieldset").is_visible()
    check(voter, axe, "left out")
    page.keyboard.press("Escape")
    assert page.locator(".without fieldset").is_hidden()
    page.go_back()
    page.wait_for_url("**/leaderboard?without=fast")
    assert page.is_checked("[name=without][value=fast]")

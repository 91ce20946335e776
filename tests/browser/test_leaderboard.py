"""The leaderboard: empty, with its first vote, and with enough of them to rank."""

import pytest

from arena_server import ArenaServer
from pages import NAMES, ORGANISATIONS, RATE


@pytest.fixture
def fresh(models, tmp_path):
    competitors = [models.competitor(name, organisation=maker) for name, maker in zip(NAMES, ORGANISATIONS)]
    competitors[0]["in_house"] = True
    with ArenaServer(config={"competitors": competitors, "limits": {"min_votes": 3}}, data=tmp_path) as server:
        yield server


def cast(server, winner):
    """A vote for the competitor of that name, or 'tie', by a voter of its own."""
    voter = server.voter()
    battle, events = voter.ready()
    text = "".join(event.data["text"] for event in events if event.kind == "delta" and event.data["lane"] == "a")
    a = NAMES[1] if "crayons" in text else NAMES[0]
    word = winner if winner == "tie" else "model_a" if winner == a else "model_b"
    assert voter.vote(battle, word).status == 200


def board(voter):
    voter.open("/leaderboard")
    voter.page.wait_for_selector("#empty:not([hidden]), #unranked:not([hidden]), #ranked:not([hidden])")
    return voter.page


def test_empty_then_first_vote_then_ranked(visit, fresh, size, axe):
    voter = visit(size, server=fresh)
    page = board(voter)
    assert "No votes yet" in page.inner_text("main") and page.is_visible("text=Start the first battle")

    cast(fresh, NAMES[0])
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.wait_for_selector("#unranked:not([hidden])")
    assert "1 vote" in page.inner_text("#summary")
    assert all(name in page.inner_text("#unranked") for name in NAMES)
    assert voter.overflow() == 0

    for winner in (NAMES[0], NAMES[0], NAMES[1], "tie"):
        cast(fresh, winner)
    page = board(voter)
    page.wait_for_selector("#ranked:not([hidden])")
    rows = page.locator(".ranked tbody tr")
    assert rows.count() == 2 and NAMES[0] in rows.nth(0).inner_text() and ORGANISATIONS[0] in rows.nth(0).inner_text()
    assert rows.nth(0).locator(".badge").inner_text() == "in-house" and rows.nth(1).locator(".badge").count() == 0
    assert "3–1–1" in page.locator(".ranked").inner_text().replace("\u2060", "")
    assert page.locator(".matrix td.self").count() == 2
    assert voter.overflow() == 0
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert found == [], [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found]


def test_intervals_are_drawn_to_scale(visit, fresh):
    for winner in (NAMES[0], NAMES[0], NAMES[1], NAMES[0]):
        cast(fresh, winner)
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
    other.wait_for_selector("#vote:not([hidden])", timeout=60000)
    other.click("[data-winner=tie]")
    other.wait_for_selector(RATE)
    page.wait_for_selector("#unranked:not([hidden])")
    assert "1 vote" in page.inner_text("#summary")

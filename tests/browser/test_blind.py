"""Before the vote no byte, node or storage of the browser names a model; after it all of them may."""

import re

from pages import NAMES, ORGANISATIONS, READY, STREAMING


def told(text):
    return [word for word in NAMES + ORGANISATIONS if word.lower() in text.lower()]


def test_no_name_before_the_vote(visit, size, hold):
    voter = visit(size)
    received = []

    def keep(route):
        answer = route.fetch()
        received.append(f"{route.request.url} {answer.headers} {answer.text()}")
        route.fulfill(response=answer)

    voter.page.route(re.compile("/api/(?!.*events)"), keep)
    hold(8)
    voter.open().ask()
    voter.page.wait_for_selector(STREAMING)
    assert told(voter.everything()) == []
    hold.go()
    voter.page.wait_for_selector(READY)
    voter.read_both()
    assert told(voter.everything()) == []
    voter.page.reload()
    voter.page.wait_for_selector(READY)
    assert told(voter.everything()) == []
    # Before the first prompt the page says which organisations may receive it, and names no model.
    assert any("/api/consent" in answer for answer in received)
    told_of = [told(answer) for answer in received if "/api/consent" not in answer]
    assert len(told_of) >= 2 and told_of == [[]] * len(told_of)
    assert not any(name in answer for answer in received for name in NAMES)
    voter.page.unroute_all(behavior="wait")
    voter.vote()
    assert len(told(voter.everything())) == 4


def test_both_lanes_open_together(visit, models):
    models.scripts[NAMES[0]].first = 1.5
    voter = visit().open()
    voter.page.evaluate("""() => {
        window.seen = [];
        const look = () => {
            const lanes = [...document.querySelectorAll(".lane")];
            const filled = lanes.map((lane) => lane.querySelector(".answer") !== null);
            if (filled.length) window.seen.push(filled.join());
            if (!window.over) requestAnimationFrame(look);
        };
        look();
    }""")
    voter.ready()
    voter.page.evaluate("window.over = true")
    seen = set(voter.page.evaluate("window.seen"))
    assert "false,false" in seen and "true,true" in seen
    assert seen <= {"false,false", "true,true"}, seen


def test_nothing_of_a_battle_is_kept_in_the_browser(visit):
    voter = visit().open().ready()
    voter.vote()
    kept = voter.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert told(kept) == []
    assert voter.battle_id() not in kept


def test_one_lane_alone_is_not_shown(visit):
    """The server releases both together; the page would wait even if it did not."""
    voter = visit()
    voter.allowed += ["Failed to load", "ERR_"]
    events = "".join(
        f'id: {i}\nevent: delta\ndata: {{"turn":1,"lane":"a","text":"early "}}\n\n' for i in range(1, 20)
    )
    voter.page.route(
        "**/events",
        lambda route: (
            route.abort()
            if route.request.headers.get("last-event-id")
            else route.fulfill(status=200, headers={"Content-Type": "text/event-stream"}, body=events)
        ),
    )
    voter.open().ask()
    voter.page.wait_for_selector("#banner:not([hidden])")
    assert voter.page.locator(".skeleton").count() == 2
    assert "early" not in voter.page.inner_text("#turns")

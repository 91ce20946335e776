"""A battle outlives its page and its connection: everything comes back from the server."""

import urllib.request

from arena_server import ArenaServer, own_port
from pages import ANSWER, NAMES, ORGANISATIONS, OVER, READY, STREAMING, script

LONG = "".join(f"Sentence number {i} of a long answer. " for i in range(60))


def slow(models):
    for name in NAMES:
        models.scripts[name] = script(name, text=LONG, chunk=20, gap=0.03)


def test_a_reload_in_mid_stream_loses_nothing(visit, models, size, hold):
    slow(models)
    hold(20)
    voter = visit(size).open().ask()
    voter.page.wait_for_selector(ANSWER)
    voter.page.wait_for_timeout(500)
    voter.page.reload()
    voter.page.wait_for_selector(STREAMING)
    hold.go()
    voter.page.wait_for_selector(READY)
    for lane in "ab":
        assert voter.page.locator(f".lane.{lane} .answer").text_content().strip() == LONG.strip()
    voter.vote()


def test_a_follow_up_after_a_reload_leaves_the_first_answers_alone(visit):
    voter = visit().open().ready()
    voter.page.reload()
    voter.page.wait_for_selector(READY)
    voter.page.evaluate("""() => {
        window.lengths = [];
        const look = () => {
            window.lengths.push(document.querySelector(".turn .lane.a").textContent.length);
            requestAnimationFrame(look);
        };
        look();
    }""")
    voter.page.keyboard.press("/")
    voter.ask("And at sunset?")
    voter.page.wait_for_selector(".turn:nth-child(2)")
    voter.page.wait_for_selector(READY)
    assert len(set(voter.page.evaluate("window.lengths"))) == 1
    assert voter.answer("a", 1) == voter.answer("a", 2)


def test_answers_asked_for_again_after_a_reload_are_the_new_ones(visit, models, hold):
    voter = visit().open().ready()
    voter.page.reload()
    voter.page.wait_for_selector(READY)
    slow(models)
    hold(20)
    voter.page.keyboard.press("r")
    voter.page.wait_for_selector(STREAMING)
    voter.page.wait_for_selector(ANSWER)
    voter.page.wait_for_timeout(400)
    assert voter.shown("#progress"), "the end of the first answers is not the end of the second"
    hold.go()
    voter.page.wait_for_selector(READY)
    assert voter.page.locator(".lane.a .answer").text_content().strip() == LONG.strip()
    voter.vote()


def first_bytes(voter, url, size):
    """What the server sends first on the event stream of this browser's battle."""
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in voter.context.cookies())
    request = urllib.request.Request(url, headers={"Cookie": cookies})
    with urllib.request.urlopen(request) as stream:
        return stream.read(size)


def test_a_stream_that_breaks_goes_on_where_it_was(visit, models):
    slow(models)
    voter = visit()
    voter.allowed += ["Failed to load", "ERR_"]
    came_with = []

    def cut(route):
        came_with.append(route.request.headers.get("last-event-id"))
        if len(came_with) == 1:
            route.fulfill(
                status=200,
                headers={"Content-Type": "text/event-stream"},
                body=first_bytes(voter, route.request.url, 1500),
            )
        elif len(came_with) <= 4:
            route.abort()
        else:
            route.continue_()

    voter.page.route("**/events", cut)
    voter.open().ask()
    voter.page.wait_for_selector("#banner:not([hidden])")
    assert "lost" in voter.page.inner_text("#banner")
    voter.page.wait_for_selector(READY)
    assert not voter.shown("#banner")
    assert came_with[0] is None and came_with[1] is not None and len(set(came_with[1:])) == 1
    for lane in "ab":
        assert voter.page.locator(f".lane.{lane} .answer").text_content().strip() == LONG.strip()
    voter.vote()


def test_a_vote_is_sent_again_under_the_same_key(visit):
    voter = visit()
    voter.allowed += ["Failed to load", "ERR_"]
    voter.open().ready()
    keys, lost = [], []

    def lose_the_first_answer(route):
        keys.append(route.request.headers["idempotency-key"])
        if not lost:
            lost.append(route.fetch().status)  # the server commits, the browser never hears of it
            route.abort()
        else:
            route.continue_()

    voter.page.route("**/vote", lose_the_first_answer)
    voter.vote("model_a")
    assert lost == [200] and len(keys) == 2 and keys[0] == keys[1]
    assert voter.page.inner_text("#outcome-title") == "You chose A"
    assert sorted(voter.names()) == sorted(NAMES)


def test_a_try_that_is_still_under_way_is_waited_for(visit):
    """The page gave it up too early: the server says so to the next one, and has the answer for the one after that."""
    voter = visit()
    voter.allowed += ["Failed to load", "ERR_"]
    voter.open().ready()
    keys = []

    def answer_late(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.abort()
        elif len(keys) == 2:
            route.fulfill(status=409, json={"error": {"code": "conflict", "message": "it is still under way"}})
        else:
            route.continue_()

    voter.page.route("**/vote", answer_late)
    voter.vote("model_a")
    assert len(keys) == 3 and len(set(keys)) == 1
    assert voter.page.inner_text("#outcome-title") == "You chose A"


def test_an_arena_that_is_gone_is_said_and_the_prompt_is_kept(visit):
    voter = visit()
    voter.allowed += ["Failed to load", "ERR_"]
    voter.open()
    voter.page.route("**/api/**", lambda route: route.abort())
    voter.ask("do not lose me")
    voter.page.wait_for_selector("#banner:not([hidden])")
    voter.page.wait_for_selector("#problem:not([hidden])")
    assert "cannot be reached" in voter.page.inner_text("#problem")
    assert voter.page.input_value("#prompt") == "do not lose me"
    voter.page.unroute("**/api/**")
    voter.page.click("#problem button")
    voter.page.wait_for_selector(READY)
    assert not voter.shown("#banner")


def test_a_restart_voids_what_streams_and_keeps_what_waits(chromium, models, visit, hold, tmp_path):
    competitors = [models.competitor(name, organisation=maker) for name, maker in zip(NAMES, ORGANISATIONS)]
    config = {"competitors": competitors, "limits": {"min_votes": 3}}
    with own_port() as held, ArenaServer(
            config=config, data=tmp_path, listen=f"127.0.0.1:{held.getsockname()[1]}") as server:
        voter = visit(server=server)
        voter.allowed += ["Failed to load", "ERR_", "5\\d\\d"]
        voter.open().ready("this one waits")
        waiting = voter.page.url
        slow(models)
        hold(20)
        voter.open().ask("this one streams")
        voter.page.wait_for_selector(ANSWER)
        server.terminate()
        voter.page.wait_for_selector(OVER)
        assert "cancelled" in voter.page.inner_text("#outcome-title")
        server.start()
        voter.page.goto(waiting)
        voter.page.wait_for_selector(READY)
        answers = sorted(voter.answer(lane) for lane in "ab")
        assert answers[0].startswith("Imagine crayons") and answers[1].startswith("Why")
        voter.vote()
        assert sorted(voter.names()) == sorted(NAMES)

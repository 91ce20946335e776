"""An invited voter, from the link to the first counted vote; and what the consent page says and stores."""

import subprocess

import pytest

from arena_server import ArenaServer, binary, wait_until
from pages import NAMES, ORGANISATIONS, READY, check
from test_axe import small_targets, theme  # noqa: F401


@pytest.fixture(scope="module")
def house(models):
    competitors = [models.competitor(name, organisation=maker) for name, maker in zip(NAMES, ORGANISATIONS)]
    competitors[0]["in_house"] = True
    with ArenaServer(config={"competitors": competitors, "auth": {"mode": "invite"}}) as server:
        yield server


def invite(server):
    done = subprocess.run(
        [binary(), "invite", "--data", str(server.data)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def come_in(voter, link):
    voter.page.goto(link)
    voter.page.click("#join button")
    voter.page.wait_for_selector("#consent:not([hidden])")
    return voter


def test_from_the_link_to_a_counted_vote(visit, house, size):
    voter = come_in(visit(size, server=house), invite(house))
    said = voter.page.inner_text("#recipients")
    assert ORGANISATIONS[1] in said and ORGANISATIONS[0] not in said, "the in-house model's lab receives nothing new"
    voter.page.click("#agree")
    voter.page.wait_for_selector("#welcome:not([hidden])")
    voter.ready()
    voter.vote("model_b")
    assert "on the leaderboard" in voter.page.inner_text("#outcome-text")
    voter.open("/consent")
    voter.page.wait_for_selector("#consent:not([hidden])")
    assert voter.page.is_checked("[name=scope][value=inside]") and voter.page.inner_text("#agree") == "Save"


def served_ms(page):
    """How long the page waited for the server, in all its requests, one after the other."""
    return page.evaluate(
        """() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
        .reduce((sum, entry) => sum + entry.responseEnd - entry.startTime, 0)"""
    )


@pytest.fixture
def after_a_night(models):
    """An arena where a finished pair waits for a vote."""
    competitors = [models.competitor(name, organisation=maker) for name, maker in zip(NAMES, ORGANISATIONS)]
    with ArenaServer(config={"competitors": competitors, "auth": {"mode": "invite"}}) as server:
        (server.data / "prompts.jsonl").write_text('{"prompt": "Why is the sky blue?"}\n')
        campaign = [binary(), "campaign", "--data", str(server.data)]
        subprocess.run(
            [*campaign, "create", "--model", NAMES[0], "--versus", NAMES[1], "--votes", "9", "--same-model", "0",
             "--prompts", str(server.data / "prompts.jsonl")],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        made = [*campaign, "list", "--format", "json"]
        wait_until(lambda: b'"pairs": 1' in subprocess.run(made, check=True, capture_output=True).stdout)
        yield server


def test_three_presses_from_the_link_to_a_counted_vote(after_a_night, visit, size):
    """Come in, agree, choose."""
    voter, waited, before = visit(size, server=after_a_night), 0, after_a_night.cpu_seconds()
    voter.page.goto(invite(after_a_night))
    voter.page.click("#join button")
    voter.page.wait_for_selector("#consent:not([hidden])")
    waited += served_ms(voter.page)
    voter.page.click("#agree")
    voter.page.wait_for_selector(READY)
    waited += served_ms(voter.page)
    voter.read_both()  # a phone shows one answer at a time
    with voter.page.expect_response("**/vote") as vote:
        voter.page.click("[data-winner=model_a]")
    assert vote.value.json()["counted"] is True
    print(f"the server's part of it: {waited:.0f} ms")
    assert after_a_night.cpu_seconds() - before < 20, "of the 60 s, two thirds are the voter's"


def test_with_the_keyboard_alone(visit, house):
    voter = visit(server=house)
    voter.page.goto(invite(house))
    voter.page.focus("#join button")
    voter.page.keyboard.press("Enter")
    voter.page.wait_for_selector("#consent:not([hidden])")
    voter.page.focus("[name=scope][value=inside]")
    voter.page.keyboard.press("ArrowDown")
    voter.page.keyboard.press("Enter")
    voter.page.wait_for_selector("#welcome:not([hidden])")
    voter.open("/consent")
    voter.page.wait_for_selector("#consent:not([hidden])")
    assert voter.page.is_checked("[name=scope][value=export]")


def test_consent_comes_before_the_first_prompt(visit, house):
    voter = come_in(visit(server=house), invite(house))
    voter.open()
    voter.page.wait_for_url("**/consent")
    voter.page.wait_for_selector("#consent:not([hidden])")
    voter.page.check("[name=scope][value=publish]")
    voter.page.click("#agree")
    voter.page.wait_for_selector("#welcome:not([hidden])")
    voter.ready()


def test_a_link_that_lets_nobody_in(visit, house):
    link = invite(house)
    come_in(visit(server=house), link)
    late = visit(server=house)
    late.allowed += ["403", "404", "401"]
    for address, says in ((link, "used already"), (house.origin + "/join/nothing", "not known")):
        late.page.goto(address)
        late.page.click("#join button")
        late.page.wait_for_selector("#problem:not([hidden])")
        assert says in late.page.inner_text("#problem")
    late.open("/consent")
    late.page.wait_for_selector("#nobody:not([hidden])")
    assert "invited" in late.page.inner_text("#nobody")
    late.open("/")  # nothing to write into, and nothing is promised
    late.page.wait_for_selector("#sign-in:not([hidden])")
    assert not late.shown("#prompt") and "by invitation" in late.page.inner_text("#welcome-title")


def test_the_used_token_leaves_the_address(visit, house):
    link = invite(house)
    voter = come_in(visit(server=house), link)
    assert voter.page.url == house.origin + "/consent"
    assert link.rsplit("/", 1)[1] not in voter.everything()


def test_at_home_nobody_has_to_agree(visit):
    voter = visit().open()
    voter.page.click("#fine a[href='/consent']")
    voter.page.wait_for_selector("#consent:not([hidden])")
    voter.page.click("#agree")
    voter.page.wait_for_selector("#welcome:not([hidden])")
    visit().ready()


def test_axe(visit, house, axe, size, theme):  # noqa: F811
    voter = visit(size, theme, server=house)
    voter.allowed.append("403")
    link = invite(house)
    voter.page.goto(link)
    voter.page.wait_for_selector("#join:not([hidden])")
    check(voter, axe, "join")
    voter.page.click("#join button")
    voter.page.wait_for_selector("#consent:not([hidden])")
    check(voter, axe, "consent")
    if size == "phone":
        assert small_targets(voter) == []
    voter.page.goto(link)
    voter.page.click("#join button")
    voter.page.wait_for_selector("#problem:not([hidden])")
    check(voter, axe, "used")

"""axe-core finds nothing to object to, on any page in any state, on a desk and on a phone, in light and in dark."""

import pytest

from pages import ANSWER, NAMES, OVER, READY, STREAMING, asking, check, script


@pytest.fixture(params=["light", "dark"])
def theme(request):
    return request.param


def small_targets(voter):
    """Buttons and links of the page itself that are smaller than a fingertip."""
    return voter.page.evaluate(
        """() => [...document.querySelectorAll("header button, header a, .dock button, .pill, dialog[open] button")]
        .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 44)
        .map((node) => node.outerHTML.slice(0, 80))"""
    )


def test_the_states_of_a_battle(visit, axe, size, theme, models, hold):
    for name in NAMES:
        models.scripts[name] = script(
            name, text=models.scripts[name].text + "\n\n```sh\nls # all\n```\n\n|a|\n|-|\n|1|\n\n$x^2$"
        )
    hold(12)
    voter = visit(size, theme).open()
    check(voter, axe, "empty")
    if size == "desktop":  # where there are keys
        voter.page.click("#open-help")
        check(voter, axe, "help")
        voter.page.keyboard.press("Escape")
    voter.ask()
    voter.page.wait_for_selector(STREAMING)
    voter.page.wait_for_selector(ANSWER)
    check(voter, axe, "streaming")
    hold.go()
    voter.page.wait_for_selector(READY)
    check(voter, axe, "ready")
    if size == "phone":
        assert small_targets(voter) == []
    voter.page.click("#follow-up")
    check(voter, axe, "follow-up")
    voter.page.route("**/vote", asking)
    voter.choose()
    check(voter, axe, "rating")
    if size == "phone":
        assert small_targets(voter) == []
    voter.page.check("[name=recognised][value=both]", force=True)
    check(voter, axe, "rated")
    voter.go_on()
    check(voter, axe, "revealed")
    voter.page.click("#open-history")
    voter.page.wait_for_selector(".past")
    check(voter, axe, "history")


def test_what_went_wrong(visit, axe, size, theme, models):
    voter = visit(size, theme)
    voter.allowed.append("404")
    voter.open("/?battle=0")
    voter.page.wait_for_selector("#problem:not([hidden])")
    check(voter, axe, "unknown battle")
    voter.open("/no/such/page")
    check(voter, axe, "404")
    assert "does not exist" in voter.page.inner_text("h1")
    for name in NAMES:
        models.scripts[name] = script(name, fault="reset")
    voter.open().ask()
    voter.page.wait_for_selector(OVER)
    check(voter, axe, "void")


def test_the_theme_can_be_chosen(visit):
    voter = visit(theme="light").open()
    assert voter.page.evaluate("document.documentElement.dataset.theme") == "light"
    voter.page.click("#theme")
    voter.page.click("#theme")
    assert voter.page.evaluate("document.documentElement.dataset.theme") == "dark"
    voter.open("/leaderboard")
    assert voter.page.evaluate("document.documentElement.dataset.theme") == "dark"

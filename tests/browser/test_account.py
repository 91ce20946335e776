"""A voter's own page: a password, signing in with it elsewhere, the own leaderboard, taking data home, erasing."""

import json

import pytest

from pages import READY, check
from test_axe import theme  # noqa: F401
from test_invited import come_in, house, invite  # noqa: F401

PASSWORD = "correct horse battery"


def settled(voter):
    voter.page.click("#agree")
    voter.page.wait_for_selector("#welcome:not([hidden])")
    return voter


def mine(voter):
    voter.open("/account")
    voter.page.wait_for_selector("#account:not([hidden])")
    return voter


def set_password(voter, name):
    voter.page.fill("#password [name=name]", name)
    voter.page.fill("#password [name=password]", PASSWORD)
    voter.page.click("#password button")
    voter.page.wait_for_selector("#current:not([hidden])")


def test_from_one_browser_to_another(visit, house):  # noqa: F811
    voter = settled(come_in(visit(server=house), invite(house)))
    voter.ready()
    voter.vote("model_a")
    mine(voter)
    voter.page.wait_for_selector("#taste tbody tr")
    assert voter.page.locator("#taste tbody tr").count() == 2
    set_password(voter, "eve")
    other = visit(server=house)
    other.allowed.append("401")
    other.open("/account")
    other.page.fill("#login [name=name]", "eve")
    other.page.fill("#login [name=password]", "something else")
    other.page.click("#login button")
    other.page.wait_for_selector("#problem:not([hidden])")
    assert "name and password" in other.page.inner_text("#problem")
    other.page.fill("#login [name=password]", PASSWORD)
    other.page.click("#login button")
    other.page.wait_for_selector("#account:not([hidden])")
    assert "eve" in other.page.inner_text("#who")
    other.page.click("#logout [value=here]")
    other.page.wait_for_selector("#login:not([hidden])")


def test_data_is_taken_home_and_erased(visit, house, size):  # noqa: F811
    voter = settled(come_in(visit(size, server=house), invite(house)))
    voter.ready("what is a quokka")
    voter.vote("model_b")
    mine(voter)
    with voter.page.expect_download() as download:
        voter.page.click("text=Download")
    stored = json.loads(open(download.value.path()).read())
    assert stored["battles"][0]["turns"][0]["prompt"] == "what is a quokka"
    voter.page.click("#erase button")
    voter.page.click("#sure [value=no]")
    mine(voter)
    voter.allowed.append("401")
    voter.page.click("#erase button")
    voter.page.click("#sure [value=yes]")
    voter.page.wait_for_url("**/")
    voter.open("/account")
    voter.page.wait_for_selector("#login:not([hidden])")


@pytest.mark.parametrize("page", ["account", "login"])
def test_axe(visit, house, axe, size, theme, page):  # noqa: F811
    voter = visit(size, theme, server=house)
    if page == "login":
        voter.allowed.append("401")
        voter.open("/account")
        voter.page.wait_for_selector("#login:not([hidden])")
        check(voter, axe, page)
        return
    settled(come_in(voter, invite(house))).ready()
    voter.vote("model_a")
    mine(voter)
    voter.page.wait_for_selector("#taste tbody tr")
    check(voter, axe, page)
    voter.page.click("#erase button")
    check(voter, axe, "erase")


def test_at_home_before_the_first_battle(visit, arena):
    voter = visit()
    voter.allowed.append("404")
    voter.open("/account")
    voter.page.wait_for_selector("#nobody:not([hidden])")
    voter.page.click("text=Start one")
    voter.ready()
    assert voter.page.is_visible(READY)

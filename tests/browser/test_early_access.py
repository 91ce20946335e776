"""From the request form to a working key, in three browsers: a stranger's, an administrator's, the stranger's again."""
import pytest

from arena_server import ArenaServer
from pages import NAMES, check

LONG_USE = "Ranking engines.\n" * 40  # scrolls within its card, with the keyboard too


@pytest.fixture(scope="module")
def offering(models):
    competitors = [models.competitor(NAMES[0], in_house=True), models.competitor(NAMES[1])]
    with ArenaServer(config={"competitors": competitors, "early_access": True}) as server:
        yield server


def test_from_the_form_to_a_working_key(visit, offering, axe, size):
    theme = "dark" if size == "phone" else "light"
    stranger = visit(size, theme, server=offering).open("/access")
    page = stranger.page
    check(stranger, axe, "form")
    for name, text in {"name": f"Ada {size}", "email": "ada@example.org", "use": LONG_USE}.items():
        page.fill(f"[name={name}]", text)
    page.click("#ask button")
    page.wait_for_selector("#asked:not([hidden])")
    check(stranger, axe, "asked")
    page.click("#go")
    page.wait_for_selector("#state:not([hidden])")
    assert "read soon" in page.inner_text("#state-title") and not page.is_visible("#fetch")
    check(stranger, axe, "pending")

    admin = visit(size, theme, server=offering).open("/admin/requests")
    admin.page.wait_for_selector(f"[aria-label='Ada {size}']")
    check(admin, axe, "queue")
    admin.page.click(f"[aria-label='Put Ada {size} on the waiting list']")
    admin.page.wait_for_selector(f"[aria-label='Ada {size}'] .badge:text('waiting list')")
    page.reload()
    page.wait_for_selector("text=You are on the waiting list")
    admin.page.click(f"[aria-label='Approve Ada {size}']")
    admin.page.fill("[name=tokens_per_day]", "5000")
    check(admin, axe, "approving")
    admin.page.click("dialog .button.main")
    admin.page.wait_for_selector("text=the key waits to be fetched")

    page.reload()
    page.click("#fetch button")
    page.wait_for_selector("#key:not([hidden])")
    check(stranger, axe, "key")
    key = page.inner_text("#secret")
    assert key.startswith("arena-") and "curl" in page.inner_text("#example")
    reply = offering.voter().post("/v1/chat/completions",
                                  {"model": NAMES[0], "messages": [{"role": "user", "content": "hi"}]},
                                  headers={"Authorization": f"Bearer {key}"})
    assert reply.status == 200
    page.reload()
    page.wait_for_selector("text=Your key was shown")
    assert key not in stranger.everything()
    admin.open("/admin/requests").page.wait_for_selector(f"[aria-label='Revoke the key of Ada {size}']")
    assert "5,000 tokens a day" in admin.page.inner_text("#body")


def test_a_refusal_says_why(visit, offering):
    link = offering.voter().post("/api/access", {"name": "Eve", "email": "e@x.org", "use": "y"}).json["link"]
    admin = visit(server=offering).open("/admin/requests")
    admin.page.click("[aria-label='Refuse Eve']")
    admin.page.fill("[name=reason]", "Not before May.")
    admin.page.click("dialog .button.main")
    admin.page.wait_for_selector("text=Refused: Not before May.")
    stranger = visit(server=offering).open(link.removeprefix(offering.origin))
    stranger.page.wait_for_selector("text=Not before May.")


def test_an_unknown_link(visit, offering, axe):
    stranger = visit(server=offering)
    stranger.allowed.append("404")
    stranger.open(f"/access/{'A' * 43}").page.wait_for_selector("#problem:not([hidden])")
    assert "not known" in stranger.page.inner_text("#problem")
    check(stranger, axe, "unknown")

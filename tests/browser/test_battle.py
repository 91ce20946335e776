"""A whole battle, as a voter has it: by mouse and by keyboard, on a desk and on a phone."""

import pytest

from pages import ANSWER, NAMES, OVER, READY, STREAMING, script


def test_by_mouse(visit, size):
    voter = visit(size).open()
    voter.page.click("#suggestions button >> nth=0")
    assert voter.page.input_value("#prompt") != ""
    voter.page.click("#send")
    voter.page.wait_for_selector(READY)
    assert "scatters" in voter.answer("a") + voter.answer("b")
    voter.vote("model_b")
    assert sorted(voter.names()) == sorted(NAMES)
    assert voter.page.inner_text("#outcome-title") == "You chose B"
    assert "on the leaderboard" in voter.page.inner_text("#outcome-text")
    assert voter.page.locator(".head.chosen .disc.b").count() == 1
    voter.page.click("#see-board")
    voter.page.wait_for_selector("#unranked:not([hidden]), #ranked:not([hidden])")
    assert all(name in voter.page.inner_text("main") for name in NAMES)


def test_by_keyboard(visit, size):
    voter = visit(size).open()
    keys = voter.page.keyboard
    keys.press("/")
    keys.type("Why is the sky blue?")
    keys.press("Enter")
    voter.page.wait_for_selector(READY)
    if size == "phone":
        keys.press("1")
        assert voter.shown("#vote"), "a vote before both answers were read"
        assert "before you vote" in voter.page.inner_text("#vote-hint")
        for lane in "ab":
            voter.page.focus(f".head:has(.disc.{lane}) .tab")
            keys.press("Enter")
        voter.page.focus("#vote-title")
    keys.press("t")
    voter.go_on()
    assert voter.page.inner_text("#outcome-title") == "You called it a tie"
    assert sorted(voter.names()) == sorted(NAMES)
    keys.press("n")
    assert voter.shown("#welcome")
    assert voter.page.evaluate("document.activeElement.id") == "prompt"


@pytest.mark.parametrize(
    "key, said",
    [
        ("1", "You chose A"),
        ("ArrowLeft", "You chose A"),
        ("b", "You chose B"),
        ("ArrowRight", "You chose B"),
        ("2", "You called it a tie"),
        ("x", "You found both bad"),
    ],
)
def test_every_key_votes_for_what_it_says(visit, key, said):
    voter = visit().open().ready()
    voter.page.keyboard.press(key)
    voter.go_on()
    assert voter.page.inner_text("#outcome-title") == said


def test_keys_are_text_while_typing(visit):
    voter = visit().open().ready()
    voter.page.keyboard.press("/")
    voter.page.keyboard.type("1 2 3 4 a b t x s r n ?")
    assert voter.page.input_value("#prompt") == "1 2 3 4 a b t x s r n ?"
    assert voter.shown("#vote")
    assert voter.page.locator("dialog[open]").count() == 0


def test_keys_can_be_turned_off(visit):
    voter = visit().open()
    voter.page.keyboard.press("?")
    voter.page.uncheck("#keys-on")
    voter.page.keyboard.press("Escape")
    voter.ready()
    voter.page.keyboard.press("1")
    assert voter.shown("#vote") and not voter.shown("#outcome")
    voter.vote()


def test_enter_of_an_input_method_sends_nothing(visit):
    voter = visit().open()
    voter.page.fill("#prompt", "なぜ")
    voter.page.evaluate("""document.getElementById("prompt").dispatchEvent(
        new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))""")
    assert voter.shown("#welcome")
    voter.page.press("#prompt", "Shift+Enter")
    assert voter.page.input_value("#prompt") == "なぜ\n"
    assert voter.shown("#welcome")


def test_what_is_typed_before_the_script_came_is_kept(visit):
    voter, scripts = visit(), []
    voter.page.route("**/js/battle.js*", lambda route: scripts.append(route))
    voter.page.goto(voter.origin + "/", wait_until="commit")
    voter.page.fill("#prompt", "typed at once")
    assert voter.page.is_disabled("#send")
    scripts[0].continue_()
    voter.page.wait_for_selector("#send:enabled")
    assert voter.page.input_value("#prompt") == "typed at once"


def test_the_draft_survives_a_reload(visit):
    voter = visit().open()
    voter.page.fill("#prompt", "half a thought")
    voter.page.reload()
    assert voter.page.input_value("#prompt") == "half a thought"


def test_a_prompt_over_the_limit_cannot_be_sent(visit):
    voter = visit().open()
    voter.page.fill("#prompt", "é" * (16 * 1024))
    assert voter.page.inner_text("#counter") == "0 bytes left"
    voter.page.fill("#prompt", "é" * (16 * 1024) + "é")
    assert "too long" in voter.page.inner_text("#counter")
    assert voter.page.is_disabled("#send")


def test_a_follow_up_goes_to_the_same_pair(visit, size):
    voter = visit(size).open().ready()
    voter.read_both()
    voter.page.click("#follow-up")
    voter.page.keyboard.type("And at sunset?")
    voter.page.keyboard.press("Enter")
    voter.page.wait_for_selector(".turn:nth-child(2)")
    voter.page.wait_for_selector(READY)
    assert voter.page.locator(".asked").all_inner_texts() == ["Why is the sky blue?", "And at sunset?"]
    voter.vote()
    assert sorted(voter.names()) == sorted(NAMES)


def test_answer_again(visit, models, hold):
    voter = visit().open().ready()
    for name in NAMES:
        models.scripts[name] = script(name, text="Quite another answer.")
    hold()
    voter.page.keyboard.press("r")
    voter.page.wait_for_selector(STREAMING)
    hold.go()
    voter.page.wait_for_selector(READY)
    assert voter.answer("a") == voter.answer("b") == "Quite another answer."
    voter.vote()


def test_stop_leaves_what_was_written_to_be_voted_on(visit, models):
    for name in NAMES:
        models.scripts[name] = script(name, text="word " * 2000, gap=0.05)
    voter = visit().open().ask()
    voter.page.wait_for_selector(ANSWER)
    voter.page.keyboard.press("Escape")
    voter.page.wait_for_selector(READY)
    assert 0 < len(voter.answer("a")) < 9000
    voter.vote("tie")


def test_skip_names_nobody(visit):
    voter = visit().open().ready()
    voter.page.keyboard.press("s")
    voter.page.wait_for_selector(OVER)
    assert voter.page.inner_text("#outcome-title") == "Skipped"
    assert not any(name in voter.everything() for name in NAMES)


def test_a_battle_that_fails_does_not_count(visit, models):
    for name in NAMES:
        models.scripts[name] = script(name, fault="reset")
    voter = visit().open().ask()
    voter.page.wait_for_selector(OVER)
    assert "cancelled" in voter.page.inner_text("#outcome-title")
    assert "it does not count" in voter.page.inner_text("#outcome-title")
    assert not any(name in voter.everything() for name in NAMES)


def test_a_model_that_names_itself_is_told_after_the_vote(visit, models):
    models.scripts[NAMES[0]] = script(NAMES[0], text=f"I am {NAMES[0]}, and the sky is blue.")
    voter = visit().open().ready()
    voter.vote()
    assert "gave away" in voter.page.inner_text("#outcome-text")


def test_history_masks_names_until_the_vote(visit, size):
    voter = visit(size).open().ready("first of two")
    voter.page.click("#open-history")
    voter.page.wait_for_selector(".past li")
    assert not any(name in voter.page.inner_text("#history") for name in NAMES)
    voter.page.keyboard.press("Escape")
    voter.vote("both_bad")
    voter.open().page.click("#open-history")
    voter.page.wait_for_selector(".past li")
    assert all(name in voter.page.inner_text("#history") for name in NAMES)
    voter.page.click(".past a >> nth=0")
    voter.page.wait_for_selector(OVER)
    assert voter.page.inner_text("#outcome-title") == "You found both bad"
    assert sorted(voter.names()) == sorted(NAMES)
    voter.page.go_back()
    voter.page.wait_for_selector("#welcome:not([hidden])")


def test_another_voters_battle_is_not_shown(visit):
    first = visit().open().ready()
    second = visit()
    second.allowed.append("404")
    second.open(f"/?battle={first.battle_id()}")
    second.page.wait_for_selector("#problem:not([hidden])")
    assert "another voter" in second.page.inner_text("#problem")
    assert second.shown("#composer")

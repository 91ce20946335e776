"""Between the choice and the names: what may be added, what reaches the store, and how fast it is left out."""

import json
import sqlite3

import pytest

from pages import NAMES, ORGANISATIONS, OVER, RATE, asking


def stored(arena, battle):
    """The feedback on a battle's vote as the store has it; None where there is none."""
    with sqlite3.connect(f"file:{arena.data}/arena.db?mode=ro", uri=True) as db:
        row = db.execute(
            "SELECT f.reasons, f.comment, f.recognised FROM feedback f JOIN votes v ON v.seq = f.vote "
            "JOIN battles b ON b.number = v.battle WHERE b.id = ?",
            (battle,),
        ).fetchone()
    return row and (json.loads(row[0]) if row[0] else None, row[1], row[2])


def told(voter):
    text = voter.everything().lower()
    return [word for word in NAMES + ORGANISATIONS if word.lower() in text]


def pick(voter, name, value):
    voter.page.check(f"[name={name}][value={value}]", force=True)


def test_what_is_added_is_stored_before_the_names(visit, arena, size):
    voter = visit(size).open().ready()
    voter.page.route("**/vote", asking)
    voter.choose("model_b")
    assert voter.page.inner_text("#rate-title") == "You chose B. Why?"
    assert voter.page.locator(".head.chosen .disc.b").count() == 1
    assert told(voter) == [] and stored(arena, voter.battle_id()) is None
    pick(voter, "a", "incorrect")
    pick(voter, "b", "useful")
    pick(voter, "b", "clear_formatting")
    pick(voter, "recognised", "a")
    voter.page.fill("#rate-comment", "A names the <wrong> colour")
    assert told(voter) == []
    voter.page.click("#rate-done")
    voter.page.wait_for_selector(OVER)
    assert stored(arena, voter.battle_id()) == (
        {"a": ["incorrect"], "b": ["useful", "clear_formatting"]},
        "A names the <wrong> colour",
        '"a"',
    )
    assert len(told(voter)) == 4 and sorted(voter.names()) == sorted(NAMES)


@pytest.mark.parametrize("key", ["Enter", "n"])
def test_one_key_leaves_it_out(visit, arena, key):
    voter = visit().open().ready()
    voter.page.keyboard.press("1")
    voter.page.wait_for_selector(RATE)
    voter.page.keyboard.press(key)
    voter.page.wait_for_selector(OVER)
    assert stored(arena, voter.battle_id()) is None
    assert not any(url.endswith("/feedback") for url in voter.asked)
    voter.page.keyboard.press("n")
    assert voter.shown("#welcome")


def test_with_the_keyboard_alone(visit, arena):
    voter = visit().open().ready()
    keys = voter.page.keyboard
    keys.press("2")
    voter.page.wait_for_selector(RATE)
    assert voter.page.inner_text("#rate-title") == "You called it a tie. Why?"
    keys.press("Tab")
    keys.press("Space")
    voter.page.focus("#rate-comment")
    keys.type("n is a letter here")
    keys.press("Enter")
    voter.page.wait_for_selector(OVER)
    assert stored(arena, voter.battle_id()) == ({"a": ["useful"]}, "n is a letter here", None)


def test_a_reload_asks_again_and_names_nobody(visit, arena):
    voter = visit().open().ready().choose()
    asked = voter.shown("#rate-recognised")
    voter.page.reload()
    voter.page.wait_for_selector(RATE)
    assert voter.shown("#rate-recognised") == asked
    assert voter.page.inner_text("#rate-title") == "You chose A. Why?"
    assert told(voter) == []
    pick(voter, "a", "creative")
    voter.go_on()
    assert stored(arena, voter.battle_id())[0] == {"a": ["creative"]}


def test_what_was_added_survives_a_lost_answer(visit, arena):
    voter = visit()
    voter.allowed += ["Failed to load", "ERR_"]
    voter.open().ready().choose()
    keys = []

    def lose_the_first_answer(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    voter.page.route("**/feedback", lose_the_first_answer)
    pick(voter, "b", "superficial")
    voter.page.click("#rate-done")
    voter.page.wait_for_selector(OVER)
    assert len(keys) == 2 and keys[0] == keys[1]
    assert stored(arena, voter.battle_id())[0] == {"b": ["superficial"]}


def test_names_shown_in_another_window_are_shown_here(visit):
    voter = visit().open().ready().choose()
    other = voter.context.new_page()
    other.goto(voter.page.url)
    other.wait_for_selector(RATE)
    other.keyboard.press("Enter")
    other.wait_for_selector(OVER)
    voter.allowed.append("409")
    pick(voter, "a", "useful")
    voter.page.click("#rate-done")
    voter.page.wait_for_selector(OVER)
    assert sorted(voter.names()) == sorted(NAMES)

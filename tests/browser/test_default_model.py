"""The arena as a stranger first meets it: no configuration, the default model under its two presets, a browser."""

import os
import pathlib

import pytest

from arena_server import ArenaServer
from pages import READY

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def stranger(tmp_path):
    home = pathlib.Path(os.environ.get("ARENA_MODELS") or pathlib.Path.home() / ".cache" / "arena")
    if not (home / MODEL).is_file():
        pytest.skip(f"browser: the default model {MODEL} is not in {home}; ./run fetches it")
    with ArenaServer(data=tmp_path) as server:
        yield server


def test_a_stranger_votes_and_finds_the_vote_on_the_board(visit, stranger):
    voter = visit(server=stranger).open()
    page = voter.page
    voter.ask("Name three colours of the rainbow.")
    page.wait_for_selector(".answer")
    assert "smollm2" not in voter.everything().lower()
    page.wait_for_selector(READY)
    assert all(len(voter.answer(lane)) > 3 for lane in "ab")
    page.keyboard.press("1")
    voter.go_on()
    names = voter.names()
    assert len(set(names)) == 2 and all(name.startswith("smollm2-") for name in names)
    page.wait_for_selector(".facts >> nth=1")
    assert "tokens" in page.locator(".facts").first.inner_text()
    page.click("#see-board")
    page.wait_for_selector("#unranked:not([hidden])")
    assert "1 vote on 2 models" in page.inner_text("#summary")
    assert all(name in page.inner_text("#unranked") for name in names)

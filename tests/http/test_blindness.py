"""The measurement of tests/blindness.py, short: a classifier that is given all but the text cannot tell who answers,
and can as soon as nothing is paced. The long run is tests/bench/blindness_bench.py."""
import asyncio
import os

import pytest

from arena_server import ArenaServer

pytest.importorskip("numpy")
import blindness  # noqa: E402

BATTLES = 80

pytestmark = pytest.mark.skipif(os.environ.get("ARENA_VARIANT", "release") != "release",
                                reason="what is measured is time: in the release build alone")


def above_guessing(rows):
    """By how many standard errors the classifier was right more often than a coin."""
    return (blindness.accuracy(rows, rounds=20) - 0.5) * 2 * len(rows) ** 0.5


def assert_guessing(arena, at_once):
    """A coin is three standard errors lucky once in 700 runs: then four times as many battles decide, all of them
    together, where luck comes to five once in millions."""
    rows = asyncio.run(blindness.battles(arena.port, BATTLES, at_once))
    if above_guessing(rows) > 3:
        rows += asyncio.run(blindness.battles(arena.port, 3 * BATTLES, at_once))
        assert above_guessing(rows) <= 5


def test_a_classifier_is_left_guessing():
    with blindness.Provider(longest=300) as provider, ArenaServer(config=provider.config) as arena:
        assert_guessing(arena, BATTLES // 2)


def test_nor_by_an_answer_that_comes_whole():
    """Once the arena knows who sends whole answers; a restart does not make it forget."""
    with blindness.Provider(longest=900, pair=("swift", "lump")) as provider:
        with ArenaServer(config=provider.config) as arena:
            asyncio.run(blindness.battles(arena.port, 24, 24))
            arena.kill()
            arena.start()
            assert_guessing(arena, BATTLES)


def test_the_same_classifier_sees_through_what_is_not_paced():
    with blindness.Provider(longest=300) as provider:
        with ArenaServer(config=provider.config, environment={"ARENA_UNPACED": "not-blind"}) as arena:
            rows = asyncio.run(blindness.battles(arena.port, BATTLES, BATTLES // 2))
    assert blindness.accuracy(rows, rounds=20) >= 0.9


def test_nobody_but_the_one_who_measures_is_shown_unpaced_battles():
    config = {"auth": {"mode": "invite"}, "competitors": []}
    with pytest.raises(AssertionError, match="ARENA_UNPACED"):
        ArenaServer(config=config, environment={"ARENA_UNPACED": "not-blind"}).start()

"""The measurement of tests/blindness.py, short: a classifier that is given all but the text cannot tell who answers,
and can as soon as nothing is paced. The long run is tests/bench/blindness_bench.py."""
import asyncio
import os

import pytest

from arena_server import ArenaServer

pytest.importorskip("numpy")
import blindness  # noqa: E402

BATTLES = 80
CHANCE = 0.5 + 3 * 0.5 / BATTLES ** 0.5  # three standard errors above guessing

pytestmark = pytest.mark.skipif(os.environ.get("ARENA_VARIANT", "release") != "release",
                                reason="what is measured is time: in the release build alone")


def share(environment):
    with blindness.Provider(longest=300) as provider:
        with ArenaServer(config=provider.config, environment=environment) as arena:
            return blindness.accuracy(asyncio.run(blindness.battles(arena.port, BATTLES, BATTLES // 2)), rounds=20)


def test_a_classifier_is_left_guessing():
    assert share({}) <= CHANCE


def test_nor_by_an_answer_that_comes_whole():
    """Once the arena knows who sends whole answers; a restart does not make it forget."""
    with blindness.Provider(longest=900, pair=("swift", "lump")) as provider:
        with ArenaServer(config=provider.config) as arena:
            asyncio.run(blindness.battles(arena.port, 24, 24))
            arena.kill()
            arena.start()
            rows = asyncio.run(blindness.battles(arena.port, BATTLES, BATTLES))
    assert blindness.accuracy(rows, rounds=20) <= CHANCE


def test_the_same_classifier_sees_through_what_is_not_paced():
    assert share({"ARENA_UNPACED": "not-blind"}) >= 0.9


def test_nobody_but_the_one_who_measures_is_shown_unpaced_battles():
    config = {"auth": {"mode": "invite"}, "competitors": []}
    with pytest.raises(AssertionError, match="ARENA_UNPACED"):
        ArenaServer(config=config, environment={"ARENA_UNPACED": "not-blind"}).start()

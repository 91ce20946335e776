"""The measurement of tests/blindness.py, short: classifiers that are given all but the text cannot tell who answers,
and can as soon as nothing is paced. The long run is tests/bench/blindness_bench.py.

On the clock that stands still everything follows from the seed: what holds, holds in every run. Over HTTP real time is
measured, so few battles are fought, and the bound is so wide that chance alone passes it less than once in a million
runs; what a lack of pacing lets through is far beyond it."""
import asyncio
import os
import pathlib

import pytest

from arena_server import ArenaServer, binary
from fake_provider import FakeProvider, Script

pytest.importorskip("numpy")
import blindness  # noqa: E402

SIMULATED = pathlib.Path(binary()).parent / "tests" / "blindness_battles"
BATTLES, SEED = 600, 1
GUESSING = 0.5 + 3 * 0.5 / BATTLES ** 0.5  # three standard errors
SHORT = 80
CHANCE = 0.5 + 5.5 * 0.5 / SHORT ** 0.5

pytestmark = pytest.mark.skipif(os.environ.get("ARENA_VARIANT", "release") != "release",
                                reason="what is measured is time: in the release build alone")


def simulated(pair, count, **more):
    rows = blindness.simulated(SIMULATED, pair.split(), count + 40, SEED, **more)[40:]
    return blindness.accuracies(rows)


@pytest.mark.parametrize("pair", ["swift steady", "swift lump"])
def test_classifiers_are_left_guessing(pair):
    found = simulated(pair, BATTLES)
    assert max(found.values()) <= GUESSING, found


def test_the_same_classifiers_see_through_what_is_not_paced():
    found = simulated("swift steady", 200, unpaced=True)
    assert min(found.values()) >= 0.9, found


def test_and_through_a_small_leak():
    """A showing that comes a fifth of a second later where the fast one's answer is the longer."""
    rows = blindness.simulated(SIMULATED, ["swift", "steady"], BATTLES, SEED, late=0.2)
    found = blindness.accuracies(rows)
    assert max(found.values()) > GUESSING + 0.02, found


def over_http(pair, environment):
    with blindness.Provider(longest=300, pair=pair) as provider:
        with ArenaServer(config=provider.config, environment=environment) as arena:
            asyncio.run(blindness.battles(arena.port, pair, 24, 24))
            if not environment:  # a restart does not make it forget how they answer
                arena.kill()
                arena.start()
            return blindness.accuracies(asyncio.run(blindness.battles(arena.port, pair, SHORT, SHORT)))


def test_nor_do_they_find_anything_over_http():
    found = over_http(("swift", "lump"), {})
    assert min(found.values()) <= CHANCE, found


def test_over_http_they_see_through_what_is_not_paced():
    found = over_http(("swift", "steady"), {"ARENA_UNPACED": "not-blind"})
    assert max(found.values()) >= 0.9, found


def test_nobody_but_the_one_who_measures_is_shown_unpaced_battles():
    config = {"auth": {"mode": "invite"}, "competitors": []}
    with pytest.raises(AssertionError, match="ARENA_UNPACED"):
        ArenaServer(config=config, environment={"ARENA_UNPACED": "not-blind"}).start()


# --- what needs no classifier ---

BLIND_FIGURES = ("arena_http_", "arena_battles_", "arena_store_", "arena_board_")  # of both lanes together


def test_no_figure_moves_with_a_lane():
    """Before the vote only what counts both lanes together moves on /metrics: not what the process costs."""
    with FakeProvider() as provider:
        provider.scripts["left"] = Script("word " * 40, chunk=5, gap=0.01)
        with ArenaServer(config=provider.config("left", "right")) as arena:
            voter = arena.voter()
            seen = []
            for _ in range(2):
                seen.append(dict(line.rsplit(" ", 1) for line in voter.get("/metrics").body.decode().splitlines()
                                 if not line.startswith("#")))
                if len(seen) == 1:
                    battle = voter.start()
                    voter.events(battle).until("ready")
    moved = [name for name, value in seen[1].items() if seen[0].get(name) != value]
    assert moved and not [name for name in moved if not name.startswith(BLIND_FIGURES)]


def test_both_are_asked_for_the_smaller_limit():
    with FakeProvider() as provider:
        config = provider.config("left", "right")
        config["competitors"][0]["params"] = {"max_tokens": 300}
        config["competitors"][1]["params"] = {"max_tokens": 70}
        with ArenaServer(config=config) as arena:
            voter = arena.voter()
            voter.events(voter.start()).until("ready")
            limits = [call["max_tokens"] for call in provider.calls]
    assert limits == [70, 70]

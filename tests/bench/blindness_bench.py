"""How often classifiers name the lane's model from everything but the text (tests/blindness.py), with the pacer and
without it, over HTTP:

    build/venv/bin/python tests/bench/blindness_bench.py [--battles 2000] [--unpaced-battles 600] [--pair N]

or, in no time, on a clock that stands still, for more manners of speaking (ninja blindness_battles):

    build/venv/bin/python tests/bench/blindness_bench.py --simulated [--battles 2000]"""
import argparse
import asyncio
import itertools
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import blindness  # noqa: E402
from arena_server import ArenaServer  # noqa: E402


ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIMULATED = ROOT / "build" / "release" / "tests" / "blindness_battles"
MANNERS = ["swift", "steady", "crawl", "lump", "thinker", "bursts", "halting"]  # blindness_battles.c
ACQUAINTANCE = 40  # battles after which the arena knows how the two answer (arena/competitor/tempo.h)


def over_http(pair, count, at_once, unpaced):
    environment = {"ARENA_UNPACED": "not-blind"} if unpaced else {}
    with blindness.Provider(longest=900, pair=pair) as provider:
        with ArenaServer(config=provider.config, environment=environment) as arena:
            asyncio.run(blindness.battles(arena.port, pair, ACQUAINTANCE, ACQUAINTANCE))
            return asyncio.run(blindness.battles(arena.port, pair, count, at_once))


def measure(pair, count, unpaced, options):
    begun = time.monotonic()
    if options.simulated:
        rows = blindness.simulated(SIMULATED, pair, ACQUAINTANCE + count, options.seed, unpaced)[ACQUAINTANCE:]
    else:
        rows = over_http(pair, count, options.at_once, unpaced)
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in blindness.accuracies(rows).items())
    print(f"{' and '.join(pair)}, pacer {'off' if unpaced else 'on'}: of {len(rows)} battles named rightly by {shares} "
          f"({time.monotonic() - begun:.0f} s, load {os.getloadavg()[0]:.1f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--battles", type=int, default=2000)
    parser.add_argument("--unpaced-battles", type=int, default=600)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--pair", type=int, help="this pair alone")
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--seed", type=int, default=1, help="of what is simulated")
    options = parser.parse_args()
    pairs = list(itertools.combinations(MANNERS, 2)) if options.simulated else blindness.PAIRS
    for pair in pairs if options.pair is None else [pairs[options.pair]]:
        for count, unpaced in ((options.battles, False), (options.unpaced_battles, True)):
            if count:
                measure(pair, count, unpaced, options)


if __name__ == "__main__":
    main()

"""How often a classifier names the lane's model from everything but the text (tests/blindness.py), with the pacer and
without it:

    build/venv/bin/python tests/bench/blindness_bench.py [--battles 2000] [--unpaced-battles 600] [--pair N]"""
import argparse
import asyncio
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import blindness  # noqa: E402
from arena_server import ArenaServer  # noqa: E402


ACQUAINTANCE = 40  # battles after which the arena knows how the two answer (arena/competitor/tempo.h)


def measure(pair, count, at_once, environment):
    begun = time.monotonic()
    with blindness.Provider(longest=900, pair=pair) as provider:
        with ArenaServer(config=provider.config, environment=environment) as arena:
            asyncio.run(blindness.battles(arena.port, ACQUAINTANCE, ACQUAINTANCE))
            rows = asyncio.run(blindness.battles(arena.port, count, at_once))
    return len(rows), blindness.accuracy(rows), time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--battles", type=int, default=2000)
    parser.add_argument("--unpaced-battles", type=int, default=600)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--pair", type=int, choices=range(len(blindness.PAIRS)), help="this pair alone")
    options = parser.parse_args()
    pairs = blindness.PAIRS if options.pair is None else [blindness.PAIRS[options.pair]]
    for pair in pairs:
        for name, count, environment in (("pacer on", options.battles, {}),
                                         ("pacer off", options.unpaced_battles, {"ARENA_UNPACED": "not-blind"})):
            if count:
                held, share, seconds = measure(pair, count, options.at_once, environment)
                print(f"{' and '.join(pair)}, {name}: {100 * share:.1f} % of {held} battles named rightly "
                      f"({seconds:.0f} s, load {os.getloadavg()[0]:.1f})", flush=True)


if __name__ == "__main__":
    main()

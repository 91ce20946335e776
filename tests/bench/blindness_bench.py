"""How often a classifier names the lane's model from everything but the text (tests/blindness.py), with the pacer and
without it:

    build/venv/bin/python tests/bench/blindness_bench.py [--battles 2000] [--at-once 100] [--unpaced-battles 600]"""
import argparse
import asyncio
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import blindness  # noqa: E402
from arena_server import ArenaServer  # noqa: E402


def measure(count, at_once, environment):
    begun = time.monotonic()
    with blindness.Provider(longest=900) as provider:
        with ArenaServer(config=provider.config, environment=environment) as arena:
            rows = asyncio.run(blindness.battles(arena.port, count, at_once))
    return len(rows), blindness.accuracy(rows), time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--battles", type=int, default=2000)
    parser.add_argument("--unpaced-battles", type=int, default=600)
    parser.add_argument("--at-once", type=int, default=100)
    options = parser.parse_args()
    for name, count, environment in (("pacer on", options.battles, {}),
                                     ("pacer off", options.unpaced_battles, {"ARENA_UNPACED": "not-blind"})):
        held, share, seconds = measure(count, options.at_once, environment)
        print(f"{name}: {100 * share:.1f} % of {held} battles named rightly "
              f"({seconds:.0f} s, load {os.getloadavg()[0]:.1f})", flush=True)


if __name__ == "__main__":
    main()

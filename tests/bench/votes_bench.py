"""A million votes in and out again: `arena import` and `arena export votes`, their time, CPU and memory.

    python3 tests/bench/votes_bench.py [--votes N] [--wide]

--wide: rows with LMArena's conv_metadata and category_tag, about 1 KB each. The time includes reading the file twice,
the commit to the disk and the checkpoint. Memory is the process's peak, as the kernel counts it."""

import argparse
import os
import pathlib
import random
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARENA = os.environ.get("ARENA_BINARY") or str(ROOT / "build" / "release" / "arena")
WINNERS = ("model_a", "model_b", "tie", "both_bad")
CRITERIA = ("specificity", "domain_knowledge", "complexity", "problem_solving", "creativity", "technical_accuracy",
            "real_world")


def wide(rng):
    side = lambda s: (f'"sum_assistant_{s}_tokens":{rng.randrange(900)},'
                      f'"header_count_{s}":{{"h1":0,"h2":{rng.randrange(4)},"h3":1,"h4":0,"h5":0,"h6":0}},'
                      f'"list_count_{s}":{{"ordered":{rng.randrange(9)},"unordered":2}},'
                      f'"bold_count_{s}":{{"**":{rng.randrange(9)},"__":0}}')
    flag = lambda: "true" if rng.random() < 0.3 else "false"
    criteria = ",".join(f'"{name}":{flag()}' for name in CRITERIA)
    return (f',"turn":1,"language":"English","is_code":{flag()},"conv_metadata":{{{side("a")},{side("b")},"turns":1}},'
            f'"category_tag":{{"if_v0.1":{{"if":{flag()},"score":2}},"math_v0.1":{{"math":{flag()}}},'
            f'"criteria_v0.1":{{{criteria}}}}}')


def write_votes(path, votes, more):
    rng = random.Random(7)
    with open(path, "w") as out:
        for number in range(votes):
            a, b = rng.sample(range(60), 2)
            out.write(f'{{"id":"{rng.getrandbits(64):016x}","model_a":"model-{a}","model_b":"model-{b}",'
                      f'"winner":"{WINNERS[rng.randrange(4)]}","judge_hash":"user{rng.randrange(40000)}",'
                      f'"tstamp":{1700000000 + number}{more(rng) if more else ""}}}\n')


def measure(what, *words):
    began = time.monotonic()
    process = subprocess.Popen([ARENA, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, (what, status)
    print(f"{what}: {time.monotonic() - began:.1f} s, CPU {used.ru_utime + used.ru_stime:.1f} s, "
          f"{used.ru_maxrss * 1024 / 1e6:.0f} MB", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--votes", type=int, default=1000000)
    options.add_argument("--wide", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_votes(folder / "votes.jsonl", chosen.votes, wide if chosen.wide else None)
        measure("import", "import", folder / "votes.jsonl", "--data", folder / "a")
        measure("the same again", "import", folder / "votes.jsonl", "--data", folder / "a")
        measure("export", "export", "votes", "--data", folder / "a", "--output", folder / "out.jsonl")
        measure("export as CSV", "export", "votes", "--format", "csv", "--data", folder / "a", "--output",
                folder / "out.csv")
        measure("import of the export", "import", folder / "out.jsonl", "--data", folder / "b")


if __name__ == "__main__":
    main()

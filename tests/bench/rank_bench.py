"""Speed of `arena rank` against arena-rank and evalica, whole process to whole process, taking turns on the same files.

    ARENA_BINARY=build/release/arena ARENA_FIXTURES=… build/venv/bin/python tests/bench/rank_bench.py [rounds]

With BENCH_BOARD=build/release/tests/bench/bench_board (`ninja bench_board`) also in-process, without start-up: the
packages with their votes in memory and their compiler warm, arena from the CSV file on disk, and its refit alone, also
of 130 models that could each be the best and of votes that name voters and prompts.

Files are made once in /tmp/arena-rank-bench from the fixtures' 1,670,250 aggregated battles. The least of all rounds
counts: on a shared machine everything else measures the neighbours. Wall and CPU seconds, peak memory.
"""
import json
import math
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

ARENA = os.environ["ARENA_BINARY"]
AGGREGATED = Path(os.environ["ARENA_FIXTURES"]) / "ranking/leaderbot/chatbotarena_20240814.json"
FOLDER = Path("/tmp/arena-rank-bench")
ARENA_RANK = """
import sys, pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry
from arena_rank.utils.data_utils import PairDataset
frame = pd.read_json(sys.argv[1], lines=True) if sys.argv[1].endswith("jsonl") else pd.read_csv(sys.argv[1])
data = PairDataset.from_pandas(frame)
print(BradleyTerry(n_competitors=len(data.competitors)).compute_ratings_and_cis(data)["ratings"][:3])
"""
EVALICA = """
import sys, pandas as pd, evalica
frame = pd.read_csv(sys.argv[1])
words = {"model_a": evalica.Winner.X, "model_b": evalica.Winner.Y}
winners = [words.get(w, evalica.Winner.Draw) for w in frame["winner"]]
print(evalica.bradley_terry(frame["model_a"].tolist(), frame["model_b"].tolist(), winners).scores.head(3))
"""


IN_PROCESS = """
import sys, time, pandas as pd
frame = pd.read_csv(sys.argv[1])
if sys.argv[2] == "evalica":
    import evalica
    words = {"model_a": evalica.Winner.X, "model_b": evalica.Winner.Y}
    winners = [words.get(w, evalica.Winner.Draw) for w in frame["winner"]]
    a, b = frame["model_a"].tolist(), frame["model_b"].tolist()
    rank = lambda: evalica.bradley_terry(a, b, winners)
else:
    from arena_rank.models.bradley_terry import BradleyTerry
    from arena_rank.utils.data_utils import PairDataset
    def rank():
        data = PairDataset.from_pandas(frame)
        BradleyTerry(n_competitors=len(data.competitors)).compute_ratings_and_cis(data)
rank()
print("ready", flush=True)
for line in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    rank()
    print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)
"""


def in_process(rounds, table):
    """Takes turns: each package's process waits while another's is timed."""
    peers = {name: subprocess.Popen([sys.executable, "-c", IN_PROCESS, table, name], text=True, bufsize=1,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
             for name in ("arena-rank", "evalica")}
    best = {name: (float("inf"), float("inf")) for name in peers}
    for peer in peers.values():
        assert peer.stdout.readline() == "ready\n"
    for _ in range(rounds):
        for name, peer in peers.items():
            peer.stdin.write("go\n")
            best[name] = tuple(map(min, best[name], map(float, peer.stdout.readline().split())))
        print("in-process, arena, CSV file:", end=" ", flush=True)
        subprocess.run([os.environ["BENCH_BOARD"], table, "3"], check=True)
    for name, peer in peers.items():
        peer.stdin.close()
        peer.wait()
        print(f"in-process, {name}, votes in memory: {best[name][0]:.3f} s wall {best[name][1]:.3f} s CPU")


def write_rows():
    data = json.loads(AGGREGATED.read_text())
    names, rows = data["models"], []
    random.seed(1)
    for (i, j), counts in zip(data["X"], data["Y"]):
        for outcome, count in enumerate(counts):
            for _ in range(count):
                swap = random.random() < 0.5
                word = ("model_a", "model_b", "tie", "tie (bothbad)")[outcome if outcome > 1 else outcome ^ swap]
                rows.append((names[j], names[i], word) if swap else (names[i], names[j], word))
    random.shuffle(rows)
    with open(FOLDER / "votes.jsonl", "w") as out:
        out.writelines(f'{{"model_a": "{a}", "model_b": "{b}", "winner": "{w}"}}\n' for a, b, w in rows)
    with open(FOLDER / "votes.csv", "w") as out:
        out.write("model_a,model_b,winner\n")
        out.writelines(f"{a},{b},{w}\n" for a, b, w in rows)


def write_style(votes=1_000_000):
    random.seed(2)
    with open(FOLDER / "style.jsonl", "w") as out:
        for _ in range(votes):
            a, b = random.sample(range(100), 2)
            meta = {}
            for side in "ab":
                meta[f"sum_assistant_{side}_tokens"] = random.randrange(20, 900)
                meta[f"header_count_{side}"] = {"h1": random.randrange(7), "h2": 0}
                meta[f"list_count_{side}"] = {"ordered": random.randrange(12), "unordered": 0}
                meta[f"bold_count_{side}"] = {"**": random.randrange(9), "__": 0}
            word = random.choice(["model_a", "model_b", "tie", "both_bad"])
            vote = {"model_a": f"m{a}", "model_b": f"m{b}", "winner": word, "conv_metadata": meta}
            out.write(json.dumps(vote) + "\n")


def write_conversations(votes=60_000):
    random.seed(3)
    piece = 'He said "yes".\n\n- one {x}\n- two\n\n```c\nint main(void) { return 0; }\n```\n'
    texts = [piece * random.randrange(3, 40) for _ in range(200)]
    with open(FOLDER / "conversations.jsonl", "w") as out:
        for k in range(votes):
            a, b = random.sample(range(100), 2)
            vote = {"id": k, "model_a": f"m{a}", "model_b": f"m{b}", "winner": "tie"}
            for side in "ab":
                said = (("user", f"question {k}"), ("assistant", random.choice(texts)))
                vote[f"conversation_{side}"] = [{"role": role, "content": [{"type": "text", "text": text}]}
                                                for role, text in said]
            out.write(json.dumps(vote) + "\n")


def write_close(per_pair, models=130):
    """Every pair met as often, and nobody is much better: all of them could be the best."""
    random.seed(6)
    theta, pairs, counts = [random.gauss(0, 0.1) for _ in range(models)], [], []
    for i in range(models):
        for j in range(i):
            win = 1 / (1 + math.exp(theta[j] - theta[i]))
            drawn = random.choices(range(3), (0.75 * win, 0.75 * (1 - win), 0.25), k=per_pair)
            pairs.append([i, j])
            counts.append([drawn.count(k) for k in range(3)] + [0])
    data = {"models": [f"m{k}" for k in range(models)], "X": pairs, "Y": counts}
    (FOLDER / f"close-{per_pair}.json").write_text(json.dumps(data))


def write_clustered(votes, voters, prompts, models=130):
    random.seed(5)
    theta = [random.gauss(0, 0.6) for _ in range(models)]
    with open(FOLDER / f"clustered-{votes}.csv", "w") as out:
        out.write("model_a,model_b,winner,voter,prompt_id\n")
        for _ in range(votes):
            a, b = random.sample(range(models), 2)
            win = 1 / (1 + math.exp(theta[b] - theta[a]))
            word, = random.choices(("model_a", "model_b", "tie"), (0.75 * win, 0.75 * (1 - win), 0.25))
            out.write(f"m{a},m{b},{word},v{random.randrange(voters)},p{random.randrange(prompts)}\n")


def write_live(votes, models=130):
    """As an arena's own: voters of 20 to 500 votes each, some models drawn more than others, and 19 of 20 prompts
    voted on once."""
    random.seed(7)
    theta, weights = [random.gauss(0, 0.6) for _ in range(models)], [random.gammavariate(2, 1) for _ in range(models)]
    order = []
    while len(order) < votes:
        order += [(len(order), random.gauss(0, 0.4))] * int(math.exp(random.uniform(math.log(20), math.log(500))))
    random.shuffle(order)
    with open(FOLDER / f"live-{votes}.csv", "w") as out:
        out.write("model_a,model_b,winner,voter,prompt_id\n")
        for k, (voter, taste) in enumerate(order[:votes]):
            a, b = random.choices(range(models), weights, k=2)
            b = b if a != b else (a + 1) % models
            ahead = theta[a] - theta[b] + taste * ((a * 7919 + voter) % 3 - (b * 7919 + voter) % 3)
            win = 1 / (1 + math.exp(-ahead))
            word, = random.choices(("model_a", "model_b", "tie", "both_bad"),
                                   (0.75 * win, 0.75 * (1 - win), 0.18, 0.07))
            prompt = k if random.random() < 0.95 else -random.randrange(1, 2_000)
            out.write(f"m{a},m{b},{word},v{voter},p{prompt}\n")


def refits():
    for write, arguments, name in ((write_close, (2,), "close-2.json"), (write_close, (50,), "close-50.json"),
                                   (write_clustered, (20_000, 200, 2_000), "clustered-20000.csv"),
                                   (write_clustered, (100_000, 2_000, 5_000), "clustered-100000.csv"),
                                   (write_clustered, (1_670_250, 200_000, 400_000), "clustered-1670250.csv"),
                                   *((write_live, (votes,), f"live-{votes}.csv")
                                     for votes in (20_000, 100_000, 500_000, 1_670_250))):
        if not (FOLDER / name).exists():
            write(*arguments)
        print(f"in-process, {name}:", end=" ", flush=True)
        subprocess.run([os.environ["BENCH_BOARD"], str(FOLDER / name), "3" if "1670250" in name else "20"], check=True)


def measure(command):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    FOLDER.mkdir(exist_ok=True)
    for name, write in (("votes.csv", write_rows), ("style.jsonl", write_style),
                        ("conversations.jsonl", write_conversations)):
        if not (FOLDER / name).exists():
            write()
    jsonl, table = str(FOLDER / "votes.jsonl"), str(FOLDER / "votes.csv")
    cases = {
        "aggregated, sandwich": [ARENA, "rank", str(AGGREGATED)],
        "aggregated, 100 bootstrap rounds": [ARENA, "rank", str(AGGREGATED), "--ci", "bootstrap"],
        "JSON lines": [ARENA, "rank", jsonl],
        "JSON lines, arena-rank": [sys.executable, "-c", ARENA_RANK, jsonl],
        "CSV": [ARENA, "rank", table],
        "CSV, arena-rank": [sys.executable, "-c", ARENA_RANK, table],
        "CSV, evalica": [sys.executable, "-c", EVALICA, table],
        "1,000,000 votes with style": [ARENA, "rank", str(FOLDER / "style.jsonl"), "--style"],
        "whole conversations": [ARENA, "rank", str(FOLDER / "conversations.jsonl")],
    }
    best = {name: (float("inf"), float("inf")) for name in cases}
    for _ in range(rounds):
        for name, command in cases.items():
            best[name] = tuple(map(min, best[name], measure(command)))
    for name, (wall, cpu) in best.items():
        print(f"{name:36} {wall:8.3f} s wall {cpu:8.3f} s CPU")
    size = (FOLDER / "conversations.jsonl").stat().st_size / 1e9
    print(f"whole conversations: {size / best['whole conversations'][0]:.2f} GB/s")
    for form in ("JSON lines", "CSV"):
        wall, cpu = (best[f"{form}, arena-rank"][k] / best[form][k] for k in (0, 1))
        print(f"{form}: {wall:.0f} times faster than arena-rank (CPU: {cpu:.0f} times)")
    if "BENCH_BOARD" in os.environ:
        in_process(rounds, table)
        refits()


if __name__ == "__main__":
    main()

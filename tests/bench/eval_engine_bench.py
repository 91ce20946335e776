"""An evaluation in the in-house engine: how full its batch is, and what a live battle notices of it.

    python3 tests/bench/eval_engine_bench.py throughput [--model FILE] [--batch 16] [--tokens 96] [--prompts 32]
    python3 tests/bench/eval_engine_bench.py live [--model FILE] [--tokens 96] [--rounds 2]

throughput: tokens a second of a run's answers in its middle half, their prompts computed meanwhile, beside what `arena
bench engine` decodes at once (its median), in turns. live: how fast a battle's answers come while nothing else runs
and while an evaluation does. Needs `build/release/arena` (or $ARENA_BINARY)."""
import argparse
import json
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from arena_server import ArenaServer, binary  # noqa: E402

MODEL = pathlib.Path.home() / ".cache" / "arena" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def config(model, tokens):
    ours = {"provider": "engine", "path": str(model), "in_house": True}
    return {"competitors": [{"name": "calm", **ours, "params": {"temperature": 0, "max_tokens": tokens}},
                            {"name": "warm", **ours, "params": {"temperature": 1, "max_tokens": tokens, "seed": 1}}]}


def write_spec(folder, prompts):
    path = folder / "spec.json"
    path.write_text(json.dumps({"name": "bench", "competitors": ["calm", "warm"], "prompts": [
        {"prompt": f"Write a long story about lighthouse keeper number {i}."} for i in range(prompts)]}))
    return str(path)


def batched(options):
    done = subprocess.run([binary(), "bench", "engine", "--model", str(options.model), "--prefill", "0", "--decode",
                           str(options.tokens), "--batch", str(options.batch), "--format", "json"],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def middle(data):
    """Tokens a second of the answers that ended in the middle half of the run."""
    with sqlite3.connect(f"file:{data}/arena.db?mode=ro", uri=True) as database:
        rows = database.execute("SELECT created_ms, output_tokens FROM answers ORDER BY created_ms").fetchall()
    first, last = rows[len(rows) // 4][0], rows[3 * len(rows) // 4][0]
    return 1000 * sum(tokens for ended, tokens in rows if first < ended <= last) / (last - first)


def evaluated(options):
    """The same of a run."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        (folder / "config.json").write_text(json.dumps(config(options.model, options.tokens)))
        subprocess.run([binary(), "eval", "run", write_spec(folder, options.prompts), "--config",
                        str(folder / "config.json"), "--data", str(folder / "data"), "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)
        return middle(folder / "data")


def throughput(options):
    rows = [(batched(options)["batch_tokens_per_second_median"], evaluated(options)) for _ in range(options.rounds)]
    bench, run = (statistics.mean(column) for column in zip(*rows))
    return {"batched_tokens_per_second": round(bench, 1), "evaluation_tokens_per_second": round(run, 1),
            "share": round(run / bench, 3)}


def battle(server):
    """One battle: milliseconds to the first text, and tokens a second of its two lanes together."""
    voter = server.voter()
    begun = time.monotonic()
    events = voter.events(voter.start("Tell me about the sea."))
    seen = events.until("ready", "void")
    events.close()
    first = next(event.when for event in seen if event.kind == "delta")
    texts = sum(len(event.data["text"]) for event in seen if event.kind == "delta")
    return 1000 * (first - begun), texts / (seen[-1].when - first)


def live(options):
    figures = {"alone": [], "beside": []}
    with ArenaServer(config=config(options.model, options.tokens)) as server:
        battle(server)  # the model is warm
        for _ in range(options.rounds):
            figures["alone"] += [battle(server) for _ in range(3)]
            run = subprocess.Popen([binary(), "eval", "run", write_spec(server.data, 400), "--data", str(server.data),
                                    "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while server.voter().get("/api/evals").json["runs"][:1] == []:
                time.sleep(0.05)
            time.sleep(1)
            figures["beside"] += [battle(server) for _ in range(3)]
            run.send_signal(2)
            run.wait()
    result = {}
    for name, rows in figures.items():
        result[name] = {"first_ms": round(statistics.median(row[0] for row in rows), 1),
                        "characters_per_second": round(statistics.median(row[1] for row in rows), 1)}
    result["share"] = round(result["beside"]["characters_per_second"] / result["alone"]["characters_per_second"], 3)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("throughput", "live"))
    parser.add_argument("--model", type=pathlib.Path, default=MODEL)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    print(json.dumps({"throughput": throughput, "live": live}[options.what](options)))


if __name__ == "__main__":
    main()

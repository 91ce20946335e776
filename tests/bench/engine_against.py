#!/usr/bin/env python3
"""arena's engine and llama.cpp in turn: the same file, threads and minutes, wall clock.

    tests/bench/engine_against.py MODEL.gguf [--arena build/release/arena] [--threads 2] [--rounds 5]
        [--flash-attention]

llama.cpp comes as the Python package llama-cpp-python (PyPI's source package builds it for this machine;
LLAMA_CPP_LIB_PATH names the folder of another build's libllama).
A round runs arena, then llama.cpp, each in a process of its own, each kind
of work RUNS times. Printed: the best of all rounds, the median of the rounds' medians, and the ratios of both.
"""
import argparse
import json
import random
import statistics
import subprocess
import sys
import time

PROMPT, PREFILL, DECODE, BATCH, RUNS = 16, 512, 64, 8, 5
KINDS = ("prefill", "decode", "batch")


def run_json(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def arena_round(options):
    report = run_json([options.arena, "bench", "engine", "--model", options.model, "--device", "cpu",
                       "--format", "json",
                       "--threads", str(options.threads), "--prefill", str(PREFILL), "--decode", str(DECODE),
                       "--batch", str(BATCH)])
    report["rates"] = {kind: [report[f"{kind}_tokens_per_second"], report[f"{kind}_tokens_per_second_median"]]
                       for kind in KINDS}
    return report


class Llama:
    """What is measured of llama.cpp, through its own C interface."""

    def __init__(self, model, threads, flash):
        import llama_cpp.llama_cpp as api
        self.api = api
        self.log = api.llama_log_callback(lambda *_: None)
        api.llama_log_set(self.log, None)
        api.llama_backend_init()
        self.model = api.llama_model_load_from_file(model.encode(), api.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp cannot load {model}")
        params = api.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = BATCH * 640, PREFILL, PREFILL
        params.n_seq_max, params.n_threads, params.n_threads_batch = BATCH, threads, threads
        params.flash_attn_type = 1 if flash else -1
        self.context = api.llama_init_from_model(self.model, params)
        self.vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))
        self.batch = api.llama_batch_init(PREFILL, 0, 1)

    def step(self, rows):
        """One call with rows of (sequence, position, whether its logits are wanted)."""
        for i, (sequence, position, wanted) in enumerate(rows):
            self.batch.token[i] = random.randrange(self.vocabulary)
            self.batch.pos[i], self.batch.n_seq_id[i], self.batch.logits[i] = position, 1, wanted
            self.batch.seq_id[i][0] = sequence
        self.batch.n_tokens = len(rows)
        if self.api.llama_decode(self.context, self.batch):
            sys.exit("llama_decode failed")
        self.api.llama_get_logits_ith(self.context, -1)

    def seconds(self, requests, prompt, decode):
        """Of the prompt alone (decode 0), or of what follows it."""
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)
        start = time.perf_counter()
        self.step([(r, i, i == prompt - 1) for r in range(requests) for i in range(prompt)])
        if not decode:
            return time.perf_counter() - start
        start = time.perf_counter()
        for i in range(decode):
            self.step([(r, prompt + i, True) for r in range(requests)])
        return time.perf_counter() - start

    def rates(self):
        work = {"prefill": (1, PREFILL, 0), "decode": (1, PROMPT, DECODE), "batch": (BATCH, PROMPT, DECODE // 4)}
        made = {}
        for kind, (requests, prompt, decode) in work.items():
            tokens = requests * (decode or prompt)
            values = [tokens / self.seconds(requests, prompt, decode) for _ in range(RUNS)]
            made[kind] = [max(values), statistics.median(values)]
        return made


def print_table(options, arena, llama):
    names = {"prefill": f"prefill {PREFILL}", "decode": "decode", "batch": f"{BATCH} at once"}
    reads = max(report["read_gigabytes_per_second"] for report in arena)
    gops = max(report["int8_gops"] for report in arena)
    print(f"{arena[0]['model']} ({arena[0]['type']}), {options.threads} threads, {options.rounds} rounds of {RUNS}: "
          f"best (median), tokens/s\nread rate at most {reads:.1f} GB/s, int8 at most {gops:.0f} GOPS")
    print(f"{'':12} {'arena':>16} {'llama.cpp':>16} {'ratio':>14}  "
          "share of the same round's read rate, of its int8 peak")
    for kind in KINDS:
        sides = []
        for rounds in ([r["rates"] for r in arena], llama):
            sides.append((max(r[kind][0] for r in rounds), statistics.median(r[kind][1] for r in rounds)))
        shares = [statistics.median(r[f"{kind}_{unit}_share"] for r in arena)
                  for unit in ("gigabytes_per_second", "gops")]
        print(f"{names[kind]:12}" + "".join(f"{best:9.0f} ({median:5.0f})" for best, median in sides) +
              f"{sides[0][0] / sides[1][0]:7.2f} ({sides[0][1] / sides[1][1]:4.2f})  {shares[0]:.0%}, {shares[1]:.0%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--arena", default="build/release/arena")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--flash-attention", action="store_true", help="llama.cpp's own choice otherwise")
    parser.add_argument("--llama-alone", action="store_true", help="one round of llama.cpp, as JSON")
    options = parser.parse_args()
    if options.llama_alone:
        print(json.dumps(Llama(options.model, options.threads, options.flash_attention).rates()))
        return
    arena, llama = [], []
    for _ in range(options.rounds):
        arena.append(arena_round(options))
        llama.append(run_json([sys.executable, __file__, "--llama-alone", *sys.argv[1:]]))
    print_table(options, arena, llama)


main()

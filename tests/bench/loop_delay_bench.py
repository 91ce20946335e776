"""How long the event loop keeps a request waiting while the in-house model decodes flat out on every core.

    chrt -r 1 python3 tests/bench/loop_delay_bench.py build/release/arena [SECONDS [REQUESTS]]

Sixteen answers decode at once (their clients only wait), and GET /healthz is asked every few milliseconds over one
connection: its round trip is the loop's delay and two sockets. The server is at the priority it always has; the client
is above it, so that its own waiting for a core does not count.
"""
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

MODEL = pathlib.Path(os.environ.get("ARENA_MODELS") or pathlib.Path.home() / ".cache" / "arena",
                     "SmolLM2-135M-Instruct.Q4_1.gguf")


def start(binary, folder):
    config = {"competitors": [{"name": "ours", "provider": "engine", "path": str(MODEL), "in_house": True}],
              "auth": {"mode": "local", "open_v1": True}}
    path = pathlib.Path(folder, "arena.json")
    path.write_text(json.dumps(config))
    server = subprocess.Popen(["chrt", "-o", "0", binary, "serve", "--listen", "127.0.0.1:0", "--data",
                               folder + "/data", "--config", path], stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    return server, int(line.rsplit(":", 1)[1].split("/")[0].split()[0])


def decode(port, seed, stop):
    message = {"role": "user", "content": f"Write a long story, number {seed}."}
    body = json.dumps({"model": "ours", "messages": [message],
                       "seed": seed, "temperature": 1, "logit_bias": {"2": -100}, "max_tokens": 4000})
    while not stop.is_set():
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        try:
            link.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            link.getresponse().read()
        except OSError:
            return


def measure(port, seconds):
    link, times, end = http.client.HTTPConnection("127.0.0.1", port), [], time.monotonic() + seconds
    while time.monotonic() < end:
        before = time.perf_counter()
        link.request("GET", "/healthz")
        link.getresponse().read()
        times.append((time.perf_counter() - before) * 1e3)
        time.sleep(0.005)
    return sorted(times)


def tell(name, times):
    at = {share: times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.95, 0.99)}
    print(f"{name}: {len(times)} requests, p50 {at[0.5]:.2f} ms, p95 {at[0.95]:.2f} ms, p99 {at[0.99]:.2f} ms, "
          f"max {times[-1]:.2f} ms", flush=True)


def main():
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    requests = int(sys.argv[3]) if len(sys.argv) > 3 else 16
    with tempfile.TemporaryDirectory() as folder:
        server, port = start(sys.argv[1], folder)
        stop = threading.Event()
        try:
            tell("idle", measure(port, seconds / 3))
            for seed in range(requests):
                threading.Thread(target=decode, args=(port, seed, stop), daemon=True).start()
            time.sleep(2)
            tell(f"{requests} answers decoding", measure(port, seconds))
        finally:
            stop.set()
            server.terminate()
            server.wait(20)


main()

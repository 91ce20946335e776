"""How near an evaluation comes to the ideal wall time, and what the coordinator costs.

    python3 tests/bench/eval_bench.py [--prompts 2000] [--competitors 4] [--latency 2] [--limit 200]

A stand-in of its own process answers each call after the latency and says 429 past the limit. The ideal is
calls / limit x latency. Needs `build/release/arena` (or $ARENA_BINARY)."""
import argparse
import asyncio
import json
import multiprocessing
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from arena_server import binary  # noqa: E402

BODY = json.dumps({"id": "c", "object": "chat.completion", "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "An answer of a few words. " * 8},
     "finish_reason": "stop"}], "usage": {"prompt_tokens": 20, "completion_tokens": 50, "total_tokens": 70}}).encode()
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
FULL = (b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
        b"Retry-After: 1\r\nContent-Length: 2\r\n\r\n{}")


class StandIn:
    def __init__(self, latency, limit):
        self.latency, self.limit, self.active = latency, limit, 0

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(re.search(rb"content-length: (\d+)", head.lower())[1]))
                if self.active >= self.limit:
                    writer.write(FULL)
                    continue
                self.active += 1
                await asyncio.sleep(self.latency)
                self.active -= 1
                writer.write(REPLY)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def stand_in(pipe, latency, limit):
    async def main():
        server = await asyncio.start_server(StandIn(latency, limit).serve, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()
    asyncio.run(main())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--competitors", type=int, default=4)
    parser.add_argument("--latency", type=float, default=2)
    parser.add_argument("--limit", type=int, default=200)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=stand_in, args=(theirs, options.latency, options.limit), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    names = [f"model-{i}" for i in range(options.competitors)]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        path = pathlib.Path(folder)
        (path / "config.json").write_text(json.dumps({"competitors": [
            {"name": name, "model": name, "provider": "openai-compatible", "base_url": url, "stream": False}
            for name in names]}))
        (path / "spec.json").write_text(json.dumps({"competitors": names, "prompts": [
            {"prompt": f"Question {i}: what is the answer to it?"} for i in range(options.prompts)]}))
        begun = time.monotonic()
        subprocess.run([binary(), "eval", "run", str(path / "spec.json"), "--config", str(path / "config.json"),
                        "--data", str(path / "data"), "--quiet"], check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    calls = options.prompts * options.competitors
    ideal = calls / options.limit * options.latency
    print(json.dumps({"calls": calls, "ideal_s": round(ideal, 1), "wall_s": round(wall, 1),
                      "wall_to_ideal": round(wall / ideal, 3),
                      "coordinator_core": round((used.ru_utime + used.ru_stime) / wall, 4)}))


if __name__ == "__main__":
    main()

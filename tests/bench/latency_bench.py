#!/usr/bin/env python3
r"""What the arena adds between a provider's byte and the browser's event: every piece of text carries the time at
which the stand-in wrote it, and the reader of the event stream looks at the clock when it arrives. Direct battles,
since those have no pacer: its delay is chosen, not added.

    ARENA_BINARY=build/release/arena python3 tests/bench/latency_bench.py [BATTLES] [EVENTS_A_SECOND] [SECONDS]

Stand-in, arena and reader are three processes on one machine; the figure holds all of the way, both sockets included. A
few streams go from the stand-in to the reader without an arena between, at the same time: what they take is the
machine's own delay."""
import asyncio
import json
import multiprocessing
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from arena_server import ArenaServer  # noqa: E402

ENDPOINTS = 10  # each a key of its own: none waits for its limiter
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def chunk(text, finish=None):
    return ("data: " + json.dumps({"id": "x", "model": "m", "choices": [
        {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}) + "\n\n").encode()


def stand_in(port, rate, seconds):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        await asyncio.sleep(hash(id(writer)) % 1000 / 1000 / rate)  # streams do not march in step
        for _ in range(int(rate * seconds)):
            writer.write(chunk(f"@{time.monotonic_ns()} "))
            await asyncio.sleep(1 / rate)
        writer.write(chunk("", "stop") + b"data: [DONE]\n\n")
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()
    asyncio.run(main())


async def read(port, request, late):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    opened = time.monotonic_ns() + 200_000_000  # what was written before waited for its reader
    while line := await reader.readline():
        now = time.monotonic_ns()
        if line.startswith((b"event: ready", b"event: void", b"data: [DONE]")):
            break
        late += [(now - int(stamp)) / 1e6 for stamp in re.findall(rb"@([0-9]+)", line) if int(stamp) > opened]
    writer.close()


def through(server, battle, cookie):
    return (f"GET /api/battles/{battle}/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Cookie: {cookie}\r\n\r\n")


def told(what, late):
    late = sorted(late)
    share = [late[min(len(late) - 1, int(len(late) * part))] for part in (0.5, 0.95, 0.99)]
    print(f"{what}: {len(late)} pieces, p50 {share[0]:.2f} ms, p95 {share[1]:.2f} ms, p99 {share[2]:.2f} ms")


def start(server, index):
    voter = server.voter()
    reply = voter.post("/api/battles", {"prompt": "x", "mode": "direct", "models": [f"m{index % ENDPOINTS}"]})
    assert reply.status == 201, reply
    return reply.json["battle_id"], "; ".join(f"{name}={value}" for name, value in voter.cookies.items())


def main():
    battles, rate, seconds = (list(map(float, sys.argv[1:])) + [100, 10, 10][len(sys.argv) - 1:])[:3]
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=stand_in, args=(theirs, rate, seconds), daemon=True)
    process.start()
    port = ours.recv()
    config = {"competitors": [{"name": f"m{index}", "provider": "openai-compatible", "model": "m",
                               "base_url": f"http://127.0.0.1:{port}/{index}"} for index in range(ENDPOINTS)]}
    late, plain = [], []
    with ArenaServer(config=config) as server:
        started = [start(server, index) for index in range(int(battles))]

        async def all_of_them():
            await asyncio.gather(*[read(server.port, through(server, *battle), late) for battle in started],
                                 *[read(port, "POST / HTTP/1.1\r\n\r\n", plain) for _ in range(ENDPOINTS)])
        asyncio.run(all_of_them())
    told(f"{battles:.0f} battles of {rate:.0f} pieces/s through the arena", late)
    told(f"{ENDPOINTS} such streams without it", plain)


if __name__ == "__main__":
    main()

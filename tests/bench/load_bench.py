"""Two hundred voters at once against scripted competitors: how long a vote takes, and whether a battle is lost.

    build/venv/bin/python tests/bench/load_bench.py [--voters 200] [--battles 5] [--rounds 3]

Each voter starts a battle, reads its stream to the end, thinks for up to a second and votes; then the next. A vote's
time is from the first byte of the request to the last of the answer, which comes after the commit to the disk; the
client's own waiting for a core is in it, so the best of the rounds is the figure. Then the stored rows are counted."""
import argparse
import asyncio
import json
import multiprocessing
import os
import pathlib
import random
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import blindness  # noqa: E402
from arena_server import ArenaServer  # noqa: E402


async def start(port, cookie):
    """A battle of this voter; a refusal because all are busy is asked again, as the page does."""
    while True:
        status, _, body, cookie = await blindness.exchange(port, "POST", "/api/battles", {"prompt": "Why?"}, cookie)
        if status == 201:
            return json.loads(body)["battle_id"], cookie
        if status not in (429, 503):
            raise AssertionError(f"a battle was refused: {status} {body!r}")
        await asyncio.sleep(0.5)


async def vote(port, battle, cookie):
    """Casts one; gives the seconds that it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"winner": random.choice(["model_a", "model_b", "tie"])}).encode()
    request = (f"POST /api/battles/{battle}/vote HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
               f"Origin: http://127.0.0.1:{port}\r\n"
               f"Cookie: {cookie}\r\nConnection: close\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    begun = time.perf_counter()
    writer.write(request)
    answer = await reader.read()
    taken = time.perf_counter() - begun
    writer.close()
    if b" 200 " not in answer[:20]:
        raise AssertionError(f"a vote was refused: {answer[-300:]!r}")
    return taken


def vote_for_all(pipe):
    """A process of its own, so that a vote's clock does not wait behind two hundred streams in one interpreter."""
    async def serve():
        loop, tasks, ready = asyncio.get_running_loop(), [], asyncio.Event()
        loop.add_reader(pipe.fileno(), ready.set)
        while True:
            await ready.wait()
            ready.clear()
            while pipe.poll():
                wish = pipe.recv()
                if wish is None:
                    return await asyncio.gather(*tasks)
                tasks.append(loop.create_task(vote(*wish)))
    pipe.send(asyncio.run(serve()))


async def read_to_the_end(port, battle, cookie):
    """The stream without a look at its events: what it ends with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write((f"GET /api/battles/{battle}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                  f"Cookie: {cookie}\r\n\r\n").encode())
    tail = b""
    while True:
        piece = await reader.read(65536)
        tail = tail[-64:] + piece
        over = next((word for word in ("ready", "void") if f"event: {word}".encode() in tail), None)
        if over or not piece:
            writer.close()
            return over


async def voter(port, battles, votes, held):
    cookie = ""
    await asyncio.sleep(random.random())
    for _ in range(battles):
        battle, cookie = await start(port, cookie)
        over = await asyncio.wait_for(read_to_the_end(port, battle, cookie), blindness.DEADLINE)
        held[over] = held.get(over, 0) + 1
        await asyncio.sleep(random.random())
        if over == "ready":
            votes.send((port, battle, cookie))


async def everybody(port, voters, battles, votes):
    held = {}
    await asyncio.gather(*(voter(port, battles, votes, held) for _ in range(voters)))
    return held


def measure(options):
    with blindness.Provider(longest=300, faults=False) as provider, ArenaServer(config=provider.config) as arena:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=vote_for_all, args=(theirs,))
        process.start()
        held = asyncio.run(everybody(arena.port, options.voters, options.battles, ours))
        ours.send(None)
        times = sorted(ours.recv())
        process.join()
        with sqlite3.connect(f"file:{arena.data}/arena.db?mode=ro", uri=True) as db:
            battles, votes, open_ones = (db.execute(query).fetchone()[0] for query in (
                "SELECT count(*) FROM battles", "SELECT count(*) FROM votes",
                "SELECT count(*) FROM battles WHERE state < 2"))
        seconds = sum(map(int, pathlib.Path(f"/proc/{arena.process.pid}/stat").read_text().split()[13:15])) / 100
    lost = options.voters * options.battles - sum(held.values()) + len(times) - votes + open_ones
    rank = [times[min(len(times) - 1, int(len(times) * part))] * 1000 for part in (0.5, 0.99)]
    print(f"{votes} votes of {options.voters} voters, {battles} battles {held}, lost {lost}: "
          f"p50 {rank[0]:.1f} ms, p99 {rank[1]:.1f} ms "
          f"(the server took {seconds:.1f} s of a core, load {os.getloadavg()[0]:.1f})", flush=True)
    return rank[1], lost


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voters", type=int, default=200)
    parser.add_argument("--battles", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = [measure(options) for _ in range(options.rounds)]
    print(f"best p99 {min(row[0] for row in rows):.1f} ms, battles lost {sum(row[1] for row in rows)}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
r"""What the served arena costs: board requests a second, votes a second at 64 voters, memory of 1,000 open streams,
latency added to each piece of text, CPU of an idle server. Scripted competitors stand in for models.

    ARENA_BINARY=build/release/arena python3 tests/bench/http_bench.py \
        [--seconds 4] [--streams 1000] [--battles 50] [--json]

The load comes from this process (threads over raw sockets; wrk where it is installed, for the board), so on a small
machine both share the cores: read the server's CPU beside the rates."""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from arena_server import ArenaServer  # noqa: E402
from fake_provider import FakeProvider, Script  # noqa: E402

TICK = 0.05  # PACER_TICK_NS


def cpu_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def board_rate(server, seconds):
    """GET /api/leaderboard with a fitted board behind it."""
    before = cpu_seconds(server)
    if shutil.which("wrk"):
        out = subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", server.url + "api/leaderboard"],
                             capture_output=True, text=True, check=True).stdout
        rate = float(out.split("Requests/sec:")[1].split()[0])
        tool = "wrk -t1 -c64"
    else:
        rate, tool = raw_rate(server, seconds), "8 keep-alive sockets"
    return {"requests_per_second": round(rate), "with": tool,
            "server_cpu_us_per_request": round((cpu_seconds(server) - before) / (rate * seconds) * 1e6, 1)}


def raw_rate(server, seconds):
    request = f"GET /api/leaderboard HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode() * 16
    counts, end = [], time.monotonic() + seconds

    def hammer():
        done = 0
        with server.connect() as client:
            while time.monotonic() < end:
                client.sendall(request)
                left = 16
                while left:
                    left -= client.recv(1 << 20).count(b"HTTP/1.1 200")
                done += 16
        counts.append(done)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def vote_rate(server, voters, each):
    """Every voter has `each` battles ready; then all vote at once, each on a connection of its own that stays open."""
    people = [server.voter() for _ in range(voters)]
    battles = {}

    def prepare(person):
        battles[person] = [person.ready("bench")[0] for _ in range(each)]

    for group in range(0, voters, 16):
        threads = [threading.Thread(target=prepare, args=(person,)) for person in people[group:group + 16]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    waits, barrier = [], threading.Barrier(voters + 1)

    def cast(person):
        body = b'{"winner":"tie"}'
        requests = [f"POST /api/battles/{battle}/vote HTTP/1.1\r\nHost: {server.host}\r\nCookie: arena_voter="
                    f"{person.cookies['arena_voter']}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n"
                    .encode() + body for battle in battles[person]]
        with server.connect() as client:
            barrier.wait()
            for request in requests:
                begun = time.monotonic()
                client.sendall(request)
                reply = client.recv(65536)
                waits.append(time.monotonic() - begun)
                assert b" 200 OK" in reply[:20], reply

    threads = [threading.Thread(target=cast, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    barrier.wait()
    begun = time.monotonic()
    for thread in threads:
        thread.join()
    total = voters * each
    return {"voters": voters, "votes": total, "votes_per_second": round(total / (time.monotonic() - begun)),
            "p50_ms": round(percentile(waits, 0.5) * 1e3, 2), "p99_ms": round(percentile(waits, 0.99) * 1e3, 2)}


def stream_memory(server, count):
    """Open streams on ready battles, 25 a battle."""
    people = [server.voter() for _ in range((count + 24) // 25)]
    battles = [person.ready("bench")[0] for person in people]
    time.sleep(0.5)
    before, streams, begun = server.status_line("VmRSS"), [], time.monotonic()
    for number in range(count):
        person = people[number // 25]
        client = server.connect()
        client.sendall(f"GET /api/battles/{battles[number // 25]}/events HTTP/1.1\r\nHost: {server.host}\r\n"
                       f"Cookie: arena_voter={person.cookies['arena_voter']}\r\n\r\n".encode())
        streams.append(client)
    for client in streams:
        received = b""
        while b"event: ready" not in received:
            received += client.recv(65536)
    opened = time.monotonic() - begun
    after, cpu, at = server.status_line("VmRSS"), cpu_seconds(server), time.monotonic()
    time.sleep(3)
    idle = (cpu_seconds(server) - cpu) / (time.monotonic() - at)
    for client in streams:
        client.close()
    return {"streams": count, "open_seconds": round(opened, 2), "kib_each": round((after - before) / count / 1024, 1),
            "idle_cpu_percent": round(idle * 100, 2)}


def text_latency(server, provider, battles):
    """How late events reach their reader, the pacer's chosen delay aside: it releases text on a 50 ms grid, so an
    event's distance from its battle's grid, above the smallest of that battle, is what the server, the network and this
    reader added."""
    for name in ("left", "right"):
        provider.scripts[name] = Script("x" * 1500, chunk=5, gap=0.05)
    people, waits = [server.voter() for _ in range(battles)], []

    def watch(person):
        events = person.events(person.start("bench"))
        times = [event.when for event in events.until("ready") if event.kind == "delta" and event.data["lane"] == "a"]
        phases = [(when - times[0] + TICK / 2) % TICK for when in times]
        waits.extend(phase - min(phases) for phase in phases)

    threads = [threading.Thread(target=watch, args=(person,)) for person in people]
    before, begun = cpu_seconds(server), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"battles": battles, "events": 2 * len(waits), "p50_ms": round(statistics.median(waits) * 1e3, 2),
            "p99_ms": round(percentile(waits, 0.99) * 1e3, 2),
            "server_cpu_percent": round((cpu_seconds(server) - before) / (time.monotonic() - begun) * 100, 1)}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--streams", type=int, default=1000)
    options.add_argument("--battles", type=int, default=50)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    with FakeProvider() as provider:
        provider.scripts["left"], provider.scripts["right"] = Script("Red."), Script("Blue.")
        with ArenaServer(config=provider.config("left", "right", limits={"min_votes": 1})) as server:
            results = {"votes": vote_rate(server, 64, 8), "board": board_rate(server, chosen.seconds),
                       "streams": stream_memory(server, chosen.streams)}
            results["latency"] = text_latency(server, provider, chosen.battles)
            results["max_resident_mib"] = round(server.status_line("VmHWM") / (1 << 20), 1)
    if chosen.json:
        print(json.dumps(results))
    else:
        for name, value in results.items():
            print(f"{name:18} {json.dumps(value)}")


if __name__ == "__main__":
    main()

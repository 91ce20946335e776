"""Blindness, measured: many battles of two scripted competitors, everything that a voter's browser receives of them but
the text itself, and a classifier that names the lane's model from it.

The two differ in speed, chunking, length limit and errors; one may not stream at all, so that its whole answer comes
after a wait that grows with it. The lengths of their texts are drawn alike, so that lengths (which are text) tell
nothing by themselves and the classifier may be given them: what it then finds is in the showing.
Everything is judged by cross-validation. Needs numpy; tests/bench/blindness_bench.py runs it at length."""
import asyncio
import json
import multiprocessing
import random
import time

import numpy

FOLDS = 5
DEADLINE = 240  # seconds a battle may take


# --- the competitors ---

MANNERS = {
    "swift": {"first": 0.05, "gap": 0.012, "piece": 40, "finish": "length", "fails": 0.0},
    "steady": {"first": 0.35, "gap": 0.045, "piece": 7, "finish": "stop", "fails": 0.1},
    "lump": {"first": 0.35, "gap": 0.03, "piece": 7, "finish": "stop", "fails": 0.0, "whole": True},
}
PAIRS = [("swift", "steady"), ("swift", "lump"), ("steady", "lump")]


def draw_length(rng, longest):
    return int(min(longest, max(20, rng.lognormvariate(0, 0.8) * longest / 5)))


async def answer(reader, writer, longest, faults):
    """One request of the OpenAI dialect, answered in its model's manner."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    model = json.loads(await reader.readexactly(size))["model"]
    rng, manner = random.Random(), MANNERS[model]
    if faults and rng.random() < manner["fails"]:
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return await writer.drain()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    left = draw_length(rng, longest)
    wait = manner["first"] * rng.lognormvariate(0, 0.3)
    if "whole" in manner:  # it writes as the others do, and sends it when it is done
        wait += sum(manner["gap"] * rng.lognormvariate(0, 0.4) for _ in range(left // manner["piece"]))
        manner = manner | {"piece": 10 * longest, "gap": 0}
    await asyncio.sleep(wait)
    while left > 0:
        piece = min(left, max(1, round(manner["piece"] * rng.lognormvariate(0, 0.3))))
        left -= piece
        said = "word " * (piece // 5) + "." * (piece % 5)
        chunk = {"model": model, "choices": [{"index": 0, "delta": {"content": said}, "finish_reason": None}]}
        writer.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await writer.drain()
        if left:
            await asyncio.sleep(manner["gap"] * rng.lognormvariate(0, 0.4))
    end = {"model": model, "choices": [{"index": 0, "delta": {}, "finish_reason": manner["finish"]}]}
    writer.write(f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode())
    return await writer.drain()


def provide(port, longest, faults):
    async def serve():
        async def one(reader, writer):
            try:
                await answer(reader, writer, longest, faults)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            writer.close()
        server = await asyncio.start_server(one, "127.0.0.1", 0, backlog=1024)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()
    asyncio.run(serve())


class Provider:
    """The competitors, in a process of their own."""

    def __init__(self, longest, faults=True, pair=PAIRS[0]):
        ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=provide, args=(theirs, longest, faults),
                                                                           daemon=True)
        self.process.start()
        url = f"http://127.0.0.1:{ours.recv()}/v1"
        self.config = {"competitors": [{"name": name, "provider": "openai-compatible", "base_url": url, "model": name,
                                        "retries": 3} for name in pair]}

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        self.process.terminate()
        self.process.join()


# --- a browser ---

async def exchange(port, method, path, body=None, cookie=""):
    """One request; gives status, header bytes and body bytes, with its cookie."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode() if body is not None else b""
    writer.write((f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
                  f"Connection: close\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n"
                  f"Content-Length: {len(data)}\r\n\r\n").encode() + data)
    head, content = (await reader.read()).split(b"\r\n\r\n", 1)
    writer.close()
    cookies = [line.split(b":", 1)[1].split(b";")[0].strip().decode() for line in head.split(b"\r\n")
               if line.lower().startswith(b"set-cookie")]
    return int(head.split()[1]), len(head), content, cookies[0] if cookies else cookie


async def watch(port, battle, cookie):
    """The event stream up to `ready`: every read with its time, every event with the time of its read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write((f"GET /api/battles/{battle}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                  f"Cookie: {cookie}\r\n\r\n").encode())
    begun, reads, events, pending, over = time.monotonic(), [], [], b"", None
    while not over:
        piece = await reader.read(65536)
        if not piece:
            break
        now = time.monotonic() - begun
        reads.append((now, len(piece)))
        pending += piece
        while b"\n\n" in pending:
            block, pending = pending.split(b"\n\n", 1)
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if b"event" in fields:
                events.append((now, fields[b"event"].strip().decode(), json.loads(fields[b"data"]), len(block)))
                over = events[-1][1] if events[-1][1] in ("ready", "void") else None
    writer.close()
    return over, reads, events


async def battle(port):
    """One battle; gives what was received of it and who stood in lane a, or None where it was void."""
    _, head, body, cookie = await exchange(port, "POST", "/api/battles", {"prompt": "Why?"})
    name = json.loads(body)["battle_id"]
    over, reads, events = await asyncio.wait_for(watch(port, name, cookie), DEADLINE)
    if over != "ready":
        return None
    _, shown_head, shown, _ = await exchange(port, "GET", f"/api/battles/{name}", cookie=cookie)
    _, _, vote, _ = await exchange(port, "POST", f"/api/battles/{name}/vote", {"winner": "tie"}, cookie)
    texts = sum(len(event[2].get("text", "")) for event in events)
    sizes = [head, len(body), shown_head, len(shown) - texts]
    return features(sizes, reads, events), json.loads(vote)["models"]["a"]["name"]


async def battles(port, count, at_once):
    gate = asyncio.Semaphore(at_once)

    async def one():
        async with gate:
            return await battle(port)
    rows = [row for row in await asyncio.gather(*(one() for _ in range(count))) if row]
    first = max(row[1] for row in rows)
    return [(seen, name == first) for seen, name in rows]


# --- what it looked like ---

def lane_features(events, lane, last_shared):
    """One lane's chunks and times."""
    mine = [(when, len(data["text"]), size - len(data["text"])) for when, kind, data, size in events
            if kind == "delta" and data["lane"] == lane]
    said = [(when, count) for when, count, _ in mine if count] or [(0.0, 1)]
    times, counts = numpy.array([row[0] for row in said]), numpy.array([row[1] for row in said], float)
    gaps = numpy.diff(times) if len(times) > 1 else numpy.zeros(1)
    total = counts.cumsum()
    quarter = [times[min(numpy.searchsorted(total, total[-1] * part), len(times) - 1)] for part in (0.25, 0.5, 0.75)]
    order = [index for index, event in enumerate(events) if event[2].get("lane") == lane]
    return [times[0], times[-1], len(said), counts.mean(), counts.std(), counts.max(), counts[0], counts[-1],
            gaps.mean(), gaps.max(), gaps.std(), total[-1], total[-1] / (times[-1] - times[0] + 0.05), *quarter,
            len(mine), numpy.mean([row[2] for row in mine] or [0]), order[0], order[-1], last_shared - times[-1]]


def rest_features(events, lengths):
    """How the longer text went on when the shorter had ended, beside how both went before."""
    longer = "a" if lengths[0] > lengths[1] else "b"
    moves = [(when, len(data["text"])) for when, kind, data, _ in events if kind == "delta" and data["lane"] == longer]
    times = numpy.array([row[0] for row in moves] or [0.0])
    counts = numpy.array([row[1] for row in moves] or [1], float)
    total, short = counts.cumsum(), min(lengths)
    cut = min(int(numpy.searchsorted(total, short)), len(times) - 1)
    before, after = counts[:cut + 1], counts[cut + 1:] if cut + 1 < len(counts) else counts[-1:]
    rate = [total[cut] / (times[cut] - times[0] + 0.05), (total[-1] - total[cut]) / (times[-1] - times[cut] + 0.05)]
    gaps = numpy.diff(times[cut:]) if len(times) - cut > 1 else numpy.zeros(1)
    return [*rate, rate[1] / rate[0], before.std() / before.mean(), after.std() / (after.mean() + 1), before.max(),
            after.max(), after[0], before[-3:].mean(), after.mean() / (before[-3:].mean() + 1), gaps.max(), times[cut],
            times[-1] - times[cut], short, max(lengths) - short]


def features(sizes, reads, events):
    spoken = [event for event in events if event[1] in ("delta", "lane")]
    last = spoken[-1][0]
    lane = [lane_features(spoken, name, last) for name in "ab"]
    lengths = [row[11] for row in lane]
    size = numpy.array([row[1] for row in reads], float)
    gaps = numpy.diff([row[0] for row in reads]) if len(reads) > 1 else numpy.zeros(1)
    wait = lane[0][0] + 0.01  # to the first text: does either length explain it?
    waits = [wait / (length + 60) for length in (*lengths, max(lengths), min(lengths))]
    return [*waits, waits[0] - waits[1], *sizes, len(reads), size.mean(), size.std(), gaps.mean(), gaps.max(),
            reads[0][0], last, float(numpy.sign(lengths[0] - lengths[1])), *lane[0], *lane[1],
            *(numpy.array(lane[0]) - numpy.array(lane[1])), *rest_features(spoken, lengths)]


# --- the classifier: gradient-boosted trees on the logistic loss ---

BINS, DEPTH, LEAF, RATE = 32, 3, 15, 0.3


def binned(table, edges):
    return numpy.stack([numpy.searchsorted(edges[k], table[:, k]) for k in range(table.shape[1])], 1)


def best_split(cells, slope, rows):
    total, base = slope[rows].sum(), slope[rows].sum() ** 2 / len(rows)
    best = (1e-9, None)
    for k in range(cells.shape[1]):
        below = numpy.bincount(cells[rows, k], slope[rows], BINS + 1).cumsum()[:-1]
        count = numpy.bincount(cells[rows, k], minlength=BINS + 1).cumsum()[:-1]
        fits = (count >= LEAF) & (len(rows) - count >= LEAF)
        gain = numpy.where(fits, below ** 2 / numpy.maximum(count, 1)
                           + (total - below) ** 2 / numpy.maximum(len(rows) - count, 1) - base, 0)
        if gain.max() > best[0]:
            best = (gain.max(), (k, int(gain.argmax())))
    return best[1]


def grow(cells, slope, rows, depth):
    split = best_split(cells, slope, rows) if depth and len(rows) >= 2 * LEAF else None
    if not split:
        return float(slope[rows].mean())
    low = cells[rows, split[0]] <= split[1]
    return split, grow(cells, slope, rows[low], depth - 1), grow(cells, slope, rows[~low], depth - 1)


def leaf_values(tree, cells):
    if isinstance(tree, float):
        return numpy.full(len(cells), tree)
    (k, edge), low, high = tree
    below = cells[:, k] <= edge
    values = numpy.empty(len(cells))
    values[below], values[~below] = leaf_values(low, cells[below]), leaf_values(high, cells[~below])
    return values


def score(table, truth, unseen, rounds):
    """Learns from `table` and `truth`; gives what it makes of `unseen` (above 0: true)."""
    parts = numpy.linspace(0.03, 0.97, BINS - 1)
    edges = [numpy.unique(numpy.quantile(column, parts)) for column in table.T]
    cells, others = binned(table, edges), binned(unseen, edges)
    sum_here, sum_there = numpy.zeros(len(table)), numpy.zeros(len(unseen))
    for _ in range(rounds):
        slope = truth - 1 / (1 + numpy.exp(-sum_here))
        tree = grow(cells, slope, numpy.arange(len(table)), DEPTH)
        sum_here += 4 * RATE * leaf_values(tree, cells)
        sum_there += 4 * RATE * leaf_values(tree, others)
    return sum_there


def accuracy(rows, rounds=60):
    """The share of battles whose lanes are named rightly by a classifier that learned from the others."""
    table, truth = numpy.array([row[0] for row in rows]), numpy.array([float(row[1]) for row in rows])
    fold, right = numpy.arange(len(rows)) % FOLDS, 0
    for k in range(FOLDS):
        here = fold != k
        right += ((score(table[here], truth[here], table[~here], rounds) > 0) == (truth[~here] > 0.5)).sum()
    return right / len(rows)

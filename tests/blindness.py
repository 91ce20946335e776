"""Blindness, measured: many battles of two scripted competitors, everything that a voter's browser receives of them but
the text itself, and classifiers that name the longer text's model from it.

The two differ in speed, chunking, length limit and errors; one may not stream at all, so that its whole answer comes
after a wait that grows with it. The lengths of their texts are drawn alike, from a word up, so that lengths (which
are text) tell nothing by themselves and the classifiers may be given them: what they then find is in the showing.
Naming the longer text's model names both lanes'; where the arena treats the lanes alike, nothing is lost by it.
Everything is judged by cross-validation. Battles come over HTTP from the real server, or in no time from
blindness_battles.c. Needs numpy; tests/bench/blindness_bench.py runs it at length."""
import asyncio
import json
import multiprocessing
import random
import re
import subprocess
import time

import numpy

FOLDS = 5
DEADLINE = 240  # seconds a battle may take


# --- the competitors ---

MANNERS = {
    "swift": {"first": 0.05, "gap": 0.012, "piece": 40, "fails": 0.0, "max_tokens": 150},
    "steady": {"first": 0.35, "gap": 0.045, "piece": 7, "fails": 0.1, "max_tokens": 90},
    "lump": {"first": 0.35, "gap": 0.03, "piece": 7, "fails": 0.0, "whole": True, "max_tokens": 200},
}
PAIRS = [("swift", "steady"), ("swift", "lump"), ("steady", "lump")]
TOKEN = 5  # characters


def draw_length(rng, longest):
    if rng.random() < 1 / 6:
        return rng.randint(1, 15)
    return int(min(longest, max(20, rng.lognormvariate(0, 0.8) * longest / 5)))


async def answer(reader, writer, longest, faults):
    """One request of the OpenAI dialect, answered in its model's manner."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    asked = json.loads(await reader.readexactly(size))
    model = asked["model"]
    rng, manner = random.Random(), MANNERS[model]
    if faults and rng.random() < manner["fails"]:
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return await writer.drain()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    left, limit = draw_length(rng, longest), asked["max_tokens"] * TOKEN
    finish = "stop" if left <= limit else "length"
    left = min(left, limit)
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
    end = {"model": model, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
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
                                        "retries": 3, "params": {"max_tokens": MANNERS[name]["max_tokens"]}}
                                       for name in pair]}

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
    """The event stream up to `ready`: what came, each with its time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write((f"GET /api/battles/{battle}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                  f"Cookie: {cookie}\r\n\r\n").encode())
    begun, reads, tail = time.monotonic(), [], b""
    while b"event: ready" not in tail and b"event: void" not in tail:
        piece = await reader.read(65536)
        if not piece:
            break
        reads.append((time.monotonic() - begun, piece))
        tail = (tail + piece)[-200:] if len(piece) < 200 else piece
    writer.close()
    return reads


async def figures(port):
    """/metrics: every figure without a label, and the sum of each competitor's."""
    _, _, body, _ = await exchange(port, "GET", "/metrics")
    sums = {}
    for line in body.decode().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            label = re.search('competitor="([^"]*)"', name)
            sums[label[1] if label else name] = sums.get(label[1] if label else name, 0) + float(value)
    return sums


async def battle(port, pair):
    """One battle: what was received of it and whether the first of the pair gave the longer text; None: it was void."""
    before = await figures(port)
    _, head, body, cookie = await exchange(port, "POST", "/api/battles", {"prompt": "Why?"})
    name = json.loads(body)["battle_id"]
    reads = await asyncio.wait_for(watch(port, name, cookie), DEADLINE)
    events = parsed(reads)
    if events[-1][1] != "ready":
        return None
    _, shown_head, shown, _ = await exchange(port, "GET", f"/api/battles/{name}", cookie=cookie)
    after = await figures(port)
    _, _, vote, _ = await exchange(port, "POST", f"/api/battles/{name}/vote", {"winner": "tie"}, cookie)
    said = [turn[lane]["text"] for turn in json.loads(shown)["turns"] for lane in "ab"]
    moved = [after[key] - before.get(key, 0) for key in sorted(after) if key not in pair]
    moved += [after.get(key, 0) - before.get(key, 0) for key in pair]
    row, longer_is_a = features(reads, events, [head, len(body), shown_head, len(shown) - len("".join(said)), *moved])
    return row, (json.loads(vote)["models"]["a"]["name"] == pair[0]) == longer_is_a


async def battles(port, pair, count, at_once):
    gate = asyncio.Semaphore(at_once)

    async def one():
        async with gate:
            return await battle(port, pair)
    return [row for row in await asyncio.gather(*(one() for _ in range(count))) if row]


# --- what it looked like ---

def parsed(reads):
    """The events of a stream: when each came, its kind, its lane, the characters of its text and its other bytes."""
    events, pending = [], b""
    for when, piece in reads:
        pending += piece
        while b"\n\n" in pending:
            block, pending = pending.split(b"\n\n", 1)
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if b"event" in fields:
                data = json.loads(fields[b"data"])
                text = data.get("text", "")
                events.append((when, fields[b"event"].strip().decode(), data.get("lane"), len(text),
                               len(block) - len(json.dumps(text)), data))
    return events


def spread(values):
    """Mean, spread and ends of a row of numbers."""
    row = numpy.array(values if len(values) else [0.0], float)
    return [len(values), row.mean(), row.std(), row.min(), row.max(), row[0], row[-1]]


def reached(times, total, parts):
    """When these parts of a text were there."""
    return [times[min(int(numpy.searchsorted(total, total[-1] * part)), len(times) - 1)] for part in parts]


def lane_features(events, lane):
    """One lane's chunks and times."""
    mine = [(when, kind, count, rest, place) for place, (when, kind, at, count, rest, _) in enumerate(events)
            if at == lane]
    said = [row for row in mine if row[2]] or [(mine[-1][0], "", 1, 0, mine[-1][4])]
    times, counts = numpy.array([row[0] for row in said]), numpy.array([row[2] for row in said], float)
    total = counts.cumsum()
    ends = [row[0] for row in mine if row[1] == "lane"]
    return [total[-1], times[0], times[-1], total[-1] / (times[-1] - times[0] + 0.05), *spread(counts),
            *spread(numpy.diff(times)), *reached(times, total, (0.25, 0.5, 0.75)), *spread([row[3] for row in mine]),
            ends[0] - times[0], ends[-1] - times[-1], mine[0][4], said[0][4], said[-1][4], mine[-1][4]]


def flow(times, counts, begin, end):
    """How a part of a showing went: its rate, its steps and its silences, then the rate tenth by tenth."""
    within = (times >= begin) & (times <= end)
    steps, gaps = counts[within], numpy.diff(times[within])
    marks = numpy.linspace(begin, end + 1e-6, 11)
    profile = numpy.histogram(times, marks, weights=counts)[0] / (marks[1] - marks[0] + 0.01)
    return [steps.sum() / (end - begin + 0.05), end - begin, *spread(steps), *spread(gaps), (gaps > 0.12).sum(),
            *profile]


def shared_features(events, longer, least):
    """The longer text's showing, up to where the shorter ends and from there on."""
    said = [(when, count) for when, _, lane, count, _, _ in events if lane == longer and count] or [(0.0, 1)]
    times, counts = numpy.array([row[0] for row in said]), numpy.array([row[1] for row in said], float)
    total = counts.cumsum()
    cut = times[min(int(numpy.searchsorted(total, least)), len(times) - 1)]
    before, after = flow(times, counts, times[0], cut), flow(times, counts, cut, times[-1])
    return [cut, times[-1] - cut, *before, *after, after[0] / (before[0] + 0.1), counts[:5].sum(), counts[-5:].sum()]


def features(reads, events, others):
    """What a classifier is given of one battle, the lane of the longer text first: and whether that is lane a."""
    spoken = [event for event in events if event[1] in ("delta", "lane")]
    lane = {name: lane_features(spoken, name) for name in "ab"}
    longer, shorter = ("a", "b") if lane["a"][0] >= lane["b"][0] else ("b", "a")
    most, least = lane[longer][0], lane[shorter][0]
    wait, over = lane[longer][1], spoken[-1][0]
    waits = [time / (length + place) for time in (wait, over) for length in (most, least, most + least)
             for place in (5, 60)]
    row = [wait, over, most - least, least / most, *waits, waits[0] - waits[2],
           *spread([len(piece) for _, piece in reads]), *spread(numpy.diff([when for when, _ in reads])), *others,
           *lane[longer], *lane[shorter], *(numpy.array(lane[longer]) - numpy.array(lane[shorter])),
           *shared_features(spoken, longer, least)]
    return numpy.array(row, float), longer == "a"


# --- three classifiers; each gives what it makes of the unseen (above 0: true) ---

BINS, DEPTH, LEAF, RATE = 32, 3, 15, 0.3


def binned(table, edges):
    return numpy.stack([numpy.searchsorted(edges[k], table[:, k]) for k in range(table.shape[1])], 1)


def best_split(cells, slope, rows):
    count_of = cells.shape[1]
    flat = (cells[rows] + numpy.arange(count_of) * (BINS + 1)).ravel()
    sums = numpy.bincount(flat, numpy.repeat(slope[rows], count_of), count_of * (BINS + 1))
    counts = numpy.bincount(flat, minlength=count_of * (BINS + 1))
    below = sums.reshape(count_of, -1).cumsum(1)[:, :-1]
    count = counts.reshape(count_of, -1).cumsum(1)[:, :-1]
    total, rest = slope[rows].sum(), len(rows) - count
    gain = numpy.where((count >= LEAF) & (rest >= LEAF), below ** 2 / numpy.maximum(count, 1)
                       + (total - below) ** 2 / numpy.maximum(rest, 1) - total ** 2 / len(rows), 0)
    best = numpy.unravel_index(gain.argmax(), gain.shape)
    return (int(best[0]), int(best[1])) if gain[best] > 1e-9 else None


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


def trees(table, truth, unseen, rounds=60):
    """Gradient-boosted trees on the logistic loss."""
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


def scaled(table, unseen):
    """Both on a logarithmic scale of mean 0 and spread 1, and cut at 4 of it."""
    here, there = (numpy.sign(part) * numpy.log1p(numpy.abs(part) * 20) for part in (table, unseen))
    middle, width = here.mean(0), here.std(0) + 1e-9
    return numpy.clip((here - middle) / width, -4, 4), numpy.clip((there - middle) / width, -4, 4)


def logistic(table, truth, unseen):
    """A logistic regression, ridged, by Newton's steps."""
    here, there = scaled(table, unseen)
    here, there = (numpy.hstack([numpy.ones((len(part), 1)), part]) for part in (here, there))
    weights, ridge = numpy.zeros(here.shape[1]), 5 * numpy.eye(here.shape[1])
    for _ in range(8):
        chance = 1 / (1 + numpy.exp(-numpy.clip(here @ weights, -30, 30)))
        bend = (here * (chance * (1 - chance))[:, None]).T @ here + ridge
        weights += numpy.linalg.solve(bend, here.T @ (truth - chance) - ridge @ weights)
    return there @ weights


def neighbours(table, truth, unseen, count=31):
    """What the nearest battles were, the nearer the heavier."""
    here, there = scaled(table, unseen)
    squares = (there ** 2).sum(1)[:, None] + (here ** 2).sum(1) - 2 * there @ here.T
    count = min(count, len(here) // 4)
    nearest = numpy.argpartition(squares, count, axis=1)[:, :count]
    weight = 1 / (numpy.sqrt(numpy.maximum(numpy.take_along_axis(squares, nearest, 1), 0)) + 1)
    return ((2 * truth[nearest] - 1) * weight).sum(1)


CLASSIFIERS = {"trees": trees, "logistic regression": logistic, "nearest neighbours": neighbours}


def accuracies(rows):
    """By classifier: the share of battles whose lanes are named rightly by what it learned from the others."""
    table, truth = numpy.array([row[0] for row in rows]), numpy.array([float(row[1]) for row in rows])
    fold = numpy.arange(len(rows)) % FOLDS
    right = dict.fromkeys(CLASSIFIERS, 0)
    for k in range(FOLDS):
        here = fold != k
        for name, classify in CLASSIFIERS.items():
            named = classify(table[here], truth[here], table[~here]) > 0
            right[name] += int((named == (truth[~here] > 0.5)).sum())
    return {name: count / len(rows) for name, count in right.items()}


# --- battles on a clock of their own (blindness_battles.c) ---

def simulated(binary, pair, count, seed, unpaced=False, late=0.0):
    """Rows for `accuracies`. `late` plants a leak: so much later it comes where the longer text is the first's."""
    command = [binary, *pair, str(count), str(seed)] + ["unpaced"] * unpaced
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=300).stdout
    rows, reads, first, at = [], [], False, 0
    while at < len(out):
        line = out[at:out.index(b"\n", at)]
        at += len(line) + 1
        word, *rest = line.split()
        if word == b"battle":
            reads, first = [], rest == [b"1"]
        elif word == b"read":
            reads.append((int(rest[0]) / 1000, out[at:at + int(rest[1])]))
            at += int(rest[1])
        elif rest == [b"ready"]:
            events = parsed(reads)
            row, longer_is_a = features(reads, events, [])
            if late and first == longer_is_a:
                shifted = [(when + late, *others) for when, *others in events]
                row, _ = features([(when + late, piece) for when, piece in reads], shifted, [])
            rows.append((row, first == longer_is_a))
    return rows

"""Event streams: many, slow, lost and found again."""
import os
import socket
import threading
import time

import pytest

from arena_server import ArenaServer, wait_until
from contract import check, ok, refused
from fake_provider import FakeProvider, Script

RELEASE = os.environ.get("ARENA_VARIANT") in (None, "release")


def slow(provider, words=40, gap=0.05):
    for name in ("left", "right"):
        provider.scripts[name] = Script("word " * words, chunk=5, gap=gap)


def texts(events):
    out = {}
    for event in events:
        if event.kind == "reset":
            out = {key: value for key, value in out.items() if key[0] != event.data["turn"]}
        if event.kind == "delta":
            key = (event.data["turn"], event.data["lane"])
            out[key] = out.get(key, "") + event.data["text"]
    return out


def settle(server, streams):
    """Until the server's own count of open streams is this."""
    def count():
        text = server.voter().get("/metrics").body.decode()
        return int(float(text.split("\narena_http_streams ")[1].split()[0]))
    wait_until(lambda: count() == streams, lambda: f"{count()} streams, not {streams}")


def test_the_first_bytes_come_at_once(voter, provider):
    said = threading.Event()
    provider.scripts["left"] = provider.scripts["right"] = Script(hold=said)
    battle = voter.start()
    events = voter.events(battle)
    assert events.response.read1(100), "before any model has said a word"
    said.set()
    assert events.headers["Cache-Control"] == "no-store" and events.headers["X-Accel-Buffering"] == "no"
    events.until("ready")
    events.close()


def test_a_lost_connection_goes_on_where_it_was(voter, provider):
    """Cut after every few events, by header and by query in turn: the pieces are the whole, each event once."""
    slow(provider)
    battle = voter.start()
    seen, by_query = [], False
    while not seen or seen[-1].kind != "ready":
        last = seen[-1].id if seen else None
        events = voter.events(battle, path=f"?last_event_id={last}") if by_query and last else voter.events(battle,
                                                                                                            last)
        by_query = not by_query
        for event in events:
            seen.append(event)
            if len(seen) % 7 == 0 or event.kind == "ready":
                break
        events.close()
    assert [event.id for event in seen] == list(range(seen[0].id, seen[0].id + len(seen)))
    assert texts(seen) == {(1, "a"): "word " * 40, (1, "b"): "word " * 40}


@pytest.mark.parametrize("last_id", ["0", "999999999", "-5", "x", "1e3", "99999999999999999999999999", " "])
def test_a_last_id_that_nobody_gave(voter, last_id):
    battle, seen = voter.ready()
    again = voter.events(battle, last_id=last_id).until("ready")
    assert texts(again) == texts(seen)


def test_viewers_see_the_same(voter, provider):
    slow(provider)
    battle = voter.start()
    viewers = [voter.events(battle) for _ in range(32)]
    refused_viewer = voter.events(battle)
    assert refused_viewer.status == 429
    bodies = {tuple((event.id, event.kind, str(event.data)) for event in viewer.until("ready")) for viewer in viewers}
    assert len(bodies) == 1
    for viewer in viewers:
        viewer.close()
    settle(voter.server, 0)
    late = voter.events(battle)
    assert {tuple((e.id, e.kind, str(e.data)) for e in late.until("ready"))} == bodies
    late.close()


def test_lanes_are_released_together(voter, provider):
    """One fast, one slow, one chunked large: what is shown of either never runs ahead of the other."""
    provider.scripts["left"] = Script("abcd" * 60, chunk=60, gap=0.0)
    provider.scripts["right"] = Script("efgh" * 60, chunk=3, gap=0.02, first=0.3)
    _, seen = voter.ready()
    shown = {"a": 0, "b": 0}
    deltas = [event for event in seen if event.kind == "delta"]
    for first, second in zip(deltas[::2], deltas[1::2]):
        assert (first.data["lane"], second.data["lane"]) == ("a", "b")
        for event in (first, second):
            shown[event.data["lane"]] += len(event.data["text"])
        assert shown["a"] == shown["b"]
    states = [(event.data["lane"], event.data["state"]) for event in seen if event.kind == "lane"]
    assert states == [("a", "streaming"), ("b", "streaming"), ("a", "done"), ("b", "done")]


def test_a_thousand_streams(provider):
    """Each battle has at most 32 viewers, so these are spread over battles of as many voters. All get everything; what
    they cost is bounded; when they are gone, so is what they held."""
    provider.scripts["left"] = provider.scripts["right"] = Script("Few words.")
    count = 1000 if RELEASE else 300
    with ArenaServer(config=provider.config("left", "right")) as server:
        voters = [server.voter() for _ in range((count + 24) // 25)]
        battles = [voter.ready()[0] for voter in voters]
        settle(server, 0)
        memory, descriptors = server.status_line("VmRSS"), server.descriptors()
        streams = [voters[i // 25].events(battles[i // 25]) for i in range(count)]
        assert {stream.status for stream in streams} == {200}
        for stream in streams:
            stream.until("ready")
        settle(server, count)
        each = (server.status_line("VmRSS") - memory) / count
        if RELEASE:
            assert each < 48 << 10, f"{each / 1024:.1f} KiB a stream"
        for i, battle in enumerate(battles):
            ok(voters[i].vote(battle, "tie"), "vote_answer")
        for stream in streams:
            assert [event.kind for event in stream] == ["voted"]
            stream.close()
        settle(server, 0)
        wait_until(lambda: server.descriptors() <= descriptors + 4)


def test_clients_that_vanish_are_noticed(server, voter):
    """The battle is silent when they go: only the server's own look and heartbeat can find them."""
    battle, _ = voter.ready()
    streams = [voter.events(battle) for _ in range(30)]
    for stream in streams:
        stream.until("ready")
    settle(server, 30)
    for stream in streams:
        stream.close()
    settle(server, 0)
    again = voter.events(battle)  # and their places are free
    assert again.status == 200 and again.until("ready")
    again.close()


def test_connect_and_leave_a_thousand_times(server, voter):
    battle, _ = voter.ready()
    descriptors, memory = server.descriptors(), server.status_line("VmRSS")
    for number in range(1000 if RELEASE else 200):
        stream = voter.events(battle)
        if number % 3 == 0 and stream.status == 200:
            stream.response.read1(20)
        stream.close()
    settle(server, 0)
    wait_until(lambda: server.descriptors() <= descriptors + 4)
    if RELEASE:
        assert server.status_line("VmRSS") - memory < 8 << 20


def test_a_heartbeat_comes(voter):
    """In silence, so that whoever stands between does not take the stream for dead (60 s is usual), and seldom."""
    begun = time.monotonic()
    battle, _ = voter.ready()
    events = voter.events(battle)
    events.until("ready")
    events.connection.sock.settimeout(60)
    assert events.response.read1(100) == b":\n\n"
    assert 8 < time.monotonic() - begun
    events.close()


def test_a_reader_that_takes_nothing(server, voter, provider):
    """It neither holds the lanes up nor makes memory grow; the others read on."""
    for name in ("left", "right"):
        provider.scripts[name] = Script("0123456789" * 20000, chunk=4000, gap=0.0)
    battle = voter.start()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((server.host, server.port))
    client.sendall(f"GET /api/battles/{battle}/events HTTP/1.1\r\nHost: localhost\r\n"
                   f"Cookie: arena_voter={voter.cookies['arena_voter']}\r\n\r\n".encode())
    memory = server.status_line("VmRSS")
    other = voter.events(battle)
    got = texts(other.until("ready"))
    assert all(len(text) == 200000 for text in got.values())
    if RELEASE:
        assert server.status_line("VmRSS") - memory < 24 << 20
    other.close()
    client.close()
    settle(server, 0)


def test_the_last_event_at_the_end(provider):
    """SIGTERM: a streaming battle's viewers hear that it is void, the others that the server goes; exit 0 in time."""
    server = ArenaServer(config=provider.config("left", "right")).start()
    try:
        one, two = server.voter(), server.voter()
        provider.scripts["left"], provider.scripts["right"] = Script("quick"), Script("brown")
        quiet, _ = two.ready()
        slow(provider, words=4000)
        live = one.events(one.start())
        next(iter(live))
        waiting = two.events(quiet)
        waiting.until("ready")
        assert server.terminate() == 0
        last = list(live)[-1]
        assert last.kind == "void" and check("event_void", last.data)["code"] == "restart"
        assert [event.kind for event in waiting] == ["shutdown"]
        # The ready battle takes its vote after the restart, and its stream can be opened again.
        server.start()
        two.server = server
        two.origin = server.origin
        again = two.events(quiet).until("ready")
        assert again[0].kind == "reset"
        assert ok(two.vote(quiet), "vote_answer")["counted"]
    finally:
        server.kill()


def test_stop_while_many_wait(provider):
    """Streams, idle connections and a vote under way: all of it ends."""
    provider.scripts["left"] = provider.scripts["right"] = Script("text")
    server = ArenaServer(config=provider.config("left", "right")).start()
    try:
        voters = [server.voter() for _ in range(10)]
        battles = [voter.ready()[0] for voter in voters]
        streams = [voter.events(battle) for voter, battle in zip(voters, battles) for _ in range(20)]
        idle = [server.connect() for _ in range(50)]
        assert server.terminate() == 0
        assert all([event.kind for event in stream][-1] == "shutdown" for stream in streams)
        for client in idle:
            client.close()
    finally:
        server.kill()

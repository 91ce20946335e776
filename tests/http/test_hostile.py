"""Clients that do not behave, by raw sockets. Whatever they send, they get a clear refusal or lose their connection,
and the next client is served as if nothing had been."""
import contextlib
import json
import os
import re
import socket
import struct
import threading
import time

import pytest

from arena_server import PATIENCE, wait_until
from contract import check

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"


def speak(server, *pieces, pause=0.0, silence=PATIENCE, half_close=False):
    """Sends the pieces, then reads until the server closes or is silent for so long; gives everything it said."""
    said = b""
    with server.connect() as client:
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)
            if half_close:
                client.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        client.settimeout(silence)
        try:
            while piece := client.recv(65536):
                said += piece
                head, _, body = said.partition(b"\r\n\r\n")
                lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                           if line.startswith(b"content-length:")]
                if lengths and len(body) >= lengths[0]:
                    break
        except (TimeoutError, ConnectionResetError):
            pass
    return said


def status(said):
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/") else None


def code(said):
    return check("error", json.loads(said.partition(b"\r\n\r\n")[2]))["error"]["code"]


@pytest.fixture(autouse=True)
def still_well(server):
    """After each case the server lives, answers and has not grown."""
    before = server.descriptors()
    yield
    assert server.process.poll() is None, server.log()[-3000:]
    assert server.voter().get("/healthz").status == 200
    wait_until(lambda: server.descriptors() <= before + 4)


# name, request, the statuses it may get, the error's word where we write the page (None: the parser's own)
CASES = [
    ("no host", b"GET /healthz HTTP/1.1\r\n\r\n", {400}, "bad_request"),
    ("empty host", b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", {400, 421}, None),
    ("two hosts", b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n", {400}, "bad_request"),
    ("foreign host", b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", {421}, "bad_host"),
    ("absolute address", b"GET http://evil.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404}, None),
    ("host with user", b"GET /healthz HTTP/1.1\r\nHost: a@localhost\r\n\r\n", {421}, "bad_host"),
    ("two lengths",
     b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
     {400}, "bad_request"),
    ("two equal lengths", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON +
     b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", {400}, "bad_request"),
    ("length and encoding", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON +
     b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}, "bad_request"),
    ("encoding and length", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON +
     b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", {400}, "bad_request"),
    ("unknown encoding", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
     {400}, "bad_request"),
    ("negative length", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: -1\r\n\r\n", {400}, None),
    ("length with a sign", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: +2\r\n\r\n{}", {400},
     None),
    ("length in words", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: two\r\n\r\n", {400}, None),
    ("huge length", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 99999999999999999999\r\n\r\n",
     {400, 413}, None),
    ("large length", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 9999999999\r\n\r\n",
     {413}, "too_large"),
    ("bad chunk", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
     {400, None},
     None),
    ("endless chunk size", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n" +
     b"f" * 40 + b"\r\n", {400, 413, None}, None),
    ("nul in a value", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: a\0b\r\n\r\n", {400}, "bad_request"),
    ("nul in the address", b"GET /health\0z HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404, None}, None),
    ("bare line feeds", b"GET /healthz HTTP/1.1\n" + HOST.replace(b"\r", b"") + b"\n", {200, 400}, None),
    ("one bare line feed", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: b\nX-B: c\r\n\r\n", {400}, "bad_request"),
    ("a folded header", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: b\r\n c d\r\n\r\n", {400}, "bad_request"),
    ("no colon", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A\r\n\r\n", {400}, None),
    ("no name", b"GET /healthz HTTP/1.1\r\n" + HOST + b": b\r\n\r\n", {200, 400}, None),
    ("control in a value", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: a\x01b\r\n\r\n", {400}, "bad_request"),
    ("escaped nul", b"GET /healthz%00 HTTP/1.1\r\n" + HOST + b"\r\n", {400}, "bad_request"),
    ("escaped newline", b"GET /%0d%0aX:%20y HTTP/1.1\r\n" + HOST + b"\r\n", {400}, "bad_request"),
    ("half an escape", b"GET /% HTTP/1.1\r\n" + HOST + b"\r\n", {400}, "bad_request"),
    ("bad utf-8 in the address", b"GET /%ff HTTP/1.1\r\n" + HOST + b"\r\n", {400}, "bad_request"),
    ("raw bytes in the address", b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n", {400}, "bad_request"),
    ("escaped nul in the query", b"GET /healthz?a=%00 HTTP/1.1\r\n" + HOST + b"\r\n", {400}, "bad_request"),
    ("path upwards", b"GET /../../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404}, None),
    ("unknown method", b"BREW /healthz HTTP/1.1\r\n" + HOST + b"\r\n", {405}, "method_not_allowed"),
    ("lower-case method", b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n", {405}, "method_not_allowed"),
    ("connect", b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404, 405}, None),
    ("http/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}, None),
    ("http/3.0", b"GET /healthz HTTP/3.0\r\n" + HOST + b"\r\n", {400, 505}, None),
    ("no version", b"GET /healthz\r\n\r\n", {400, 505, None}, None),
    ("garbage", os.urandom(2048), {400, 505, None}, None),
    ("tls hello", bytes.fromhex("1603010200010001fc0303") + os.urandom(200), {400, 505, None}, None),
    ("space before the colon", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A : b\r\n\r\n", {400}, "bad_request"),
    ("long address", b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {414, 431}, None),
    ("long header", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 17000 + b"\r\n\r\n", {431}, None),
    ("longer header", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 60000 + b"\r\n\r\n", {431}, None),
    ("many headers", b"GET /healthz HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: y\r\n" % i for i in range(3000)) + b"\r\n",
     {431}, None),
    ("two cookies headers", b"GET /api/battles HTTP/1.1\r\n" + HOST + b"Cookie: a=b\r\nCookie: c=d\r\n\r\n",
     {400}, "bad_request"),
    ("two origins", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Origin: http://localhost\r\nOrigin: null\r\n"
     b"Content-Length: 2\r\n\r\n{}", {400}, "bad_request"),
    ("a body with get", b"GET /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", {200}, None),
    ("old protocol", b"GET /healthz HTTP/1.0\r\n" + HOST + b"\r\n", {200}, None),
    ("deep json", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 200000\r\n\r\n" + b"[" * 200000,
     {400}, "bad_json"),
    ("broken utf-8",
     b'POST /api/battles HTTP/1.1\r\n' + HOST + JSON + b'Content-Length: 16\r\n\r\n{"prompt":"\xc3\x28xy"}'[:200],
     {400}, None),
    ("huge number", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b'Content-Length: 17\r\n\r\n{"prompt":1e9999}',
     {400}, "bad_json"),
]


@pytest.mark.parametrize("request_bytes,statuses,word", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_bad_request(server, request_bytes, statuses, word):
    said = speak(server, request_bytes, silence=3 if None in statuses else PATIENCE)
    assert status(said) in statuses, said[:500]
    if word:
        assert code(said) == word
    # libmicrohttpd 0.9.75 writes the head of some of its own refusals twice: all of them must be the same refusal.
    assert len(set(re.findall(rb"HTTP/1\.. \d{3} ", said))) <= 1, "a second request was seen in the first"


def test_smuggled_request_is_not_served(server):
    hidden = b"GET /api/models HTTP/1.1\r\n" + HOST + b"\r\n"
    said = speak(server,
                 b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: " + str(len(hidden) + 5).encode() +
                 b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)
    assert said.count(b"HTTP/1.1") == 1 and b"in_house" not in said


def test_pipelined_requests_are_answered_in_order(server):
    said = speak(server, b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n" +
                 b"GET /api/nothing HTTP/1.1\r\n" + HOST + b"\r\n" +
                 b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", half_close=True)
    assert [int(part[1:4]) for part in said.split(b"HTTP/1.1")[1:]][:1] == [200]


def test_bytes_one_by_one(server):
    request = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    said = speak(server, *[bytes([byte]) for byte in request], pause=0.005)
    assert status(said) == 200


def test_a_refusal_reaches_who_sends_too_much(server):
    """5 MB of body, sent without waiting: the refusal must arrive, not a reset."""
    head = b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 5000000\r\n\r\n"
    said = speak(server, head, b"x" * 5_000_000)
    assert status(said) == 413 and code(said) == "too_large"
    with server.connect() as client:
        client.sendall(head.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert status(client.recv(65536)) == 413


def test_a_chunked_body_is_counted(server):
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    said = speak(server, b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n",
                 piece * 8, b"0\r\n\r\n")
    assert status(said) == 413
    said = speak(server, b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n",
                 *[piece] * 200, silence=3)
    assert status(said) in (413, None)  # past what is worth dropping the connection goes


def test_half_closed_clients_get_their_answer(server):
    request = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    assert status(speak(server, request, half_close=True, silence=3)) in (200, None)
    assert speak(server, b"GET /heal", half_close=True, silence=3).startswith((b"", b"HTTP/1.1 400"))
    assert speak(server, half_close=True, silence=3) == b""


def test_reset_in_the_middle(server):
    for request in (b"GET /heal", b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 100\r\n\r\n{",
                    b"GET /fonts/Inter-Regular.otf HTTP/1.1\r\n" + HOST + b"\r\n"):
        for _ in range(20):
            client = server.connect()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(request)
            client.close()


def test_leaving_before_the_answer(server, provider):
    """The vote's client goes away while the writer commits: nothing breaks, and the battle is voted once."""
    voter = server.voter()
    for _ in range(10):
        battle, _ = voter.ready()
        body = b'{"winner":"tie"}'
        client = server.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"POST /api/battles/%s/vote HTTP/1.1\r\n" % battle.encode() + HOST + JSON +
                       b"Cookie: arena_voter=%s\r\nContent-Length: %d\r\n\r\n%s" %
                       (voter.cookies["arena_voter"].encode(), len(body), body))
        time.sleep(0.02)
        client.close()
        # The reset may have overtaken the request; whichever came first, there is one vote in the end.
        again = voter.vote(battle, "tie")
        assert again.status == 200 or again.code == "already_voted", again
        assert voter.get(f"/api/battles/{battle}").json["winner"] == "tie"


def test_a_crowd_that_says_nothing(server):
    """Idle connections cost little and hold nobody up."""
    before = server.status_line("VmRSS")
    crowd = [server.connect() for _ in range(1000)]
    assert server.voter().get("/healthz").status == 200
    time.sleep(0.3)
    grown = server.status_line("VmRSS") - before
    for client in crowd:
        client.close()
    if os.environ.get("ARENA_VARIANT") in (None, "release"):
        assert grown < 64 << 20


def test_slow_clients_are_cut_and_others_served(server):
    """Slow headers, slow bodies and silence: each is cut when its total time (30 s) is over, however active it is; the
    others do not wait for that."""
    begun = time.monotonic()
    pieces = {
        "header": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-Slow: ", b"a"),
        "line": (b"GET /", b"a"),
        "body": (b"POST /api/battles HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 5000\r\n\r\n", b" "),
        "nothing": (b"", b""),
    }
    ended, lock = {}, threading.Lock()

    def drip(name, first, each):
        with server.connect() as client:
            client.settimeout(1)
            cut = False
            try:
                client.sendall(first)
                while not cut and time.monotonic() < begun + PATIENCE:
                    client.sendall(each)
                    with contextlib.suppress(TimeoutError):
                        cut = client.recv(4096) == b""
            except (BrokenPipeError, ConnectionResetError):
                cut = True
            if cut:
                with lock:
                    ended[name] = time.monotonic() - begun

    threads = [threading.Thread(target=drip, args=(f"{name}{i}", *rest)) for name,
               rest in pieces.items() for i in range(5)]
    for thread in threads:
        thread.start()
    honest, served = server.voter(), 0  # meanwhile
    while any(thread.is_alive() for thread in threads):
        assert honest.get("/healthz").status == 200
        served += not ended
        time.sleep(0.5)
    assert len(ended) == len(threads) and min(ended.values()) > 25, ended
    assert served > 5


def test_a_slow_reader_of_a_large_file(server):
    """It asks for a font and takes nothing: the others do not wait, and it does not stay."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((server.host, server.port))
    client.sendall(b"GET /fonts/Inter-Regular.otf HTTP/1.1\r\n" + HOST + b"\r\n")
    for _ in range(20):
        assert server.voter().get("/healthz").status == 200
    client.close()

"""A remote endpoint that replays recorded bytes and scripted faults, for `arena chat` and the remote client.

    with ReplayProvider([Reply(body=b"…")]) as endpoint:
        result = chat(endpoint.config("openai"), "hello")

Replies are given out in order, the last one for ever after. Requests are kept for the test to look at."""
import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

from arena_server import PATIENCE, binary


@dataclasses.dataclass
class Reply:
    body: bytes = b""
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)
    piece: int = 0            # bytes a write; 0: all at once
    gap: float = 0.0          # seconds between writes
    hang: str = ""            # "headers": before the first byte; "middle": in the headers; "body": after the body
    reset: bool = False       # close with a reset after the body
    half_close: bool = False  # say that nothing more comes, but keep reading
    raw: bool = False         # the body is all that is sent: no status line, no headers
    close: bool = True        # the end of the body is the connection's end; else Content-Length is sent


class ReplayProvider:
    def __init__(self, replies, port=0):
        self.replies, self.port = list(replies), port
        self.requests = []
        self.connections = 0
        self.stopping = threading.Event()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with contextlib.suppress(OSError, ValueError), peer:
            while True:
                request = self.read_request(peer)
                if not request:
                    return
                self.requests.append(request)
                reply = self.choose(request)
                self.answer(peer, reply)
                if reply.close or reply.hang or reply.reset:
                    return

    def choose(self, request):
        return self.replies[min(len(self.requests), len(self.replies)) - 1]

    @staticmethod
    def read_request(peer):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = peer.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            body += peer.recv(65536)
        method, path, _ = first.split(" ")
        return {"method": method, "path": path, "headers": headers, "body": json.loads(body) if body else None}

    def answer(self, peer, reply):
        if reply.hang == "headers":
            self.stopping.wait(2 * PATIENCE)
            return
        headers = {"Content-Type": "text/event-stream", **reply.headers}
        if not reply.close:
            headers["Content-Length"] = str(len(reply.body))
        head = f"HTTP/1.1 {reply.status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        if reply.hang == "middle":
            peer.sendall(head[:20].encode())
            self.stopping.wait(2 * PATIENCE)
            return
        if not reply.raw:
            peer.sendall(head.encode())
        step = reply.piece or max(len(reply.body), 1)
        for at in range(0, len(reply.body), step):
            peer.sendall(reply.body[at:at + step])
            if reply.gap:
                time.sleep(reply.gap)
        if reply.half_close:
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(PATIENCE)
            while peer.recv(65536):
                pass
        if reply.hang == "body":
            self.stopping.wait(2 * PATIENCE)
        if reply.reset:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def config(self, provider="openai-compatible", **more):
        path = "/v1" if provider in ("openai", "openai-compatible", "mistral", "xai", "azure") else ""
        row = {"name": "it", "provider": provider, "model": "some-model", "api_key_env": "ARENA_TEST_KEY",
               "base_url": f"http://127.0.0.1:{self.port}{path}", "retries": 0, **more}
        return {"competitors": [row]}


KEY = "sk-planted-0123456789abcdef"


def chat(config, prompt="hello", key=KEY, timeout=PATIENCE):
    """Runs `arena chat it PROMPT --format json`: (the object, exit code, everything it printed)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "arena.json")
        with open(path, "w") as file:
            json.dump(config, file)
        environment = {k: v for k, v in os.environ.items() if k != "ARENA_TEST_KEY"}
        if key:
            environment["ARENA_TEST_KEY"] = key
        done = subprocess.run([binary(), "chat", "it", prompt, "--config", path, "--format", "json"],
                              capture_output=True, env=environment, timeout=timeout)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode, done.stdout + done.stderr

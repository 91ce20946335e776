"""A stand-in for a remote model: speaks the OpenAI dialect on loopback and says what a test told it to.

    with FakeProvider() as provider:
        provider.scripts["one"] = Script(text="…", gap=0.01)
        config = provider.config("one", "two")       # two competitors for ArenaServer(config=…)

Scripts may be slow, chunked in any way, held until the test lets go, or fail: everything that must not show in a blind
battle."""
import contextlib
import dataclasses
import http.server
import json
import socket
import struct
import threading
import time

from arena_server import wait_until


@dataclasses.dataclass
class Script:
    text: str = "It is so."  # short: a battle shows it at a reader's pace
    chunk: int = 8           # characters a chunk
    first: float = 0.0       # seconds before the first chunk
    gap: float = 0.0         # and between two
    hold: threading.Event | None = None  # the answer waits for it, after so many chunks
    hold_after: int = 0
    finish: str = "stop"
    fault: str = ""          # "status", "reset", "hang", "truncated", "" for none
    fault_after: int = 0     # chunks before the fault
    status: int = 500
    body: str = '{"error":{"message":"the model is overloaded","type":"server_error"}}'
    times: int = 1 << 30     # how many calls the fault hits


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        script = self.server.provider.call(body)
        with self.server.provider.answering():
            self.answer(body, script)

    def answer(self, body, script):
        if script.fault == "status":
            self.answer_status(script)
        elif not body.get("stream"):
            self.answer_whole(body, script)
        else:
            try:
                self.answer_stream(body, script)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    def answer_status(self, script):
        data = script.body.encode()
        self.send_response(script.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer_whole(self, body, script):
        self.wait_for(script)
        data = json.dumps({"id": "chatcmpl-planted", "object": "chat.completion", "model": body["model"], "choices": [
            {"index": 0, "message": {"role": "assistant", "content": script.text}, "finish_reason": script.finish}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def wait_for(self, script):
        """Until the test lets go, or ends."""
        while script.hold and not script.hold.wait(0.05) and not self.server.provider.released.is_set():
            pass

    def event(self, data):
        piece = f"data: {data}\n\n".encode()
        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.flush()

    def delta(self, body, delta, finish=None):
        self.event(json.dumps({"id": "chatcmpl-planted", "object": "chat.completion.chunk", "model": body["model"],
                               "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))

    def answer_stream(self, body, script):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        time.sleep(script.first)
        pieces = [script.text[i:i + script.chunk] for i in range(0, len(script.text), script.chunk)]
        for number, piece in enumerate(pieces):
            if script.fault and number == script.fault_after:
                return self.fail(script)
            if number == script.hold_after:
                self.wait_for(script)
            self.delta(body, {"content": piece})
            time.sleep(script.gap)
        if script.fault:
            return self.fail(script)
        self.delta(body, {}, script.finish)
        self.event(json.dumps({"id": "chatcmpl-planted", "object": "chat.completion.chunk", "model": body["model"],
                               "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7,
                                                        "total_tokens": 12}}))
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")
        return None

    def fail(self, script):
        self.close_connection = True
        if script.fault == "hang":
            self.server.provider.released.wait(120)
        elif script.fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.wfile.write(b"0\r\n\r\n")  # the stream ends without a finish


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def process_request(self, request, address):
        with self.provider.lock:
            self.provider.newest = address
            self.provider.open += 1
        super().process_request(request, address)

    def shutdown_request(self, request):
        super().shutdown_request(request)
        with self.provider.lock:
            self.provider.open -= 1

    def handle_error(self, request, address):
        pass


class FakeProvider:
    def __init__(self):
        self.scripts, self.calls, self.lock = {}, [], threading.Lock()
        self.released = threading.Event()
        self.active = 0  # answers under way
        self.open, self.newest = 0, None  # connections, and whose was the last
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.provider = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def call(self, body):
        with self.lock:
            self.calls.append(body)
            script = self.scripts.setdefault(body["model"], Script())
            if script.fault and script.times <= 0:
                return dataclasses.replace(script, fault="")
            script.times -= bool(script.fault)
            return script

    @contextlib.contextmanager
    def answering(self):
        with self.lock:
            self.active += 1
        try:
            yield
        finally:
            with self.lock:
                self.active -= 1

    def settle(self):
        """Once whoever called is gone: every call that was made has been counted, and none is under way. Connections
        are taken in their order, so that after one of our own nothing waits to be taken."""
        with socket.create_connection(self.server.server_address) as probe:
            wait_until(lambda: self.newest == probe.getsockname())
        wait_until(lambda: not self.open)

    def competitor(self, name, model=None, **more):
        return {"name": name, "provider": "openai-compatible", "base_url": self.url, "model": model or name,
                "retries": 0, **more}

    def config(self, *names, **more):
        return {"competitors": [self.competitor(name) for name in names], **more}

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()  # how soon it ends
        return self

    def __exit__(self, *arguments):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

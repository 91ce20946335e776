"""The real server, started for a test: $ARENA_BINARY serve on a free port with a data directory of its own.

    with ArenaServer(config={...}) as server:
        voter = server.voter()                      # a browser without a page: keeps its cookies
        battle = voter.post("/api/battles", {"prompt": "hi"}).json["battle_id"]
        for event in voter.events(battle): ...      # until the stream ends
        print(server.log())

Only the standard library is needed. A server that dies, or does not get ready, fails the test with its log."""
import http.client
import http.cookies
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import weakref

READY = re.compile(r"arena is ready: (https?://(\S+):(\d+)/)")
ROOT = pathlib.Path(__file__).resolve().parent.parent
# How long a test waits for what must come, before it fails. Sanitizers make everything several times slower; so does a
# machine that does other things at the same time. Nobody waits so long for what does come.
PATIENCE = 120


def binary():
    path = os.environ.get("ARENA_BINARY") or str(ROOT / "build" / "release" / "arena")
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is not there: build it, or set ARENA_BINARY")
    return path


def wait_until(look, what="it did not come to pass"):
    """The first true answer of look(): for whatever another thread or process brings about in its own time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)


def within_a_day(play):
    """What play() gave when it began and ended on one day (UTC): once more where midnight fell between."""
    while True:
        day = time.gmtime().tm_yday
        found = play()
        if time.gmtime().tm_yday == day:
            return found


def own_port():
    """A port that is nobody else's as long as this socket is open: bound, never listening, so that who connects is
    refused, and that a server of the test's own may still listen on it, as often as it likes."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # http.client.HTTPMessage: case-insensitive
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The word of an error."""
        return self.json["error"]["code"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Event:
    def __init__(self, kind, data, number, when, read):
        self.kind, self.id, self.when = kind, number, when
        self.read = read  # which of the stream's reads brought its end
        self.data = json.loads(data) if data else None

    def __repr__(self):
        return f"<{self.id} {self.kind} {self.data}>"


class Events:
    """An open event stream; iterate over it. `raw` keeps every byte, `reads` counts the pieces that they came in."""

    def __init__(self, connection, response):
        self.connection, self.response = connection, response
        self.status, self.headers = response.status, response.headers
        self.raw, self.reads, self.comments = bytearray(), 0, 0
        self.last_id = None

    def __iter__(self):
        pending = b""
        while True:
            piece = self.response.read1(65536)
            if not piece:
                return
            self.raw += piece
            self.reads += 1
            pending += piece
            while b"\n\n" in pending:
                block, pending = pending.split(b"\n\n", 1)
                event = self._parse(block.decode())
                if event:
                    yield event

    def _parse(self, block):
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if not name:
                self.comments += 1
            else:
                fields[name] = value.removeprefix(" ")
        if "event" not in fields:
            return None
        if "id" in fields:
            self.last_id = int(fields["id"])
        return Event(fields["event"], fields.get("data"), int(fields["id"]) if "id" in fields else None,
                     time.monotonic(), self.reads)

    def until(self, *kinds):
        """Everything up to the first event of one of these kinds, which is the last of the list."""
        seen = []
        for event in self:
            seen.append(event)
            if event.kind in kinds:
                return seen
        raise AssertionError(f"the stream ended before {kinds}: {seen[-3:]}")

    def close(self):
        self.connection.close()


class Voter:
    """One cookie jar. Every byte that the server sends to it is kept in `seen` as long as `remember` is set."""

    def __init__(self, server, origin=True):
        self.server = server
        self.cookies = {}
        self.origin = server.origin if origin is True else origin
        self.remember, self.seen = False, bytearray()

    def _headers(self, headers, body):
        result = {"Host": self.server.origin.split("://")[1]}
        if self.cookies:
            result["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            result["Content-Type"] = "application/json"
        if self.origin:
            result["Origin"] = self.origin
        result.update(headers or {})
        return {name: value for name, value in result.items() if value is not None}

    def _keep(self, response, body):
        for line in response.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        if self.remember:
            self.seen += str(response.headers).encode() + body

    def request(self, method, path, body=None, headers=None):
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        connection = self.server.http()
        try:
            connection.request(method, path, data, self._headers(headers, data))
            response = connection.getresponse()
            content = response.read()
            self._keep(response, content)
            return Response(response.status, response.headers, content)
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, key=None, headers=None):
        extra = dict(headers or {})
        if key:
            extra["Idempotency-Key"] = key
        return self.request("POST", path, {} if body is None else body, extra)

    def start(self, prompt="hello"):
        response = self.post("/api/battles", {"prompt": prompt})
        assert response.status == 201, response
        return response.json["battle_id"]

    def agree(self, scope="inside", headers=None, **more):
        """What an invited voter does before the first prompt."""
        notice = self.get("/api/consent", headers=headers).json["notice"]
        response = self.post("/api/consent", {"scope": scope, "notice": notice, **more}, headers=headers)
        assert response.status == 200, response
        return response.json

    def events(self, battle, last_id=None, headers=None, path=""):
        extra = dict(headers or {})
        if last_id is not None:
            extra["Last-Event-ID"] = str(last_id)
        connection = self.server.http()
        connection.request("GET", f"/api/battles/{battle}/events{path}", headers=self._headers(extra, None))
        response = connection.getresponse()
        events = Events(connection, response)
        if self.remember:
            self.seen += str(response.headers).encode()
        return events

    def ready(self, prompt="hello"):
        """Starts a battle and waits until its vote is open; gives its id and what was streamed."""
        battle = self.start(prompt)
        events = self.events(battle)
        seen = events.until("ready", "void")
        events.close()
        if self.remember:
            self.seen += events.raw
        assert seen[-1].kind == "ready", seen
        return battle, seen

    def board(self, votes, query=""):
        """The leaderboard once it has so many votes: on a busy machine the one before is shown for a moment."""
        def look():
            response = self.get(f"/api/leaderboard{query}")
            assert response.status == 200, response
            return response.json if response.json["votes"] == votes else None
        return wait_until(look, lambda: self.get(f"/api/leaderboard{query}"))

    def vote(self, battle, winner="model_a", key=None, **more):
        return self.post(f"/api/battles/{battle}/vote", {"winner": winner, **more}, key)


class ArenaServer:
    known = weakref.WeakSet()  # for whoever reports a failure

    def __init__(self, config=None, data=None, listen="127.0.0.1:0", environment=None, arguments=()):
        self._own = None if data else tempfile.TemporaryDirectory(prefix="arena-test-")
        self.data = pathlib.Path(data or self._own.name)
        self.listen, self.arguments = listen, list(arguments)
        self.environment = {**os.environ, **(environment or {})}
        self.config = config
        self.process = None
        self.log_path = self.data / "test-server.log"

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        command = [binary(), "serve", "--listen", self.listen, "--data", str(self.data)]
        if isinstance(self.config, dict):
            path = self.data / "test-config.json"
            path.write_text(json.dumps(self.config))
            command += ["--config", str(path)]
        elif self.config:
            command += ["--config", str(self.config)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command + self.arguments, stdout=log, stderr=log, env=self.environment)
        self._wait_ready()
        self.known.add(self)
        return self

    def _wait_ready(self):
        begun = self.log().count("arena is ready")
        deadline = time.monotonic() + PATIENCE
        offset = getattr(self, "_offset", 0)
        while time.monotonic() < deadline:
            text = self.log()[offset:]
            found = READY.search(text)
            if found:
                self._offset = offset + found.end()
                self.url, self.host, self.port = found.group(1), found.group(2).strip("[]"), int(found.group(3))
                self.origin = self.url.rstrip("/")
                return
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode} ({begun}):\n{text}")
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"the server was not ready after {PATIENCE} s:\n{self.log()}")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def voter(self, **options):
        return Voter(self, **options)

    def http(self):
        if self.url.startswith("https:"):  # its certificate is the test's own
            anyone = ssl._create_unverified_context()
            return http.client.HTTPSConnection(self.host, self.port, timeout=PATIENCE, context=anyone)
        return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)

    def connect(self, timeout=PATIENCE):
        """A raw socket, for clients that do not behave."""
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def status_line(self, name):
        """A figure of /proc, in bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise KeyError(name)

    def cpu_seconds(self):
        """What it has computed so far: work, however busy the machine is."""
        user, kernel = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(kernel)) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def terminate(self):
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def kill(self):
        """SIGKILL: nothing is said to anyone."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def stop(self):
        if not self.process:
            return
        if self.process.poll() is not None:
            code, self.process = self.process.returncode, None
            raise AssertionError(f"the server had died with {code}:\n{self.log()[-8000:]}")
        code = self.terminate()
        assert code == 0, f"exit code {code}:\n{self.log()[-8000:]}"

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        try:
            if kind:
                print(self.log()[-8000:])
                self.kill()
            else:
                self.stop()
        finally:
            if self._own:
                self._own.cleanup()

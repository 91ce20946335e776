"""How the arena is reached: TLS of its own with certificates that are renewed, and proxies whose word is believed."""
import http.client
import json
import os
import shutil
import ssl
import subprocess
import time

import pytest

from arena_server import ArenaServer, PATIENCE, binary, wait_until
from contract import ok, refused

PROXY = {"mode": "proxy", "proxies": ["127.0.0.2"], "hosts": ["arena.example"], "https": True,
         "administrators": ["lead@lab"], "analysts": ["ann@lab"]}


def certificate(folder, name):
    """A pair signed by itself; gives the paths of the certificate and its key."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-keyout", paths[1], "-out", paths[0]],
                   check=True, capture_output=True)
    return paths


def shown(server):
    """The certificate that a client is shown, as DER."""
    with server.connect() as plain:
        with ssl._create_unverified_context().wrap_socket(plain) as secure:
            return secure.getpeercert(binary_form=True)


def der(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def put(source, target):
    """As a renewal does it: the new file takes the old one's place."""
    shutil.copy(source, target.with_suffix(".new"))
    os.replace(target.with_suffix(".new"), target)


@pytest.fixture
def secure(provider, tmp_path):
    for source, target in zip(certificate(tmp_path, "first"), ("used.pem", "used.key")):
        shutil.copy(source, tmp_path / target)
    auth = {"mode": "invite", "hosts": ["arena.example"],
            "tls": {"certificate": str(tmp_path / "used.pem"), "key": str(tmp_path / "used.key")}}
    with ArenaServer(config=provider.config("left", "right", auth=auth, limits={"min_votes": 1}),
                     listen="0.0.0.0:0") as server:
        yield server


def test_a_battle_over_tls(secure):
    assert secure.url.startswith("https://0.0.0.0:")
    command = [binary(), "invite", "--data", str(secure.data)]
    link = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.strip()
    assert link.startswith(f"https://arena.example:{secure.port}/join/"), "the inner socket needs no TLS"
    voter = secure.voter(origin=None)
    host = {"Host": "arena.example"}
    reply = voter.post("/api/join", {"token": link.rsplit("/", 1)[1]}, headers=host)
    assert reply.status == 201 and "Secure" in reply.headers["Set-Cookie"]
    assert reply.headers["Strict-Transport-Security"]
    voter.agree(headers=host)
    battle = voter.post("/api/battles", {"prompt": "hi"}, headers=host).json["battle_id"]
    events = voter.events(battle, headers=host)
    assert events.until("ready", "void")[-1].kind == "ready"
    events.close()
    assert voter.post(f"/api/battles/{battle}/vote", {"winner": "tie"}, headers=host).json["counted"]
    wrong = secure.voter(origin="http://arena.example")
    refused(wrong.post("/api/battles", {"prompt": "hi"}, headers=host), "bad_origin")


def test_plain_http_and_old_tls_get_nothing(secure):
    with secure.connect() as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: arena.example\r\n\r\n")
        raw.settimeout(PATIENCE)
        try:
            assert b"HTTP/1.1 200" not in raw.recv(4096)
        except ConnectionError:
            pass
    old = ssl._create_unverified_context()
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    with secure.connect() as raw, pytest.raises((ssl.SSLError, OSError)):
        old.wrap_socket(raw)
    assert secure.voter().get("/healthz", headers={"Host": "arena.example"}).status == 200


def test_a_renewed_certificate_is_used_without_a_restart(secure, tmp_path):
    first = shown(secure)
    assert first == der(tmp_path / "first.pem")
    open_connection = secure.http()

    def goes_on():
        """It is kept from ending of idleness, too."""
        open_connection.request("GET", "/healthz", headers={"Host": "arena.example"})
        reply = open_connection.getresponse()
        return reply.status == 200 and reply.read()
    assert goes_on()
    socket_of_it = open_connection.sock
    renewed, key = certificate(tmp_path, "second")
    (tmp_path / "used.pem").write_text("half a certif")  # a renewal that went wrong changes nothing
    wait_until(lambda: goes_on() and "the old certificate stays" in secure.log())
    assert shown(secure) == first
    put(key, tmp_path / "used.key")
    put(renewed, tmp_path / "used.pem")
    wait_until(lambda: goes_on() and shown(secure) == der(renewed))
    assert goes_on() and open_connection.sock is socket_of_it, "a connection that was open goes on"
    open_connection.close()


@pytest.mark.parametrize("change, message", [
    (lambda one, other: {"certificate": str(one[0]), "key": str(other[1])}, "is not that of the key"),
    (lambda one, other: {"certificate": "missing.pem", "key": str(one[1])}, "missing.pem"),
    (lambda one, other: {"certificate": str(one[1]), "key": str(one[1])}, "no PEM certificates"),
    (lambda one, other: {"certificate": str(one[0]), "key": str(one[0])}, "no PEM key"),
    (lambda one, other: {"certificate": str(one[0])}, "key"),
])
def test_certificates_that_cannot_be_used(provider, tmp_path, change, message):
    tls = change(certificate(tmp_path, "one"), certificate(tmp_path, "other"))
    config = tmp_path / "arena.json"
    config.write_text(json.dumps(provider.config(
        "left", "right", auth={"mode": "invite", "hosts": ["arena.example"], "tls": tls})))
    done = subprocess.run([binary(), "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"),
                           "--config", str(config)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1, done


# --- behind a proxy that says who is there ---

@pytest.fixture
def proxied(provider):
    server = ArenaServer(config=provider.config("left", "right", auth=PROXY, limits={"min_votes": 1}),
                         listen="127.0.0.1:0")
    with server:
        yield server


def ask(server, method, path, who=None, source="127.0.0.2", body=None, headers=()):
    """One request from an address of our choice, as a proxy (or somebody who plays one) sends it."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE, source_address=(source, 0))
    connection.putrequest(method, path, skip_host=True)
    data = json.dumps(body).encode() if body is not None else b""
    lines = [("Host", "arena.example"), *headers]
    lines += [("X-Forwarded-User", who)] if who else []
    lines += [("Content-Type", "application/json"), ("Content-Length", str(len(data)))] if body is not None else []
    for name, value in lines:
        connection.putheader(name, value)
    connection.endheaders(data)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, json.loads(content) if content[:1] == b"{" else content


def test_the_proxy_names_the_voter(proxied):
    notice = ask(proxied, "GET", "/api/consent", "eve@lab")[1]["notice"]
    agreement = {"scope": "inside", "notice": notice}
    assert ask(proxied, "POST", "/api/consent", "eve@lab", body=agreement)[0] == 200
    status, started = ask(proxied, "POST", "/api/battles", "eve@lab", body={"prompt": "hi"})
    assert status == 201
    battle = f"/api/battles/{started['battle_id']}"
    assert ask(proxied, "GET", battle, "eve@lab")[0] == 200
    assert ask(proxied, "GET", battle, "mallory@lab")[0] == 404, "a battle belongs to its voter"
    proxied.stop()
    proxied.start()
    assert ask(proxied, "GET", battle, "eve@lab")[0] == 200, "the same name is the same voter after a restart"
    assert ask(proxied, "POST", "/api/battles", "eve@lab", body={"prompt": "hi"})[0] == 201, "who agreed once"


def test_roles_come_from_the_configuration(proxied):
    assert ask(proxied, "GET", "/metrics", "eve@lab")[0] == 403
    assert ask(proxied, "GET", "/metrics", "ann@lab")[0] == 403
    assert ask(proxied, "GET", "/metrics", "lead@lab")[0] == 200
    assert ask(proxied, "POST", "/api/invitations", "eve@lab", body={})[0] == 403


def test_nobody_else_is_believed(proxied):
    status, said = ask(proxied, "GET", "/api/battles", "lead@lab", source="127.0.0.1")
    assert status == 403 and said["error"]["code"] == "forbidden" and "proxy" in said["error"]["message"]
    assert ask(proxied, "GET", "/metrics", "lead@lab", source="127.0.0.3")[0] in (200, 403)
    status, said = ask(proxied, "GET", "/api/battles")
    assert status == 401, "a proxy that names nobody lets nobody in"
    status, said = ask(proxied, "GET", "/api/battles", "eve@lab", headers=[("X-Forwarded-User", "lead@lab")])
    assert status == 400 and "X-Forwarded-User" in said["error"]["message"]
    assert ask(proxied, "GET", "/healthz", source="127.0.0.1")[0] == 200


def test_addresses_are_believed_from_proxies_alone(provider):
    auth = {"mode": "invite", "hosts": ["arena.example"], "https": True, "proxies": ["127.0.0.2"]}
    wrong = {"token": "x" * 43}
    with ArenaServer(config=provider.config("left", "right", auth=auth)) as server:
        def tries(count, source, forwarded):
            begun = time.monotonic()
            seen = [ask(server, "POST", "/api/join", source=source, body=wrong,
                        headers=[("X-Forwarded-For", line) for line in forwarded(i)])[0] for i in range(count)]
            return count - seen.count(429), 61 + time.monotonic() - begun  # sixty at once, and sixty a minute
        assert tries(70, "127.0.0.2", lambda i: [f"198.51.100.{i}"])[0] == 70, "each its own"
        let_in, most = tries(70, "127.0.0.2", lambda i: [f"203.0.113.{i}, 192.0.2.9"])
        assert let_in <= most, "what the client wrote itself"
        let_in, most = tries(70, "127.0.0.2", lambda i: [f"203.0.113.{i}", "192.0.2.10, 127.0.0.2"])
        assert let_in <= most, "as a line of its own"
        let_in, most = tries(70, "127.0.0.3", lambda i: [f"203.0.113.{i}"])
        assert let_in <= most, "from somebody who is no proxy"


@pytest.mark.parametrize("auth, message", [
    ({"mode": "proxy"}, "proxies"),
    ({"mode": "proxy", "proxies": ["lab.example"]}, "proxies"),
    ({"mode": "invite", "administrators": ["a"]}, "proxy"),
    ({"mode": "local", "tls": {"certificate": "a", "key": "b"}}, "invite"),
    ({"mode": "invite", "https": True, "tls": {"certificate": "a", "key": "b"}}, "one of the two"),
    ({"mode": "proxy", "proxies": ["127.0.0.1"], "identity_header": "X User"}, "identity_header"),
])
def test_settings_that_would_let_anybody_in(provider, tmp_path, auth, message):
    config = tmp_path / "arena.json"
    config.write_text(json.dumps(provider.config("left", "right", auth=auth)))
    done = subprocess.run([binary(), "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"),
                           "--config", str(config)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2 and message in done.stderr and "arena.json" in done.stderr, done

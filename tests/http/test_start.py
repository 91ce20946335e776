"""Starting, and every way in which it cannot: one clear line on stderr and the right exit code."""
import json
import os
import socket
import subprocess

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from contract import ok


def serve(*arguments, **options):
    return subprocess.run([binary(), "serve", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          **options)


def says(result, code, *words):
    assert result.returncode == code, result
    lines = [line for line in result.stderr.splitlines() if line.startswith("arena serve:")]
    assert len(lines) == 1 and "Traceback" not in result.stderr, result.stderr
    for word in words:
        assert word in lines[0], lines[0]
    assert "arena is ready" not in result.stdout


@pytest.fixture
def config(provider, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(provider.config("left", "right")))
    return path


def test_a_taken_port(config, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = serve("--listen", f"127.0.0.1:{port}", "--data", tmp_path / "data", "--config", config)
        says(result, 2, str(port), "taken", "--listen")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_local_mode_stays_on_loopback(config, tmp_path, address):
    says(serve("--listen", address, "--data", tmp_path / "data", "--config", config), 2, address, "local")


@pytest.mark.parametrize("address", ["localhost", ":80", "127.0.0.1:99999", "example.com:80", "127.0.0.1:x", ""])
def test_an_address_that_is_none(config, tmp_path, address):
    says(serve("--listen", address, "--data", tmp_path / "data", "--config", config), 2, "127.0.0.1:8080")


def test_a_folder_that_another_server_owns(provider, config, tmp_path):
    with ArenaServer(config=str(config), data=tmp_path / "data") as server:
        result = serve("--listen", "127.0.0.1:0", "--data", server.data, "--config", config)
        says(result, 2, str(server.data))
        assert str(server.port) in result.stderr or str(server.process.pid) in result.stderr
        ok(server.voter().get("/healthz"), "health")


def test_a_folder_that_cannot_be_written(config, tmp_path):
    (tmp_path / "file").write_text("")
    says(serve("--listen", "127.0.0.1:0", "--data", tmp_path / "file", "--config", config), 2, "file")


def test_a_socket_left_by_a_killed_server(provider, config, tmp_path):
    server = ArenaServer(config=str(config), data=tmp_path / "data").start()
    server.kill()
    assert (server.data / "arena.sock").exists()
    server.start()
    server.stop()
    assert not (server.data / "arena.sock").exists()


BAD_CONFIGS = [
    ('{"competitors": [}', "json"), ('{"competitor": []}', "competitor"), ('{"auth": {"mode": "open"}}', "open"),
    ('{"auth": "local"}', "auth"), ('{"limits": {"min_vote": 1}}', "min_vote"), ("[]", ""), ("", ""),
    ('{"sampling": {"rule": "clever"}}', "clever"), ('{"sampling": {"aim": "x"}}', "aim"),
    ('{"sampling": {"rule": "uniform", "target": "x"}}', "target"),
    ('{"competitors": [], "sampling": {"target": "nobody here"}}', "nobody here"),
    ('{"competitors": [{"name": "a"}]}', "provider"),
    ('{"competitors": [{"name": "a", "provider": "nobody", "model": "x"}]}', "nobody"),
    ('{"competitors": [{"name": "a", "provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", '
     '"model": "x", "colour": 1}]}',
     "colour"),
    ('{"competitors": [{"name": "a", "provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", '
     '"model": "x"}, '
     '{"name": "a", "provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "model": "y"}]}', '"a"'),
    ('{"competitors": [{"name": "a", "provider": "engine", "path": "no-such-file.gguf"}]}', "no-such-file.gguf"),
]


@pytest.mark.parametrize("text,word", BAD_CONFIGS, ids=range(len(BAD_CONFIGS)))
def test_a_bad_configuration(tmp_path, text, word):
    path = tmp_path / "arena.json"
    path.write_text(text)
    says(serve("--listen", "127.0.0.1:0", "--data", tmp_path / "data", "--config", path), 2, word)


@pytest.mark.parametrize("device", ["tpu", "cuda:", "cuda:999"])
def test_a_device_that_is_not_there(tmp_path, device):
    """Models of our own are asked for on it: before any file is read."""
    (tmp_path / "arena.json").write_text(json.dumps({"competitors": [
        {"name": name, "provider": "engine", "path": "m.gguf"} for name in "ab"]}))
    (tmp_path / "m.gguf").write_bytes(b"none")
    says(serve("--listen", "127.0.0.1:0", "--data", tmp_path, "--device", device), 2, device)


def test_a_configuration_that_is_not_there(tmp_path):
    says(serve("--data", tmp_path / "data", "--config", tmp_path / "none.json"), 2, "none.json")


def test_the_address_printed_is_the_one_served(provider, config, tmp_path):
    for address in ("127.0.0.1:0", "localhost:0", "[::1]:0"):
        if address.startswith("[") and not os.path.exists("/proc/net/if_inet6"):
            continue
        with ArenaServer(config=str(config), data=tmp_path / address.strip("[]:0"), listen=address) as server:
            assert server.voter().get("/healthz").status == 200


def test_two_signals_end_it_at_once(provider, config, tmp_path):
    server = ArenaServer(config=str(config), data=tmp_path / "data").start()
    server.process.terminate()
    server.process.terminate()
    assert server.process.wait(PATIENCE) == 0
    server.process = None


def test_the_binary_needs_no_source_tree(provider, config, tmp_path):
    """Pages and schemas are inside: it serves them from an empty folder."""
    server = ArenaServer(config=str(config), data=tmp_path / "data")
    with server:
        page = server.voter().get("/")
        assert page.status == 200 and b"<script" in page.body
        for path in set(__import__("re").findall(rb'(?:src|href)="(/[^"]*)"', page.body)):
            assert server.voter().get(path.decode()).status == 200, path

"""Keys leave the processes that hold them only in the header that carries them: no core dump, no output, no file."""
import json
import os
import resource
import signal
import subprocess
import time

import pytest

from arena_server import PATIENCE, binary
from replay_provider import KEY, ReplayProvider, Reply, chat
from test_remote import GOOD, delta, sse


def abort(command, folder, environment, ready):
    """Has it dumped its memory? An aborted process would, where the machine lets it."""
    def allow_dumps():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, preexec_fn=allow_dumps,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(PATIENCE * 50):
        if ready():
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGABRT
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


@pytest.mark.parametrize("command", [["chat", "it", "hello"], ["models", "test"], ["models", "discover", "it"]],
                         ids=lambda command: " ".join(command[:2]))
def test_no_core_dump_carries_a_key_away(command, tmp_path):
    if not abort(["sleep", "60"], tmp_path, {}, lambda: True):
        pytest.skip("this machine keeps no core dumps")
    with ReplayProvider([Reply(hang="headers")]) as endpoint:
        (tmp_path / "arena.json").write_text(json.dumps(endpoint.config()))
        assert not abort([binary(), *command, "--config", str(tmp_path / "arena.json")], tmp_path,
                         {"ARENA_TEST_KEY": KEY}, lambda: endpoint.requests)


def test_nor_does_the_arenas(tmp_path):
    if not abort(["sleep", "60"], tmp_path, {}, lambda: True):
        pytest.skip("this machine keeps no core dumps")
    config = {"competitors": [{"name": name, "provider": "openai", "model": name, "api_key_env": "ARENA_TEST_KEY"}
                              for name in ("left", "right")]}
    (tmp_path / "arena.json").write_text(json.dumps(config))
    ready = tmp_path / "data" / "arena.db"
    assert not abort([binary(), "serve", "--listen", "127.0.0.1:0", "--config", str(tmp_path / "arena.json"), "--data",
                      str(tmp_path / "data")], tmp_path, {"ARENA_TEST_KEY": KEY}, ready.exists)


ECHO = json.dumps({"error": {"message": f"bad key {KEY}", "code": KEY, "param": KEY}}).encode()


@pytest.mark.parametrize("reply", [
    Reply(ECHO, status=401, headers={"X-Request-Id": KEY}), Reply(f"<html>{KEY}</html>".encode(), status=502),
    Reply(b"data: {" + KEY.encode() + b"\n\n"), Reply(b"data: " + ECHO + b"\n\n"),
    Reply(b"event: error\ndata: " + ECHO + b"\n\n"), Reply(b'["' + KEY.encode() + b'"]'),
    Reply(sse({"id": KEY, "model": KEY, **delta()}, delta("x", "stop")).replace(b"m-1", KEY.encode()))],
    ids=["body", "page", "broken event", "event", "named event", "list", "names"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_a_provider_repeats_is_masked(reply, stream, tmp_path):
    with ReplayProvider([reply]) as endpoint:
        _, _, everything = chat(endpoint.config(stream=stream))
        (tmp_path / "arena.json").write_text(json.dumps(endpoint.config(stream=stream)))
        for command in ("test", "discover"):
            done = subprocess.run([binary(), "models", command, "it", "--config", str(tmp_path / "arena.json")],
                                  capture_output=True, env={**os.environ, "ARENA_TEST_KEY": KEY}, timeout=PATIENCE)
            everything += done.stdout + done.stderr
    for start in range(len(KEY) - 8):
        assert KEY[start:start + 9].encode() not in everything, everything


def test_a_key_stands_in_no_argument_and_no_address():
    with ReplayProvider([Reply(GOOD)]) as endpoint:
        chat(endpoint.config("google"))
    [request] = endpoint.requests
    assert KEY not in request["path"] and KEY not in json.dumps(request["body"])
    assert [name for name, value in request["headers"].items() if KEY in value] == ["x-goog-api-key"]

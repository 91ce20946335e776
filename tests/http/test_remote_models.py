"""`arena models`: who is configured, whether each answers, what a key reaches, what a file holds."""
import json
import os
import pathlib
import subprocess

import pytest

from arena_server import PATIENCE, binary
from replay_provider import KEY, ReplayProvider, Reply
from test_remote import GOOD

FIXTURES = pathlib.Path(os.environ.get("ARENA_FIXTURES") or "/nonexistent")


def models(folder, *arguments, config=None, key=KEY):
    if config:
        (folder / "arena.json").write_text(json.dumps(config))
        arguments += ("--config", str(folder / "arena.json"))
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and k != "ARENA_TEST_KEY"}
    if key:
        environment["ARENA_TEST_KEY"] = key
    done = subprocess.run([binary(), "models", *arguments], capture_output=True, text=True, env=environment,
                          timeout=PATIENCE)
    assert KEY not in done.stdout + done.stderr
    return done


def test_the_list_says_who_could_be_asked(tmp_path):
    rows = [{"name": "ours", "provider": "engine", "path": "nowhere.gguf", "in_house": True},
            {"name": "with key", "provider": "openai", "model": "m-1", "api_key_env": "ARENA_TEST_KEY",
             "price": {"input": 3, "output": 15}},
            {"name": "without", "provider": "anthropic", "model": "m-2"},
            {"name": "local", "provider": "openai-compatible", "model": "m-3", "base_url": "http://127.0.0.1:1/v1"},
            {"name": "open", "provider": "openai-compatible", "model": "m-4"}]
    done = models(tmp_path, "list", config={"competitors": rows})
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert done.returncode == 0 and len(lines) == 6
    for name, words in {"ours": ["engine", "no model file"], "with key": ["3.00/15.00", "found", "ready", "m-1"],
                        "without": ["not found", "no key", "unknown"], "local": ["not needed", "ready"],
                        "open": ["misconfigured"]}.items():
        assert all(word in lines[name] for word in words), lines[name]


def test_a_test_is_one_real_call_and_says_what_to_do(tmp_path):
    refusal = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
    with ReplayProvider([Reply(GOOD)]) as good, ReplayProvider([Reply(refusal, status=401)]) as bad:
        config = good.config(price={"input": 1, "output": 1})
        config["competitors"].append({**bad.config()["competitors"][0], "name": "other"})
        done = models(tmp_path, "test", "it", config=config)
        assert done.returncode == 0 and "stop" in done.stdout and "$0.000008" in done.stdout
        assert "other" not in done.stdout
        done = models(tmp_path, "test", config=config)
    assert done.returncode == 1 and "it " in done.stdout
    assert "auth: Incorrect API key" in done.stdout and "HTTP 401" in done.stdout and "api_key_env" in done.stdout
    assert len(bad.requests) == 1 and len(good.requests) == 2
    done = models(tmp_path, "test", "nobody", config=config)
    assert done.returncode == 2 and "nobody" in done.stderr


@pytest.mark.parametrize("vendor, path, answer, expected", [
    ("openai", "/v1/models", {"object": "list", "data": [{"id": "b"}, {"id": "a"}]}, ["a", "b"]),
    ("anthropic", "/v1/models?limit=1000", {"data": [{"id": "some-model", "display_name": "S"}]},
     ["some-model  (configured)"]),
    ("google", "/v1beta/models?pageSize=1000",
     {"models": [{"name": "models/g-1", "supportedGenerationMethods": ["generateContent"]},
                 {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]}]}, ["g-1"]),
    ("openai-compatible", "/v1/models", [{"id": "bare"}], ["bare"])])
def test_discover_lists_what_the_key_reaches(tmp_path, vendor, path, answer, expected):
    reply = Reply(json.dumps(answer).encode(), headers={"Content-Type": "application/json"})
    with ReplayProvider([reply]) as endpoint:
        done = models(tmp_path, "discover", vendor, config=endpoint.config(vendor))
    assert done.returncode == 0 and done.stdout.splitlines() == expected
    request = endpoint.requests[0]
    assert (request["method"], request["path"]) == ("GET", path)
    assert any(KEY in value for value in request["headers"].values())


@pytest.mark.parametrize("reply, word", [
    (Reply(b'{"error":{"message":"bad key"}}', status=401), "auth: bad key"), (Reply(b"<html>hm</html>"), "protocol"),
    (Reply(b"", status=302, headers={"Location": "http://127.0.0.1:1/"}), "redirects"),
    (Reply(b"", reset=True), "network")])
def test_discover_says_why_it_cannot(tmp_path, reply, word):
    with ReplayProvider([reply]) as endpoint:
        done = models(tmp_path, "discover", "it", config=endpoint.config())
    assert done.returncode == 1 and word in done.stderr and "->" in done.stderr
    assert len(endpoint.requests) == 1


def test_discover_needs_to_know_whom(tmp_path):
    done = models(tmp_path, "discover", "nobody", "--data", str(tmp_path))
    assert done.returncode == 2 and "nobody" in done.stderr and "anthropic" in done.stderr
    done = models(tmp_path, "discover", "openai", "--data", str(tmp_path))
    assert done.returncode == 1 and "OPENAI_API_KEY" in done.stderr
    assert models(tmp_path, "discover").returncode == 2
    assert models(tmp_path, "list", "what").returncode == 2


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="ARENA_FIXTURES is not set")
def test_inspect_tells_what_a_file_holds(tmp_path):
    path = next((FIXTURES / "models").rglob("*F16*.gguf"), None) or next((FIXTURES / "models").rglob("*.gguf"))
    done = models(tmp_path, "inspect", str(path))
    assert done.returncode == 0 and "memory needed" in done.stdout and "tokenizer" in done.stdout
    found = json.loads(models(tmp_path, "inspect", str(path), "--format", "json").stdout)
    assert found["format"] == "GGUF" and found["parameters"] > 0 and found["memory"] >= found["tensor_bytes"]
    assert sum(kind["bytes"] for kind in found["types"]) == found["tensor_bytes"]
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(path.read_bytes()[:100])
    done = models(tmp_path, "inspect", str(broken))
    assert done.returncode == 2 and "broken.gguf" in done.stderr

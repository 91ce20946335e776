"""The remote client over real HTTP: recorded responses, faults, retries, deadlines, secrets, budgets.
Every case is `arena chat`."""
import gzip
import json
import os
import pathlib
import subprocess
import tempfile
import time

import pytest

from arena_server import binary
from replay_provider import KEY, ReplayProvider, Reply, chat

FIXTURES = pathlib.Path(os.environ.get("ARENA_FIXTURES") or "/nonexistent") / "providers"
PROVIDER_OF = {"openai-chat": "openai", "openai-responses": "openai", "anthropic": "anthropic", "gemini": "google"}


def sse(*events, done=True):
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return (text + ("data: [DONE]\n\n" if done else "")).encode()


def delta(text=None, finish=None):
    return {"model": "m-1",
            "choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}


GOOD = sse(delta("Hello, "), delta("world."), delta(finish="stop"),
           {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}})


def fixtures():
    if not FIXTURES.is_dir():
        return []
    files = sorted(path for path in FIXTURES.rglob("*") if path.suffix in (".sse", ".body"))
    return files[:: 4 if os.environ.get("ARENA_VARIANT") == "asan" else 1]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="ARENA_FIXTURES is not set: recorded responses are not replayed")
@pytest.mark.parametrize("path", fixtures(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recorded_responses_over_http(path):
    expect = json.loads(path.with_name(path.stem + ".expect.json").read_text())
    dialect = expect["dialect"].removesuffix("-json")
    dialect = "openai-chat" if dialect == "error" else dialect
    stream = path.suffix == ".sse"
    reply = Reply(path.read_bytes(), status=expect["http_status"], headers=expect["headers"])
    with ReplayProvider([reply]) as endpoint:
        got, code, _ = chat(endpoint.config(PROVIDER_OF[dialect], dialect=dialect, stream=stream))
    if expect["dialect"] == "error":
        assert got["error"]["class"] == expect["class"]
        assert got["error"]["retryable"] == expect["retryable"]
        assert got["error"]["status"] == expect["http_status"]
    else:
        assert got["text"] == expect["text"]
        assert got["reasoning"] == expect["reasoning"]
        assert got["refusal"] == expect["refusal"]
        assert got["finish"] in (expect["finish_norm"] or "truncated", "empty")
        for key, value in (expect["usage"] or {}).items():
            assert key == "total" or value is None or got["usage"][key] == value
        assert expect["model"] in (None, "", got["model"])
    assert (code == 0) == (got["finish"] not in ("error", "truncated"))


OWN = json.loads((pathlib.Path(__file__).parents[1] / "data" / "responses.json").read_text())


@pytest.mark.parametrize("case", OWN[:: 4 if os.environ.get("ARENA_VARIANT") == "asan" else 1],
                         ids=lambda case: case["name"])
def test_what_no_recording_shows_over_http(case):
    body = "\n".join(case["body"]).encode()
    with ReplayProvider([Reply(body, status=case["http_status"], piece=97)]) as endpoint:
        got, code, _ = chat(endpoint.config(PROVIDER_OF[case["dialect"]], dialect=case["dialect"],
                                            stream=case["stream"]))
    assert [got[key] for key in ("text", "reasoning", "refusal")] == [case.get(key, "") for key in
                                                                     ("text", "reasoning", "refusal")]
    assert got["finish"] == case.get("finish_norm", "error")
    assert (got["error"] or {}).get("class") == case.get("class")
    assert got["usage"] == case.get("usage", got["usage"])
    assert (code == 0) == (got["finish"] not in ("error", "truncated"))


def test_what_is_sent():
    config_of = {"params": {"temperature": 0.5, "max_tokens": 99, "stop": ["END"], "seed": 7}, "system": "Be brief."}
    paths = {"openai": "/v1/chat/completions", "mistral": "/v1/chat/completions", "anthropic": "/v1/messages",
             "google": "/v1beta/models/some-model:streamGenerateContent?alt=sse"}
    bodies = {}
    for provider, path in paths.items():
        with ReplayProvider([Reply(GOOD)]) as endpoint:
            got, _, _ = chat(endpoint.config(provider, **config_of), " spaces stay \n")
        request = endpoint.requests[0]
        assert (request["method"], request["path"]) == ("POST", path)
        bodies[provider] = (request["body"], request["headers"], got["sent"])
    body, headers, sent = bodies["openai"]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["messages"] == [{"role": "system", "content": "Be brief."},
                                {"role": "user", "content": " spaces stay \n"}]
    assert body["max_completion_tokens"] == 99 and "max_tokens" not in body and body["seed"] == 7
    assert body["stream_options"]["include_usage"] is True and body["store"] is False
    assert sent == {"max_completion_tokens": 99, "temperature": 0.5, "seed": 7, "stop": ["END"], "stream": True}
    body, _, _ = bodies["mistral"]
    assert body["random_seed"] == 7 and body["max_tokens"] == 99 and "stream_options" not in body
    body, headers, _ = bodies["anthropic"]
    assert headers["x-api-key"] == KEY and headers["anthropic-version"] == "2023-06-01"
    assert body["system"] == "Be brief." and body["stop_sequences"] == ["END"] and "seed" not in body
    body, headers, _ = bodies["google"]
    assert headers["x-goog-api-key"] == KEY and KEY not in path
    assert body["systemInstruction"]["parts"][0]["text"] == "Be brief."
    assert body["generationConfig"] == {"maxOutputTokens": 99, "temperature": 0.5, "seed": 7, "stopSequences": ["END"]}


def test_a_server_fault_is_tried_again_and_a_bad_request_is_not():
    with ReplayProvider([Reply(b'{"error":{"message":"boom"}}', status=500), Reply(GOOD)]) as endpoint:
        got, code, _ = chat(endpoint.config(retries=2))
    assert (got["text"], got["attempts"], code) == ("Hello, world.", 2, 0)
    with ReplayProvider([Reply(b'{"error":{"message":"no such thing"}}', status=400), Reply(GOOD)]) as endpoint:
        got, code, _ = chat(endpoint.config(retries=2))
    assert (got["error"]["class"], got["attempts"], code) == ("bad_request", 1, 1)


@pytest.mark.parametrize("headers, body, least", [
    ({"Retry-After": "1"}, b"{}", 1.0), ({"retry-after-ms": "700"}, b"{}", 0.7), ({"retry-after-ms": "0"}, b"{}", 0.25),
    ({}, b'{"error":{"message":"Please try again in 600ms"}}', 0.6),
    ({}, b'{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"0.8s"}]}}', 0.8)])
def test_the_providers_delay_is_kept(headers, body, least):
    with ReplayProvider([Reply(body, status=429, headers=headers), Reply(GOOD)]) as endpoint:
        began = time.monotonic()
        got, _, _ = chat(endpoint.config(retries=1))
    assert got["attempts"] == 2 and least <= time.monotonic() - began


def test_a_long_delay_is_not_waited_for():
    with ReplayProvider([Reply(b"{}", status=429, headers={"Retry-After": "3600"})]) as endpoint:
        got, _, _ = chat(endpoint.config(retries=3))
    assert (got["error"]["class"], got["attempts"]) == ("rate_limit", 1)


def test_a_partial_answer_is_discarded_never_spliced():
    half = sse(delta("Half an ans"), done=False)
    with ReplayProvider([Reply(half, reset=True), Reply(GOOD)]) as endpoint:
        got, code, _ = chat(endpoint.config(retries=1))
    assert (got["text"], got["finish"], got["attempts"], code) == ("Hello, world.", "stop", 2, 0)
    with ReplayProvider([Reply(half)]) as endpoint:
        got, code, _ = chat(endpoint.config())
    assert (got["text"], got["finish"], code) == ("Half an ans", "truncated", 1)


def test_what_the_model_refuses_is_left_out():
    refusal = json.dumps({"error": {"message": "Unsupported value: 'temperature' does not support 0.5 with this model.",
                                    "code": "unsupported_value", "param": "temperature"}}).encode()
    with ReplayProvider([Reply(refusal, status=400), Reply(GOOD)]) as endpoint:
        got, _, _ = chat(endpoint.config(retries=1, params={"temperature": 0.5, "max_tokens": 50}))
    assert got["finish"] == "stop"
    assert "temperature" in endpoint.requests[0]["body"] and "temperature" not in endpoint.requests[1]["body"]
    assert "temperature" not in got["sent"] and got["sent"]["max_tokens"] == 50


@pytest.mark.parametrize("vendor, params, message, gone", [
    ("openai", {"stop": ["x"]}, "Unsupported parameter: 'stop' is not supported with this model.", "stop"),
    ("anthropic", {"temperature": 0.5}, "`temperature` is deprecated for this model.", "temperature"),
    ("anthropic", {"reasoning": "high"}, "This model does not support the effort parameter.", "output_config"),
    ("xai", {"reasoning": "high"}, "Model grok-4 does not support parameter reasoningEffort.", "reasoning_effort"),
    ("google", {"top_k": 5}, 'Invalid JSON payload received. Unknown name "topK": Cannot find field.', "topK")])
def test_each_dialects_refusals_are_learned(vendor, params, message, gone):
    good = {"google": b'data: {"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}\n\n',
            "anthropic": sse({"type": "content_block_delta", "delta": {"text": "x"}},
                             {"type": "message_delta", "delta": {"stop_reason": "end_turn"}})}.get(vendor, GOOD)
    refusal = json.dumps({"error": {"message": message}}).encode()
    with ReplayProvider([Reply(refusal, status=400), Reply(good)]) as endpoint:
        got, _, _ = chat(endpoint.config(vendor, retries=1, params=params))
    assert got["finish"] == "stop", got
    sent = [json.dumps(request["body"]) for request in endpoint.requests]
    assert gone in sent[0] and gone not in sent[1] and gone not in json.dumps(got["sent"])


@pytest.mark.parametrize("reply", [Reply(hang="headers"), Reply(hang="middle"), Reply(b": ping\n\n" * 3, hang="body"),
                                   Reply(sse(delta("Hm"), done=False), hang="body"),
                                   Reply(b": ping\n\n" * 400, piece=8, gap=0.02)], ids=lambda r: r.hang or "pings")
def test_deadlines_end_a_silent_endpoint(reply):
    timeouts = {"first_byte": 0.7, "first_content": 0.9, "idle": 0.6, "total": 5}
    with ReplayProvider([reply]) as endpoint:
        got, code, _ = chat(endpoint.config(timeouts=timeouts))
    assert (got["error"]["class"], code) == ("timeout", 1)


def test_faults_of_the_connection_and_of_the_content():
    with ReplayProvider([Reply(b"<html><body>502 Bad Gateway</body></html>")]) as endpoint:
        got, _, _ = chat(endpoint.config())
    assert (got["finish"], got["error"]["class"]) == ("error", "protocol")
    with ReplayProvider([Reply(b"", status=302, headers={"Location": "http://127.0.0.1:1/"})]) as endpoint:
        got, _, _ = chat(endpoint.config())
    assert got["error"]["class"] == "protocol" and len(endpoint.requests) == 1
    with ReplayProvider([Reply(b"data: " + b"x" * (9 << 20), piece=1 << 20)]) as endpoint:
        got, _, _ = chat(endpoint.config())
    assert got["error"]["class"] == "protocol"
    got, _, _ = chat({"competitors": [{"name": "it", "provider": "openai-compatible", "model": "m", "retries": 0,
                                       "base_url": "http://127.0.0.1:1/v1"}]})
    assert got["error"]["class"] == "network"


WHOLE = {"id": "c-1", "model": "m-1", "choices": [{"message": {"content": "Hello, world."}, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}}
LINES = "".join(json.dumps(event) + "\n" for event in (delta("Hello, "), delta("world."), delta(finish="stop")))


@pytest.mark.parametrize("body, stream, headers", [
    (gzip.compress(GOOD), True, {"Content-Encoding": "gzip"}), (gzip.compress(json.dumps(WHOLE).encode()), False,
                                                                {"Content-Encoding": "gzip"}),
    (b"\n\n \n" + json.dumps(WHOLE, indent=1).encode(), True, {"Content-Type": "application/json"}),
    (b"\n\n \n" + json.dumps(WHOLE).encode(), False, {}), (b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(), False, {}),
    (GOOD, False, {}), (b": ping\n\n" + GOOD, False, {"Content-Type": "application/json"}),
    (LINES.encode(), True, {"Content-Type": "application/x-ndjson"}),
    (b"\n\n\n\n" + GOOD.replace(b"\n", b"\r\n"), True, {"Content-Type": "application/octet-stream"}),
    (GOOD.rstrip(b"\n"), True, {})],
    ids=["gzip stream", "gzip whole", "whole for a stream", "blank lines", "mark", "stream for a whole",
         "comment first", "a chunk a line", "crlf and blank lines", "no last blank line"])
def test_odd_framings_are_understood(body, stream, headers):
    with ReplayProvider([Reply(body, headers=headers)]) as endpoint:
        got, code, _ = chat(endpoint.config(stream=stream))
    assert (got["text"], got["finish"], got["error"], code) == ("Hello, world.", "stop", None, 0)


@pytest.mark.parametrize("tail, error_class", [
    (b'data: {"error":{"message":"upstream","code":502},"choices":[]}\n\n', "server"),
    (b'data: {"error":{"message":"Rate limited","code":429}}\n\ndata: [DONE]\n\n', "rate_limit"),
    (b'event: error\ndata: {"error":{"message":"Overloaded","type":"overloaded_error"}}\n\n', "overloaded"),
    (b'event: error\ndata: {"type":"error","code":"server_error","message":"x"}\n\n', "server"),
    (b'{\n  "error": {\n    "code": 503,\n    "message": "busy",\n    "status": "UNAVAILABLE"\n  }\n}\n', "overloaded"),
    (b'{"error":{"message":"maximum context length is 8"}}', "context_length")])
@pytest.mark.parametrize("finished", [False, True])
def test_an_error_anywhere_in_a_stream_beats_the_finish(tail, error_class, finished):
    body = sse(delta("Hello"), *([delta(finish="stop")] if finished else []), done=False)
    with ReplayProvider([Reply(body + tail)]) as endpoint:
        got, code, _ = chat(endpoint.config())
    assert (got["text"], got["finish"], code) == ("Hello", "error", 1)
    assert (got["error"]["class"], got["error"]["status"]) == (error_class, 200)


def test_no_finish_is_truncated_however_it_was_cut():
    whole = json.dumps(WHOLE).encode()
    for body, stream in [(b"data: [DONE]\n\n", True), (b"", True), (b"", False), (whole[:60], False),
                         (whole[:60], True), (sse(delta("Hm")), True), (sse(delta("Hm"), done=False)[:-8], True)]:
        with ReplayProvider([Reply(body)]) as endpoint:
            got, code, _ = chat(endpoint.config(stream=stream))
        assert (got["finish"], got["error"], code) == ("truncated", None, 1), body


def test_what_the_provider_says_of_itself():
    headers = {"apim-request-id": "second", "x-request-id": "first", "x-should-retry": "false"}
    with ReplayProvider([Reply(b'{"error":{"message":"boom"}}', status=500, headers=headers), Reply(GOOD)]) as endpoint:
        got, _, _ = chat(endpoint.config(retries=2))
    assert (got["request_id"], got["attempts"], got["error"]["retryable"]) == ("first", 1, False)
    with ReplayProvider([Reply(b'{"type":"error","error":{"type":"api_error","message":"x"},"request_id":"req_7"}',
                               status=500)]) as endpoint:
        got, _, _ = chat(endpoint.config("anthropic"))
    assert (got["request_id"], got["error"]["class"]) == ("req_7", "server")
    with ReplayProvider([Reply(b"", reset=True)]) as endpoint:
        got, _, _ = chat(endpoint.config(stream=False))
    assert got["error"]["class"] in ("network", "server") and got["finish"] == "error"


def test_a_key_is_never_shown():
    echo = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}}).encode()
    with ReplayProvider([Reply(echo, status=401)]) as endpoint:
        got, _, everything = chat(endpoint.config())
    assert got["error"]["class"] == "auth"
    assert KEY.encode() not in everything and KEY[3:14].encode() not in everything
    got, _, _ = chat({"competitors": [{"name": "it", "provider": "openai", "model": "m"}]}, key=None)
    assert got["error"]["class"] in ("auth", "network") and "OPENAI_API_KEY" in got["error"]["message"]


def test_failed_attempts_are_paid_for():
    usage = {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}}
    good = sse(delta("x"), delta(finish="stop"), usage)
    price = {"input": 1, "output": 1}
    with ReplayProvider([Reply(sse(delta("y"), usage)), Reply(good)]) as endpoint:
        got, _, _ = chat(endpoint.config(retries=1, price=price))
    assert got["attempts"] == 2 and abs(got["cost_usd"] - 0.002) < 1e-12
    with ReplayProvider([Reply(b"{}", status=503), Reply(good)]) as endpoint:
        got, _, _ = chat(endpoint.config(retries=1, price=price))
    assert got["attempts"] == 2 and abs(got["cost_usd"] - 0.001) < 1e-12
    with ReplayProvider([Reply(sse(delta("y"))), Reply(good)]) as endpoint:
        got, _, _ = chat(endpoint.config(retries=1, price=price))
    assert got["attempts"] == 2 and got["cost_usd"] is None


def test_cost_is_known_or_unknown_never_guessed():
    usage = {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
                                      "prompt_tokens_details": {"cached_tokens": 400}}}
    body = sse(delta("x"), delta(finish="stop"), usage)
    with ReplayProvider([Reply(body)]) as endpoint:
        got, _, _ = chat(endpoint.config(price={"input": 2, "cached": 0.5, "output": 10}))
        assert abs(got["cost_usd"] - (600 * 2 + 400 * 0.5 + 100 * 10) / 1e6) < 1e-12
        got, _, _ = chat(endpoint.config())
        assert got["cost_usd"] is None


def test_a_budget_is_kept_before_the_call():
    price, params = {"input": 10, "output": 10}, {"max_tokens": 100}
    with ReplayProvider([Reply(GOOD)]) as endpoint:
        got, code, _ = chat(endpoint.config(price=price, params=params, budget=0.001))  # at worst it costs 0.0015
        assert (got["error"]["class"], got["error"]["retryable"], got["attempts"], code) == ("quota", False, 0, 1)
        assert "budget" in got["error"]["message"] and not endpoint.requests
        got, _, _ = chat({**endpoint.config(price=price, params=params), "budget": 0.001})
        assert got["error"]["class"] == "quota" and "arena" in got["error"]["message"] and not endpoint.requests
        got, code, _ = chat({**endpoint.config(price=price, params=params, budget=0.01), "budget": 0.01})
        assert (got["finish"], code) == ("stop", 0)
    # An attempt whose cost nobody knows counts as its worst case: there is no room for another one.
    with ReplayProvider([Reply(sse(delta("Half")), reset=True), Reply(GOOD)]) as endpoint:
        got, _, _ = chat(endpoint.config(price=price, params=params, budget=0.002, retries=3))
        assert (got["error"]["class"], got["attempts"]) == ("quota", 1) and len(endpoint.requests) == 1
    # A refused one costs nothing.
    with ReplayProvider([Reply(b"{}", status=503), Reply(GOOD)]) as endpoint:
        got, _, _ = chat(endpoint.config(price=price, params=params, budget=0.002, retries=3))
        assert (got["finish"], got["attempts"]) == ("stop", 2)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="ARENA_FIXTURES is not set")
def test_costs_are_the_servers_own():
    rows = json.loads((FIXTURES / "cost_checks.json").read_text())
    for row in [row for kind in ("xai", "openrouter") for row in rows[kind]]:
        paths = [path for path in FIXTURES.glob(row["fixture"] + ".*") if path.suffix in (".sse", ".body")]
        if not paths:
            continue
        expect = json.loads(paths[0].with_name(paths[0].stem + ".expect.json").read_text())
        with ReplayProvider([Reply(paths[0].read_bytes())]) as endpoint:
            price = {"price": row["usd_per_mtok"]} if "usd_per_mtok" in row else {}
            got, _, _ = chat(endpoint.config("xai", dialect=expect["dialect"].removesuffix("-json"),
                                             stream=paths[0].suffix == ".sse", **price))
        assert abs(got["cost_usd"] - row["server_cost_usd"]) < 1e-12, row["fixture"]


def test_bad_configurations_are_refused_with_a_reason():
    cases = [({"provider": "nobody"}, "provider"), ({"provider": "openai", "model": ""}, "model"),
             ({"provider": "openai", "model": "m", "base_url": "http://example.com/v1"}, "http"),
             ({"provider": "openai", "model": "m", "temprature": 1}, "temprature"),
             ({"provider": "openai", "model": "m", "budget": 1}, "price"),
             ({"provider": "engine", "path": "m.gguf", "budget": 1}, "budget"),
             ({"provider": "openai", "model": "m", "params": {"temperature": "hot"}}, "temperature")]
    for row, word in cases:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"competitors": [{"name": "it", **row}]}, file)
            file.flush()
            done = subprocess.run([binary(), "chat", "it", "hi", "--config", file.name], capture_output=True, text=True)
        assert done.returncode == 2 and word in done.stderr and "it" in done.stderr, done.stderr

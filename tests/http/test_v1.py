"""The in-house model in the OpenAI dialect: the official client, keys, refusals, and clients that leave."""
import json
import threading
import time

import openai
import pytest

from arena_server import PATIENCE, ArenaServer, wait_until
from contract import check, ok
from fake_provider import Script


@pytest.fixture(scope="module")
def arena(provider):
    config = {"competitors": [provider.competitor("ours", in_house=True, organisation="our lab"),
                              provider.competitor("rival")]}
    with ArenaServer(config=config) as server:
        yield server


@pytest.fixture(scope="module")
def admin(arena):
    return arena.voter()


@pytest.fixture(scope="module")
def key(admin):
    return ok(admin.post("/api/keys", {"name": "tests"}), "key_created", 201)


@pytest.fixture
def client(arena, key, provider):
    provider.scripts["ours"] = Script("An answer in ünicode, with a ☃.", chunk=4)
    return openai.OpenAI(base_url=arena.origin + "/v1", api_key=key["key"], max_retries=0, timeout=PATIENCE)


def say(client, text="hi", **more):
    return client.chat.completions.create(model="ours", messages=[{"role": "user", "content": text}], **more)


def test_models(client, arena):
    models = client.models.list().data
    assert [(model.id, model.owned_by) for model in models] == [("ours", "our lab")]


def test_whole(client, provider):
    reply = say(client, temperature=0.5, top_p=0.9, max_tokens=50, seed=7, stop=["END"], user="x")
    assert reply.choices[0].message.content == "An answer in ünicode, with a ☃."
    assert reply.choices[0].finish_reason == "stop" and reply.model == "ours" and reply.object == "chat.completion"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (5, 7, 12)
    sent = provider.calls[-1]
    assert sent["temperature"] == 0.5 and sent["top_p"] == 0.9 and sent["seed"] == 7
    assert sent.get("max_tokens", sent.get("max_completion_tokens")) == 50


def test_streamed(client):
    chunks = list(say(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "An answer in ünicode, with a ☃."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 12
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in list(say(client, stream=True)))


def test_conversations_go_through(client, provider):
    messages = [{"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": "c"}, {"role": "user", "content": [{"type": "text", "text": "d"}]}]
    client.chat.completions.create(model="ours", messages=messages)
    assert [(m["role"], m["content"]) for m in provider.calls[-1]["messages"]] == \
        [("system", "Be brief."), ("user", "ab"), ("assistant", "c"), ("user", "d")]


def test_finish_reasons(client, provider):
    for said, told in (("length", "length"), ("content_filter", "content_filter"), ("stop", "stop")):
        provider.scripts["ours"] = Script("x", finish=said)
        assert say(client).choices[0].finish_reason == told
        assert list(say(client, stream=True))[-1].choices[0].finish_reason == told


def test_without_a_key(arena, client):
    for bad in ("x", "arena-" + "x" * 43, "arena-"):
        with pytest.raises(openai.AuthenticationError):
            say(client.with_options(api_key=bad))
    answer = arena.voter().get("/v1/models")
    assert answer.status == 401 and check("v1_error", answer.json)["error"]["code"] == "invalid_api_key"
    assert arena.voter().get("/v1/models/ours").status == 401


def test_a_revoked_key(arena, admin, client):
    made = ok(admin.post("/api/keys", {"name": "short"}), "key_created", 201)
    mine = client.with_options(api_key=made["key"])
    say(mine)
    ok(admin.post(f"/api/keys/{made['key_id']}/revoke"), "key_revoked")
    with pytest.raises(openai.AuthenticationError):
        say(mine)


def test_a_key_with_limits(admin, client):
    made = ok(admin.post("/api/keys", {"name": "slow", "requests_per_minute": 2}), "key_created", 201)
    mine = client.with_options(api_key=made["key"])
    with pytest.raises(openai.RateLimitError) as caught:
        for _ in range(40):
            say(mine)
    assert int(caught.value.response.headers["Retry-After"]) >= 1 and caught.value.code == "rate_limit_exceeded"


def test_the_secret_is_stored_nowhere(arena, key):
    for path in arena.data.rglob("*"):
        if path.is_file():
            assert key["key"].encode() not in path.read_bytes(), path
            assert key["key"][6:].encode() not in path.read_bytes(), path


UNSERVED, WRONG = "unsupported_parameter", "invalid_value"


@pytest.mark.parametrize("change,param,code", [
    ({"logprobs": True}, "logprobs", UNSERVED),  # this model is another server's: only our own engine tells them
    ({"logit_bias": {"1": 5}}, "logit_bias", UNSERVED),
    ({"frequency_penalty": 1}, "frequency_penalty", UNSERVED),
    ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools", UNSERVED),
    ({"response_format": {"type": "json_object"}}, "response_format", UNSERVED),
    ({"extra_body": {"nonsense": 1}}, "nonsense", UNSERVED),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages", UNSERVED),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]}, "messages",
     UNSERVED),
    ({"temperature": 9}, "temperature", WRONG), ({"max_tokens": 0}, "max_tokens", WRONG), ({"n": 17}, "n", WRONG),
    ({"n": 0}, "n", WRONG), ({"messages": []}, "messages", WRONG), ({"stop": ["a"] * 5}, "stop", WRONG),
    ({"top_logprobs": 3}, "top_logprobs", WRONG), ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", WRONG),
    ({"logit_bias": {"1": 101}}, "logit_bias", WRONG), ({"logit_bias": {"x": 1}}, "logit_bias", WRONG),
    ({"presence_penalty": -3}, "presence_penalty", WRONG), ({"seed": 1.5}, "seed", WRONG),
    ({"stream_options": {"include_usage": True}}, "stream_options", WRONG),
    ({"extra_body": {"repetition_penalty": 0}}, "repetition_penalty", WRONG)])
def test_what_is_not_served_is_refused_by_name(client, change, param, code):
    request = {"model": "ours", "messages": [{"role": "user", "content": "x"}], **change}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**request)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert param in str(caught.value) and caught.value.type == "invalid_request_error"
    check("v1_error", {"error": caught.value.body})


def test_what_changes_nothing_is_let_pass(client):
    say(client, user="me", metadata={"a": "b"}, store=False, frequency_penalty=0, presence_penalty=0, logit_bias={},
        response_format={"type": "text"}, top_logprobs=0, n=1, logprobs=False,
        extra_body={"tools": None, "repetition_penalty": 1})


@pytest.mark.parametrize("stream", [False, True])
def test_choices(client, provider, stream):
    before = len(provider.calls)
    if stream:
        said = {}
        for chunk in say(client, n=3, seed=5, stream=True):
            for choice in chunk.choices:
                said[choice.index] = said.get(choice.index, "") + (choice.delta.content or "")
        assert list(said.values()) == ["An answer in ünicode, with a ☃."] * 3
    else:
        reply = say(client, n=3, seed=5)
        assert [choice.index for choice in reply.choices] == [0, 1, 2]
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (5, 21)
    assert sorted(call["seed"] for call in provider.calls[before:]) == [5, 6, 7]


def test_where_one_choice_fails_all_do(client, provider):
    """The others, which never end by themselves, are not waited for."""
    never = threading.Event()
    provider.scripts["ours"] = Script(hold=never, fault="status", times=1)
    with pytest.raises(openai.InternalServerError):
        say(client, n=3)
    provider.scripts["ours"] = Script("word " * 200, hold=never, hold_after=3, fault="status", times=1)
    with pytest.raises(openai.APIError) as caught:
        list(say(client, n=3, stream=True))
    assert not isinstance(caught.value, openai.APITimeoutError)
    never.set()


@pytest.mark.parametrize("name", ["rival", "nobody", ""])
def test_models_that_are_not_served(client, name):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model=name, messages=[{"role": "user", "content": "x"}])
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_one_model(client, arena, key):
    assert client.models.retrieve("ours").owned_by == "our lab"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("rival")
    assert caught.value.code == "model_not_found"
    answer = arena.voter().get("/v1/nothing")
    assert check("v1_error", answer.json)["error"]["code"] == "unknown_url" and answer.status == 404


def test_failures_have_their_status(client, provider):
    provider.scripts["ours"] = Script(fault="status", status=500,
                                      body='{"error":{"message":"secret words of the upstream"}}')
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as caught:
            list(say(client, stream=True)) if stream else say(client)
        assert "secret words" not in str(caught.value)
    provider.scripts["ours"] = Script("enough text to begin with", chunk=3, gap=0.02, fault="truncated", fault_after=4)
    with pytest.raises(openai.APIError):
        list(say(client, stream=True))


def wait_for_silence(provider):
    wait_until(lambda: not provider.active)


def test_a_client_that_leaves_frees_the_model(client, provider):
    provider.scripts["ours"] = Script("word " * 20000, gap=0.02)
    for _ in range(5):
        stream = say(client, stream=True, n=2)
        next(iter(stream))
        stream.close()
    wait_for_silence(provider)


def send(arena, secret, **more):
    """A request over a socket of its own."""
    body = json.dumps({"model": "ours", "messages": [{"role": "user", "content": "x"}], **more})
    connection = arena.connect()
    connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: {arena.origin[7:]}\r\nContent-Type: "
                       f"application/json\r\nAuthorization: Bearer {secret}\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


def wait_for_a_call(provider):
    wait_until(lambda: provider.active)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_before_a_word(arena, key, provider, stream):
    """Nothing is written to it that could fail: the arena looks whether it is still there."""
    provider.scripts["ours"] = Script("word " * 5000, first=3 if stream else 0, gap=0.05)
    for _ in range(3):
        connection = send(arena, key["key"], stream=stream, n=2)
        wait_for_a_call(provider)
        connection.close()
        if not stream:
            wait_for_silence(provider)
    wait_for_silence(provider)
    assert arena.voter().get("/healthz").status == 200


def test_a_client_that_leaves_as_its_answer_begins(provider):
    """The stream opens towards a connection that has ended: nothing may wait for it."""
    provider.scripts["ours"] = Script("word " * 20, first=0.15, gap=0.01)
    with ArenaServer(config={"competitors": [provider.competitor("ours", in_house=True)]}) as server:
        secret = server.voter().post("/api/keys", {"name": "x"}).json["key"]
        for _ in range(8):
            connection = send(server, secret, stream=True, n=2)
            wait_for_a_call(provider)
            connection.close()
            time.sleep(0.2)
        wait_for_silence(provider)
        wait_until(lambda: b"\narena_http_connections 1\n" in server.voter().get("/metrics").body)  # who asks
        assert server.terminate() == 0


def test_twenty_at_once(client):
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: say(client).choices[0].message.content, range(40)))
    assert set(replies) == {"An answer in ünicode, with a ☃."}


def test_stopping_under_an_open_completion(provider):
    provider.scripts["ours"] = Script("word " * 2000, gap=0.05)
    config = {"competitors": [provider.competitor("ours", in_house=True)]}
    server = ArenaServer(config=config).start()
    try:
        made = server.voter().post("/api/keys", {"name": "x"}).json
        client = openai.OpenAI(base_url=server.origin + "/v1", api_key=made["key"], max_retries=0)
        stream = iter(say(client, stream=True))
        next(stream)
        assert server.terminate() == 0
        with pytest.raises(openai.APIError):
            list(stream)
    finally:
        server.kill()


def test_a_second_arena_uses_it(arena, client, key):
    """One arena's in-house model is another's rival."""
    config = {"competitors": [
        {"name": name, "provider": "openai-compatible", "base_url": arena.origin + "/v1", "model": "ours",
         "api_key_env": "THEIR_KEY",
         "params": {"temperature": heat}} for name, heat in (("first", 0.1), ("second", 0.9))]}
    with ArenaServer(config=config, environment={"THEIR_KEY": key["key"]}) as second:
        voter = second.voter()
        battle, _ = voter.ready()
        turn = voter.get(f"/api/battles/{battle}").json["turns"][0]
        assert turn["a"]["text"] == turn["b"]["text"] == "An answer in ünicode, with a ☃."


def test_open_on_loopback(provider):
    config = {"competitors": [provider.competitor("ours", in_house=True)], "auth": {"mode": "local", "open_v1": True}}
    with ArenaServer(config=config) as server:
        for key in ("none", "arena-" + "x" * 43):
            client = openai.OpenAI(base_url=server.origin + "/v1", api_key=key, max_retries=0)
            assert say(client).choices[0].message.content
        other = server.voter(origin="http://evil.example")
        assert other.post("/v1/chat/completions", {"model": "ours", "messages": []}).status == 403


@pytest.mark.parametrize("auth", [{"mode": "invite", "open_v1": True}, {"open_v1": 1}])
def test_open_needs_local_mode(provider, auth):
    config = {"competitors": [provider.competitor("ours", in_house=True)], "auth": auth}
    with pytest.raises(AssertionError, match="open_v1"):
        ArenaServer(config=config).start()

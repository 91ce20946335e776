"""The in-house model itself over /v1, asked by the official client: choices, log-probabilities, seeds, penalties."""
import concurrent.futures
import http.client
import json
import math
import os
import pathlib
import socket
import subprocess
import time

import jsonschema
import openai
import pytest

from arena_server import PATIENCE, ArenaServer, binary, wait_until
from contract import check

MODEL = pathlib.Path(os.environ.get("ARENA_MODELS") or pathlib.Path.home() / ".cache" / "arena",
                     "SmolLM2-135M-Instruct.Q4_1.gguf")
RELEASE = os.environ.get("ARENA_VARIANT") in (None, "release")  # sanitizers have the same paths, and fewer rounds
ASK = [{"role": "user", "content": "Name three colours of the rainbow."}]


@pytest.fixture(scope="module")
def arena():
    if not MODEL.is_file():
        pytest.skip(f"http: {MODEL} is not there; ./run fetches it")
    ours = {"provider": "engine", "path": str(MODEL), "in_house": True, "params": {"max_tokens": 24}}
    config = {"competitors": [{"name": "ours", **ours}, {"name": "warm", **ours}],
              "auth": {"mode": "local", "open_v1": True}}
    with ArenaServer(config=config) as server:
        yield server


@pytest.fixture(scope="module")
def key(arena):
    """A key, and an arena that wants one."""
    config = {"competitors": json.loads((arena.data / "test-config.json").read_text())["competitors"]}
    with ArenaServer(config=config) as server:
        yield server, server.voter().post("/api/keys", {"name": "a rival's"}).json["key"]


@pytest.fixture
def client(arena):
    return openai.OpenAI(base_url=arena.origin + "/v1", api_key="none", max_retries=0, timeout=5 * PATIENCE)


def say(client, **more):
    return client.chat.completions.create(**{"model": "ours", "messages": ASK, "temperature": 0, **more})


def text(reply, index=0):
    return reply.choices[index].message.content


def gather(stream):
    """What each choice of a stream said: its text, log-probabilities, finish, by index; and the chunks."""
    chunks, choices = list(stream), {}
    for chunk in chunks:
        for choice in chunk.choices:
            said = choices.setdefault(choice.index, {"text": "", "logprobs": [], "finish": None})
            said["text"] += choice.delta.content or ""
            said["logprobs"] += choice.logprobs.content if choice.logprobs else []
            said["finish"] = choice.finish_reason or said["finish"]
    return choices, chunks


def test_whole_and_streamed_are_the_same(client):
    whole = say(client, seed=1, temperature=0.8)
    choices, chunks = gather(say(client, seed=1, temperature=0.8, stream=True, stream_options={"include_usage": True}))
    assert text(whole) and choices[0]["text"] == text(whole)
    assert choices[0]["finish"] == whole.choices[0].finish_reason
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens <= 24
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens > 5
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks[:-1])
    assert whole.system_fingerprint.startswith("fp_")
    assert {chunk.system_fingerprint for chunk in chunks} == {whole.system_fingerprint}
    assert whole.usage.prompt_tokens_details.cached_tokens < whole.usage.prompt_tokens


def test_the_prompt_is_cached(client):
    words = "The sea is wide and blue, and so is the sky above it. "
    messages = [{"role": "user", "content": words * (20 if RELEASE else 8)}]
    first = say(client, messages=messages, max_tokens=2).usage
    again = say(client, messages=messages, max_tokens=2).usage
    assert first.prompt_tokens == again.prompt_tokens
    assert again.prompt_tokens_details.cached_tokens > again.prompt_tokens / 2


@pytest.mark.parametrize("stream", [False, True])
def test_choices(client, stream):
    settings = {"seed": 11, "temperature": 1.2, "n": 4, "max_tokens": 12}
    if stream:
        choices, chunks = gather(say(client, **settings, stream=True, stream_options={"include_usage": True}))
        said, usage = [choices[i]["text"] for i in range(4)], chunks[-1].usage
        assert all(choices[i]["finish"] in ("length", "stop") for i in range(4))
    else:
        reply = say(client, **settings)
        assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
        said, usage = [choice.message.content for choice in reply.choices], reply.usage
    assert len(set(said)) > 1 and all(said)
    assert usage.prompt_tokens == say(client, max_tokens=1).usage.prompt_tokens
    assert 4 <= usage.completion_tokens <= 48
    for index, seed in enumerate((11, 12, 13, 14)):
        assert text(say(client, seed=seed, temperature=1.2, max_tokens=12)) == said[index]


def test_a_seed_says_the_same_beside_other_load(client):
    alone = text(say(client, seed=5, temperature=1))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        others = [pool.submit(say, client, seed=100 + i, temperature=1) for i in range(6)]
        again = [pool.submit(say, client, seed=5, temperature=1) for _ in range(2)]
        assert {text(future.result()) for future in again} == {alone}
        assert len({text(future.result()) for future in others}) > 1
    assert text(say(client, seed=-5, temperature=1)) == text(say(client, seed=-5, temperature=1))


def check_logprobs(entries, said, tops):
    assert b"".join(bytes(entry.bytes) for entry in entries).decode() == said
    assert "".join(entry.token for entry in entries) == said
    for entry in entries:
        assert -50 < entry.logprob <= 0
        assert len(entry.top_logprobs) == tops
        values = [top.logprob for top in entry.top_logprobs]
        assert values == sorted(values, reverse=True)
        assert sum(math.exp(value) for value in values) < 1.001
        for top in entry.top_logprobs:
            if top.token == entry.token:
                assert top.logprob == entry.logprob and top.bytes == entry.bytes


@pytest.mark.parametrize("tops", [0, 5, 20])
def test_logprobs(client, tops):
    whole = say(client, logprobs=True, top_logprobs=tops, max_tokens=10)
    entries = whole.choices[0].logprobs.content
    assert len(entries) == whole.usage.completion_tokens == 10
    check_logprobs(entries, text(whole), tops)
    if tops:  # at temperature 0 the likeliest is what is said
        assert all(entry.top_logprobs[0].token == entry.token for entry in entries)
    choices, _ = gather(say(client, logprobs=True, top_logprobs=tops, max_tokens=10, stream=True))
    assert choices[0]["logprobs"] == entries


def test_logprobs_go_with_their_text(client):
    choices, chunks = gather(say(client, logprobs=True, stream=True, n=2, temperature=1, seed=3))
    for chunk in chunks:
        for choice in chunk.choices:
            if choice.logprobs:
                assert choice.delta.content
    for index in range(2):
        check_logprobs(choices[index]["logprobs"], choices[index]["text"], 0)
    assert say(client).choices[0].logprobs is None


def test_logprobs_of_cut_characters(client):
    """A character of several tokens: its tokens' bytes come whole, in one piece."""
    messages = [{"role": "user", "content": "Repeat exactly: ☃ 🦄 日本 Ω ☃ 🦄 日本 Ω"}]
    choices, chunks = gather(say(client, messages=messages, logprobs=True, stream=True, max_tokens=24, temperature=1.5,
                                 seed=2, logit_bias={"0": -100}))
    said = b"".join(bytes(entry.bytes) for entry in choices[0]["logprobs"])
    if "\ufffd" not in choices[0]["text"]:
        assert said.decode() == choices[0]["text"]


def test_an_end_is_no_token_of_the_text(client):
    reply = say(client, messages=[{"role": "user", "content": "Say only: yes"}], logprobs=True, max_tokens=200)
    assert reply.choices[0].finish_reason == "stop"
    entries = reply.choices[0].logprobs.content
    assert len(entries) == reply.usage.completion_tokens - 1
    check_logprobs(entries, text(reply), 0)


def test_stop(client):
    said = text(say(client))
    words = said.split()
    stop = words[4]
    for stream in (False, True):
        settings = {"stop": ["never to be said", stop], "logprobs": True}
        if stream:
            choices, _ = gather(say(client, **settings, stream=True))
            short, finish, entries = choices[0]["text"], choices[0]["finish"], choices[0]["logprobs"]
        else:
            reply = say(client, **settings)
            short, finish = text(reply), reply.choices[0].finish_reason
            entries = reply.choices[0].logprobs.content
        assert finish == "stop" and short == said[:said.index(stop)]
        told = b"".join(bytes(entry.bytes) for entry in entries).decode()
        assert told.startswith(short) and len(told) <= len(short) + len(stop)
    assert text(say(client, stop=stop)) == said[:said.index(stop)]
    with pytest.raises(openai.BadRequestError, match="stop string"):
        say(client, stop=[""])


def test_logit_bias(client):
    plain = text(say(client, max_tokens=4))
    forced = say(client, max_tokens=4, logit_bias={"30": 100})
    assert text(forced) != plain and len(set(text(forced))) == 1
    assert say(client, logit_bias={"30": 0}, max_tokens=4).choices[0].message.content == plain
    banned = text(say(client, max_tokens=4, logit_bias={str(token): -100 for token in range(1000)}))
    assert banned != plain
    with pytest.raises(openai.BadRequestError, match="49152") as caught:
        say(client, logit_bias={"49152": 1})
    assert "token 49152" in str(caught.value)


def test_penalties(client):
    settings = {"logit_bias": {"30": 12, "31": 11.9}, "max_tokens": 16}
    plain = text(say(client, **settings))
    for name in ("presence_penalty", "frequency_penalty"):
        assert text(say(client, **settings, **{name: 2})) != plain
        assert text(say(client, **settings, **{name: 0})) == plain
    assert text(say(client, **settings, extra_body={"repetition_penalty": 1.5})) != plain
    assert text(say(client, **settings, extra_body={"repetition_penalty": 1})) == plain


def test_top_k_and_min_p(client):
    greedy = text(say(client))
    hot = {"temperature": 2, "seed": 9}
    assert text(say(client, **hot)) != greedy
    assert text(say(client, **hot, extra_body={"top_k": 1})) == greedy
    assert text(say(client, **hot, extra_body={"min_p": 1})) == greedy
    assert text(say(client, **hot, extra_body={"top_k": -1, "min_p": 0})) == text(say(client, **hot))


def test_limits_of_length(client):
    for name in ("max_tokens", "max_completion_tokens"):
        reply = say(client, **{name: 3})
        assert reply.usage.completion_tokens == 3 and reply.choices[0].finish_reason == "length"


def test_too_long_a_prompt(client):
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            say(client, messages=[{"role": "user", "content": "word " * 12000}], stream=stream)
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
        assert "tokens" in str(caught.value)


def post(arena, body):
    connection = http.client.HTTPConnection(arena.host, arena.port, timeout=PATIENCE)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    return connection


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_the_engine(arena, client, stream):
    """Sixteen answers of thousands of tokens are left: nothing is computed for them any more."""
    body = {"model": "ours", "messages": ASK, "n": 16, "max_tokens": 4000, "temperature": 1.5, "stream": stream,
            "logit_bias": {"2": -100, "0": -100}}
    connection = post(arena, body)
    time.sleep(0.5)
    if stream:
        connection.getresponse().read1(10)
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()

    def idle():
        before = arena.cpu_seconds()
        time.sleep(0.5)
        return arena.cpu_seconds() - before < 0.2
    wait_until(idle, "the engine goes on")
    assert text(say(client, max_tokens=2))
    assert arena.voter().get("/healthz").status == 200


def test_the_reply_is_as_published(arena):
    voter = arena.voter()
    reply = voter.post("/v1/chat/completions", {"model": "ours", "messages": ASK, "max_tokens": 3, "n": 2,
                                                "logprobs": True, "top_logprobs": 2, "user": None, "tools": None})
    assert reply.status == 200, reply
    check("v1_completion", reply.json)
    assert {key for entry in reply.json["choices"][0]["logprobs"]["content"] for key in entry} == \
        {"token", "logprob", "bytes", "top_logprobs"}


def test_many_clients_at_once(client):
    def one(i):
        if i % 3 == 0:
            stream = say(client, stream=True, n=2, temperature=1, logprobs=True)
            next(iter(stream))
            stream.close()
            return True
        return bool(text(say(client, n=1 + i % 3, max_tokens=6)))
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert all(pool.map(one, range(36 if RELEASE else 12)))


def rival(server, model="ours"):
    return {"provider": "openai-compatible", "base_url": server.origin + "/v1", "model": model,
            "api_key_env": "THEIR_KEY", "retries": 0, "params": {"temperature": 0, "max_tokens": 12}}


def test_another_arena_meets_it_as_a_rival(key, client):
    server, secret = key
    expected = text(say(client, max_tokens=12))
    config = {"competitors": [{"name": "first", **rival(server)},
                              {"name": "second", **rival(server, "warm"), "stream": False}]}
    with ArenaServer(config=config, environment={"THEIR_KEY": secret}) as second:
        voter = second.voter()
        battle, _ = voter.ready(ASK[0]["content"])
        turn = voter.get(f"/api/battles/{battle}").json["turns"][0]
        assert turn["a"]["text"] == turn["b"]["text"] == expected
        assert voter.vote(battle).status == 200


@pytest.mark.parametrize("change,secret,prompt,expected", [
    ({}, "arena-wrong", "hi", "auth"), ({"model": "nobody"}, None, "hi", "not_found"),
    ({}, None, "word " * 12000, "context_length")])
def test_another_arena_understands_its_errors(key, tmp_path, change, secret, prompt, expected):
    server, right = key
    config = tmp_path / "arena.json"
    config.write_text(json.dumps({"competitors": [{"name": "far", **rival(server), **change}]}))
    done = subprocess.run([binary(), "chat", "far", prompt, "--config", str(config), "--format", "json"],
                          capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, "THEIR_KEY": secret or right})
    assert done.returncode == 1 and json.loads(done.stdout)["error"]["class"] == expected, done


def of(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age", "mood"],
          "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 12},
                         "age": {"type": "integer", "minimum": 0, "maximum": 120},
                         "mood": {"enum": ["good", "bad", None]},
                         "tags": {"type": "array", "items": {"type": "string", "maxLength": 6}, "maxItems": 3},
                         "height": {"type": "number"}}}
TREE = {"$ref": "#/$defs/node", "$defs": {"node": {
    "type": "object", "properties": {"value": {"type": ["boolean", "null"]}, "children": {
        "type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2}}, "required": ["value", "children"],
    "additionalProperties": False}}}
CHOICE = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"anyOf": [
    {"type": "string", "maxLength": 4}, {"enum": ["a longer word", "a longer one"]},
    {"type": "integer", "minimum": 1}]}}


def valid(reply, schema):
    """Every choice that ended by itself is JSON by the schema; how many there are."""
    ended = [choice for choice in reply.choices if choice.finish_reason == "stop"]
    for choice in ended:
        jsonschema.validate(json.loads(choice.message.content), schema)
    return len(ended)


@pytest.mark.parametrize("schema", [PERSON, TREE, CHOICE], ids=["person", "tree", "choice"])
def test_answers_by_a_schema_are_valid_at_any_temperature(client, schema):
    ended, many = 0, (8 if RELEASE else 4)
    for temperature, seed, n in ((0, 1, 1), (1, 100, many), (2, 200, many)):
        reply = say(client, response_format=of(schema), temperature=temperature, n=n, seed=seed, max_tokens=100)
        ended += valid(reply, schema)
    assert ended >= 1  # a tree may grow for ever


def test_any_json_object(client):
    reply = say(client, response_format={"type": "json_object"}, n=4, temperature=0.7, seed=3, max_tokens=150)
    assert valid(reply, {"type": "object"}) >= 0
    for choice in reply.choices:
        assert choice.message.content.startswith("{")


def test_a_schema_goes_with_every_other_setting(client):
    settings = {"response_format": of(PERSON), "temperature": 1.5, "seed": 7, "max_tokens": 200, "top_p": 0.9,
                "frequency_penalty": 1, "logit_bias": {"1": -100, "100": 5}, "logprobs": True, "top_logprobs": 2}
    whole = say(client, **settings)
    assert valid(whole, PERSON) == 1
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        others = [pool.submit(say, client, seed=i, temperature=1) for i in range(4)]
        again = [pool.submit(say, client, **settings) for _ in range(2)]
        assert {text(future.result()) for future in again} == {text(whole)}
        assert all(future.result() for future in others)
    choices, _ = gather(say(client, stream=True, **settings))
    assert choices[0]["text"] == text(whole)
    assert "".join(entry.token for entry in whole.choices[0].logprobs.content) == text(whole)
    assert text(say(client, **settings, stop=[","])) == text(whole).split(",")[0]
    cut = say(client, **{**settings, "max_tokens": 4}).choices[0]
    assert cut.finish_reason == "length" and text(whole).startswith(cut.message.content)


@pytest.mark.parametrize("schema,words", [
    ({"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}}, "#/properties/a: \"pattern\""),
    ({"type": "array", "uniqueItems": True}, "uniqueItems"), ({"$ref": "#/x"}, "points to nothing"),
    ({"type": "object", "properties": {f"p{i}": {} for i in range(5000)}}, "4096")])
def test_what_a_schema_cannot_have_is_refused(client, schema, words):
    with pytest.raises(openai.BadRequestError, match=words) as caught:
        say(client, response_format=of(schema))
    assert caught.value.param == "response_format" and caught.value.code == "invalid_value"


def test_a_competitor_whose_every_answer_is_json(arena, tmp_path):
    """What a judge needs: its verdict is a choice, and cannot be anything else."""
    verdict = {"type": "object", "properties": {"why": {"type": "string", "maxLength": 40},
                                                "verdict": {"enum": ["[[A]]", "[[B]]", "[[C]]"]}},
               "required": ["why", "verdict"], "additionalProperties": False}
    config = {"competitors": [{"name": "judge", "provider": "engine", "path": str(MODEL), "in_house": True,
                               "params": {"temperature": 1.5, "json_schema": verdict}}]}
    path = tmp_path / "arena.json"
    path.write_text(json.dumps(config))
    done = subprocess.run([binary(), "chat", "judge", "Which is better?", "--config", path, "--format", "json"],
                          capture_output=True, text=True, timeout=PATIENCE, check=True)
    jsonschema.validate(json.loads(json.loads(done.stdout)["text"]), verdict)
    config["competitors"][0]["params"]["json_schema"] = {"type": "string", "format": "date"}
    path.write_text(json.dumps(config))
    done = subprocess.run([binary(), "chat", "judge", "x", "--config", path], capture_output=True, text=True)
    assert done.returncode == 2 and "\"format\"" in done.stderr, done

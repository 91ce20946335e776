"""Our request bodies beside those that the official SDKs sent for the recorded answers: the same prompt, system prompt
and settings give the same body in every field that matters, for every recording of one text prompt."""
import json
import os
import pathlib

import pytest

from replay_provider import ReplayProvider, Reply, chat

FIXTURES = pathlib.Path(os.environ.get("ARENA_FIXTURES") or "/nonexistent") / "providers"
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "google": "google", "mistral": "mistral",
             "deepseek": "deepseek", "xai": "xai", "compat_azure": "azure"}


def text_of(content):
    """A prompt as text; None where there is more than text in it."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or len(content) != 1:
        return None
    part = content[0]
    return part.get("text") if part.get("type", "text") in ("text", "input_text") else None


def read(dialect, body):
    """The fields that matter, whoever wrote the body: None where it asks for more than text."""
    if dialect == "gemini":
        turns = [(turn.get("role", "user"), text_of(turn["parts"])) for turn in body["contents"]]
        system = body.get("systemInstruction")
        settings = body.get("generationConfig") or {}
        cap, stop = settings.get("maxOutputTokens"), settings.get("stopSequences")
        return turns, text_of(system["parts"]) if system else None, {
            "cap": cap, "stop": stop, "temperature": settings.get("temperature"), "top_p": settings.get("topP"),
            "seed": settings.get("seed"), "stream": None}
    messages = body.get("messages") or body["input"]
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    system = body.get("instructions") or (text_of(body["system"]) if body.get("system") else None)
    turns = []
    for message in messages:
        text = text_of(message.get("content"))
        if message["role"] in ("system", "developer"):
            system = text
        else:
            turns.append((message["role"], text))
    return turns, system, {
        "cap": body.get("max_completion_tokens") or body.get("max_tokens") or body.get("max_output_tokens"),
        "stop": body.get("stop") or body.get("stop_sequences"), "temperature": body.get("temperature"),
        "top_p": body.get("top_p"), "seed": body.get("seed", body.get("random_seed")),
        "stream": bool(body.get("stream")), "thinking": (body.get("thinking") or {}).get("budget_tokens"),
        "effort": body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")}


def cases():
    for path in sorted(FIXTURES.glob("*/*.request.json")):
        body = json.loads(path.read_text())
        dialect = json.loads(path.with_name(path.name.replace(".request.", ".expect.")).read_text())["dialect"]
        dialect = dialect.removesuffix("-json")
        if not isinstance(body, dict) or "tools" in body or dialect == "error":
            continue
        if not (body.get("messages") or body.get("input") or body.get("contents")):
            continue
        turns, system, settings = read(dialect, body)
        if len(turns) == 1 and turns[0][1] and (system or "x"):
            yield pytest.param(path.parent.name, dialect, body, id=f"{path.parent.name}/{path.name}")


def reasoning_of(body, settings):
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "disabled":
        return "none"
    return str(settings["thinking"]) if settings.get("thinking") else settings.get("effort")


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="ARENA_FIXTURES is not set: no recorded requests")
@pytest.mark.parametrize("folder, dialect, theirs", list(cases()))
def test_the_same_request(folder, dialect, theirs):
    turns, system, settings = read(dialect, theirs)
    stop = settings["stop"]
    params = {"max_tokens": settings["cap"], "temperature": settings["temperature"], "top_p": settings["top_p"],
              "seed": settings["seed"], "stop": [stop] if isinstance(stop, str) else stop,
              "reasoning": reasoning_of(theirs, settings)}
    params = {key: value for key, value in params.items() if value is not None}
    stream = settings["stream"] is not False
    with ReplayProvider([Reply(b"{}", status=400)]) as endpoint:
        config = endpoint.config(PROVIDERS.get(folder, "openai-compatible"), dialect=dialect, stream=stream,
                                 system=system or "", params=params, model=theirs.get("model") or "m")
        chat(config, turns[0][1])
        ours = endpoint.requests[0]["body"]
    got_turns, got_system, got = read(dialect, ours)
    assert [text for _, text in got_turns] == [text for _, text in turns] and got_system == system
    assert ours.get("model", "m") == (theirs.get("model") or "m") or dialect == "gemini"
    if not settings.get("thinking"):  # with it on, Anthropic takes no other temperature than the default
        assert got["temperature"] == settings["temperature"]
    assert got["top_p"] == settings["top_p"]
    assert got["cap"] == settings["cap"] or (dialect == "openai-responses" and settings["cap"] < 16)
    assert got["stop"] == params.get("stop") and got["stream"] == settings["stream"]
    if dialect != "anthropic":
        assert got["seed"] == settings["seed"]
    for key in ("thinking", "effort"):
        assert got.get(key) == settings.get(key)
    if (theirs.get("thinking") or {}).get("type") == "adaptive":
        assert ours.get("thinking") in (None, theirs["thinking"])

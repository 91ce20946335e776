"""Every fault of a provider during an evaluation: the run ends, with the right counts by cause; what failed is never
an answer, and `--retry-failed` heals it when the fault is gone; the money is kept."""

import dataclasses
import json

from arena_server import own_port
from replay_provider import ReplayProvider, Reply
from test_eval_run import Lab

# Short ones for those that never answer; a busy machine may take its time over the others' answers.
PROMPTS, TIMEOUTS = 3, {"first_byte": 0.5, "first_content": 0.7, "idle": 0.4, "total": 1.2}


def sse(*events, done=True):
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + done * b"data: [DONE]\n\n"


def delta(text=None, finish=None, **more):
    content = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": {**content, **more}, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}
FINE = Reply(sse(delta("An answer."), delta(finish="stop"), USAGE))
JSON = {"Content-Type": "application/json"}


def refused(status, code, **headers):
    body = json.dumps({"error": {"message": f"no: {code}", "code": code, "type": code}}).encode()
    return Reply(body, status=status, headers={**JSON, **headers})


@dataclasses.dataclass
class Fault:
    name: str
    reply: Reply
    cause: str  # what the report counts the failures under
    stored: str = ""  # or the finish of an answer like any other: nothing failed


FAULTS = [
    Fault("429", refused(429, "rate_limit_exceeded"), "rate_limit"),
    Fault("429 with Retry-After", refused(429, "rate_limit_exceeded", **{"Retry-After": "1"}), "rate_limit"),
    Fault("quota", refused(429, "insufficient_quota"), "quota"),
    Fault("402", refused(402, "payment_required"), "quota"),
    Fault("401", refused(401, "invalid_api_key"), "auth"),
    Fault("404", refused(404, "model_not_found"), "not_found"),
    Fault("400", refused(400, "invalid_request"), "bad_request"),
    Fault("context", refused(400, "context_length_exceeded"), "context_length"),
    Fault("500", refused(500, "server_error"), "server"),
    Fault("502", Reply(b"<html>Bad Gateway</html>", status=502), "server"),
    Fault("503", refused(503, "service_unavailable"), "overloaded"),
    Fault("529", refused(529, "overloaded_error"), "overloaded"),
    Fault("hang before headers", Reply(hang="headers"), "timeout"),
    Fault("hang in headers", Reply(hang="middle"), "timeout"),
    Fault("hang after headers", Reply(b"", hang="body"), "timeout"),
    Fault("hang mid-stream", Reply(sse(delta("Hm"), done=False), hang="body"), "timeout"),
    Fault("only pings", Reply(b": ping\n\n" * 200, piece=8, gap=0.02), "timeout"),
    Fault("slow drip", Reply(sse(*[delta("x")] * 400, delta(finish="stop")), piece=60, gap=0.02), "timeout"),
    Fault("reset", Reply(sse(delta("Hm"), done=False), reset=True), "network"),
    Fault("cut", Reply(sse(delta("Hm"), done=False)), "truncated"),
    Fault("cut in an event", Reply(sse(delta("Hm"))[:20]), "truncated"),
    Fault("malformed JSON", Reply(b'{"choices": [{"message"', headers=JSON), "truncated"),
    Fault("malformed event", Reply(b"data: {nonsense\n\ndata: [DONE]\n\n"), "protocol"),
    Fault("a web page", Reply(b"<html>Sign in</html>", headers={"Content-Type": "text/html"}), "protocol"),
    Fault("error in a stream", Reply(sse(delta("Hm"), {"error": {"code": "overloaded"}})), "overloaded"),
    Fault("empty", Reply(sse(delta(finish="stop"), USAGE)), "", "empty"),
    Fault("refusal", Reply(sse(delta(refusal="I will not."), delta(finish="stop"), USAGE)), "", "refusal"),
    Fault("content filter", Reply(sse(delta("Hm"), delta(finish="content_filter"), USAGE)), "", "content_filter"),
    Fault("length", Reply(sse(delta("Hm"), delta(finish="length"), USAGE)), "", "length"),
    Fault("over-long", Reply(sse(*[delta("long " * 10000)] * 30, delta(finish="stop"))), "", "length"),
]


class Faulty(ReplayProvider):
    """The model "good" answers; one named like a fault does what that says, until it is over."""

    def __init__(self, port=0):
        super().__init__([FINE], port)
        self.faults = {fault.name: fault.reply for fault in FAULTS}

    def choose(self, request):
        return self.faults.get(request["body"]["model"], FINE)

    def config(self, *names, **more):
        row = {"provider": "openai-compatible", "base_url": f"http://127.0.0.1:{self.port}/v1", "retries": 0}
        row |= {"params": {"max_tokens": 100}, **more}
        late = {fault.name for fault in FAULTS if fault.cause == "timeout"}
        return {"competitors": [{"name": name, "model": name, **({"timeouts": TIMEOUTS} if name in late else {}), **row}
                                for name in names]}


def answers(lab, what="count(*)"):
    return dict(
        lab.ask(
            f"SELECT c.name, {what} FROM answers a JOIN competitor_versions v ON v.id = a.version"
            " JOIN competitors c ON c.number = v.competitor GROUP BY c.name"
        )
    )


def failures(lab):
    return sorted((row["model"], row["cause"], row["calls"]) for row in lab.report()["failures"])


def test_faults_are_counted_and_healed(tmp_path):
    names = ["good", *(fault.name for fault in FAULTS)]
    answered = {fault.name: fault.stored for fault in FAULTS if fault.stored} | {"good": "stop"}
    with Faulty() as provider:
        lab = Lab(tmp_path, provider.config(*names))
        lab.run("run", lab.spec(PROMPTS, competitors=names, pairs={"baseline": "good"}), code=1)
        assert failures(lab) == sorted((fault.name, fault.cause, PROMPTS) for fault in FAULTS if fault.cause)
        assert answers(lab) == dict.fromkeys(answered, PROMPTS), "a failure is no answer, and only a failure is none"
        assert answers(lab, "max(finish)") == answers(lab, "min(finish)") == answered
        asked = len(provider.requests)
        assert asked == PROMPTS * len(names)
        lab.run("resume", lab.id(), code=1)
        assert len(provider.requests) == asked, "nothing again unasked"
        provider.faults.clear()
        (tmp_path / "config.json").write_text(json.dumps(provider.config(*names, timeouts={})))
        lab.run("resume", lab.id(), "--retry-failed")
        assert answers(lab) == dict.fromkeys(names, PROMPTS)
        assert len(provider.requests) == asked + PROMPTS * (len(names) - len(answered)), "no answer again"


def test_nobody_is_there_then_somebody(tmp_path):
    with own_port() as held:
        port = held.getsockname()[1]
        config = Faulty(port).config("good", "better")
        nowhere = {"name": "nowhere", "base_url": "https://nobody.invalid/v1"}
        config["competitors"].append(config["competitors"][0] | nowhere)
        lab = Lab(tmp_path, config)
        lab.run("run", lab.spec(PROMPTS, competitors=["good", "better", "nowhere"]), code=1)
        assert failures(lab) == [(name, "network", PROMPTS) for name in ("better", "good", "nowhere")]
        assert answers(lab) == {}
        with Faulty(port):
            lab.run("resume", lab.id(), "--retry-failed", code=1)
    assert answers(lab) == {"good": PROMPTS, "better": PROMPTS}


def test_what_was_refused_costs_nothing(tmp_path):
    with Faulty() as provider:
        names = ["good", "500", "401"]
        lab = Lab(tmp_path, provider.config(*names, price={"input": 100, "output": 1000}))
        lab.run("run", lab.spec(PROMPTS, competitors=names, budget={"usd": 5}), code=1)
        charged = lab.ask("SELECT error_class, count(*), sum(charged_usd) FROM eval_calls GROUP BY error_class")
        assert {row[0]: (row[1], round(row[2], 6)) for row in charged} == {
            None: (PROMPTS, round(PROMPTS * 0.0075, 6)), "server": (PROMPTS, 0), "auth": (PROMPTS, 0)}


def test_money_is_kept_through_faults(tmp_path):
    """What a failed call cost nobody knows: it is charged with its worst case, and the budget ends the run."""
    budget, names = 0.9, ["good", "cut", "reset", "hang mid-stream", "malformed event", "500"]
    with Faulty() as provider:
        lab = Lab(tmp_path, provider.config(*names, price={"input": 100, "output": 1000}))
        lab.run("run", lab.spec(6, competitors=names, budget={"usd": budget}), code=1)
        spent = lab.ask("SELECT sum(charged_usd) FROM eval_calls")[0][0]
        assert 0.5 * budget < spent <= budget, spent
        assert "budget" in lab.run("status").stdout
        asked = len(provider.requests)
        provider.faults.clear()
        lab.run("resume", lab.id(), "--retry-failed", code=1)
        assert lab.ask("SELECT sum(charged_usd) FROM eval_calls")[0][0] <= budget
        assert len(provider.requests) - asked <= budget / 0.0075

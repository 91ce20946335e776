"""The roster, live: added, paused, retired and read anew while battles run; budgets over a restart; prompts that stay
in-house; health. The commands are the real ones, through the owner's socket or alone."""
import collections
import itertools
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import threading

import pytest

from arena_server import PATIENCE, ArenaServer, binary, wait_until, within_a_day
from contract import ok, refused
from fake_provider import FakeProvider, Script

MODEL = pathlib.Path.home() / ".cache/arena/SmolLM2-135M-Instruct.Q4_1.gguf"
TINY = pathlib.Path(os.environ.get("ARENA_FIXTURES") or "/nonexistent") / "models"


def models(data, *arguments, code=0, stdin=subprocess.DEVNULL):
    """arena models …; gives its output, or its complaint."""
    done = subprocess.run([binary(), "models", *arguments, "--data", str(data)], capture_output=True, text=True,
                          timeout=PATIENCE, stdin=stdin)
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


def roster(voter):
    return {row["name"]: row for row in ok(voter.get("/api/roster"), "roster")["competitors"]}


def rows(provider, **more):
    return [provider.competitor("left", **more), provider.competitor("right", **more)]


def rival(provider):
    return ["--provider", "openai-compatible", "--base-url", provider.url]


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


@pytest.fixture
def house(provider, tmp_path):
    competitors = rows(provider, price={"input": 1, "output": 2}, retries=1)
    (tmp_path / "arena.json").write_text(json.dumps({"competitors": competitors}))
    with ArenaServer(data=tmp_path) as server:
        yield server


def hang_up(server):
    """SIGHUP; gives what the log says of it."""
    told = server.log().count("roster:")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.log().count("roster:") > told)
    return [line for line in server.log().splitlines() if "roster:" in line][-1]


def test_adding_says_who_receives_the_prompts_and_wants_a_budget(house, provider):
    add = ["add", "third", *rival(provider), "--model", "third", "--organisation", "Planted Rivals", "--price", "1/2"]
    said = models(house.data, *add, code=2)
    assert "Planted Rivals at 127.0.0.1" in said and "--budget USD" in said
    assert "third" not in (house.data / "arena.json").read_text()
    models(house.data, *add, "--budget", "2.5")
    voter = house.voter()
    row = roster(voter)["third"]
    assert (row["state"], row["receives"], row["budget_usd"], row["in_house"]) == ("active", "127.0.0.1", 2.5, False)
    assert {row["name"] for row in voter.get("/api/models").json["models"]} == {"left", "right", "third"}
    assert "already" in models(house.data, *add, "--budget", "1", code=2)
    met = set()
    for _ in range(16):  # by chance alone it is missing once in 43 million
        battle, _ = voter.ready()
        met |= {side["name"] for side in voter.vote(battle).json["models"].values()}
    assert "third" in met


@pytest.mark.parametrize("line, budget", [("2.5\n", 2.5), ("none\n", None), ("\n", ""), ("a lot\n", ""), ("-1\n", ""),
                                          ("\x04", "")])
def test_a_terminal_is_asked_for_the_budget(provider, tmp_path, line, budget):
    (tmp_path / "arena.json").write_text(json.dumps({"competitors": rows(provider)}))
    terminal, stdin = os.openpty()
    os.write(terminal, line.encode())
    done = subprocess.run([binary(), "models", "add", "third", *rival(provider), "--model", "third", "--price", "1/2",
                           "--data", str(tmp_path)], stdin=stdin, capture_output=True, text=True, timeout=PATIENCE)
    os.close(terminal)
    os.close(stdin)
    assert done.stderr.index("receive the prompts") < done.stderr.index("Daily budget in USD")
    added = [row for row in json.loads((tmp_path / "arena.json").read_text())["competitors"] if row["name"] == "third"]
    if budget == "":
        assert done.returncode == 2 and not added and "--budget" in done.stderr
    else:
        assert done.returncode == 0 and added[0].get("budget") == budget


def test_a_budget_needs_a_price(house, provider):
    said = models(house.data, "add", "x", *rival(provider), "--model", "x", "--budget", "1", code=2)
    assert "price" in said
    models(house.data, "add", "x", *rival(provider), "--model", "x", "--budget", "none")


def test_a_running_battle_keeps_its_competitors(house, provider):
    for name in ("left", "right"):
        provider.scripts[name] = Script("slow words " * 20, gap=0.02)
    voter = house.voter()
    battle = voter.start()
    events = voter.events(battle)
    events.until("delta")
    models(house.data, "add", "third", *rival(provider), "--model", "third", "--budget", "none")
    models(house.data, "add", "fourth", *rival(provider), "--model", "fourth", "--budget", "none")
    models(house.data, "retire", "left")
    models(house.data, "pause", "right")
    assert events.until("ready", "void")[-1].kind == "ready"
    ok(voter.post(f"/api/battles/{battle}/turns", {"prompt": "more"}), "battle_step")
    while (last := events.until("ready", "void")[-1]).data.get("turn") != 2:
        assert last.kind == "ready"
    vote = ok(voter.vote(battle), "vote_answer")
    assert {side["name"] for side in vote["models"].values()} == {"left", "right"}
    assert {row["state"] for row in roster(voter).values()} == {"active", "paused", "retired"}
    battle, _ = voter.ready()
    assert {side["name"] for side in voter.vote(battle).json["models"].values()} == {"third", "fourth"}
    models(house.data, "resume", "left")
    models(house.data, "resume", "right")
    assert {row["state"] for row in roster(voter).values()} == {"active"}


def test_the_rest_of_the_file_stays_as_it_was_written(house, provider):
    path = house.data / "arena.json"
    row = json.dumps(rows(provider)[0])
    row = row.replace('"left"', '"le\\u0066t"', 1)
    text = '{ "limits": {"min_votes": 7},\n\t"competitors" : [\n' + row + " ,\n" + \
        json.dumps(rows(provider)[1]) + '  ]\n, "sampling":{"rule":"uniform"}}\n'
    path.write_text(text)
    mode = path.stat().st_mode
    assert "reload" in hang_up(house)
    models(house.data, "pause", "left")
    paused = path.read_text()
    since = re.search(r'"paused_since": "[^"]*", ', paused).group(0)
    assert paused.replace('"state": "paused", ', "").replace(since, "") == text
    models(house.data, "resume", "left")
    assert path.read_text() == paused.replace(since, "").replace("paused", "active")
    assert path.stat().st_mode == mode


def test_a_broken_configuration_changes_nothing(house, provider):
    path, voter = house.data / "arena.json", house.voter()
    good = path.read_text()
    for broken, why in (("{", "line"), ('{"competitors": []}', "at least one"),
                        (good.replace("openai-", "opnai-"), "opnai"),
                        (good.replace('"model"', '"api_key": "sk-planted", "model"', 1), "api_key_env"),
                        (good.replace("{", '{"competitor": 1, ', 1), "competitor")):
        path.write_text(broken)
        said = hang_up(house)
        assert "stays as it was" in said and why in said, said
        assert "sk-planted" not in house.log()
        assert models(house.data, "pause", "left", code=2)
        assert path.read_text() == broken
    assert set(roster(voter)) == {"left", "right"}
    voter.ready()
    path.write_text(good)
    hang_up(house)
    voter.ready()


def test_a_changed_row_is_a_new_version(house, provider):
    path, voter = house.data / "arena.json", house.voter()

    def versions():
        battle, _ = voter.ready()
        return {side["name"]: side["version"] for side in voter.vote(battle).json["models"].values()}
    first = versions()
    config = json.loads(path.read_text())
    config["competitors"][0]["params"] = {"temperature": 0.5}
    config["competitors"][1]["weight"] = 2
    path.write_text(json.dumps(config))
    hang_up(house)
    second = versions()
    assert second["left"] != first["left"] and second["right"] == first["right"]
    assert provider.calls[-1].get("temperature") in (0.5, None)


def test_nobody_and_nonsense(house):
    voter = house.voter()
    assert "nobody" in models(house.data, "pause", "nobody", code=2)
    for body, says in (({"action": "crown", "name": "left"}, "crown"), ({"action": "add"}, "competitor"),
                       ({"action": "pause"}, "name"), ({"action": "reload", "name": "left"}, "name"),
                       ({"action": "pause", "name": "left", "competitor": {}}, "competitor"), ([], "object")):
        refused(voter.post("/api/roster", body), "bad_request", says)
    refused(voter.post("/api/roster", {"action": "add", "competitor": {"name": "x"}}), "bad_config", "provider")
    refused(voter.post("/api/roster", {"action": "resume", "name": "é"}), "not_found")


def test_alone_without_a_server(provider, tmp_path):
    path = tmp_path / "arena.json"
    path.write_text(json.dumps({"competitors": rows(provider)}))
    models(tmp_path, "pause", "left")
    models(tmp_path, "add", "third", *rival(provider), "--model", "third", "--budget", "none",
           "--set", '{"params": {"max_tokens": 9}}')
    assert [row.get("state", "active") for row in json.loads(path.read_text())["competitors"]] == [
        "paused", "active", "active"]
    assert "paused" in models(tmp_path, "list")
    assert "not a GGUF" in models(tmp_path, "add", "bad", "--path", str(path), code=2)
    with ArenaServer(data=tmp_path) as server:
        voter = server.voter()
        battle, _ = voter.ready()
        assert {side["name"] for side in voter.vote(battle).json["models"].values()} == {"right", "third"}
        assert {call.get("max_tokens") for call in provider.calls if call["model"] == "third"} == {9}


@pytest.mark.skipif(not (TINY / "stories260K-f16.gguf").exists() and not list(TINY.glob("*.gguf")),
                    reason="ARENA_FIXTURES is not set: no model to load")
def test_an_engine_model_is_loaded_while_battles_stream(house, provider):
    [model, *_] = sorted(TINY.glob("*.gguf"))
    provider.scripts["left"] = provider.scripts["right"] = Script("slow words " * 10, gap=0.02)
    voter = house.voter()
    battle = voter.start()
    events = voter.events(battle)
    models(house.data, "add", "tiny", "--path", str(model), "--set", '{"params": {"max_tokens": 8}}')
    assert events.until("ready", "void")[-1].kind == "ready"
    row = roster(voter)["tiny"]
    assert row["in_house"] and row["receives"] is None and row["state"] == "active"


def test_reloads_under_load(house, provider):
    voters = [house.voter() for _ in range(2)]
    for voter in voters:
        voter.get("/api/models")
    path = house.data / "arena.json"
    config = json.loads(path.read_text())
    for turn in range(6):
        config["competitors"][turn % 2]["params"] = {"temperature": round(0.1 + turn / 20, 2)}
        (house.data / "next.json").write_text(json.dumps(config))
        os.replace(house.data / "next.json", path)
        house.process.send_signal(signal.SIGHUP)
        for voter in voters:
            battle, _ = voter.ready()
            ok(voter.vote(battle), "vote_answer")
    wait_until(lambda: "roster: reload" in house.log())
    assert "stays as it was" not in house.log()


# --- money ---

def test_a_budget_holds_over_a_restart(provider, tmp_path):
    price = {"input": 0, "output": 1000}  # seven tokens: $0.007
    config = {"competitors": rows(provider, price=price, budget=0.02, params={"max_tokens": 10})}
    def spend(name):
        provider.calls.clear()
        with ArenaServer(config=config, data=tmp_path / name) as server:
            def play():
                voter = server.voter()
                battle = voter.start()
                return voter.events(battle).until("ready", "void")[-1].kind
            kinds = [play()]
            server.kill()
            server.start()
            kinds += [play(), play()]  # $0.014 and a worst case of $0.010 do not fit into $0.020
            server.kill()
            server.start()
            return [*kinds, play(), len(provider.calls)]
    names = map(str, itertools.count())
    assert within_a_day(lambda: spend(next(names))) == ["ready", "ready", "void", "void", 4]


def test_the_budget_of_all_holds_over_a_restart(provider, tmp_path):
    config = {"competitors": rows(provider, price={"input": 0, "output": 1000}, params={"max_tokens": 10}),
              "budget": 0.03}
    def spend(name):
        provider.calls.clear()
        with ArenaServer(config=config, data=tmp_path / name) as server:
            voter = server.voter()
            first = voter.events(voter.start()).until("ready", "void")[-1].kind
            server.terminate()
            server.start()
            voter = server.voter()
            return first, voter.events(voter.start()).until("ready", "void")[-1].kind, len(provider.calls) <= 3
    names = map(str, itertools.count())
    assert within_a_day(lambda: spend(next(names))) == ("ready", "void", True)  # one more of $0.010 fits, not two


def test_prices_of_a_file_and_of_a_day(provider, tmp_path):
    (tmp_path / "prices.json").write_text(json.dumps({
        "openai-compatible/left": [{"input": 9, "output": 9, "from": "2999-01-01"}, {"input": 1, "output": 2},
                                   {"input": 3, "output": 4, "from": "2020-02-02"}],
        "openai-compatible/other": {"input": 5, "output": 5}}))
    config = {"competitors": rows(provider), "prices": "prices.json"}
    (tmp_path / "arena.json").write_text(json.dumps(config))
    listed = models(tmp_path, "list")
    assert "3.00/4.00" in listed and "unknown" in listed
    for wrong, says in (({"a/b": {"inptu": 1}}, "inptu"), ([], "object"), ({"a/b": {"from": "soon"}}, "2026-01-31"),
                        ({"a/b": {"long": {"input": 1}}}, "above"),
                        ({"a/b": [{"input": 1}, {"input": 2}]}, "same day")):
        (tmp_path / "prices.json").write_text(json.dumps(wrong))
        said = models(tmp_path, "list", code=2)
        assert says in said and "prices.json" in said, said


def test_no_key_is_written_anywhere(provider, tmp_path):
    keys = {"variable": "sk-planted-in-a-variable-123456", "file": "sk-planted-in-a-file-12345678"}
    path = tmp_path / "key"
    path.write_text(keys["file"] + "\n")
    path.chmod(0o600)
    data = tmp_path / "data"
    server = ArenaServer(config={"competitors": rows(provider, api_key_env="PLANTED_KEY")}, data=data,
                         environment={"PLANTED_KEY": keys["variable"]})
    seen = []
    with server:
        seen.append(models(data, "add", "third", *rival(provider), "--model", "third", "--budget", "none",
                           "--api-key-file", str(path)))
        for fault in ("", "status"):  # a provider that repeats a key in its error
            body = json.dumps({"error": {"message": f"bad key {keys['variable']} or {keys['file']}"}})
            for name in ("left", "right", "third"):
                provider.scripts[name] = Script(fault=fault, status=401, body=body)
            voter = server.voter()
            battle = voter.start()
            voter.events(battle).until("ready", "void")
            voter.vote(battle)
            for address in ("/api/roster", "/metrics", "/api/models", f"/api/battles/{battle}"):
                seen.append(str(voter.get(address).body))
        seen.append(models(data, "list"))
        for what in ("battles", "votes"):
            done = subprocess.run([binary(), "export", what, "--data", str(data)], capture_output=True, text=True)
            seen.append(done.stdout + done.stderr)
    written = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
    for key in keys.values():
        assert key.encode() not in written and not any(key in text for text in seen)


# --- prompts that stay in-house ---

@pytest.fixture
def mixed(provider, tmp_path):
    config = {"auth": {"mode": "invite"}, "sampling": {"rule": "uniform"}, "competitors": [
        provider.competitor(name, in_house=name != "rival") for name in ("ours-1", "ours-2", "ours-3", "rival")]}
    (tmp_path / "arena.json").write_text(json.dumps(config))
    with ArenaServer(data=tmp_path) as server:
        yield server


def invited(server):
    [link] = subprocess.run([binary(), "invite", "--data", str(server.data)], capture_output=True, text=True,
                            check=True).stdout.split()
    voter = server.voter()
    voter.post("/api/join", {"token": link.rsplit("/", 1)[1]})
    return voter


def test_in_house_only(mixed, provider):
    voter = invited(mixed)
    refused(voter.post("/api/battles", {"prompt": "hi"}), "consent_required")
    agreed = voter.agree(in_house_only=True)
    assert agreed["in_house_only"] is True and agreed["in_house_models"] == 3
    provider.scripts["ours-1"] = Script(fault="status", status=401)  # its place is taken by one of ours
    met = collections.Counter()
    for _ in range(8):
        battle, _ = voter.ready()
        vote = voter.vote(battle).json
        met.update(side["name"] for side in vote["models"].values())
    assert "rival" not in met and "rival" not in {call["model"] for call in provider.calls}
    with sqlite3.connect(f"file:{mixed.data}/arena.db?mode=ro", uri=True) as db:
        logged = {round(row[0], 6) for row in db.execute("SELECT probability FROM battles")}
    assert logged == {round(1 / 3, 6)}, "of three pairs of ours"
    models(mixed.data, "pause", "ours-1")
    models(mixed.data, "pause", "ours-2")
    refused(voter.post("/api/battles", {"prompt": "hi"}), "in_house_only", "needs two")
    voter.agree(in_house_only=False)
    battle, _ = voter.ready()
    models(mixed.data, "resume", "ours-2")
    voter.agree(in_house_only=True)
    refused(voter.post(f"/api/battles/{battle}/turns", {"prompt": "more"}), "in_house_only", "in-house")


def test_one_prompt_in_house(mixed, provider):
    voter = invited(mixed)
    voter.agree()
    for _ in range(6):
        started = voter.post("/api/battles", {"prompt": "hi", "in_house_only": True})
        battle = ok(started, "battle_step", 201)["battle_id"]
        voter.events(battle).until("ready")
        assert "rival" not in {side["name"] for side in voter.vote(battle).json["models"].values()}
    refused(voter.post("/api/battles", {"prompt": "hi", "in_house_only": 1}), "bad_request", "in_house_only")


# --- health ---

def test_health_moves_when_the_battle_is_over(house, provider):
    later = threading.Event()  # the left one answers when the right one has
    provider.scripts["left"] = Script("An answer.", first=0.3, hold=later, fault="status", times=1,
                                      body='{"error":{"message":"slow down"}}', status=503)
    voter = house.voter()
    battle = voter.start()
    wait_until(lambda: len(provider.calls) == 3 and provider.active == 1)
    later.set()
    voter.events(battle).until("ready")
    health = {name: row["health"] for name, row in roster(voter).items()}
    assert all(row["answers"] == 0 and not row["errors"] and row["spent_usd"] == 0 for row in health.values())
    assert "arena_competitor_answers_total{" not in voter.get("/metrics").body.decode()
    voter.vote(battle)
    health = {name: row["health"] for name, row in roster(voter).items()}
    assert [health[name]["answers"] for name in ("left", "right")] == [1, 1]
    assert health["left"]["errors"] == {"overloaded": 1} and health["right"]["errors"] == {}
    assert health["right"]["spent_usd"] == pytest.approx((5 * 1 + 7 * 2) / 1e6)
    assert health["left"]["answer_seconds"]["p50"] > health["right"]["answer_seconds"]["p50"] > 0
    metrics = voter.get("/metrics").body.decode()
    assert 'arena_competitor_errors_total{competitor="left",class="overloaded"} 1' in metrics
    assert 'arena_competitor_first_token_seconds{competitor="left",quantile="0.95"}' in metrics
    assert "overloaded 1" in models(house.data, "list")

"""What a voter wrote stays where the voter wants it: battles kept private, personal data held back, old text let go."""
import json
import sqlite3
import subprocess
import time

from arena_server import ArenaServer, binary, wait_until
from contract import ok, refused


def export(server, *arguments, what="battles"):
    result = subprocess.run([binary(), "export", what, "--data", str(server.data), *arguments], capture_output=True,
                            text=True, check=True)
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_a_battle_kept_private_is_never_exported(server, voter):
    battle, _ = voter.ready("a prompt of mine")
    voter.vote(battle)
    assert battle in [row["id"] for row in export(server)[0]]
    ok(voter.post(f"/api/battles/{battle}/private", {"private": True}), "private_answer")
    assert ok(voter.get(f"/api/battles/{battle}"), "battle")["private"] is True
    assert [row["private"] for row in voter.get("/api/battles").json["battles"]] == [True]
    rows, told = export(server)
    assert battle not in [row["id"] for row in rows] and "keep them private" in told
    assert "a prompt of mine" not in json.dumps(export(server, what="preferences")[0])
    ok(voter.post(f"/api/battles/{battle}/private", {"private": False}), "private_answer")
    assert battle in [row["id"] for row in export(server)[0]]


def test_only_its_voter_keeps_a_battle_private(server, voter):
    battle, _ = voter.ready()
    refused(server.voter().post(f"/api/battles/{battle}/private", {"private": True}), "not_found")
    refused(voter.post(f"/api/battles/{battle}/private", {"private": "yes"}), "bad_request", '"private"')
    refused(voter.post(f"/api/battles/{battle}/private", {}), "bad_request", '"private"')


def texts(rows):
    return {row["id"]: json.dumps(row["full_conversation"]) for row in rows}


def review(server, *arguments):
    return subprocess.run([binary(), "review", *arguments, "--data", str(server.data)], capture_output=True, text=True)


def test_personal_data_is_held_back_until_somebody_has_looked(server, voter):
    battle, _ = voter.ready("write to jane.doe@lab-mail.org, IBAN DE89 3704 0044 0532 0130 00")
    plain, _ = voter.ready("write to user@example.com")
    voter.vote(battle)
    voter.vote(plain)
    rows, told = export(server)
    assert "jane.doe" not in texts(rows)[battle] and "example.com" in texts(rows)[plain]
    assert "1 battles without their texts: personal data" in told
    listed = ok(voter.get("/api/review"), "review_list")["battles"]
    assert [(row["battle_id"], row["found"]) for row in listed] == [(battle, ["e-mail address", "IBAN"])]
    assert review(server).stdout == f"{battle}  e-mail address, IBAN\n"

    assert review(server, "refuse", battle).returncode == 0  # through the running server
    assert voter.get("/api/review").json["battles"] == [] and "jane.doe" not in texts(export(server)[0])[battle]
    assert voter.post(f"/api/review/{battle}", {"release": True}).status == 200
    assert "jane.doe" in texts(export(server)[0])[battle]


def test_what_a_review_may_say(server, voter):
    refused(voter.post("/api/review/" + "0" * 26, {"release": True}), "not_found")
    refused(voter.post("/api/review/" + "0" * 26, {"release": 1}), "bad_request", "true or false")
    assert review(server, "release", "../x").returncode == 2
    assert review(server, "perhaps").returncode == 2


def test_an_answer_may_hold_personal_data_too(server, provider, voter):
    provider.scripts["left"].text = "Her number is +49 30 901820-11."
    battle, _ = voter.ready("who?")
    voter.vote(battle)
    assert "901820" not in texts(export(server)[0])[battle]
    assert "901820" not in json.dumps(export(server, what="preferences")[0])


def test_old_texts_are_let_go(provider, tmp_path):
    config = provider.config("left", "right", retention={"text_days": 30})
    with ArenaServer(config=config, data=tmp_path) as server:
        voter = server.voter()
        old, _ = voter.ready("something said long ago")
        new, _ = voter.ready("something said today")
        voter.vote(old)
        voter.vote(new)
    month = 31 * 86400 * 1000
    with sqlite3.connect(tmp_path / "arena.db") as db:
        db.execute("UPDATE battles SET ended_ms = ended_ms - ? WHERE id = ?", (month, old))
    with ArenaServer(config=config, data=tmp_path) as server:
        wait_until(lambda: "retention" in server.log())
        said = texts(export(server)[0])
        assert "long ago" not in said[old] and "said today" in said[new]
    assert b"long ago" not in (tmp_path / "test-server.log").read_bytes()
    subprocess.run([binary(), "verify", "--data", str(tmp_path)], check=True, capture_output=True)


# --- addresses ---

def test_an_address_is_kept_nowhere_and_tells_who_shares_it(provider, tmp_path):
    """Three people vote through a proxy, two from one address: the page says so for a day, and no file has it."""
    provider.scripts.clear()
    auth = {"mode": "invite", "hosts": ["arena.example"], "https": True, "proxies": ["127.0.0.1"]}
    config = provider.config("left", "right", auth=auth, limits={"min_votes": 1})
    home, away = {"X-Forwarded-For": "203.0.113.77"}, {"X-Forwarded-For": "2001:db8:77::5"}
    with ArenaServer(config=config, data=tmp_path) as server:
        def newcomer(*options):
            voter = server.voter(origin=None)
            link = subprocess.run([binary(), "invite", *options, "--data", str(tmp_path)], capture_output=True,
                                  text=True, check=True).stdout.strip()
            joined = voter.post("/api/join", {"token": link.rsplit("/", 1)[1]}, headers=home)
            assert joined.status == 201
            voter.agree(headers=home)
            return voter
        lead = newcomer("--role", "admin")
        people = [(newcomer(), home, 10), (newcomer(), home, 1), (newcomer(), away, 1)]
        for voter, where, votes in people:
            for _ in range(votes):
                battle, _ = voter.ready()
                assert voter.post(f"/api/battles/{battle}/vote", {"winner": "model_a"}, headers=where).status == 200
        rows = ok(lead.get("/api/suspects", headers=home), "suspects")["voters"]
        first = people[0][0].get("/api/account", headers=home).json["id"]
        assert [(row["id"], row["same_address"]) for row in rows] == [(first, 1)], "the others have too few votes"
        begun = time.monotonic()
        tries = [server.voter(origin=None).post("/api/login", {"name": f"x{i}", "password": "not this"}, headers=away)
                 for i in range(20)]
        let_in = sum(reply.status != 429 for reply in tries)
        assert let_in <= 11 + 5 * (time.monotonic() - begun) / 60, "counted by address"
        exported = subprocess.run([binary(), "export", "votes", "--all", "--data", str(tmp_path)], capture_output=True,
                                  check=True).stdout
        replies = b"".join(lead.get(path, headers=home).body for path in
                           ("/api/audit", "/api/people", "/api/suspects", "/api/account/data"))
        files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        for trace in (b"203.0.113.77", b"2001:db8:77", bytes([203, 0, 113, 77])):
            assert trace not in exported + replies + files
        server.stop()
        server.start()
        lead.origin = None
        assert {row["same_address"] for row in lead.get("/api/suspects", headers=home).json["voters"]} == {None}

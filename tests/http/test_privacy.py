"""What a voter wrote stays where the voter wants it: battles kept private, personal data held back, text that is let go."""
import json
import subprocess

from arena_server import binary
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
